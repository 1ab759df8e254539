/* progress_test.c - committed offsets: the latest counts, batches are whole, nobody waits. */
#include "progress_fixture.h"

#include "log/keeper.h"
#include "os/lock.h"

static void without_commits_nothing_is_made(void **state)
{
    (void)state;
    assert_int_equal(fetch(progress, "g", "t", 0), -1);
    struct maplog_topic found;
    assert_code(MAPLOG_NOT_FOUND, directory_topic(log_directory, PROGRESS_TOPIC, &found));
    assert_ok(progress_commit(progress, NULL, 0, true));
    assert_code(MAPLOG_NOT_FOUND, directory_topic(log_directory, PROGRESS_TOPIC, &found));
    assert_ok(commit(progress, "g", "t", 0, 1));
    assert_ok(directory_topic(log_directory, PROGRESS_TOPIC, &found));
    assert_int_equal(found.partitions, PROGRESS_PARTITIONS);
    assert_int_equal(fetch(progress, "g", "t", 0), 1);
    assert_int_equal(fetch(progress, "g", "t", 1), -1);
    assert_int_equal(fetch(progress, "G", "t", 0), -1);
}

static void names_and_numbers_are_checked(void **state)
{
    (void)state;
    struct progress_entry entry;
    char longest[LIMIT_GROUP_NAME + 2];
    memset(longest, 'g', sizeof longest - 1);
    longest[LIMIT_GROUP_NAME + 1] = 0;
    assert_code(MAPLOG_INVALID, commit(progress, longest, "t", 0, 1));
    assert_code(MAPLOG_INVALID, progress_fetch(progress, "", "t", 0, &entry, NULL));
    assert_code(MAPLOG_INVALID, progress_fetch(progress, "g", "not/a/topic", 0, &entry, NULL));
    assert_code(MAPLOG_INVALID, commit(progress, "g", "t", -1, 1));
    assert_code(MAPLOG_INVALID, commit(progress, "g", "t", 0, -2));
    longest[LIMIT_GROUP_NAME] = 0;
    assert_ok(commit(progress, longest, "t", 0, 3));
    assert_int_equal(fetch(progress, longest, "t", 0), 3);
    struct progress_entry two[] = {entry_of("g", "t", 0, 1), entry_of("h", "t", 0, 1)};
    assert_code(MAPLOG_INVALID, progress_commit(progress, two, 2, true));
    assert_int_equal(fetch(progress, "g", "t", 0), -1);
}

static void an_entry_comes_back_whole(void **state)
{
    (void)state;
    struct progress_entry entry = entry_of("g", "t", 3, INT64_MAX), found;
    char longest[PROGRESS_METADATA_MAX + 1];
    char metadata[PROGRESS_METADATA_MAX];
    memset(longest, 'm', sizeof longest);
    entry.metadata = longest;
    entry.metadata_size = sizeof longest;
    assert_code(MAPLOG_LIMIT, progress_commit(progress, &entry, 1, true));
    entry.metadata_size = PROGRESS_METADATA_MAX;
    entry.leader_epoch = 9;
    entry.committed_ms = 1234567890123;
    assert_ok(progress_commit(progress, &entry, 1, true));
    assert_int_equal(progress_fetch(progress, "g", "t", 3, &found, metadata), 1);
    assert_string_equal(found.group, "g");
    assert_string_equal(found.topic, "t");
    assert_int_equal(found.partition, 3);
    assert_int_equal(found.offset, INT64_MAX);
    assert_int_equal(found.leader_epoch, 9);
    assert_ptr_equal(found.metadata, metadata);
    assert_int_equal(found.metadata_size, PROGRESS_METADATA_MAX);
    assert_memory_equal(metadata, longest, PROGRESS_METADATA_MAX);
    assert_int_equal(found.committed_ms, 1234567890123);
    assert_int_equal(found.expires_ms, -1);
    /* Who does not want the metadata gets none. */
    assert_int_equal(progress_fetch(progress, "g", "t", 3, &found, NULL), 1);
    assert_int_equal(found.metadata_size, 0);
    /* With an expiry, and without a time of its own. */
    int64_t before = keeper_now_ms(log_directory);
    entry.metadata = "short";
    entry.metadata_size = 5;
    entry.committed_ms = -1;
    entry.expires_ms = 2345678901234;
    assert_ok(progress_commit(progress, &entry, 1, true));
    assert_int_equal(progress_fetch(progress, "g", "t", 3, &found, metadata), 1);
    assert_int_equal(found.metadata_size, 5);
    assert_memory_equal(metadata, "short", 5);
    assert_true(found.committed_ms >= before);
    assert_int_equal(found.expires_ms, 2345678901234);
    assert_int_equal(found.leader_epoch, -1);
}

