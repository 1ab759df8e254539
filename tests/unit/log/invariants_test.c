/* invariants_test.c - one test, or several, for each invariant of src/log/README.md. */
#include "log_fixture.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "log/attach.h"
#include "log/durable.h"
#include "log/index.h"
#include "log/retain.h"
#include "os/map.h"

#define NOW 1700000000000ll

static struct partition *make(void)
{
    return log_topic("t", "segment.bytes=8192", "index.interval.bytes=500", "retention.ms=-1");
}

/* ---- I1: published bytes never change and are never cut off
 * -------------------------------------- */

/* Every published byte as it was when it was first seen, against the files and an old mapping. */
static void I1_published_bytes_never_change(void **state)
{
    (void)state;
    struct partition *partition = make();
    static uint8_t seen[1 << 20];
    struct segment *mapped[64];
    struct {
        int64_t base;
        uint32_t size, at;
    } known[64];
    size_t segments = 0, used = 0;
    struct directory *other = log_attach();
    struct partition *there = log_partition(other, "t");
    for (int round = 0; round < 300; round++) {
        log_fill(round % 2 ? partition : there, 1, 50 + (size_t)round * 37 % 700, NOW + round);
        struct partition_end end;
        partition_end(partition, &end);
        if (segments == 0 || known[segments - 1].base != end.base) {
            assert_true(segments < 64);
            known[segments].base = end.base;
            known[segments].size = 0;
            known[segments].at = (uint32_t)used;
            assert_ok(
                partition->store->open(partition, end.base, 8192, false, &mapped[segments++]));
        }
        size_t last = segments - 1;
        memcpy(seen + used, mapped[last]->log + known[last].size, end.position - known[last].size);
        used += end.position - known[last].size;
        known[last].size = end.position;
        /* What goes on besides: a roll by hand, retention, a death, a failed append. */
        if (round % 50 == 49) {
            struct writer writer;
            writer_open(partition, &writer);
            assert_ok(appender_roll(&writer.appender));
            writer_close(&writer);
        }
        if (round % 70 == 69)
            assert_ok(partition_delete_records(partition, end.offset - 40));
        if (round % 40 == 39) {
            pid_t pid = fork();
            if (pid == 0) {
                struct directory *mine = log_attach();
                fault_signal_at("append-copied", 1, SIGKILL);
                struct writer writer;
                writer_open(log_partition(mine, "t"), &writer);
                uint8_t *batch;
                size_t size;
                struct builder builder;
                struct appended appended;
                builder_init(&builder, MAPLOG_COMPRESSION_NONE);
                builder_add_value(&builder, "never published", 15, NOW);
                builder_finish(&builder, &batch, &size);
                appender_append(&writer.appender, batch, size, &appended);
                _exit(0);
            }
            assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
    }
    assert_true(segments > 8);
    for (size_t i = 0; i < segments; i++) { /* the mappings still have them, removed or not */
        assert_memory_equal(mapped[i]->log, seen + known[i].at, known[i].size);
        struct segment_sizes sizes;
        if (i + 1 < segments && partition->store->sizes(partition, known[i].base, &sizes) == 0)
            assert_int_equal(sizes.log, known[i].size);
        segment_drop(mapped[i]);
    }
    directory_drop(other);
}

/* sendfile queues references to pages: what a slow reader gets later is what was there when it was
 * sent, through rolls, retention and deletion. */
static void I1_sent_bytes_arrive_as_they_were(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 10, 300, NOW);
    struct partition_end end;
    partition_end(partition, &end);
    struct segment *segment;
    assert_ok(partition->store->open(partition, 0, 0, false, &segment));
    uint8_t before[8192], after[8192];
    memcpy(before, segment->log, end.position);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    off_t from = 0;
    assert_true(sendfile(ends[0], segment->log_fd, &from, end.position) == end.position);
    segment_drop(segment);
    log_fill(partition, 100, 300, NOW); /* the tail of the page, then the seal */
    assert_ok(partition_delete_records(partition, -1));
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_true(recv(ends[1], after, end.position, MSG_WAITALL) == end.position);
    assert_memory_equal(before, after, end.position);
    close(ends[0]);
    close(ends[1]);
}

