/* inspect_test.c - every kind of damage is found, named with file and position; nothing else is. */
#include "log_fixture.h"
#include "segment_files.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "log/catalog.h"
#include "log/checkpoint.h"
#include "log/index.h"
#include "log/inspect.h"
#include "log/names.h"

/* What the visitor was told. */
static struct {
    char text[64][1024]; /* "file@position: what" */
    bool note[64];
    size_t count;
    size_t partitions, segments, batches, records;
    struct inspect_partition last;
    char last_name[300];
    int answer; /* to the first batch */
} told;
static struct inspect_counts counts;

static int on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    assert_true(told.count < 64);
    assert_true(finding->advice[0]);
    snprintf(told.text[told.count], sizeof told.text[0], "%s@%" PRId64 ": %s", finding->file,
             finding->position, finding->what);
    told.note[told.count++] = finding->note;
    return 0;
}

static int on_partition(void *context, const struct inspect_partition *partition)
{
    (void)context;
    told.partitions++;
    told.last = *partition;
    snprintf(told.last_name, sizeof told.last_name, "%s", partition->name);
    return 0;
}

static int on_segment(void *context, const struct inspect_segment *segment)
{
    (void)context, (void)segment;
    told.segments++;
    return 0;
}

static int on_batch(void *context, const struct inspect_place *place, const struct batch *batch)
{
    (void)context, (void)place, (void)batch;
    told.batches++;
    return told.answer;
}

static int on_record(void *context, const struct inspect_place *place, const struct record *record)
{
    (void)context, (void)place, (void)record;
    told.records++;
    return 0;
}

static const struct inspect_visitor visitor = {.finding = on_finding,
                                               .partition = on_partition,
                                               .segment = on_segment,
                                               .batch = on_batch,
                                               .record = on_record};

static void inspect(const char *path)
{
    int answer = told.answer;
    memset(&told, 0, sizeof told);
    told.answer = answer;
    counts = (struct inspect_counts){0};
    assert_ok(inspect_path(path, &visitor, &counts));
}

/* A finding whose text holds both parts. */
static void expect(bool note, const char *place, const char *what)
{
    for (size_t i = 0; i < told.count; i++)
        if (told.note[i] == note && strstr(told.text[i], place) && strstr(told.text[i], what))
            return;
    for (size_t i = 0; i < told.count; i++)
        print_message("told: %s\n", told.text[i]);
    fail_msg("not told: %s ... %s", place, what);
}

static void expect_sound(void)
{
    for (size_t i = 0; i < told.count; i++)
        print_message("told: %s\n", told.text[i]);
    assert_int_equal(told.count, 0);
    assert_int_equal(counts.damaged, 0);
}

/* ---- segments in files alone ----------------------------------------------------------------- */

#define PARTITION "/t-0"
static struct segment_bytes bytes;
static char partition_path[80];

static int begin_files(void **state)
{
    (void)state;
    strcpy(log_path, "/tmp/maplog-test-XXXXXX");
    snprintf(partition_path, sizeof partition_path, "%s" PARTITION, mkdtemp(log_path));
    return 0;
}

static int end_files(void **state)
{
    (void)state;
    bytes_release(&bytes);
    return file_remove_tree(AT_FDCWD, log_path);
}

static const char *path_of(int64_t base, const char *suffix)
{
    static char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", base, suffix);
    return path;
}

/* Writes `bytes` as a segment, with indexes made for it. */
static void write_segment(int64_t base, bool ended)
{
    static uint8_t index[65536], timeindex[65536];
    struct indexer_parts parts = {.index = index,
                                  .index_room = sizeof index,
                                  .timeindex = timeindex,
                                  .timeindex_room = sizeof timeindex};
    struct indexer indexer;
    indexer_init(&indexer, 500);
    indexer_build(&indexer, bytes.bytes, bytes.size, base, &parts);
    if (ended)
        indexer_end(&indexer, &parts);
    files_segment(log_path, "t-0", base, &bytes);
    files_write(path_of(base, ".index"), index, parts.index_bytes);
    files_write(path_of(base, ".timeindex"), timeindex, parts.timeindex_bytes);
}