/* Visits the one entry of metadata_may_be_any_bytes(). */
static int expect_bytes(void *context, const struct progress_entry *entry)
{
    const struct progress_entry *expected = context;
    assert_int_equal(entry->metadata_size, expected->metadata_size);
    assert_memory_equal(entry->metadata, expected->metadata, expected->metadata_size);
    return 42;
}

static void metadata_may_be_any_bytes(void **state)
{
    (void)state;
    char bytes[256], metadata[PROGRESS_METADATA_MAX];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i; /* a NUL first, and no text in any encoding */
    struct progress_entry entry = entry_of("g", "t", 0, 5), found;
    entry.metadata = bytes;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        entry.metadata_size = size;
        assert_ok(progress_commit(progress, &entry, 1, true));
        assert_int_equal(progress_fetch(progress, "g", "t", 0, &found, metadata), 1);
        assert_int_equal(found.metadata_size, size);
        assert_memory_equal(metadata, bytes, size);
        assert_int_equal(progress_list(progress, "g", expect_bytes, &entry), 42);
    }
}

#define MANY 300

static void a_commit_is_one_batch_or_nothing(void **state)
{
    (void)state;
    static struct progress_entry entries[MANY];
    static char metadata[PROGRESS_METADATA_MAX];
    for (int32_t i = 0; i < MANY; i++)
        entries[i] = entry_of("g", "t", i, 1000 + i);
    assert_ok(progress_commit(progress, entries, MANY, true));
    struct partition *partition = partition_of("g");
    struct reader reader;
    struct batch batch;
    reader_init(&reader, partition, 0);
    assert_int_equal(reader_next(&reader, &batch), 1);
    assert_int_equal(batch.records, MANY);
    assert_int_equal(reader_next(&reader, &batch), 0);
    for (int32_t i = 0; i < MANY; i++)
        assert_int_equal(fetch(progress, "g", "t", i), 1000 + i);
    /* Something is wrong with one of them: none is committed. */
    for (int32_t i = 0; i < MANY; i++)
        entries[i].offset++;
    entries[MANY - 1].topic = "not/a/topic";
    assert_code(MAPLOG_INVALID, progress_commit(progress, entries, MANY, true));
    /* More than a batch may hold, likewise. */
    entries[MANY - 1].topic = "t";
    memset(metadata, 'm', PROGRESS_METADATA_MAX);
    for (int32_t i = 0; i < MANY; i++) {
        entries[i].metadata = metadata;
        entries[i].metadata_size = sizeof metadata;
    }
    assert_code(MAPLOG_TOO_LARGE, progress_commit(progress, entries, MANY, true));
    assert_int_equal(reader_next(&reader, &batch), 0);
    assert_int_equal(fetch(progress, "g", "t", 0), 1000);
    reader_close(&reader);
}

struct seen {
    char text[512];
    size_t most; /* visits; 0: all */
    size_t count;
};

static int note(void *context, const struct progress_entry *entry)
{
    struct seen *seen = context;
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof seen->text - length, "%s/%s-%d=%lld%.*s ", entry->group,
             entry->topic, (int)entry->partition, (long long)entry->offset,
             (int)entry->metadata_size, entry->metadata);
    /* It may commit. */
    assert_ok(commit(progress, "visitor", "t", 0, (int64_t)seen->count));
    return ++seen->count == seen->most ? 42 : 0;
}

static void entries_are_listed_by_name(void **state)
{
    (void)state;
    struct progress_entry beta[] = {entry_of("beta", "t", 10, 1), entry_of("beta", "t", 9, 2),
                                    entry_of("beta", "s", 0, 4)};
    beta[1].metadata = "(nine)";
    beta[1].metadata_size = 6;
    assert_ok(progress_commit(progress, beta, 3, true));
    assert_ok(commit(progress, "alpha", "z", 0, 3));
    struct seen seen = {0};
    assert_ok(progress_list(progress, "beta", note, &seen));
    assert_string_equal(seen.text, "beta/s-0=4 beta/t-9=2(nine) beta/t-10=1 ");
    seen = (struct seen){0};
    assert_ok(progress_list(progress, NULL, note, &seen));
    assert_string_equal(seen.text,
                        "alpha/z-0=3 beta/s-0=4 beta/t-9=2(nine) beta/t-10=1 visitor/t-0=2 ");
    seen = (struct seen){.most = 2};
    assert_int_equal(progress_list(progress, NULL, note, &seen), 42);
    assert_string_equal(seen.text, "alpha/z-0=3 beta/s-0=4 ");
    seen = (struct seen){0};
    assert_ok(progress_list(progress, "nobody", note, &seen));
    assert_string_equal(seen.text, "");
}

