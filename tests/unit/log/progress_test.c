/* progress_test.c - committed offsets: latest wins, the log stays small, nothing is lost. */
#include "log_fixture.h"

#include <pthread.h>

#include "log/progress.h"
#include "log/progress_format.h"

static struct progress *progress;

static int make(void **state)
{
    return log_make(state) || progress_open(log_directory, &progress);
}

static int end(void **state)
{
    progress_close(progress);
    return log_remove(state);
}

static int64_t fetch(struct progress *from, const char *group, const char *topic, int32_t partition)
{
    int64_t offset = -7;
    assert_ok(progress_fetch(from, group, topic, partition, &offset));
    return offset;
}

static void without_commits_nothing_is_made(void **state)
{
    (void)state;
    assert_int_equal(fetch(progress, "g", "t", 0), -1);
    struct maplog_topic found;
    assert_code(MAPLOG_NOT_FOUND, directory_topic(log_directory, PROGRESS_TOPIC, &found));
    assert_ok(progress_commit(progress, "g", "t", 0, 1, NULL));
    assert_ok(directory_topic(log_directory, PROGRESS_TOPIC, &found));
    assert_int_equal(found.partitions, PROGRESS_PARTITIONS);
    assert_int_equal(fetch(progress, "g", "t", 0), 1);
    assert_int_equal(fetch(progress, "g", "t", 1), -1);
    assert_int_equal(fetch(progress, "G", "t", 0), -1);
}

static void names_are_checked(void **state)
{
    (void)state;
    int64_t offset;
    char longest[LIMIT_GROUP_NAME + 2];
    memset(longest, 'g', sizeof longest - 1);
    longest[LIMIT_GROUP_NAME + 1] = 0;
    assert_code(MAPLOG_INVALID, progress_commit(progress, longest, "t", 0, 1, NULL));
    assert_code(MAPLOG_INVALID, progress_fetch(progress, "", "t", 0, &offset));
    assert_code(MAPLOG_INVALID, progress_fetch(progress, "g", "not/a/topic", 0, &offset));
    longest[LIMIT_GROUP_NAME] = 0;
    assert_ok(progress_commit(progress, longest, "t", 0, 3, NULL));
    assert_int_equal(fetch(progress, longest, "t", 0), 3);
}

struct seen {
    char text[512];
};

static int note(void *context, const char *group, const char *topic, int32_t partition,
                int64_t offset)
{
    struct seen *seen = context;
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof seen->text - length, "%s/%s-%d=%lld ", group, topic,
             (int)partition, (long long)offset);
    return 0;
}

static void entries_are_listed_by_name(void **state)
{
    (void)state;
    assert_ok(progress_commit(progress, "beta", "t", 10, 1, NULL));
    assert_ok(progress_commit(progress, "beta", "t", 9, 2, NULL));
    assert_ok(progress_commit(progress, "alpha", "z", 0, 3, NULL));
    assert_ok(progress_commit(progress, "beta", "s", 0, 4, NULL));
    struct seen seen = {""};
    assert_ok(progress_list(progress, "beta", note, &seen));
    assert_string_equal(seen.text, "beta/s-0=4 beta/t-9=2 beta/t-10=1 ");
    assert_ok(progress_forget(progress, "t"));
    seen.text[0] = 0;
    assert_ok(progress_list(progress, NULL, note, &seen));
    assert_non_null(strstr(seen.text, "alpha/z-0=3 beta/s-0=4 "));
    assert_null(strstr(seen.text, "/t-"));
    assert_int_equal(fetch(progress, "beta", "t", 9), -1);
}

/* The partition of __consumer_offsets that has the group. */
static struct partition *partition_of(const char *group)
{
    struct partition *partition;
    assert_ok(directory_partition(log_directory, PROGRESS_TOPIC,
                                  progress_place(group, PROGRESS_PARTITIONS), &partition));
    return partition;
}

/* A progress topic whose segments are full after some dozen commits. */
static void use_small_segments(void)
{
    assert_ok(progress_commit(progress, "g", "t", 0, 0, NULL));
    log_alter(PROGRESS_TOPIC, "segment.bytes=4096");
}

