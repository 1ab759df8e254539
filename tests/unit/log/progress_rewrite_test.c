/* progress_rewrite_test.c - the log of committed offsets stays small, and nothing is lost. */
#include "progress_fixture.h"

#include <pthread.h>

#include "os/lock.h"

static void the_log_stays_small(void **state)
{
    (void)state;
    use_small_segments();
    struct directory *other_directory = log_attach();
    struct progress *other;
    assert_ok(progress_open(other_directory, LONG_NS, &other));
    assert_int_equal(fetch(other, "g", "t", 0), 0);
    for (int64_t i = 1; i <= 5000; i++)
        assert_ok(commit(progress, "g", "t", (int32_t)(i % 7), i));
    struct partition *partition = partition_of("g");
    assert_true(partition_start(partition) > 4000);
    assert_int_equal(log_segments(partition, NULL), 1);
    /* One that read before, one that reads now: the same, and nothing is lost. */
    struct progress *fresh;
    assert_ok(progress_open(other_directory, LONG_NS, &fresh));
    for (int64_t i = 4994; i <= 5000; i++) {
        assert_int_equal(fetch(progress, "g", "t", (int32_t)(i % 7)), i);
        assert_int_equal(fetch(other, "g", "t", (int32_t)(i % 7)), i);
        assert_int_equal(fetch(fresh, "g", "t", (int32_t)(i % 7)), i);
    }
    log_walk(partition);
    progress_close(fresh);
    progress_close(other);
    directory_drop(other_directory);
}

static bool has_key(const struct record *record, const void *key, size_t size)
{
    return record->key && record->key_size == size && memcmp(record->key, key, size) == 0;
}

/* How many records of the log have the key. */
static int count_key(struct partition *partition, const void *key, size_t size)
{
    struct reader reader;
    struct batch batch;
    int count = 0;
    reader_init(&reader, partition, partition_start(partition));
    while (reader_next(&reader, &batch) == 1) {
        struct record_cursor cursor;
        struct record record;
        record_begin(&cursor, &batch, batch.bytes + BATCH_HEADER_BYTES,
                     batch.size - BATCH_HEADER_BYTES);
        while (record_next(&cursor, &record) == 1)
            count += has_key(&record, key, size);
    }
    reader_close(&reader);
    return count;
}