/* Two segments: offsets 0 to 49 and 50 to 99, one record a batch. */
static size_t batch_size;
static void make_segments(void)
{
    bytes_release(&bytes);
    bytes_batches(&bytes, 0, 50);
    batch_size = bytes.size / 50;
    write_segment(0, true);
    bytes_release(&bytes);
    bytes_batches(&bytes, 50, 50);
    write_segment(50, false);
}

static void segments_without_a_directory_are_inspected(void **state)
{
    (void)state;
    make_segments();
    inspect(partition_path);
    expect_sound();
    assert_int_equal(counts.segments, 2);
    assert_int_equal(counts.batches, 100);
    assert_int_equal(counts.records, 100);
    assert_int_equal(counts.bytes, 2 * bytes.size);
    assert_int_equal(counts.codecs[0], 100);
    assert_true(counts.index_entries > 20);
    assert_int_equal(told.last.start, 0);
    assert_int_equal(told.last.end, 100);
    assert_int_equal(told.segments, 2);
    assert_int_equal(told.records, 100);
    inspect(path_of(50, ".log"));
    expect_sound();
    assert_int_equal(counts.segments, 1);
    inspect(log_path); /* a directory that holds partitions */
    expect_sound();
    assert_int_equal(counts.segments, 2);
}

static void every_flipped_bit_of_a_log_is_found(void **state)
{
    (void)state;
    make_segments();
    for (size_t at = 0; at < batch_size; at++) {
        /* The leader epoch is not under the CRC; the low byte of an offset may become another
         * offset that ascends. */
        if (at >= BATCH_LEADER_EPOCH && at < BATCH_MAGIC)
            continue;
        int64_t position = (int64_t)(batch_size * 20 + at);
        files_flip(path_of(0, ".log"), position);
        inspect(partition_path);
        if (counts.damaged == 0)
            fail_msg("byte %zu of a batch", at);
        files_flip(path_of(0, ".log"), position);
    }
    inspect(partition_path);
    expect_sound();
}

static void every_flipped_bit_of_an_index_is_found(void **state)
{
    (void)state;
    make_segments();
    static const char *const suffixes[] = {".index", ".timeindex"};
    for (int64_t base = 0; base <= 50; base += 50)
        for (int s = 0; s < 2; s++) {
            const char *path = path_of(base, suffixes[s]);
            char name[64];
            snprintf(name, sizeof name, "%020" PRId64 "%s@", base, suffixes[s]);
            int64_t size = files_size(path);
            assert_true(size > 0);
            for (int64_t at = 0; at < size; at++) {
                path = path_of(base, suffixes[s]);
                files_flip(path, at);
                inspect(partition_path);
                /* Behind the last entry that ascends, an index that may have grown ends. */
                if (base == 0)
                    expect(false, name, "");
                files_flip(path, at);
            }
        }
    inspect(partition_path);
    expect_sound();
}

static void what_is_wrong_is_said_with_file_and_position(void **state)
{
    (void)state;
    char place[64];
    make_segments();
    files_flip(path_of(0, ".log"), (int64_t)batch_size * 20 + 80);
    inspect(partition_path);
    snprintf(place, sizeof place, "t-0/%020d.log@%zu: ", 0, batch_size * 20);
    expect(false, place, "CRC");
    assert_int_equal(counts.damaged, 1);
    assert_int_equal(counts.batches, 100); /* the others are looked at all the same */
}

static void behind_a_lost_header_the_index_shows_the_way(void **state)
{
    (void)state;
    make_segments();
    uint8_t rubbish[40];
    memset(rubbish, 0xee, sizeof rubbish);
    files_patch(path_of(0, ".log"), rubbish, sizeof rubbish, (int64_t)batch_size * 20);
    inspect(partition_path);
    expect(false, ".log@", "");
    expect(true, ".log@", "passed over");
    assert_int_equal(counts.damaged, 1);
    assert_true(counts.batches > 90);
    assert_int_equal(told.last.end, 100);
}

