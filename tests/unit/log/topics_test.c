/* topics_test.c - topics that are made, altered and deleted while others are attached, and what a
 * failed change leaves. */
#include "log_fixture.h"

#include <dirent.h>

#include "log/durable.h"
#include "log/duty.h"

static const char *const no_configs[] = {NULL};

static bool exists(struct directory *directory, const char *topic)
{
    struct maplog_topic found;
    int result = directory_topic(directory, topic, &found);
    if (result != 0)
        assert_code(MAPLOG_NOT_FOUND, result);
    return result == 0;
}

/* Entries of the log directory that begin with the text. */
static int entries(const char *begin)
{
    DIR *listing = opendir(log_path);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(listing));)
        count += strncmp(entry->d_name, begin, strlen(begin)) == 0;
    closedir(listing);
    return count;
}

static void others_see_every_change(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct maplog_topic found;
    assert_ok(directory_create_topic(log_directory, "a", 2, no_configs));
    assert_true(exists(other, "a"));
    assert_ok(directory_create_topic(other, "b", 0, no_configs));
    assert_ok(directory_topic(log_directory, "b", &found));
    assert_int_equal(found.partitions, 1);
    assert_ok(directory_grow_topic(other, "a", 5));
    assert_ok(directory_topic(log_directory, "a", &found));
    assert_int_equal(found.partitions, 5);
    struct partition *partition;
    assert_ok(directory_partition(log_directory, "a", 4, &partition));
    log_fill(partition, 3, 10, 0);
    assert_ok(directory_delete_topic(log_directory, "a"));
    assert_false(exists(other, "a"));
    assert_true(exists(other, "b"));
    assert_int_equal(entries("a-"), 0);
    directory_drop(other);
    directory_drop(log_directory);
    log_directory = log_attach();
    assert_false(exists(log_directory, "a"));
    assert_true(exists(log_directory, "b"));
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    assert_ok(directory_create_topic(log_directory, "a.b", 2, no_configs));
    assert_code(MAPLOG_EXISTS, directory_create_topic(log_directory, "a.b", 2, no_configs));
    assert_true(directory_create_topic(log_directory, "a_b", 2, no_configs) < 0); /* Kafka's rule */
    assert_code(MAPLOG_INVALID, directory_create_topic(log_directory, "a/b", 1, no_configs));
    assert_code(MAPLOG_INVALID, directory_create_topic(log_directory, "..", 1, no_configs));
    assert_true(directory_create_topic(log_directory, "n", -1, no_configs) < 0);
    assert_code(MAPLOG_LIMIT,
                directory_create_topic(log_directory, "n", LIMIT_PARTITIONS + 1, no_configs));
    const char *bad[] = {"segment.bytes=12", NULL};
    assert_code(MAPLOG_INVALID, directory_create_topic(log_directory, "n", 1, bad));
    assert_code(MAPLOG_INVALID, directory_alter_topic(log_directory, "a.b", bad));
    assert_code(MAPLOG_INVALID, directory_grow_topic(log_directory, "a.b", 2));
    assert_code(MAPLOG_NOT_FOUND, directory_grow_topic(log_directory, "c", 2));
    assert_code(MAPLOG_NOT_FOUND, directory_alter_topic(log_directory, "c", no_configs));
    assert_code(MAPLOG_NOT_FOUND, directory_delete_topic(log_directory, "c"));
    assert_false(exists(log_directory, "n"));
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *reading;
    assert_ok(directory_open(log_path, &options, &reading));
    assert_code(MAPLOG_DENIED, directory_create_topic(reading, "x", 1, no_configs));
    assert_code(MAPLOG_DENIED, directory_delete_topic(reading, "a.b"));
    directory_drop(reading);
}

static void a_change_that_cannot_be_stored_did_not_happen(void **state)
{
    (void)state;
    struct partition *kept = log_topic("kept", NULL, NULL, NULL);
    log_fill(kept, 3, 10, 0);
    struct directory *other = log_attach();
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME,
                                            FAULT_ALLOCATE};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        /* It may be there, but not be known to be durable. */
        bool doubtful = kinds[k] == FAULT_SYNC || kinds[k] == FAULT_OPEN;
        for (unsigned nth = 1; nth < 6; nth++) {
            char name[32];
            snprintf(name, sizeof name, "n-%zu-%u", k, nth);
            fault_set(kinds[k], nth, kinds[k] == FAULT_ALLOCATE ? ENOSPC : EIO, 1);
            int result = directory_create_topic(log_directory, name, 1, no_configs);
            fault_clear();
            bool there = exists(log_directory, name);
            assert_int_equal(exists(other, name), there);
            if (!doubtful)
                assert_int_equal(there, result == 0);
            if (there)
                log_fill(log_partition(other, name), 2, 10, 0);
            const char *configs[] = {nth % 2 ? "segment.bytes=50000" : "segment.bytes=60000", NULL};
            struct settings before, after;
            uint64_t generation;
            assert_ok(partition_settings(kept, &before, &generation));
            fault_set(kinds[k], nth, EIO, 1);
            result = directory_alter_topic(log_directory, "kept", configs);
            fault_clear();
            assert_ok(partition_settings(kept, &after, &generation));
            if (result && !doubtful)
                assert_int_equal(after.segment_bytes, before.segment_bytes);
        }
    }
    /* A topic that is not deleted after all goes on. */
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, directory_delete_topic(log_directory, "kept"));
    fault_clear();
    log_fill(kept, 3, 10, 0);
    assert_int_equal(log_walk(kept), 6);
    assert_true(exists(other, "kept"));
    directory_drop(other);
}