/* ---- I2: nothing past the published end is ever shown, sent or indexed
 * --------------------------- */

static void I2_nothing_behind_the_end_is_shown(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 15, 300, NOW);
    /* A whole, valid next batch lies behind the end, as a writer leaves it that died just before
     * the publication. */
    struct partition_end end;
    partition_end(partition, &end);
    uint8_t *log = partition->active->log;
    memcpy(log + end.position, log, bytes_load32(log + BATCH_LENGTH) + BATCH_PREFIX_BYTES);
    bytes_store64(log + end.position + BATCH_BASE_OFFSET, (uint64_t)end.offset);
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 10);
    for (int64_t offset = 10; offset < 15; offset++) {
        assert_code(1, reader_next(&reader, &batch));
        assert_int_equal(batch.base_offset, offset);
    }
    assert_code(0, reader_next(&reader, &batch));
    reader_seek(&reader, 15);
    assert_code(0, reader_next(&reader, &batch));
    reader_close(&reader);
    int64_t offset, timestamp;
    assert_ok(partition_find_time(partition, NOW + 1, &offset, &timestamp));
    assert_int_equal(offset, -1);
    struct maplog_partition found;
    assert_ok(partition_describe(partition, &found));
    assert_int_equal(found.end_offset, 15);
    assert_int_equal(found.bytes, end.position);
}

/* A writer dies right behind each of its index entries: what they point at has been published. */
static void I2_nothing_behind_the_end_is_indexed(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct control_partition *control = partition->control;
    for (unsigned nth = 1; nth < 8; nth++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct partition *mine = log_partition(log_attach(), "t");
            fault_signal_at("index-put", nth, SIGKILL);
            log_fill(mine, 20, 300, NOW + nth);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        struct partition_end end;
        struct segment *segment;
        partition_end(partition, &end);
        assert_ok(partition->store->open(partition, end.base, 0, false, &segment));
        uint32_t relative = 0, position = 0;
        int64_t timestamp;
        assert_true(index_last(segment->index, load_relaxed(&control->index_bytes[end.rolls & 1]),
                               &relative, &position));
        assert_true(position < end.position && relative < (uint32_t)end.word);
        assert_true(timeindex_last(segment->timeindex,
                                   load_relaxed(&control->timeindex_bytes[end.rolls & 1]),
                                   &timestamp, &relative));
        assert_true(relative < (uint32_t)end.word);
        segment_drop(segment);
    }
}

struct watcher {
    struct partition *partition;
    _Atomic int stop;
    const char *failure;
};

/* A follower checks every batch that it is shown, while two writers are at work. */
static void *watch_batches(void *argument)
{
    struct watcher *watcher = argument;
    struct reader reader;
    struct batch batch;
    int64_t next = 0;
    reader_init(&reader, watcher->partition, 0);
    while (!watcher->stop && !watcher->failure) {
        int result = reader_next(&reader, &batch);
        if (result < 0)
            watcher->failure = "the reader failed";
        if (result != 1)
            continue;
        if (batch.base_offset != next || batch_check_crc(&batch))
            watcher->failure = "a batch that was not published";
        next = batch.last_offset + 1;
    }
    reader_close(&reader);
    return NULL;
}

static void I2_a_follower_sees_only_whole_batches(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct directory *other = log_attach();
    struct watcher watcher = {.partition = log_partition(other, "t")};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, watch_batches, &watcher), 0);
    struct writer writers[2];
    writer_open(partition, &writers[0]);
    writer_open(watcher.partition, &writers[1]);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(writer_put(&writers[i / 100 % 2], 80 + (size_t)i % 5 * 60, NOW + i), i);
    watcher.stop = 1;
    pthread_join(thread, NULL);
    writer_close(&writers[0]);
    writer_close(&writers[1]);
    if (watcher.failure)
        fail_msg("%s", watcher.failure);
    directory_drop(other);
}