/* Kafka's coordinator keeps the members of its groups in the same log. */
static void group_members_are_passed_over_and_dropped(void **state)
{
    (void)state;
    use_small_segments();
    struct writer writer;
    struct partition *partition = partition_of("g");
    writer_open(partition, &writer);
    static const char members[] = {0, 2, 0, 1, 'g'};
    /* A group whose name is too long for us, and a value of a later version: progress none the
     * less. */
    uint8_t strange[PROGRESS_KEY_MAX + 1];
    char longest[LIMIT_GROUP_NAME + 2];
    memset(longest, 'l', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    size_t strange_size = progress_put_key(strange, longest, "t", 0);
    struct maplog_record records[] = {
        {.key = members, .key_size = sizeof members, .value = "members", .value_size = 7},
        {.key = strange, .key_size = strange_size, .value = "\0\t later", .value_size = 8},
    };
    for (size_t i = 0; i < 2; i++)
        assert_ok(appender_append_record(&writer.appender, &records[i], 5, NULL));
    writer_close(&writer);
    assert_int_equal(fetch(progress, "g", "t", 0), 0);
    assert_int_equal(count_key(partition, members, sizeof members), 1);
    for (int64_t i = 1; i <= 1000; i++)
        assert_ok(commit(progress, "g", "t", 1, i));
    assert_true(partition_start(partition) > 500);
    assert_int_equal(count_key(partition, members, sizeof members), 0);
    assert_true(count_key(partition, strange, strange_size) >= 1);
}

static void metadata_and_times_come_along(void **state)
{
    (void)state;
    use_small_segments();
    struct progress_entry kept = entry_of("g", "kept", 0, 77);
    kept.leader_epoch = 5;
    kept.metadata = "where\0from";
    kept.metadata_size = 10;
    kept.committed_ms = 1234567890123;
    assert_ok(progress_commit(progress, &kept, 1, true));
    for (int64_t i = 1; i <= 500; i++)
        assert_ok(commit(progress, "g", "t", 0, i));
    assert_true(partition_start(partition_of("g")) > 2);
    struct progress *fresh;
    struct progress_entry entry;
    char metadata[PROGRESS_METADATA_MAX];
    assert_ok(progress_open(log_directory, LONG_NS, &fresh));
    assert_int_equal(progress_fetch(fresh, "g", "kept", 0, &entry, metadata), 1);
    assert_int_equal(entry.offset, 77);
    assert_int_equal(entry.leader_epoch, 5);
    assert_int_equal(entry.metadata_size, 10);
    assert_memory_equal(entry.metadata, "where\0from", 10);
    assert_int_equal(entry.committed_ms, 1234567890123);
    progress_close(fresh);
}

/* Who changes topics may be stopped meanwhile. */
static void it_waits_for_no_change_of_topics(void **state)
{
    (void)state;
    use_small_segments();
    struct progress *server;
    struct directory *other = log_attach();
    assert_ok(progress_open(log_directory, 0, &server));
    assert_ok(lock_try(other->view.lock_fd, log_path, LOCK_CATALOG, true));
    for (int64_t i = 1; i <= 500; i++)
        assert_ok(commit(server, "g", "t", 0, i));
    assert_true(partition_start(partition_of("g")) > 300);
    assert_int_equal(log_segments(partition_of("g"), NULL), 1);
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    progress_close(server);
    directory_drop(other);
}

static void much_live_progress_is_not_copied_at_each_roll(void **state)
{
    (void)state;
    use_small_segments();
    for (int32_t i = 0; i < 2000; i++)
        assert_ok(commit(progress, "g", "t", i, i));
    struct partition *partition = partition_of("g");
    int64_t before = log_end(partition);
    for (int32_t i = 0; i < 2000; i++)
        assert_ok(commit(progress, "g", "t", i, i + 1));
    /* 2000 commits, and each live entry written again a few times in all. */
    assert_true(log_end(partition) - before < 5 * 2000);
    struct maplog_partition found;
    assert_ok(partition_describe(partition, &found));
    assert_true(found.bytes < 2000 * 150 * 4);
    for (int32_t i = 0; i < 2000; i++)
        assert_int_equal(fetch(progress, "g", "t", i), i + 1);
}

struct committer {
    int32_t first;
    int wrong; /* commits that failed or that it did not read back; asserts are for the main thread
                */
};

#define ROUNDS 400

static void *commit_often(void *argument)
{
    struct committer *committer = argument;
    struct directory *directory;
    struct progress *mine;
    if (directory_open(log_path, NULL, &directory) || progress_open(directory, LONG_NS, &mine)) {
        committer->wrong = -1;
        return NULL;
    }
    for (int64_t round = 1; round <= ROUNDS; round++) {
        for (int32_t i = committer->first; i < committer->first + 5; i++) {
            struct progress_entry entry;
            committer->wrong += commit(mine, "g", "t", i, round) != 0 ||
                                progress_fetch(mine, "g", "t", i, &entry, NULL) != 1 ||
                                entry.offset != round;
        }
    }
    progress_close(mine);
    directory_drop(directory);
    return NULL;
}

static void many_commit_at_once_and_none_goes_back(void **state)
{
    (void)state;
    use_small_segments();
    pthread_t threads[4];
    struct committer committers[4];
    for (int i = 0; i < 4; i++) {
        committers[i] = (struct committer){.first = 5 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, commit_often, &committers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(committers[i].wrong, 0);
    }
    for (int32_t i = 0; i < 20; i++)
        assert_int_equal(fetch(progress, "g", "t", i), ROUNDS);
    struct partition *partition = partition_of("g");
    assert_true(partition_start(partition) > 0);
    log_walk(partition);
}

static void killed_while_rewriting_it_loses_nothing(void **state)
{
    (void)state;
    use_small_segments();
    int64_t sure = 0;
    for (int round = 0; round < 40; round++) {
        int up[2];
        assert_int_equal(pipe(up), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct directory *directory;
            struct progress *mine;
            if (directory_open(log_path, NULL, &directory) ||
                progress_open(directory, LONG_NS, &mine))
                _exit(1);
            for (int64_t i = sure + 1;; i++) {
                if (commit(mine, "g", "killed", 0, i) || write(up[1], &i, sizeof i) != sizeof i)
                    _exit(1);
            }
        }
        close(up[1]);
        int64_t told;
        for (int i = 0; i < 50 + 13 * round; i++) {
            assert_int_equal(read(up[0], &told, sizeof told), sizeof told);
            sure = told;
        }
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(up[0], &told, sizeof told) == sizeof told)
            sure = told;
        close(up[0]);
        int64_t offset = fetch(progress, "g", "killed", 0);
        assert_in_range(offset, sure, sure + 1);
        sure = offset;
        assert_int_equal(fetch(progress, "g", "t", 0), 0); /* carried along all the while */
    }
    assert_true(partition_start(partition_of("g")) > 0);
}

/* Commits to ("g", "dies", 0..29) in a child until it kills itself at the point; what it was told.
 */
static int64_t die_at(const char *point, unsigned nth, int64_t from)
{
    int up[2];
    assert_int_equal(pipe(up), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory;
        struct progress *mine;
        if (directory_open(log_path, NULL, &directory) || progress_open(directory, LONG_NS, &mine))
            _exit(1);
        fault_signal_at(point, nth, SIGKILL);
        for (int64_t i = from;; i++)
            if (commit(mine, "g", "dies", (int32_t)(i % 30), i) ||
                write(up[1], &i, sizeof i) != sizeof i)
                _exit(1);
    }
    close(up[1]);
    int64_t told, last = from - 1;
    while (read(up[0], &told, sizeof told) == sizeof told)
        last = told;
    close(up[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void killed_at_each_step_of_a_rewrite_it_loses_nothing(void **state)
{
    (void)state;
    static const char *const points[] = {"progress-gathered", "progress-appended",
                                         "progress-rewritten"};
    use_small_segments();
    int64_t last = 29;
    for (int64_t i = 0; i < 30; i++)
        assert_ok(commit(progress, "g", "dies", (int32_t)i, i));
    for (unsigned round = 0; round < 15; round++) {
        int64_t start = partition_start(partition_of("g"));
        last = die_at(points[round % 3], 1 + round / 3 % 2, last + 1) + 1; /* killed in that one */
        for (int64_t i = last - 29; i <= last; i++)
            assert_int_equal(fetch(progress, "g", "dies", (int32_t)(i % 30)), i);
        assert_true(partition_start(partition_of("g")) >= start);
        log_walk(partition_of("g"));
    }
    assert_int_equal(fetch(progress, "g", "t", 0), 0);
    /* The next one that lives makes it small again. */
    for (int i = 0; i < 200; i++)
        assert_ok(commit(progress, "g", "t", 1, i));
    assert_true(log_segments(partition_of("g"), NULL) <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_log_stays_small, progress_make, progress_end),
        cmocka_unit_test_setup_teardown(group_members_are_passed_over_and_dropped, progress_make,
                                        progress_end),
        cmocka_unit_test_setup_teardown(metadata_and_times_come_along, progress_make, progress_end),
        cmocka_unit_test_setup_teardown(it_waits_for_no_change_of_topics, progress_make,
                                        progress_end),
        cmocka_unit_test_setup_teardown(much_live_progress_is_not_copied_at_each_roll,
                                        progress_make, progress_end),
        cmocka_unit_test_setup_teardown(many_commit_at_once_and_none_goes_back, progress_make,
                                        progress_end),
        cmocka_unit_test_setup_teardown(killed_while_rewriting_it_loses_nothing, progress_make,
                                        progress_end),
        cmocka_unit_test_setup_teardown(killed_at_each_step_of_a_rewrite_it_loses_nothing,
                                        progress_make, progress_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
