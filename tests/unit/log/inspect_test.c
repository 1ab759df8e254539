/* inspect_test.c - directories, attached or not: what is wrong is found, nothing else is. */
#include "inspect_told.h"
#include "log_fixture.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "log/catalog.h"
#include "log/checkpoint.h"
#include "log/names.h"

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

static void a_log_of_every_codec_is_sound_attached_or_not(void **state)
{
    (void)state;
    const char *configs[] = {"segment.bytes=20000", "index.interval.bytes=1000", "retention.ms=-1",
                             NULL};
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
        for (int i = 0; i < 200; i++) { /* no more, or a slow reader never comes to its end */
            log_fill(log_partition(directory, "t"), 50, 100, 0);
            clock_sleep_ns(2000000);
        }
        for (;;)
            pause();
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_log_of_every_codec_is_sound_attached_or_not),
        TEST(a_live_log_is_inspected_up_to_its_published_end),
        TEST(a_file_shorter_than_published_is_found),
        TEST(a_killed_process_leaves_space_that_is_only_noted),
        TEST(files_around_the_segments_are_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