/* ---- I3: batches are packed, offsets are contiguous
 * ---------------------------------------------- */

static void I3_batches_are_packed_and_offsets_contiguous(void **state)
{
    (void)state;
    struct partition *partition = make();
    int64_t next = 0;
    struct directory *other = log_attach();
    for (int round = 0; round < 60; round++) {
        struct partition *here = round % 2 ? partition : log_partition(other, "t");
        struct writer writer;
        writer_open(here, &writer);
        for (int i = 0; i < round % 7; i++)
            assert_int_equal(writer_put(&writer, 100 + (size_t)i * 50, NOW), next++);
        fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1); /* refused appends cost no offset and no byte */
        while (writer_put(&writer, 3000, NOW) >= 0)
            next++;
        fault_clear();
        writer_close(&writer);
    }
    assert_int_equal(log_end(partition), next);
    struct segment_list list;
    assert_ok(partition->store->list(partition, &list));
    struct partition_end end;
    partition_end(partition, &end);
    int64_t offset = 0;
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.bases[i], offset);
        struct segment *segment;
        struct segment_sizes sizes;
        assert_ok(partition->store->open(partition, list.bases[i], 0, false, &segment));
        assert_ok(partition->store->sizes(partition, list.bases[i], &sizes));
        uint64_t size = list.bases[i] == end.base ? end.position : sizes.log;
        for (uint64_t position = 0; position < size;) { /* one behind the other, to the last byte */
            struct batch batch;
            assert_ok(batch_check_deep(segment->log + position, size - position, &batch));
            assert_int_equal(batch.base_offset, offset);
            offset = batch.last_offset + 1;
            position += batch.size;
        }
        segment_drop(segment);
    }
    assert_int_equal(offset, next);
    segment_list_free(&list);
    directory_drop(other);
}

/* ---- I4: space is allocated before it is touched
 * -------------------------------------------------- */

/* Blocks behind the published end, as far as the control slot says that they may be touched, are
 * there; so are those of the indexes. */
static void assert_allocated(struct partition *partition)
{
    struct partition_end end;
    partition_end(partition, &end);
    struct control_partition *control = partition->control;
    uint64_t allocated = load_relaxed(&control->allocated[end.rolls & 1]);
    static const char *const suffixes[] = {".log", ".index", ".timeindex"};
    struct segment_sizes sizes = segment_allocation(allocated);
    const uint64_t parts[] = {sizes.log, sizes.index, sizes.timeindex};
    for (int i = 0; i < 3; i++) {
        char name[LIMIT_PATH], path[LIMIT_PATH + 100];
        struct stat found;
        segment_path(partition, end.base, suffixes[i], name, sizeof name);
        snprintf(path, sizeof path, "%s/%s", log_path, name);
        assert_int_equal(stat(path, &found), 0);
        assert_true((uint64_t)found.st_size >= parts[i]);
        assert_true((uint64_t)found.st_blocks * 512 >= parts[i]);
    }
}

static void I4_space_is_there_before_it_is_touched(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=600000", "index.interval.bytes=100", NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(writer_put(&writer, 400, NOW + i), i);
        assert_true(writer.appender.position <= writer.appender.limit);
        if (i % 50 == 0)
            assert_allocated(partition);
    }
    assert_true(log_segments(partition, NULL) > 2);
    writer_close(&writer);
}

/* As I4 says, on a file system that is really full: in a child, since a mistake is SIGBUS. The real
 * thing, with all that may happen at that time, is tests/e2e/test_full_disk.py. */
static void I4_a_full_disk_is_an_error_and_passes(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct writer writer;
    writer_open(partition, &writer);
    int64_t next = 0;
    for (unsigned nth = 1; nth <= 12; nth++) {
        fault_set(FAULT_ALLOCATE, nth, ENOSPC, 1);
        int64_t offset;
        while ((offset = writer_put(&writer, 500, NOW)) >= 0)
            assert_int_equal(offset, next++);
        assert_int_equal(offset, MAPLOG_DISK_FULL);
        assert_non_null(strstr(error_text(), "t-0/"));
        assert_true(writer_put(&writer, 3000, NOW) == MAPLOG_DISK_FULL);
        fault_clear(); /* nothing has to be done for it to go on */
        assert_int_equal(writer_put(&writer, 500, NOW), next++);
    }
    assert_int_equal(log_walk(partition), next);
    writer_close(&writer);
}