static void a_forgotten_topic_has_no_entries(void **state)
{
    (void)state;
    static const char *const groups[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    size_t count = sizeof groups / sizeof *groups;
    for (size_t i = 0; i < count; i++) {
        assert_ok(commit(progress, groups[i], "gone", 0, 1));
        assert_ok(commit(progress, groups[i], "stays", 0, 2));
    }
    assert_ok(progress_forget(progress, "gone"));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fetch(progress, groups[i], "gone", 0), -1);
        assert_int_equal(fetch(progress, groups[i], "stays", 0), 2);
    }
    assert_ok(progress_forget(progress, "unknown"));
}

/* More tombstones than one batch of them holds. */
static void much_is_forgotten_in_many_batches(void **state)
{
    (void)state;
    enum { PARTITIONS = 2000 };
    static struct progress_entry entries[PARTITIONS];
    char group[LIMIT_GROUP_NAME + 1];
    memset(group, 'g', LIMIT_GROUP_NAME);
    group[LIMIT_GROUP_NAME] = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        entries[i] = entry_of(group, "gone", i, i);
    assert_ok(progress_commit(progress, entries, PARTITIONS, true));
    assert_int_equal(fetch(progress, group, "gone", PARTITIONS - 1), PARTITIONS - 1);
    assert_ok(progress_forget(progress, "gone"));
    struct seen seen = {0};
    assert_ok(progress_list(progress, NULL, note, &seen));
    assert_string_equal(seen.text, "");
    assert_int_equal(log_end(partition_of(group)), 2 * PARTITIONS);
}

static void a_tombstone_takes_an_entry_away(void **state)
{
    (void)state;
    struct directory *other_directory = log_attach();
    struct progress *other;
    assert_ok(progress_open(other_directory, LONG_NS, &other));
    assert_ok(commit(progress, "g", "t", 0, 5));
    assert_ok(commit(progress, "g", "t", 1, 6));
    assert_int_equal(fetch(other, "g", "t", 0), 5);
    struct progress_entry entries[] = {entry_of("g", "t", 0, -1), entry_of("g", "t", 2, 8),
                                       entry_of("g", "none", 0, -1)};
    assert_ok(progress_commit(progress, entries, 3, true));
    assert_int_equal(fetch(other, "g", "t", 0), -1);
    struct seen seen = {0};
    assert_ok(progress_list(other, "g", note, &seen));
    assert_string_equal(seen.text, "g/t-1=6 g/t-2=8 ");
    assert_ok(commit(other, "g", "t", 0, 9));
    assert_int_equal(fetch(progress, "g", "t", 0), 9);
    progress_close(other);
    directory_drop(other_directory);
}

/* As another program wrote them. */
static void append_value(struct partition *partition, const char *topic, const void *value,
                         size_t size)
{
    struct writer writer;
    uint8_t key[PROGRESS_KEY_MAX];
    struct maplog_record record = {
        .key = key,
        .key_size = progress_put_key(key, "g", topic, 0),
        .value = value,
        .value_size = size,
    };
    writer_open(partition, &writer);
    assert_ok(appender_append_record(&writer.appender, &record, 1, NULL));
    writer_close(&writer);
}

static void other_versions_are_read_and_unknown_ones_told(void **state)
{
    (void)state;
    static const uint8_t v1[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 'o', 0, 0,
                                 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,   6};
    static const uint8_t v5[] = {0, 5, 0, 0, 0, 0, 0, 0, 0, 9};
    assert_ok(commit(progress, "g", "new", 0, 1));
    append_value(partition_of("g"), "old", v1, sizeof v1);
    append_value(partition_of("g"), "later", v5, sizeof v5);
    struct progress_entry entry;
    char metadata[PROGRESS_METADATA_MAX + 1];
    assert_int_equal(progress_fetch(progress, "g", "old", 0, &entry, metadata), 1);
    assert_int_equal(entry.offset, 9);
    assert_int_equal(entry.metadata_size, 1);
    assert_memory_equal(metadata, "o", 1);
    assert_int_equal(entry.committed_ms, 5);
    assert_int_equal(entry.expires_ms, 6);
    assert_code(MAPLOG_VERSION, progress_fetch(progress, "g", "later", 0, &entry, metadata));
    assert_string_equal(error_text(), "the progress of group g in later-0 has an unknown form");
    struct seen seen = {0};
    assert_ok(progress_list(progress, "g", note, &seen));
    assert_string_equal(seen.text, "g/new-0=1 g/old-0=9o ");
}

