/*
 * drain_test.c - `maplog drain` and `maplog device`: what the kernel emits comes into a topic,
 * whole and in order; also when drain is killed, when the disk is full, and beside a running
 * server.
 */
#include "device.h"
#include "program.h"

#include <jansson.h>
#include <maplog.h>

#include <sys/mount.h>
#include <sys/stat.h>

#define DATA "/tmp/data"
#define KILLS 6
#define DRAIN(...) START("drain", DEVICE, "events", "--data", DATA, __VA_ARGS__)

/* ---- the device and the log ------------------------------------------------------------------ */

/* Waits until all rings are empty; an observer may look beside a drain. */
static void wait_until_empty(void)
{
    int fd = open_device(O_RDONLY);
    const struct ring_header *first = map_device(fd, PAGE, PROT_READ, 0);
    assert_ptr_not_equal(first, MAP_FAILED);
    for (uint32_t i = 0; i < first->rings; i++) {
        const struct ring_header *header = map_device(fd, PAGE, PROT_READ, i * first->ring_stride);
        assert_ptr_not_equal(header, MAP_FAILED);
        for (int ticks = 0; __atomic_load_n(&header->tail, __ATOMIC_ACQUIRE) !=
                            __atomic_load_n(&header->head, __ATOMIC_ACQUIRE);
             ticks++) {
            assert_true(ticks < PATIENCE);
            usleep(TICK_US);
        }
        munmap((void *)header, PAGE);
    }
    munmap((void *)first, PAGE);
    close(fd);
}

static uint64_t tail_of_the_ring(void)
{
    int fd = open_device(O_RDONLY);
    const struct ring_header *header = map_device(fd, PAGE, PROT_READ, 0);
    assert_ptr_not_equal(header, MAP_FAILED);
    uint64_t tail = header->tail;
    munmap((void *)header, PAGE);
    close(fd);
    return tail;
}

/* Waits until the kernel has written so many records, whoever takes them. */
static void wait_for_records(uint64_t records)
{
    int fd = open_device(O_RDONLY);
    const struct ring_header *header = map_device(fd, PAGE, PROT_READ, 0);
    assert_ptr_not_equal(header, MAP_FAILED);
    for (int ticks = 0; __atomic_load_n(&header->records, __ATOMIC_ACQUIRE) < records; ticks++)
        assert_true(ticks < PATIENCE && usleep(TICK_US) == 0);
    munmap((void *)header, PAGE);
    close(fd);
}

