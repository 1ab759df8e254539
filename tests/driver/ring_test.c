/*
 * ring_test.c - records: their order, their ends, drops; from all CPUs and contexts at once. What a
 * record must hold follows from emitted.h, so that none is lost, doubled or torn unnoticed.
 */
#include "device.h"

#include <sched.h>

#define SMALL "size=65536"
#define SMALL_BYTES 65536u
#define MANY 1000000u
#define RINGS_MAX 256

/* ---- one writer ------------------------------------------------------------------------------ */

static void a_record_is_as_it_was_written(void **state)
{
    load_kind(state, SMALL);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    struct timespec before, after;
    clock_gettime(CLOCK_REALTIME, &before);
    assert_int_equal(write(fd, "first", 5), 5);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_int_equal(write(fd, "second", 6), 6);
    const struct ring_record *record = next_record(&ring);
    assert_true(record_is(record, "first", 5));
    assert_int_equal(record->source, RING_SOURCE_WRITE);
    assert_int_equal(record->dropped, 0);
    assert_int_equal(record->reserved, 0);
    assert_true(record->cpu < cpus_online());
    assert_in_range(record->time, (uint64_t)before.tv_sec * 1000000000u,
                    (uint64_t)(after.tv_sec + 1) * 1000000000u);
    assert_true(record_is(next_record(&ring), "second", 6));
    assert_null(next_record(&ring));
    assert_int_equal(ring.header->head, RING_RECORD_BYTES(5) + RING_RECORD_BYTES(6));
    assert_int_equal(ring.header->records, 2);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void lengths_from_nothing_to_the_longest(void **state)
{
    load_kind(state, SMALL);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    uint32_t longest = ring.header->record_max;
    char *text = malloc(longest + 1u);
    assert_non_null(text);
    for (uint32_t i = 0; i <= longest; i++)
        text[i] = (char)(i * 7u);
    assert_errno(write(fd, text, longest + 1u), EMSGSIZE);
    assert_int_equal(ring.header->dropped, 1);
    assert_int_equal(ring.header->dropped_bytes, longest + 1u);
    assert_int_equal(ring.header->head, 0);
    const uint32_t lengths[] = {0, 1, 7, 8, 9, PAGE - sizeof(struct ring_record), PAGE, longest};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(write(fd, text, lengths[i]), lengths[i]);
        const struct ring_record *record = next_record(&ring);
        assert_true(record_is(record, text, lengths[i]));
        assert_int_equal(record->dropped, i == 0); /* the one that was too long */
        assert_null(next_record(&ring));
        release_records(&ring);
    }
    free(text);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void bytes_that_cannot_be_read_are_no_record(void **state)
{
    load_kind(state, SMALL);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_works(munmap(pages + PAGE, PAGE));
    assert_errno(write(fd, pages + PAGE, 8), EFAULT);
    assert_errno(write(fd, pages + PAGE - 4, 8), EFAULT);
    assert_int_equal(ring.header->head, 0);
    assert_int_equal(write(fd, pages + PAGE - 4, 4), 4);
    assert_true(record_is(next_record(&ring), "\0\0\0\0", 4));
    munmap(pages, PAGE);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void records_run_over_the_end_of_the_data(void **state)
{
    load_kind(state, "size=4096");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    char text[900];
    for (uint32_t i = 0; i < 5000; i++) {
        size_t length = i * 37u % 900u;
        memset(text, (int)i, length);
        assert_int_equal(write(fd, text, length), length);
        assert_true(record_is(next_record(&ring), text, length));
        release_records(&ring);
    }
    assert_true(ring.at > 500 * ring.size);
    assert_int_equal(ring.header->records, 5000);
    assert_int_equal(ring.header->dropped, 0);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void a_full_ring_drops_the_newest_and_says_how_many(void **state)
{
    load_kind(state, "size=4096");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    const char text[1000] = "a quarter of the ring";
    for (int i = 0; i < 4; i++)
        assert_int_equal(write(fd, text, sizeof text), sizeof text); /* 4 * 1024 bytes: full */
    assert_int_equal(ring.header->head, 4096);
    for (uint32_t i = 1; i <= 7; i++) {
        assert_errno(write(fd, text, i), ENOSPC);
        assert_int_equal(ring.header->dropped, i);
    }
    assert_int_equal(ring.header->dropped_bytes, 1 + 2 + 3 + 4 + 5 + 6 + 7);
    for (int i = 0; i < 4; i++) {
        const struct ring_record *record = next_record(&ring);
        assert_true(record_is(record, text, sizeof text));
        assert_int_equal(record->dropped, 0);
        if (i == 0) /* room for one: it tells of the seven */
            release_records(&ring);
    }
    assert_int_equal(write(fd, "next", 4), 4);
    assert_int_equal(write(fd, "then", 4), 4);
    const struct ring_record *next = next_record(&ring), *then = next_record(&ring);
    assert_true(record_is(next, "next", 4));
    assert_int_equal(next->dropped, 7);
    assert_true(record_is(then, "then", 4));
    assert_int_equal(then->dropped, 0);
    assert_int_equal(ring.header->records, 6);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void records_wait_for_the_next_reader(void **state)
{
    load_kind(state, SMALL);
    int producer = open_device(O_WRONLY);
    assert_int_equal(write(producer, "before any reader", 17), 17);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    assert_true(record_is(next_record(&ring), "before any reader", 17));
    release_records(&ring);
    assert_int_equal(write(producer, "not released", 12), 12);
    assert_true(record_is(next_record(&ring), "not released", 12));
    unmap_ring(&ring);
    close(fd);
    assert_int_equal(write(producer, "while nobody reads", 18), 18);
    fd = open_device(O_RDWR);
    ring = map_ring(fd, 0);
    assert_true(record_is(next_record(&ring), "not released", 12));
    assert_true(record_is(next_record(&ring), "while nobody reads", 18));
    assert_null(next_record(&ring));
    unmap_ring(&ring);
    close(fd);
    close(producer);
    unload();
}

/* ---- all CPUs and contexts at once ----------------------------------------------------------- */

/* What came out of all rings, to compare with what the emitter says. */
struct intake {
    struct ring rings[RINGS_MAX];
    uint32_t count;
    uint64_t next[CPUS_MAX][EMITTED_CONTEXTS];    /* number that is due */
    uint64_t records[CPUS_MAX][EMITTED_CONTEXTS]; /* that came */
    uint64_t missing;                             /* numbers that were left out */
    uint64_t dropped;                             /* as the records say */
    uint64_t last;                                /* records of write_the_last() */
    uint32_t longest;
};

static void open_all(struct intake *intake, int fd)
{
    intake->rings[0] = map_ring(fd, 0);
    intake->count = intake->rings[0].header->rings;
    assert_true(intake->count <= RINGS_MAX);
    for (uint32_t i = 1; i < intake->count; i++)
        intake->rings[i] = map_ring(fd, i);
}

static void close_all(struct intake *intake)
{
    for (uint32_t i = 0; i < intake->count; i++)
        unmap_ring(&intake->rings[i]);
}

/* Looks at one record, and says how many numbers are missing before it. */
static uint64_t take(struct intake *intake, const struct ring *ring,
                     const struct ring_record *record)
{
    const struct emitted *emitted = emitted_in(record + 1, record->length, intake->longest);
    assert_int_equal(record->source, RING_SOURCE_EMIT);
    assert_int_equal(record->cpu, emitted->cpu);
    if (intake->count > 1)
        assert_int_equal(ring->header->cpu, emitted->cpu);
    uint64_t *next = &intake->next[emitted->cpu][emitted->context];
    assert_true(emitted->number >= *next);
    uint64_t missing = emitted->number - *next;
    *next = emitted->number + 1;
    intake->records[emitted->cpu][emitted->context]++;
    return missing;
}

/* Takes all that is there now. */
static uint64_t take_all(struct intake *intake)
{
    uint64_t taken = 0;
    for (uint32_t i = 0; i < intake->count; i++) {
        struct ring *ring = &intake->rings[i];
        const struct ring_record *record;
        for (; (record = next_record(ring)); taken++) {
            intake->missing += take(intake, ring, record);
            intake->dropped += record->dropped;
        }
        release_records(ring);
    }
    return taken;
}

/* One more record in each ring, to tell what was refused behind the last one. */
static void write_the_last(struct intake *intake, int fd)
{
    for (uint32_t cpu = 0; cpu < cpus_online(); cpu++) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        assert_works(sched_setaffinity(0, sizeof only, &only));
        assert_int_equal(write(fd, "last", 4), 4);
        struct ring *ring = &intake->rings[intake->count > 1 ? cpu : 0];
        const struct ring_record *record = next_record(ring);
        assert_true(record_is(record, "last", 4));
        assert_int_equal(record->cpu, cpu);
        intake->dropped += record->dropped;
        intake->last++;
        release_records(ring);
    }
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    assert_works(sched_setaffinity(0, sizeof all, &all));
}

/* After the end: every emitted record came, every refused one is counted, and told by a record. */
static void compare(const struct intake *intake, const struct emission *emission)
{
    uint64_t emitted = 0, refused = 0, records = 0, dropped = 0, behind_the_last = 0;
    for (uint32_t cpu = 0; cpu < cpus_online(); cpu++) {
        for (uint32_t context = 0; context < EMITTED_CONTEXTS; context++) {
            struct emitted_count count = emitted_count(cpu, context);
            assert_int_equal(intake->records[cpu][context], count.emitted);
            emitted += count.emitted;
            refused += count.refused;
            if (!emission->again)
                behind_the_last += count.emitted + count.refused - intake->next[cpu][context];
        }
        if (cpu < emission->threads && emission->again)
            assert_int_equal(intake->records[cpu][EMITTED_THREAD], emission->records);
    }
    for (uint32_t i = 0; i < intake->count; i++) {
        const struct ring_header *header = intake->rings[i].header;
        records += header->records;
        dropped += header->dropped;
        assert_int_equal(header->refused_tails, 0);
        assert_int_equal(header->head, header->tail);
    }
    assert_int_equal(records, emitted + intake->last);
    assert_int_equal(dropped, refused);
    if (emission->again)
        assert_int_equal(intake->missing, 0);
    else
        assert_int_equal(intake->missing + behind_the_last, refused);
    assert_int_equal(intake->dropped, refused);
}

/* Emits and reads at once; prints what happened. */
static struct intake *run(const char *parameters, const struct emission *emission)
{
    load_with_emitter(parameters);
    int fd = open_device(O_RDWR);
    struct intake *intake = calloc(1, sizeof *intake);
    assert_non_null(intake);
    intake->longest = emission->longest;
    open_all(intake, fd);
    pid_t child = begin_to_emit(emission);
    while (!has_ended(child))
        if (take_all(intake) == 0)
            usleep(500);
    take_all(intake);
    write_the_last(intake, fd);
    compare(intake, emission);
    printf("%s: threads %" PRIu64 " %" PRIu64 ", timers %" PRIu64 " %" PRIu64 ", NMIs %" PRIu64
           " %" PRIu64 ", refused %" PRIu64 "\n",
           parameters, intake->records[0][0], intake->records[1][0], intake->records[0][1],
           intake->records[1][1], intake->records[0][2], intake->records[1][2], intake->dropped);
    close_all(intake);
    close(fd);
    unload_with_emitter();
    return intake;
}

static struct intake *run_with(const char *kind, uint32_t size, const struct emission *emission)
{
    char parameters[64];
    snprintf(parameters, sizeof parameters, "%s%" PRIu32, kind, size);
    return run(parameters, emission);
}

/* A million records, threads and timers and NMIs; the ring takes them all, so that none is refused.
 */
static void a_million_in_order(void **state)
{
    uint32_t cpus = cpus_online();
    bool own = strstr(*state, "per_cpu=1");
    struct emission emission = {
        .threads = cpus, .records = MANY / cpus, .longest = 15, .timer_us = 200, .again = 1};
    struct intake *intake = run_with(*state, own ? (64u << 20) / cpus : 64u << 20, &emission);
    assert_int_equal(intake->dropped, 0);
    assert_true(intake->records[0][EMITTED_TIMER] > 0);
    free(intake);
}

/* What is refused is tried again: all come, in order, through a ring that runs over many times. */
static void all_come_through_a_small_ring_when_refused_ones_are_tried_again(void **state)
{
    struct emission emission = {.threads = cpus_online(),
                                .records = 50000,
                                .longest = 100,
                                .timer_us = 200,
                                .nmi_every = 10,
                                .again = 1};
    free(run_with(*state, 16384, &emission));
}

/* Nobody waits: many are refused, and each is counted once. */
static void every_lost_record_is_counted(void **state)
{
    struct emission emission = {.threads = cpus_online(),
                                .records = 60000,
                                .longest = 200,
                                .timer_us = 100,
                                .nmi_every = 7};
    struct intake *intake = run_with(*state, 16384, &emission);
    assert_true(intake->missing > 0);
    free(intake);
}

static void nested_interrupts_keep_each_others_records_whole(void **state)
{
    struct emission emission = {.threads = cpus_online(),
                                .records = 40000,
                                .longest = 300,
                                .timer_us = 50,
                                .nmi_every = 2,
                                .again = 1};
    struct intake *intake = run_with(*state, 1u << 20, &emission);
    assert_true(intake->records[0][EMITTED_TIMER] > 0);
    assert_true(intake->records[0][EMITTED_NMI] > 0);
    free(intake);
}

/* Each open writes the headers anew, under way or not; the next reader goes on where the last one
 * was done. */
static void readers_come_and_go(void **state)
{
    char parameters[64];
    snprintf(parameters, sizeof parameters, "%s32768", (const char *)*state);
    load_with_emitter(parameters);
    struct emission emission = {.threads = cpus_online(),
                                .records = 20000,
                                .longest = 50,
                                .timer_us = 200,
                                .nmi_every = 5,
                                .again = 1};
    struct intake *intake = calloc(1, sizeof *intake);
    assert_non_null(intake);
    intake->longest = emission.longest;
    pid_t child = begin_to_emit(&emission);
    unsigned readers = 0;
    for (bool ended = false; !ended; readers++) {
        ended = has_ended(child);
        int fd = open_device(O_RDWR);
        open_all(intake, fd);
        (void)take_all(intake);
        if (ended) {
            write_the_last(intake, fd);
            compare(intake, &emission);
        }
        close_all(intake);
        close(fd);
    }
    printf("%s: %u readers\n", parameters, readers);
    free(intake);
    unload_with_emitter();
}

/* Without a reader: what is refused is told by the first record that fits again, in its own ring.
 */
static void lost_records_are_told_by_the_next_of_their_ring(void **state)
{
    char parameters[64];
    snprintf(parameters, sizeof parameters, "%s16384", (const char *)*state);
    load_with_emitter(parameters);
    struct emission emission = {.threads = 1, .records = 1000};
    assert_true(emit(&emission));
    struct emitted_count count = emitted_count(0, EMITTED_THREAD);
    assert_int_equal(count.emitted, 16384 / RING_RECORD_BYTES(sizeof(struct emitted)));
    assert_int_equal(count.refused, 1000 - count.emitted);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    const struct ring_record *record;
    while ((record = next_record(&ring)))
        assert_int_equal(record->dropped, 0);
    release_records(&ring);
    assert_true(emit(&emission));
    record = next_record(&ring);
    assert_non_null(record);
    assert_int_equal(record->dropped, count.refused);
    record = next_record(&ring);
    assert_non_null(record);
    assert_int_equal(record->dropped, 0);
    assert_int_equal(ring.header->dropped, 2 * count.refused);
    unmap_ring(&ring);
    close(fd);
    unload_with_emitter();
}

#define PER_KIND(name)                                                                             \
    {"one ring: " #name, name, NULL, unload_all, (void *)"per_cpu=0 size="},                       \
    {                                                                                              \
        "a ring for each CPU: " #name, name, NULL, unload_all, (void *)"per_cpu=1 size="           \
    }

int main(void)
{
    const struct CMUnitTest for_each_memory[] = {
        cmocka_unit_test(a_record_is_as_it_was_written),
        cmocka_unit_test(lengths_from_nothing_to_the_longest),
        cmocka_unit_test(bytes_that_cannot_be_read_are_no_record),
        cmocka_unit_test(records_run_over_the_end_of_the_data),
        cmocka_unit_test(a_full_ring_drops_the_newest_and_says_how_many),
        cmocka_unit_test(records_wait_for_the_next_reader),
    };
    const struct CMUnitTest emitted[] = {
        PER_KIND(a_million_in_order),
        PER_KIND(all_come_through_a_small_ring_when_refused_ones_are_tried_again),
        PER_KIND(every_lost_record_is_counted),
        PER_KIND(nested_interrupts_keep_each_others_records_whole),
        PER_KIND(readers_come_and_go),
        PER_KIND(lost_records_are_told_by_the_next_of_their_ring),
    };
    int failed =
        run_for_each_memory(for_each_memory, sizeof for_each_memory / sizeof *for_each_memory);
    return failed + _cmocka_run_group_tests("maplog.ko", emitted, sizeof emitted / sizeof *emitted,
                                            NULL, NULL);
}