static void a_deleted_progress_topic_is_made_anew(void **state)
{
    (void)state;
    assert_ok(commit(progress, "g", "t", 0, 5));
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    assert_int_equal(fetch(progress, "g", "t", 0), -1);
    assert_ok(commit(progress, "g", "t", 0, 6));
    assert_int_equal(fetch(progress, "g", "t", 0), 6);
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    assert_ok(commit(progress, "g", "t", 0, 7));
    assert_int_equal(fetch(progress, "g", "t", 0), 7);
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    assert_ok(progress_forget(progress, "t"));
    struct seen seen = {0};
    assert_ok(progress_list(progress, NULL, note, &seen));
    assert_string_equal(seen.text, "");
}

/* ---- not waiting ----------------------------------------------------------------------------- */

/* A process that is stopped in the middle of its first append to the group's partition. */
static pid_t stopped_committer(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory;
        struct progress *mine;
        if (directory_open(log_path, NULL, &directory) || progress_open(directory, LONG_NS, &mine))
            _exit(1);
        fault_signal_at("append-begun", 1, SIGSTOP);
        commit(mine, "g", "t", 0, 1);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static void without_a_timeout_it_does_not_wait_for_a_stopped_writer(void **state)
{
    (void)state;
    struct progress *server;
    assert_ok(commit(progress, "g", "t", 0, 5));
    assert_ok(progress_open(log_directory, 0, &server));
    pid_t pid = stopped_committer();
    assert_code(MAPLOG_BUSY, commit(server, "g", "t", 0, 6));
    assert_code(MAPLOG_BUSY, progress_forget(server, "t"));
    assert_int_equal(fetch(server, "g", "t", 0), 5);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_ok(commit(server, "g", "t", 0, 7));
    assert_int_equal(fetch(server, "g", "t", 0), 7);
    progress_close(server);
}

static void without_a_timeout_the_topic_is_made_at_once(void **state)
{
    (void)state;
    struct progress *server;
    struct maplog_topic found;
    assert_ok(progress_open(log_directory, 0, &server));
    assert_ok(directory_topic(log_directory, PROGRESS_TOPIC, &found));
    /* Making it anew would wait for whoever changes topics. */
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    struct directory *other = log_attach();
    assert_ok(lock_try(other->view.lock_fd, log_path, LOCK_CATALOG, true));
    assert_code(MAPLOG_BUSY, commit(server, "g", "t", 0, 6));
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_ok(commit(server, "g", "t", 0, 7));
    assert_int_equal(fetch(progress, "g", "t", 0), 7);
    directory_drop(other);
    progress_close(server);
}

static void on_a_full_disk_it_opens_all_the_same(void **state)
{
    (void)state;
    struct progress *server;
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_ok(progress_open(log_directory, 0, &server));
    assert_int_equal(fetch(server, "g", "t", 0), -1);
    assert_code(MAPLOG_DISK_FULL, commit(server, "g", "t", 0, 6));
    fault_clear();
    assert_ok(commit(server, "g", "t", 0, 7));
    assert_int_equal(fetch(server, "g", "t", 0), 7);
    progress_close(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, progress_make, progress_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_commits_nothing_is_made),
        TEST(names_and_numbers_are_checked),
        TEST(an_entry_comes_back_whole),
        TEST(metadata_may_be_any_bytes),
        TEST(a_commit_is_one_batch_or_nothing),
        TEST(entries_are_listed_by_name),
        TEST(a_forgotten_topic_has_no_entries),
        TEST(much_is_forgotten_in_many_batches),
        TEST(a_tombstone_takes_an_entry_away),
        TEST(other_versions_are_read_and_unknown_ones_told),
        TEST(a_deleted_progress_topic_is_made_anew),
        TEST(without_a_timeout_it_does_not_wait_for_a_stopped_writer),
        TEST(without_a_timeout_the_topic_is_made_at_once),
        TEST(on_a_full_disk_it_opens_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