/* ---- I5: durable means that a sync returned 0
 * ----------------------------------------------------- */

static void I5_durable_only_behind_a_sync(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct control_partition *control = partition->control;
    log_fill(partition, 100, 300, NOW); /* five segments */
    assert_true(log_segments(partition, NULL) > 3);
    assert_int_equal(load_relaxed(&control->durable_offset), 0);
    /* A sync that fails at call n: the watermark stands at the segments that were synced before,
     * in order, and never rises again. */
    fault_set(FAULT_SYNC, 4, EIO, 0); /* 1-3: first segment's file and its directory entries */
    assert_code(MAPLOG_IO, durable_wait(partition, 100, LONG_NS));
    fault_clear();
    int64_t bases[8];
    log_segments(partition, bases);
    assert_int_equal(load_relaxed(&control->durable_offset), bases[1]);
    assert_code(MAPLOG_IO, durable_wait(partition, 100, LONG_NS));
    assert_code(MAPLOG_IO, durable_wait(partition, bases[1] + 1, LONG_NS));
    assert_ok(durable_wait(partition, bases[1], LONG_NS));
    assert_int_equal(load_relaxed(&control->durable_offset), bases[1]);
    /* Appends go on, without durable acknowledgements. */
    log_fill(partition, 3, 300, NOW);
    assert_code(MAPLOG_IO, durable_wait(partition, 103, LONG_NS));
}

/* ---- I6: acknowledged records survive
 * -------------------------------------------------------------- */

static void die_after_appending(int count)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory = log_attach();
        log_fill(log_partition(directory, "t"), count, 300, NOW);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void I6_what_was_acknowledged_survives_the_death_of_all(void **state)
{
    (void)state;
    make();
    directory_drop(log_directory);
    log_directory = NULL;
    for (int i = 1; i <= 10; i++)
        die_after_appending(13);
    log_directory = log_attach();
    struct partition *partition = log_partition(log_directory, "t");
    assert_int_equal(log_walk(partition), 130);
    assert_int_equal(load_relaxed(&partition->control->leader_epoch), 0);
}

/* The epoch of the batch at an offset. */
static int32_t epoch_at(struct partition *partition, int64_t offset)
{
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, offset);
    assert_code(1, reader_next(&reader, &batch));
    reader_close(&reader);
    return batch.leader_epoch;
}

static void I6_a_recovery_in_doubt_raises_the_epoch_first(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 30, 300, NOW);
    assert_ok(durable_wait(partition, 30, LONG_NS));
    log_fill(partition, 10, 300, NOW); /* not durable */
    struct partition_end end;
    partition_end(partition, &end);
    /* The power fails: the last pages come back as zeros. */
    memset(partition->active->log + end.position - 1000, 0, 1000);
    log_directory->view.control->header.boot_id[0] ^= 1;
    directory_drop(log_directory);
    log_directory = log_attach();
    partition = log_partition(log_directory, "t");
    int64_t left = log_end(partition);
    assert_in_range(left, 30, 39);
    char path[200], text[200] = "";
    snprintf(path, sizeof path, "%s/t-0/leader-epoch-checkpoint", log_path);
    FILE *file = fopen(path, "r"); /* there before the first append */
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    char entry[64];
    snprintf(entry, sizeof entry, "\n1 %lld\n", (long long)left);
    assert_non_null(strstr(text, entry));
    log_fill(partition, 5, 300, NOW);
    assert_int_equal(log_walk(partition), left + 5);
    assert_int_equal(epoch_at(partition, left - 1), 0);
    assert_int_equal(epoch_at(partition, left), 1); /* the offset is given again, and says so */
}