static void a_record_that_does_not_add_up_is_found_under_a_right_crc(void **state)
{
    (void)state;
    make_segments();
    uint8_t *batch = bytes.bytes + batch_size * 3;
    batch[BATCH_HEADER_BYTES + 3] ^= 2; /* the first record's offset delta */
    bytes_store32(batch + BATCH_CRC,
                  crc32c(0, batch + BATCH_ATTRIBUTES, batch_size - BATCH_ATTRIBUTES));
    write_segment(50, false);
    inspect(partition_path);
    char place[64];
    snprintf(place, sizeof place, "t-0/%020d.log@%zu: ", 50, batch_size * 3);
    expect(false, place, "");
    assert_int_equal(counts.damaged, 1);
}

static void offsets_must_ascend_and_stay_in_their_segment(void **state)
{
    (void)state;
    make_segments();
    bytes_store64(bytes.bytes + batch_size * 7, 52);
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(false, ".log@", "base offset 52 where 57 is next");
    bytes_release(&bytes);
    bytes_batches(&bytes, 0, 52);
    write_segment(0, true);
    inspect(partition_path);
    expect(false, "00000.log@", "belongs into the next segment");
}

static void index_entries_are_held_against_the_batches(void **state)
{
    (void)state;
    uint8_t entry[12];
    make_segments();
    index_put(entry, 0, 3, (uint32_t)batch_size * 6); /* the batch ends with 6 */
    files_patch(path_of(0, ".index"), entry, 8, 0);
    inspect(partition_path);
    expect(false, "00000.index@0:", "ends with offset 3, it ends with");
    make_segments();
    index_put(entry, 0, 5, (uint32_t)batch_size * 5 + 7);
    files_patch(path_of(0, ".index"), entry, 8, 0);
    inspect(partition_path);
    expect(false, "00000.index@0:", "no batch begins at position");
    make_segments();
    files_patch(path_of(0, ".index"), entry, 3, files_size(path_of(0, ".index")));
    inspect(partition_path);
    expect(false, "00000.index@", "within an entry");
    make_segments();
    struct segment_bytes times = files_read(path_of(0, ".timeindex"));
    timeindex_put(entry, 0, FILES_NOW + 2, 3); /* the batch of offset 3 has 3 */
    files_patch(path_of(0, ".timeindex"), entry, 12, 0);
    inspect(partition_path);
    expect(false, "00000.timeindex@0:", "it has");
    files_write(path_of(0, ".timeindex"), times.bytes, times.size - 12);
    inspect(partition_path);
    expect(false, "00000.timeindex@-1:", "has no entry");
    unlink(path_of(0, ".timeindex"));
    unlink(path_of(0, ".index"));
    inspect(partition_path);
    expect(true, "00000.index@-1", "missing");
    expect(true, "00000.timeindex@-1", "missing");
    assert_int_equal(counts.damaged, 0);
    bytes_release(&times);
}

static void a_late_timestamp_must_be_the_largest_so_far(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        bytes_batch(&bytes, (struct batch_plan){.base_offset = i, .timestamp = 100 - i});
    write_segment(0, true);
    inspect(partition_path);
    expect_sound();
    uint8_t entry[12];
    timeindex_put(entry, 0, 96, 4); /* right of the batch, but 0 has 100 */
    files_write(path_of(0, ".timeindex"), entry, 12);
    inspect(partition_path);
    expect(false, ".timeindex@0", "not the largest");
}