/* Calls take() for each record of the topic, partition by partition in order. */
static uint64_t read_topic(void (*take)(const struct maplog_message *, void *), void *context)
{
    maplog *log;
    maplog_consumer *consumer;
    struct maplog_message message;
    assert_int_equal(maplog_open(DATA, NULL, &log), 0);
    assert_int_equal(maplog_consumer_open(log, "events", NULL, &consumer), 0);
    uint64_t records = 0;
    while (maplog_consume(consumer, &message, 0) == 1) {
        take(&message, context);
        records++;
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
    return records;
}

/* The value of a header as text; NULL: the record has none of this name. */
static const char *header_of(const struct maplog_message *message, const char *wanted)
{
    static char text[64];
    const char *name;
    const void *value;
    size_t name_size, value_size;
    for (int32_t i = 0;
         maplog_message_header(message, i, &name, &name_size, &value, &value_size) == 0; i++) {
        if (name_size == strlen(wanted) && memcmp(name, wanted, name_size) == 0) {
            snprintf(text, sizeof text, "%.*s", (int)value_size, (const char *)value);
            return text;
        }
    }
    return NULL;
}

/* ---- emitted records in the topic ------------------------------------------------------------ */

struct harvest {
    uint64_t next[CPUS_MAX][EMITTED_CONTEXTS];
    uint64_t again; /* records that had come before */
    uint64_t drops; /* as headers say */
    uint32_t longest;
    bool partition_is_cpu;
};

static void harvest_one(const struct maplog_message *message, void *context)
{
    struct harvest *harvest = context;
    const struct emitted *emitted =
        emitted_in(message->value, message->value_size, harvest->longest);
    uint64_t *next = &harvest->next[emitted->cpu][emitted->context];
    assert_true(emitted->number <= *next); /* none is missing */
    harvest->again += emitted->number < *next;
    *next = emitted->number + 1; /* after a kill, it begins again further back */
    if (harvest->partition_is_cpu)
        assert_int_equal(message->partition, emitted->cpu);
    assert_null(message->key);
    const char *drops = header_of(message, "drops");
    harvest->drops += drops ? strtoull(drops, NULL, 10) : 0;
}

/* All that was emitted is there. */
static void compare(const struct harvest *harvest)
{
    for (uint32_t cpu = 0; cpu < cpus_online(); cpu++)
        for (uint32_t context = 0; context < EMITTED_CONTEXTS; context++)
            assert_int_equal(harvest->next[cpu][context], emitted_count(cpu, context).emitted);
}

/* So many records of threads on all CPUs, interrupted by timers and NMIs; none is lost. */
static struct emission emission_of(uint32_t records)
{
    uint32_t cpus = cpus_online();
    return (struct emission){.threads = cpus,
                             .records = records / cpus,
                             .longest = 100,
                             .timer_us = 500,
                             .nmi_every = 100,
                             .again = 1};
}

static int no_data(void **state)
{
    (void)state;
    (void)umount(DATA);
    return system("rm -rf " DATA); /* NOLINT: a machine of its own */
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void all_that_is_emitted_comes_into_the_topic(void **state)
{
    load_with_emitter(*state);
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    struct emission all = emission_of(strstr(*state, "vmalloc") ? 100000 : 20000);
    assert_true(emit(&all));
    wait_until_empty();
    assert_errno(syscall(SYS_delete_module, "maplog", O_NONBLOCK), EWOULDBLOCK);
    kill(drain, SIGTERM);
    assert_exit(drain, 0);
    assert_said("records");
    struct harvest harvest = {.longest = all.longest};
    uint64_t records = read_topic(harvest_one, &harvest);
    assert_true(records > (uint64_t)all.threads * all.records);
    assert_int_equal(harvest.again, 0);
    compare(&harvest);
    unload_with_emitter();
}

static void each_ring_has_its_partition(void **state)
{
    (void)state;
    load_with_emitter("per_cpu=1 size=262144");
    char count[16];
    snprintf(count, sizeof count, "%u", cpus_online());
    assert_exit(START("topic", "create", "events", "--partitions", count, "--data", DATA), 0);
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    struct emission all = emission_of(20000);
    assert_true(emit(&all));
    wait_until_empty();
    kill(drain, SIGINT);
    assert_exit(drain, 0);
    struct harvest harvest = {.longest = all.longest, .partition_is_cpu = true};
    (void)read_topic(harvest_one, &harvest);
    assert_int_equal(harvest.again, 0);
    compare(&harvest);
    unload_with_emitter();
}

static void it_works_beside_a_server(void **state)
{
    (void)state;
    load_with_emitter("size=262144");
    pid_t server = START("serve", "--data", DATA, "--listen", "unix:///tmp/socket");
    struct stat about;
    for (int ticks = 0; stat("/tmp/socket", &about) != 0; ticks++) {
        assert_true(ticks < PATIENCE);
        usleep(TICK_US);
    }
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    struct emission all = emission_of(20000);
    assert_true(emit(&all));
    wait_until_empty();
    kill(drain, SIGTERM);
    assert_exit(drain, 0);
    /* The server has as many as the log. */
    int pipes[2];
    assert_works(pipe2(pipes, O_CLOEXEC));
    pid_t consume = start((const char *const[WORDS_MAX]){"consume", "events", "--bootstrap",
                                                         "unix:///tmp/socket", "--format", "x"},
                          pipes[1]);
    close(pipes[1]);
    uint64_t served = 0;
    char bytes[4096];
    for (ssize_t length; (length = read(pipes[0], bytes, sizeof bytes)) > 0;)
        served += (uint64_t)length;
    close(pipes[0]);
    assert_exit(consume, 0);
    struct harvest harvest = {.longest = all.longest};
    assert_int_equal(read_topic(harvest_one, &harvest), served);
    compare(&harvest);
    kill(server, SIGTERM);
    assert_exit(server, 0);
    unload_with_emitter();
}

static void nothing_is_lost_when_it_is_killed(void **state)
{
    (void)state;
    load_with_emitter("size=65536");
    struct emission all = emission_of(50000);
    pid_t child = begin_to_emit(&all);
    for (unsigned kills = 0; kills < KILLS; kills++) {
        uint64_t before = tail_of_the_ring();
        pid_t drain = DRAIN(NULL);
        for (int ticks = 0; tail_of_the_ring() == before; ticks++) {
            assert_true(ticks < PATIENCE);
            usleep(TICK_US);
        }
        usleep(kills * 3000); /* here and there */
        assert_false(has_ended(child));
        kill(drain, SIGKILL);
        assert_int_equal(end_of(drain), -SIGKILL);
    }
    pid_t drain = DRAIN(NULL);
    while (!has_ended(child))
        usleep(TICK_US);
    wait_until_empty();
    kill(drain, SIGTERM);
    assert_exit(drain, 0);
    struct harvest harvest = {.longest = all.longest};
    uint64_t records = read_topic(harvest_one, &harvest);
    printf("%d kills, %" PRIu64 " records, %" PRIu64 " of them again\n", KILLS, records,
           harvest.again);
    compare(&harvest);
    unload_with_emitter();
}

/* Dies by itself at named places of an append: what was not there yet comes again, and what was
 * there comes twice. */
static void nothing_is_lost_when_it_dies_within_an_append(void **state)
{
    (void)state;
    const char *const places[] = {"append-begun:3", "append-copied:3", "append-published:3"};
    load_with_emitter("size=1048576");
    struct emission all = {.threads = 1, .records = 10000, .longest = 100};
    assert_true(emit(&all));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        setenv("MAPLOG_CRASH", places[i], 1);
        pid_t drain = DRAIN("--batch", "4k");
        unsetenv("MAPLOG_CRASH");
        assert_int_equal(end_of(drain), -SIGKILL);
    }
    assert_exit(DRAIN("--exit-eof"), 0);
    struct harvest harvest = {.longest = all.longest};
    (void)read_topic(harvest_one, &harvest);
    assert_true(harvest.again > 0);
    compare(&harvest);
    unload_with_emitter();
}

static void drops_are_told_by_a_header(void **state)
{
    (void)state;
    load_with_emitter("size=16384");
    struct emission many = {.threads = 1, .records = 2000};
    assert_true(emit(&many));
    struct emitted_count first = emitted_count(0, EMITTED_THREAD);
    assert_true(first.refused > 0);
    assert_exit(DRAIN("--exit-eof"), 0);
    struct emission one = {.threads = 1, .records = 1};
    assert_true(emit(&one));
    assert_exit(DRAIN("--exit-eof"), 0);
    struct harvest harvest = {0};
    assert_int_equal(read_topic(harvest_one, &harvest), first.emitted + 1);
    assert_int_equal(harvest.drops, first.refused);
    unload_with_emitter();
}

static void take_meta(const struct maplog_message *message, void *context)
{
    uint64_t *seen = context;
    assert_true(header_of(message, "cpu") &&
                strtoul(header_of(message, "cpu"), NULL, 10) < CPUS_MAX);
    assert_non_null(header_of(message, "source"));
    assert_string_equal(header_of(message, "source"), "write");
    assert_non_null(header_of(message, "time_ns"));
    assert_int_equal(strtoull(header_of(message, "time_ns"), NULL, 10) / 1000000,
                     message->timestamp);
    assert_int_equal(message->value_size, *seen);
    assert_null(header_of(message, "drops"));
    ++*seen;
}

static void meta_tells_where_a_record_came_from(void **state)
{
    (void)state;
    load("");
    int producer = open_device(O_WRONLY);
    for (size_t length = 0; length < 10; length++) /* a record of no bytes, too */
        assert_int_equal(write(producer, "0123456789", length), length);
    close(producer);
    assert_exit(DRAIN("--meta", "--exit-eof"), 0);
    uint64_t seen = 0;
    assert_int_equal(read_topic(take_meta, &seen), 10);
    unload();
}

static void take_line(const struct maplog_message *message, void *context)
{
    const char *wanted = "a line for the topic";
    size_t length = strlen(wanted);
    if (message->value_size >= length &&
        memcmp((const char *)message->value + message->value_size - length, wanted, length) == 0)
        ++*(unsigned *)context;
}

static void lines_of_the_kernels_log_come_into_the_topic(void **state)
{
    (void)state;
    load("kernel_log=new");
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(log, "<4>a line for the topic\n", 24), 24);
    close(log);
    wait_for_records(100); /* a thread may print them later */
    wait_until_empty();
    kill(drain, SIGTERM);
    assert_exit(drain, 0);
    unsigned lines = 0;
    (void)read_topic(take_line, &lines);
    assert_int_equal(lines, 100);
    unload();
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    load_with_emitter("size=8388608");
    assert_works(mkdir(DATA, 0700));
    assert_works(mount("small", DATA, "tmpfs", 0, "size=3m"));
    struct emission many = {.threads = 1, .records = 40000, .longest = 100};
    assert_true(emit(&many));
    assert_int_equal(emitted_count(0, EMITTED_THREAD).refused, 0);
    assert_exit(DRAIN("--exit-eof"), 1);
    assert_said("space");
    assert_works(mount("small", DATA, "tmpfs", MS_REMOUNT, "size=64m"));
    assert_exit(DRAIN("--exit-eof"), 0);
    struct harvest harvest = {.longest = many.longest};
    (void)read_topic(harvest_one, &harvest);
    compare(&harvest);
    unload_with_emitter();
}

