/* store_memory_test.c - slots of an anonymous log: the ring, pins, and what a dead writer leaves.
 */
#include "log_fixture.h"

#include <pthread.h>

#include "log/anonymous.h"
#include "log/retain.h"

#define SLOT 65536
#define SLOTS 4
#define RECORD 8000 /* bytes of a value: eight records fill a slot */

static struct directory *memory;
static struct partition *partition;

static int make(void **state)
{
    (void)state;
    struct maplog_anonymous_options options = {.segment_bytes = SLOT, .segments = SLOTS};
    if (anonymous_open(&options, &memory))
        return -1;
    return directory_partition(memory, "anonymous", 0, &partition);
}

static int end(void **state)
{
    (void)state;
    directory_drop(memory);
    return 0;
}

/* Appends until an error comes or `limit` records are in; the error, or 0. */
static int put_until(struct writer *writer, int limit)
{
    for (int i = 0; i < limit; i++) {
        int64_t offset = writer_put(writer, RECORD, 1);
        if (offset < 0)
            return (int)offset;
    }
    return 0;
}

static void the_ring_goes_round(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    assert_int_equal(partition_start(partition), 0);
    assert_int_equal(log_walk(partition), 8 * SLOTS);
    int64_t bases[SLOTS];
    for (int round = 1; round < 20; round++) {
        log_fill(partition, 8, RECORD, 1);
        assert_int_equal(partition_start(partition), 8 * round);
        assert_int_equal(log_segments(partition, bases), SLOTS);
        assert_int_equal(bases[0], 8 * round);
        assert_int_equal(bases[SLOTS - 1], 8 * (round + SLOTS - 1));
        assert_int_equal(log_walk(partition), 8 * SLOTS);
    }
}

static void I1_a_pinned_segment_is_not_recycled(void **state)
{
    (void)state;
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(put_until(&writer, 8));
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    assert_int_equal(reader_next(&reader, &batch), 1);
    uint8_t *copy = malloc(batch.size);
    memcpy(copy, batch.bytes, batch.size);
    assert_code(MAPLOG_FULL, put_until(&writer, 1000));
    char process[32];
    snprintf(process, sizeof process, "%d (", (int)getpid());
    assert_non_null(strstr(error_text(), process)); /* it names the reader */
    assert_int_equal(log_end(partition), 8 * SLOTS);
    assert_int_equal(partition_start(partition), 0); /* nothing was lost by trying */
    assert_memory_equal(copy, batch.bytes, batch.size);
    /* The reader goes on to the next segment: one slot is free. */
    for (int i = 1; i <= 8; i++)
        assert_int_equal(reader_next(&reader, &batch), 1);
    assert_int_equal(batch.base_offset, 8);
    assert_code(MAPLOG_FULL, put_until(&writer, 1000));
    assert_int_equal(log_end(partition), 8 * SLOTS + 8);
    assert_int_equal(partition_start(partition), 8);
    reader_close(&reader);
    assert_ok(put_until(&writer, 100));
    free(copy);
    writer_close(&writer);
}

static void a_kept_segment_stays_pinned_when_its_reader_is_closed(void **state)
{
    (void)state;
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(put_until(&writer, 8));
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    assert_int_equal(reader_next(&reader, &batch), 1);
    struct segment *held = segment_keep(reader.segment);
    reader_close(&reader);
    assert_code(MAPLOG_FULL, put_until(&writer, 1000));
    assert_int_equal(held->log[7], 0); /* base offset 0 still stands there */
    segment_drop(held);
    assert_ok(put_until(&writer, 8));
    writer_close(&writer);
}

static void the_oldest_of_several_pins_counts(void **state)
{
    (void)state;
    struct directory *other;
    assert_ok(anonymous_attach(memory->memory_fd, &other));
    struct partition *same = log_partition(other, "anonymous");
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(put_until(&writer, 8 * SLOTS));
    struct segment *segments[3];
    assert_ok(same->store->open(same, 8, 0, false, &segments[0]));
    assert_ok(same->store->open(same, 0, 0, false, &segments[1]));
    assert_ok(partition->store->open(partition, 16, 0, false, &segments[2]));
    assert_code(MAPLOG_FULL, put_until(&writer, 1));
    segment_drop(segments[1]);
    assert_code(MAPLOG_FULL, put_until(&writer, 100));
    assert_int_equal(partition_start(partition), 8);
    segment_drop(segments[0]);
    assert_code(MAPLOG_FULL, put_until(&writer, 100));
    assert_int_equal(partition_start(partition), 16);
    segment_drop(segments[2]);
    assert_ok(put_until(&writer, 100));
    writer_close(&writer);
    directory_drop(other);
}