static void the_log_stays_small(void **state)
{
    (void)state;
    use_small_segments();
    struct directory *other_directory = log_attach();
    struct progress *other;
    assert_ok(progress_open(other_directory, &other));
    assert_int_equal(fetch(other, "g", "t", 0), 0);
    for (int64_t i = 1; i <= 5000; i++)
        assert_ok(progress_commit(progress, "g", "t", (int32_t)(i % 7), i, NULL));
    struct partition *partition = partition_of("g");
    assert_true(partition_start(partition) > 4000);
    assert_int_equal(log_segments(partition, NULL), 1);
    /* One that read before, one that reads now: the same, and nothing is lost. */
    struct progress *fresh;
    assert_ok(progress_open(other_directory, &fresh));
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

static void what_is_not_understood_is_kept(void **state)
{
    (void)state;
    use_small_segments();
    struct writer writer;
    struct partition *partition = partition_of("g");
    writer_open(partition, &writer);
    static const char metadata_key[] = {0, 2, 0, 1, 'g'};
    struct maplog_record metadata = {
        .key = metadata_key, .key_size = sizeof metadata_key, .value = "members", .value_size = 7};
    assert_ok(appender_append_record(&writer.appender, &metadata, 5, NULL));
    writer_close(&writer);
    for (int64_t i = 1; i <= 1000; i++)
        assert_ok(progress_commit(progress, "g", "t", 1, i, NULL));
    assert_true(partition_start(partition) > 500);
    struct reader reader;
    struct batch batch;
    int kept = 0;
    reader_init(&reader, partition, partition_start(partition));
    while (reader_next(&reader, &batch) == 1) {
        struct record_cursor cursor;
        struct record record;
        record_begin(&cursor, &batch, batch.bytes + BATCH_HEADER_BYTES,
                     batch.size - BATCH_HEADER_BYTES);
        while (record_next(&cursor, &record) == 1)
            kept += record.key_size == sizeof metadata_key &&
                    memcmp(record.key, metadata_key, sizeof metadata_key) == 0 &&
                    record.value_size == 7 && record.timestamp == 5;
    }
    reader_close(&reader);
    assert_true(kept >= 1);
}

static void much_live_progress_is_not_copied_at_each_roll(void **state)
{
    (void)state;
    use_small_segments();
    for (int32_t i = 0; i < 2000; i++)
        assert_ok(progress_commit(progress, "g", "t", i, i, NULL));
    struct partition *partition = partition_of("g");
    int64_t before = log_end(partition);
    for (int32_t i = 0; i < 2000; i++)
        assert_ok(progress_commit(progress, "g", "t", i, i + 1, NULL));
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
    if (directory_open(log_path, NULL, &directory) || progress_open(directory, &mine)) {
        committer->wrong = -1;
        return NULL;
    }
    for (int64_t round = 1; round <= ROUNDS; round++) {
        for (int32_t i = committer->first; i < committer->first + 5; i++) {
            int64_t offset = -1;
            committer->wrong += progress_commit(mine, "g", "t", i, round, NULL) != 0 ||
                                progress_fetch(mine, "g", "t", i, &offset) != 0 || offset != round;
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
            if (directory_open(log_path, NULL, &directory) || progress_open(directory, &mine))
                _exit(1);
            for (int64_t i = sure + 1;; i++) {
                if (progress_commit(mine, "g", "killed", 0, i, NULL) ||
                    write(up[1], &i, sizeof i) != sizeof i)
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
        if (directory_open(log_path, NULL, &directory) || progress_open(directory, &mine))
            _exit(1);
        fault_signal_at(point, nth, SIGKILL);
        for (int64_t i = from;; i++)
            if (progress_commit(mine, "g", "dies", (int32_t)(i % 30), i, NULL) ||
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
        assert_ok(progress_commit(progress, "g", "dies", (int32_t)i, i, NULL));
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
        assert_ok(progress_commit(progress, "g", "t", 1, i, NULL));
    assert_true(log_segments(partition_of("g"), NULL) <= 2);
}

static void a_deleted_progress_topic_is_made_anew(void **state)
{
    (void)state;
    assert_ok(progress_commit(progress, "g", "t", 0, 5, NULL));
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    assert_int_equal(fetch(progress, "g", "t", 0), -1);
    assert_ok(progress_commit(progress, "g", "t", 0, 6, NULL));
    assert_int_equal(fetch(progress, "g", "t", 0), 6);
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    assert_ok(progress_commit(progress, "g", "t", 0, 7, NULL));
    assert_int_equal(fetch(progress, "g", "t", 0), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_commits_nothing_is_made, make, end),
        cmocka_unit_test_setup_teardown(names_are_checked, make, end),
        cmocka_unit_test_setup_teardown(entries_are_listed_by_name, make, end),
        cmocka_unit_test_setup_teardown(the_log_stays_small, make, end),
        cmocka_unit_test_setup_teardown(what_is_not_understood_is_kept, make, end),
        cmocka_unit_test_setup_teardown(much_live_progress_is_not_copied_at_each_roll, make, end),
        cmocka_unit_test_setup_teardown(many_commit_at_once_and_none_goes_back, make, end),
        cmocka_unit_test_setup_teardown(killed_while_rewriting_it_loses_nothing, make, end),
        cmocka_unit_test_setup_teardown(killed_at_each_step_of_a_rewrite_it_loses_nothing, make,
                                        end),
        cmocka_unit_test_setup_teardown(a_deleted_progress_topic_is_made_anew, make, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