static void take_two(const struct maplog_message *message, void *context)
{
    (void)context;
    assert_int_equal(message->value_size, 3);
    assert_memory_equal(message->value, "two", 3);
}

static void a_deleted_topic_ends_it_and_loses_nothing(void **state)
{
    (void)state;
    load("");
    int producer = open_device(O_WRONLY);
    assert_int_equal(write(producer, "one", 3), 3);
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    wait_until_empty();
    assert_exit(START("topic", "delete", "events", "--data", DATA), 0);
    assert_int_equal(write(producer, "two", 3), 3);
    assert_int_equal(end_of(drain), 1);
    assert_exit(DRAIN("--exit-eof"), 0);
    assert_int_equal(read_topic(take_two, NULL), 1);
    close(producer);
    unload();
}

static void errors_are_one_sentence_each(void **state)
{
    (void)state;
    assert_exit(DRAIN("--exit-eof"), 1); /* there is no device */
    assert_said(DEVICE);
    load("");
    int fd = open_device(O_RDWR);
    assert_exit(DRAIN("--exit-eof"), 1);
    assert_said("busy");
    close(fd);
    assert_exit(START("drain", "/dev/null", "events", "--data", DATA, "--exit-eof"), 1);
    assert_said("/dev/null");
    unload();
}

/* What `maplog device --json` says of a ring. */
static json_int_t shown(uint32_t ring, const char *name)
{
    int pipes[2];
    assert_works(pipe2(pipes, O_CLOEXEC));
    assert_exit(start((const char *const[WORDS_MAX]){"device", "--json", DEVICE}, pipes[1]), 0);
    close(pipes[1]);
    json_t *rings = json_loadfd(pipes[0], 0, NULL);
    close(pipes[0]);
    json_t *value = json_object_get(json_array_get(rings, ring), name);
    assert_non_null(value);
    json_int_t number = json_is_string(value) ? strcmp(json_string_value(value), "fault") == 0
                                              : json_integer_value(value);
    json_decref(rings);
    return number;
}