/* Makes a change in a child that is killed at the fault point. */
static void change_and_die(int (*body)(struct directory *directory), const char *point,
                           unsigned nth)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory;
        if (directory_open(log_path, NULL, &directory))
            _exit(1);
        fault_signal_at(point, nth, SIGKILL);
        body(directory);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        fail_msg("%s was not passed %u times", point, nth);
}

static int create_victim(struct directory *directory)
{
    return directory_create_topic(directory, "victim", 2, no_configs);
}

static int delete_victim(struct directory *directory)
{
    return directory_delete_topic(directory, "victim");
}

/* Somebody dies after the new catalog was stored and before anybody was told: the next change must
 * not be made from an old copy. */
static void a_dead_changer_loses_nobody_elses_topic(void **state)
{
    (void)state;
    log_topic("first", NULL, NULL, NULL);
    change_and_die(create_victim, "topics-stored", 1);
    log_topic("second", NULL, NULL, NULL);
    struct directory *other = log_attach();
    assert_true(exists(other, "victim"));
    struct partition *partition;
    assert_ok(directory_partition(other, "victim", 1, &partition));
    log_fill(partition, 3, 10, 0);
    log_topic("third", NULL, NULL, NULL);
    assert_int_equal(log_walk(partition), 3);
    assert_true(exists(log_directory, "victim"));
    directory_drop(other);
}

static void a_death_while_creating_leaves_nothing_in_the_way(void **state)
{
    (void)state;
    static const char *const points[] = {"topics-slots", "topics-stored"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        change_and_die(create_victim, points[i], 1);
        int result = directory_create_topic(log_directory, "victim", 2, no_configs);
        if (result != MAPLOG_EXISTS)
            assert_ok(result);
        struct partition *partition;
        assert_ok(directory_partition(log_directory, "victim", 1, &partition));
        log_fill(partition, 3, 10, 0);
        assert_int_equal(log_walk(partition), 3);
        assert_ok(directory_delete_topic(log_directory, "victim"));
    }
}

/* The next change, or the next one who comes first, ends what the dead one began. */
static void a_death_while_deleting_is_made_up_for(void **state)
{
    (void)state;
    static const char *const points[] = {"delete-noted", "topics-stored", "delete-told",
                                         "delete-renamed"};
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
            assert_ok(create_victim(log_directory));
            for (int32_t p = 0; p < 2; p++) {
                struct partition *partition;
                assert_ok(directory_partition(log_directory, "victim", p, &partition));
                log_fill(partition, 3, 10, 0);
            }
            change_and_die(delete_victim, points[i], 1);
            if (again) { /* everybody is gone, somebody comes */
                directory_drop(log_directory);
                log_directory = log_attach();
            } else {
                log_topic(points[i], NULL, NULL, NULL);
            }
            if (exists(log_directory, "victim")) {
                assert_int_equal(i, 0); /* it was only about to be deleted */
                struct partition *partition;
                assert_ok(directory_partition(log_directory, "victim", 1, &partition));
                log_fill(partition, 1, 10, 0);
                assert_int_equal(log_walk(partition), 4);
                assert_ok(delete_victim(log_directory));
            }
            assert_int_equal(entries("victim"), 0);
            assert_int_equal(entries("maplog.unfinished"), 0);
        }
    }
}

/* A log start or recovery point of a former topic of that name would hide records of the new one.
 */
static void a_topic_made_anew_has_no_checkpoints(void **state)
{
    (void)state;
    log_fill(log_topic("other", NULL, NULL, NULL), 5, 10, 0);
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 10, 10, 0);
    assert_ok(durable_wait(partition, 10, LONG_NS));
    assert_ok(partition_delete_records(partition, 8));
    assert_ok(partition_delete_records(log_partition(log_directory, "other"), 3));
    assert_ok(duty_store_checkpoints(log_directory));
    assert_ok(directory_delete_topic(log_directory, "t"));
    log_fill(log_topic("t", NULL, NULL, NULL), 10, 10, 0);
    log_directory->view.control->header.boot_id[0] ^= 1; /* a power cut */
    directory_drop(log_directory);
    log_directory = log_attach();
    partition = log_partition(log_directory, "t");
    assert_int_equal(partition_start(partition), 0);
    assert_int_equal(log_walk(partition), 10);
    assert_int_equal(load_relaxed(&partition->control->durable_offset), 0);
    assert_int_equal(partition_start(log_partition(log_directory, "other")), 3);
}

static void a_writer_that_is_stopped_holds_up_no_deletion(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 3, 10, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *directory;
        struct writer writer;
        if (directory_open(log_path, NULL, &directory))
            _exit(1);
        writer_open(log_partition(directory, "t"), &writer);
        lease_enter(&writer.appender.lease, LONG_NS);
        raise(SIGSTOP);
        lease_leave(&writer.appender.lease);
        _exit(writer_put(&writer, 10, 0) == MAPLOG_TOPIC_DELETED ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_int_equal(entries("t-0"), 0);
    struct partition *again = log_topic("t", NULL, NULL, NULL);
    log_fill(again, 5, 10, 0);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(log_walk(again), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(others_see_every_change),
        TEST(what_makes_no_sense_is_refused),
        TEST(a_change_that_cannot_be_stored_did_not_happen),
        TEST(a_dead_changer_loses_nobody_elses_topic),
        TEST(a_death_while_creating_leaves_nothing_in_the_way),
        TEST(a_death_while_deleting_is_made_up_for),
        TEST(a_topic_made_anew_has_no_checkpoints),
        TEST(a_writer_that_is_stopped_holds_up_no_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