static void a_tail_is_space_or_rubbish(void **state)
{
    (void)state;
    make_segments();
    size_t size = bytes.size;
    bytes_add(&bytes, NULL, 10000);
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(true, "00050.log@", "allocated bytes");
    assert_int_equal(counts.damaged, 0);
    bytes.bytes[size + 500] = 1;
    files_segment(log_path, "t-0", 50, &bytes);
    inspect(partition_path);
    expect(false, "00050.log@", "");
    assert_int_equal(counts.damaged, 1);
    /* No segment but the last may have a tail. */
    make_segments();
    uint8_t zeros[100] = {0};
    files_patch(path_of(0, ".log"), zeros, sizeof zeros, (int64_t)batch_size * 50);
    inspect(partition_path);
    expect(false, "00000.log@", "zero bytes");
}

static void only_logs_and_directories_can_be_inspected(void **state)
{
    (void)state;
    make_segments();
    assert_code(MAPLOG_INVALID, inspect_path(path_of(0, ".index"), &visitor, &counts));
    assert_code(MAPLOG_NOT_FOUND, inspect_path(path_of(1, ".log"), &visitor, &counts));
    char path[LIMIT_PATH + 10];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    assert_code(MAPLOG_LIMIT, inspect_path(path, &visitor, &counts));
}

static void a_visitor_may_end_it(void **state)
{
    (void)state;
    make_segments();
    told.answer = MAPLOG_CLOSED;
    told.batches = 0;
    assert_code(MAPLOG_CLOSED, inspect_path(partition_path, &visitor, &counts));
    assert_int_equal(told.batches, 1);
    told.answer = 0;
}

/* ---- directories ----------------------------------------------------------------------------- */

static const char *in_log(const char *file)
{
    static char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", log_path, file);
    return path;
}

static void detach(void)
{
    directory_drop(log_directory);
    log_directory = NULL;
}

/* Nobody vouches for the files any more: as after a power cut. */
static void forget(void)
{
    detach();
    assert_int_equal(unlink(in_log("maplog.control")), 0);
}

static void a_log_of_every_codec_is_sound_attached_or_not(void **state)
{
    (void)state;
    const char *configs[] = {"segment.bytes=20000", "index.interval.bytes=1000", NULL};
    assert_ok(directory_create_topic(log_directory, "orders", 2, configs));
    struct writer writer;
    writer_open(log_partition(log_directory, "orders"), &writer);
    uint64_t records = 0;
    for (int round = 0; round < 40; round++)
        for (int codec = 0; codec < INSPECT_CODECS; codec++) {
            struct segment_bytes made = {0};
            bytes_batch(&made, (struct batch_plan){.records = 20,
                                                   .value = 100,
                                                   .codec = (enum maplog_compression)codec,
                                                   .timestamp = FILES_NOW + round});
            struct appended appended;
            assert_ok(appender_append(&writer.appender, made.bytes, made.size, &appended));
            records += 20;
            bytes_release(&made);
        }
    for (int attached = 1; attached >= 0; attached--) {
        inspect(log_path);
        expect_sound();
        assert_int_equal(told.partitions, 2);
        assert_int_equal(counts.records, records);
        assert_true(counts.segments > 3);
        for (int codec = 0; codec < INSPECT_CODECS; codec++)
            assert_int_equal(counts.codecs[codec], 40);
        inspect(in_log("orders-0"));
        expect_sound();
        assert_int_equal(told.partitions, 1);
        assert_string_equal(told.last_name, "orders-0");
        assert_int_equal(told.last.end, records);
        if (attached) {
            writer_close(&writer);
            detach();
        }
    }
    unlink(in_log("maplog.control"));
    inspect(log_path);
    expect_sound();
}

static void a_live_log_is_inspected_up_to_its_published_end(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=30000", "index.interval.bytes=300", NULL);
    log_fill(partition, 10, 100, 0);
    pid_t child = fork();
    if (child == 0) {
        struct directory *directory;
        if (directory_open(log_path, NULL, &directory))
            _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            log_fill(log_partition(directory, "t"), 50, 100, 0);
            clock_sleep_ns(2000000); /* or it would all be about the disk */
        }
    }
    uint64_t before = 0;
    for (int i = 0; i < 60; i++) {
        inspect(log_path);
        expect_sound();
        assert_true(counts.records >= before);
        before = counts.records;
        if (i == 30)
            assert_ok(partition_delete_records(partition, (int64_t)before / 2));
        if (i == 30)
            before = 0;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    inspect(log_path); /* what it left half done is behind the published end */
    expect_sound();
}