/* ---- I7: consumers map read-only; foreign bytes are copied, checked, then used
 * --------------------- */

/* The access rights of the mapping that holds the address. */
static void rights(const void *address, char found[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[600];
    found[0] = '\0';
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char text[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, text) == 3 && (unsigned long)address >= from &&
            (unsigned long)address < to)
            memcpy(found, text, 5);
    }
    fclose(maps);
    found[4] = '\0';
}

static void I7_readers_map_read_only(void **state)
{
    (void)state;
    log_fill(make(), 3, 300, NOW);
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *reading;
    assert_ok(directory_open(log_path, &options, &reading));
    struct reader reader;
    struct batch batch;
    char found[5];
    for (int i = 0; i < 2; i++) { /* whoever reads, and who only reads */
        struct directory *directory = i ? reading : log_directory;
        reader_init(&reader, log_partition(directory, "t"), 0);
        assert_code(1, reader_next(&reader, &batch));
        rights(batch.bytes, found);
        assert_string_equal(found, "r--s");
        rights(reader.segment->index ? reader.segment->index : reader.segment->log, found);
        assert_string_equal(found, "r--s");
        reader_close(&reader);
    }
    rights(reading->view.control, found);
    assert_string_equal(found, "r--s");
    rights(reading->view.bell, found); /* counters only */
    assert_string_equal(found, "rw-s");
    directory_drop(reading);
}

/* Somebody of the same trust domain goes mad: any bytes in the partition's files and in the words
 * that say how long they are. Nobody crashes; a read gives records or an error. */
static void I7_mad_bytes_are_errors(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 60, 300, NOW);
    struct control_partition *control = partition->control;
    struct partition_end end;
    partition_end(partition, &end);
    uint64_t word = end.word;
    uint8_t whole[8192];
    memcpy(whole, partition->active->log, end.position);
    unsigned seed = 7;
    for (int round = 0; round < 3000; round++) {
        seed = seed * 1103515245 + 12345;
        uint32_t random = seed >> 8;
        uint32_t parity = end.rolls & 1;
        if (round % 2)
            partition->active->log[random % end.position] = (uint8_t)(seed >> 3);
        if (round % 3 == 0)
            store_relaxed(&control->published[parity],
                          PUBLISHED_WORD(random % (2 * LIMIT_ALLOCATE_FIRST), random % 100));
        if (round % 5 == 0)
            store_relaxed(&control->index_bytes[parity], random);
        if (round % 7 == 0)
            memset(partition->active->index, (int)random & 0xff, 64);
        struct reader reader;
        struct batch batch;
        reader_init(&reader, partition, end.base + random % 20);
        int result, batches = 0;
        while ((result = reader_next(&reader, &batch)) == 1 && batches++ < 1000)
            batch_check_crc(&batch);
        assert_true(result <= 1 && batches <= 1000);
        reader_close(&reader);
        struct maplog_partition found;
        int64_t offset, timestamp;
        partition_describe(partition, &found);
        partition_find_time(partition, NOW + 1, &offset, &timestamp);
        if (round % 10 == 9) {
            memcpy(partition->active->log, whole, end.position);
            store_relaxed(&control->published[parity], word);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(I1_published_bytes_never_change),
        TEST(I1_sent_bytes_arrive_as_they_were),
        TEST(I2_nothing_behind_the_end_is_shown),
        TEST(I2_nothing_behind_the_end_is_indexed),
        TEST(I2_a_follower_sees_only_whole_batches),
        TEST(I3_batches_are_packed_and_offsets_contiguous),
        TEST(I4_space_is_there_before_it_is_touched),
        TEST(I4_a_full_disk_is_an_error_and_passes),
        TEST(I5_durable_only_behind_a_sync),
        TEST(I6_what_was_acknowledged_survives_the_death_of_all),
        TEST(I6_a_recovery_in_doubt_raises_the_epoch_first),
        TEST(I7_readers_map_read_only),
        TEST(I7_mad_bytes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