static void device_shows_the_rings_beside_a_drain(void **state)
{
    (void)state;
    load_with_emitter("size=16384 per_cpu=1 memory=fault");
    struct emission many = {.threads = 1, .records = 1000};
    assert_true(emit(&many));
    struct emitted_count count = emitted_count(0, EMITTED_THREAD);
    uint64_t bytes = RING_RECORD_BYTES(sizeof(struct emitted));
    assert_int_equal(shown(0, "cpu"), 0);
    assert_int_equal(shown(0, "size"), 16384);
    assert_int_equal(shown(0, "fill"), count.emitted * bytes);
    assert_int_equal(shown(0, "records"), count.emitted);
    assert_int_equal(shown(0, "drops"), count.refused);
    assert_int_equal(shown(0, "dropped_bytes"), count.refused * sizeof(struct emitted));
    /* Each drop made the kernel look at the tail, which was no nonsense. */
    assert_int_equal(shown(0, "refused_tails"), 0);
    assert_int_equal(shown(0, "memory"), true);
    pid_t drain = DRAIN(NULL);
    wait_until_mapped(drain);
    wait_until_empty();
    assert_int_equal(shown(0, "fill"), 0);
    assert_int_equal(shown(0, "records"), count.emitted);
    kill(drain, SIGTERM);
    assert_exit(drain, 0);
    unload_with_emitter();
}

static int clean(void **state)
{
    kill_children();
    int error = unload_all(state);
    return no_data(state) == 0 ? error : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, no_data, clean)
#define TEST_WITH(name, parameters)                                                                \
    {                                                                                              \
        parameters ": " #name, name, no_data, clean, (void *)parameters                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_WITH(all_that_is_emitted_comes_into_the_topic, "memory=vmalloc size=262144"),
        TEST_WITH(all_that_is_emitted_comes_into_the_topic, "memory=contiguous size=65536"),
        TEST_WITH(all_that_is_emitted_comes_into_the_topic, "memory=fault size=16384 per_cpu=1"),
        TEST(each_ring_has_its_partition),
        TEST(it_works_beside_a_server),
        TEST(nothing_is_lost_when_it_is_killed),
        TEST(nothing_is_lost_when_it_dies_within_an_append),
        TEST(drops_are_told_by_a_header),
        TEST(meta_tells_where_a_record_came_from),
        TEST(lines_of_the_kernels_log_come_into_the_topic),
        TEST(a_full_disk_loses_nothing),
        TEST(a_deleted_topic_ends_it_and_loses_nothing),
        TEST(errors_are_one_sentence_each),
        TEST(device_shows_the_rings_beside_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