static void a_file_shorter_than_published_is_found(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 100, 100, 0);
    detach();
    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", 0, ".log");
    truncate(path, files_size(path) - 50);
    inspect(log_path);
    expect(false, ".log@-1", "are published");
}

static void a_killed_process_leaves_space_that_is_only_noted(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    detach();
    pid_t child = fork();
    if (child == 0) {
        struct directory *directory;
        if (directory_open(log_path, NULL, &directory))
            _exit(1);
        log_fill(log_partition(directory, "t"), 100, 100, 0);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    inspect(log_path);
    expect(true, ".log@", "allocated bytes");
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(counts.records, 100);
    unlink(in_log("maplog.control"));
    inspect(log_path);
    expect(true, ".log@", "allocated bytes");
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(counts.records, 100);
}

static void files_around_the_segments_are_checked_too(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 10, 100, 0);
    detach();
    inspect(log_path);
    expect_sound();
    files_write(in_log(CHECKPOINT_RECOVERY_POINT), "what", 4);
    inspect(log_path);
    expect(false, CHECKPOINT_RECOVERY_POINT, "");
    unlink(in_log(CHECKPOINT_RECOVERY_POINT));
    files_write(in_log(CHECKPOINT_LOG_START), "0\n1\nnone 3 5\n", 13);
    inspect(log_path);
    expect(true, CHECKPOINT_LOG_START, "none-3");
    unlink(in_log(CHECKPOINT_LOG_START));

    files_write(in_log("t-0/" CHECKPOINT_LEADER_EPOCH), "0\n2\n3 0\n3 4\n", 12);
    inspect(log_path);
    expect(false, "t-0/" CHECKPOINT_LEADER_EPOCH, "does not ascend");
    files_write(in_log("t-0/" CHECKPOINT_LEADER_EPOCH), "0\n1\n3 11\n", 9);
    inspect(log_path);
    expect(false, "t-0/" CHECKPOINT_LEADER_EPOCH, "behind the end");
    files_write(in_log("t-0/" CHECKPOINT_LEADER_EPOCH), "0\n", 2);
    inspect(log_path);
    expect(false, "t-0/" CHECKPOINT_LEADER_EPOCH, "");
    unlink(in_log("t-0/" CHECKPOINT_LEADER_EPOCH));

    files_write(in_log("t-0/" PARTITION_METADATA), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
                43);
    inspect(log_path);
    expect(false, "t-0/" PARTITION_METADATA, "topic's id");
    unlink(in_log("t-0/" PARTITION_METADATA));

    mkdir(in_log("stranger-3"), 0700);
    inspect(log_path);
    expect(false, "stranger-3", "no topic");
    rmdir(in_log("stranger-3"));
    inspect(log_path);
    expect_sound();
    files_write(in_log(CATALOG_FILE), "maplog-topics 1\nt id=", 21);
    inspect(log_path);
    expect(false, CATALOG_FILE, "");
}

/* ---- recovery on private copies -------------------------------------------------------------- */

static struct inspect_recovery recovered;
static size_t recoveries;

static int on_recovery(void *context, const struct inspect_recovery *recovery)
{
    (void)context;
    recovered = *recovery;
    recoveries++;
    return 0;
}

/* A sum over every file's name, size and bytes. */
static int add_file(void *context, const char *name, bool is_directory)
{
    uint32_t *sum = context;
    *sum = crc32c(*sum, name, strlen(name));
    if (is_directory)
        return 0;
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/t-0/%s", log_path, name);
    if (files_size(path) < 0)
        return 0;
    struct segment_bytes there = files_read(path);
    *sum = crc32c(*sum, there.bytes, there.size);
    bytes_release(&there);
    return 0;
}