static void a_writers_own_old_mapping_is_no_pin(void **state)
{
    (void)state;
    struct directory *other;
    assert_ok(anonymous_attach(memory->memory_fd, &other));
    struct writer idle, busy;
    writer_open(log_partition(other, "anonymous"), &idle);
    assert_int_equal(writer_put(&idle, RECORD, 1), 0);
    writer_open(partition, &busy);
    assert_ok(put_until(&busy, 100));
    assert_int_equal(writer_put(&idle, RECORD, 1), 101);
    assert_ok(put_until(&busy, 1));
    assert_true(log_walk(partition) > 8);
    writer_close(&busy);
    writer_close(&idle);
    directory_drop(other);
}

/* A child that reads the first segment until it is killed. */
static void read_for_ever(int say)
{
    struct directory *own;
    struct reader reader;
    struct batch batch;
    if (anonymous_attach(memory->memory_fd, &own))
        _exit(1);
    reader_init(&reader, log_partition(own, "anonymous"), 0);
    if (reader_next(&reader, &batch) != 1 || write(say, "", 1) != 1)
        _exit(2);
    for (;;)
        pause();
}

static void a_killed_reader_pins_nothing(void **state)
{
    (void)state;
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(put_until(&writer, 8));
    int ends[2];
    char word;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        read_for_ever(ends[1]);
    assert_int_equal(read(ends[0], &word, 1), 1);
    assert_code(MAPLOG_FULL, put_until(&writer, 1000));
    char process[32];
    snprintf(process, sizeof process, "%d (", (int)child);
    assert_non_null(strstr(error_text(), process));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_ok(put_until(&writer, 100));
    close(ends[0]);
    close(ends[1]);
    writer_close(&writer);
}

static void a_forked_child_leaves_the_parents_pin_alone(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, false, &segment));
    pid_t child = fork();
    if (child == 0) {
        segment_drop(segment);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct writer writer;
    writer_open(partition, &writer);
    assert_code(MAPLOG_FULL, put_until(&writer, 1));
    segment_drop(segment);
    assert_ok(put_until(&writer, 1));
    writer_close(&writer);
}

/* What a writer leaves that dies between taking a slot and publishing its segment. */
static void a_slot_taken_by_a_dead_writer_is_used_again(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    for (int i = 0; i < 3 * SLOTS; i++) {
        struct segment *segment;
        assert_ok(partition->store->create(partition, log_end(partition), 0, &segment));
        struct segment_sizes sizes = segment_allocation(4096);
        assert_ok(partition->store->allocate(segment, &sizes));
        memset(segment->log, 0xff, 4096);
        segment_drop(segment);
    }
    assert_int_equal(partition_start(partition), 8); /* one was given up, not all */
    assert_int_equal(log_walk(partition), 8 * (SLOTS - 1));
    log_fill(partition, 9, RECORD, 1);
    assert_int_equal(log_walk(partition), 8 * (SLOTS - 1) + 1);
}

/* What a writer leaves that dies while it empties a slot. */
static void an_emptied_slot_is_used_first(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    raise_to(&partition->control->log_start, 8);
    struct memory_header *header = memory->anonymous->header;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (load_relaxed(&header->slot[i].base) == 0)
            store_relaxed(&header->slot[i].base, MEMORY_NO_BASE);
    assert_int_equal(log_segments(partition, NULL), SLOTS - 1);
    log_fill(partition, 8, RECORD, 1);
    assert_int_equal(partition_start(partition), 8);
    assert_int_equal(log_walk(partition), 8 * SLOTS);
}