static uint32_t sum_of_files(void)
{
    uint32_t sum = 0;
    assert_ok(file_list(AT_FDCWD, log_path, add_file, &sum));
    assert_ok(file_list(AT_FDCWD, in_log("t-0"), add_file, &sum));
    return sum;
}

static void a_trial_shows_what_recovery_will_do_and_changes_nothing(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=8000", "index.interval.bytes=300", NULL);
    log_fill(partition, 200, 100, 0);
    int64_t bases[64];
    size_t segments = log_segments(partition, bases);
    assert_true(segments > 3);
    assert_code(MAPLOG_BUSY, inspect_recover(log_path, &visitor, on_recovery));
    forget();
    recoveries = 0;
    uint32_t sum = sum_of_files();
    memset(&told, 0, sizeof told);
    counts = (struct inspect_counts){0};
    assert_ok(inspect_recover(log_path, &visitor, on_recovery));
    assert_int_equal(recoveries, 1);
    assert_false(recovered.found.damaged);
    assert_int_equal(recovered.found.end_offset, 200);
    assert_int_equal(recovered.after.records, 200);
    expect_sound();

    char path[LIMIT_PATH];
    files_path(path, log_path, "t-0", bases[1], ".log");
    files_flip(path, 200);
    files_path(path, log_path, "t-0", bases[0], ".index");
    unlink(path);
    sum = sum_of_files();
    assert_ok(inspect_recover(log_path, &visitor, on_recovery));
    assert_true(recovered.found.damaged);
    assert_int_equal(recovered.found.cut_base, bases[1]);
    assert_int_equal(recovered.found.end_offset, bases[1] + 1);
    assert_int_equal(recovered.found.dropped_segments, segments - 2);
    assert_int_equal(recovered.after.records, bases[1] + 1);
    assert_int_equal(recovered.after.segments, 2);
    assert_int_equal(recovered.after.damaged, 0);
    assert_true(recovered.rebuilt >= 1);
    assert_int_equal(sum_of_files(), sum);

    /* And that is what happens. */
    assert_ok(directory_open(log_path, NULL, &log_directory));
    partition = log_partition(log_directory, "t");
    assert_int_equal(log_end(partition), recovered.found.end_offset);
    assert_int_equal(partition->control->leader_epoch, recovered.found.leader_epoch);
    assert_int_equal(log_segments(partition, NULL), 2);
    inspect(log_path);
    expect_sound();
}

int main(void)
{
#define FILES(name) cmocka_unit_test_setup_teardown(name, begin_files, end_files)
#define LOG(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)
    const struct CMUnitTest tests[] = {
        FILES(segments_without_a_directory_are_inspected),
        FILES(every_flipped_bit_of_a_log_is_found),
        FILES(every_flipped_bit_of_an_index_is_found),
        FILES(what_is_wrong_is_said_with_file_and_position),
        FILES(behind_a_lost_header_the_index_shows_the_way),
        FILES(a_record_that_does_not_add_up_is_found_under_a_right_crc),
        FILES(offsets_must_ascend_and_stay_in_their_segment),
        FILES(index_entries_are_held_against_the_batches),
        FILES(a_late_timestamp_must_be_the_largest_so_far),
        FILES(a_tail_is_space_or_rubbish),
        FILES(only_logs_and_directories_can_be_inspected),
        FILES(a_visitor_may_end_it),
        LOG(a_log_of_every_codec_is_sound_attached_or_not),
        LOG(a_live_log_is_inspected_up_to_its_published_end),
        LOG(a_file_shorter_than_published_is_found),
        LOG(a_killed_process_leaves_space_that_is_only_noted),
        LOG(files_around_the_segments_are_checked_too),
        LOG(a_trial_shows_what_recovery_will_do_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