static void retention_retires_but_leaves_recycling_to_the_writer(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    assert_ok(partition_delete_records(partition, 17));
    int64_t bases[SLOTS];
    assert_int_equal(log_segments(partition, bases), 2);
    assert_int_equal(bases[0], 16);
    struct segment *segment;
    assert_code(MAPLOG_NOT_FOUND, partition->store->open(partition, 8, 0, false, &segment));
    assert_ok(retain_remove_below_start(partition));
    log_fill(partition, 16, RECORD, 1);
    assert_int_equal(partition_start(partition), 17);
    log_fill(partition, 8, RECORD, 1);
    assert_int_equal(partition_start(partition), 24);
}

static void a_recycled_slot_is_all_zero(void **state)
{
    (void)state;
    log_fill(partition, 8 * SLOTS, RECORD, 1);
    struct segment *segment;
    assert_ok(partition->store->create(partition, log_end(partition), 0, &segment));
    struct segment_sizes sizes = segment_allocation(SLOT);
    assert_ok(partition->store->allocate(segment, &sizes));
    for (size_t i = 0; i < SLOT; i++)
        assert_int_equal(segment->log[i], 0);
    for (size_t i = 0; i < sizes.index; i++)
        assert_int_equal(segment->index[i], 0);
    sizes.log = segment->log_bytes + 1;
    assert_code(MAPLOG_LIMIT, partition->store->allocate(segment, &sizes));
    assert_code(MAPLOG_NOT_PERSISTENT, partition->store->sync(segment, true));
    segment_drop(segment);
    assert_ok(partition->store->remove(partition, log_end(partition)));
    assert_code(MAPLOG_BUSY, partition->store->remove(partition, 16));
}

/* Readers that open the oldest segment just when the writer wants its slot: either they do not get
 * it, or its bytes stay while they have it. */
static _Atomic uint32_t finished, wrong; /* asserts are for the main thread only */

static void *race(void *argument)
{
    struct directory *directory = argument;
    struct partition *same = log_partition(directory, "anonymous");
    while (!load_acquire(&finished)) {
        int64_t base = partition_start(same);
        struct segment *segment;
        int result = same->store->open(same, base, 0, false, &segment);
        if (result == MAPLOG_NOT_FOUND)
            continue;
        for (int i = 0; result == 0 && i < 20; i++)
            if ((int64_t)bytes_load64(segment->log + BATCH_BASE_OFFSET) != base)
                store_relaxed(&wrong, 1);
        if (result == 0)
            segment_drop(segment);
        else
            store_relaxed(&wrong, 1);
        clock_sleep_ns(1000); /* else the writer finds the slot pinned for ever */
    }
    return NULL;
}

static void readers_race_with_the_recycling_writer(void **state)
{
    (void)state;
    struct directory *others[2];
    pthread_t threads[2];
    store_release(&finished, 0);
    log_fill(partition, 1, RECORD, 1);
    for (int i = 0; i < 2; i++) {
        assert_ok(anonymous_attach(memory->memory_fd, &others[i]));
        assert_int_equal(pthread_create(&threads[i], NULL, race, others[i]), 0);
    }
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 60000;) {
        int64_t offset = writer_put(&writer, RECORD, 1);
        if (offset >= 0)
            i++;
        else
            assert_code(MAPLOG_FULL, (int)offset);
    }
    store_release(&finished, 1);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        directory_drop(others[i]);
    }
    assert_int_equal(load_relaxed(&wrong), 0);
    assert_int_equal(log_end(partition), 60001);
    writer_close(&writer);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_ring_goes_round),
        EACH(I1_a_pinned_segment_is_not_recycled),
        EACH(a_kept_segment_stays_pinned_when_its_reader_is_closed),
        EACH(the_oldest_of_several_pins_counts),
        EACH(a_writers_own_old_mapping_is_no_pin),
        EACH(a_killed_reader_pins_nothing),
        EACH(a_forked_child_leaves_the_parents_pin_alone),
        EACH(a_slot_taken_by_a_dead_writer_is_used_again),
        EACH(an_emptied_slot_is_used_first),
        EACH(retention_retires_but_leaves_recycling_to_the_writer),
        EACH(a_recycled_slot_is_all_zero),
        EACH(readers_race_with_the_recycling_writer),
    };
    return cmocka_run_group_tests_name("store_memory", tests, NULL, NULL);
}
