/* store_files_test.c - the three files of a segment: made, mapped, allocated, cut, removed. */
#include "log_fixture.h"

#include <sys/stat.h>

#include "log/format.h"

#define RESERVE (1 << 20)

static struct partition *make(void)
{
    return log_topic("t", NULL, NULL, NULL);
}

static struct stat look(const char *name)
{
    char path[200];
    struct stat found;
    snprintf(path, sizeof path, "%s/t-0/%s", log_path, name);
    if (stat(path, &found) != 0)
        fail_msg("no %s", path);
    return found;
}

static bool there(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/t-0/%s", log_path, name);
    return access(path, F_OK) == 0;
}

static void a_segment_is_made_allocated_written_and_sealed(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct segment *segment;
    mode_t mask = umask(002);
    assert_ok(store_files.create(partition, 42, RESERVE, &segment));
    umask(mask);
    assert_int_equal(segment->base, 42);
    assert_true(segment->log_bytes >= RESERVE);
    assert_true(segment->index_bytes >= segment_index_room(RESERVE));
    struct segment_sizes sizes = segment_allocation(100000);
    assert_ok(store_files.allocate(segment, &sizes));
    memset(segment->log, 'x', sizes.log);
    memset(segment->index, 'y', sizes.index);
    memset(segment->timeindex, 'z', sizes.timeindex);
    struct stat log = look("00000000000000000042.log");
    assert_int_equal(log.st_size, 100000);
    assert_true(log.st_blocks * 512 >= 100000);
    assert_int_equal(log.st_mode & 0777, 0660);
    assert_int_equal(look("00000000000000000042.index").st_size, sizes.index);
    sizes.log = 50; /* smaller: nothing is taken away */
    assert_ok(store_files.allocate(segment, &sizes));
    assert_int_equal(look("00000000000000000042.log").st_size, 100000);

    struct segment_sizes exact = {12345, 16, 24}, found;
    assert_ok(store_files.seal(partition, 42, &exact));
    assert_ok(store_files.sizes(partition, 42, &found));
    assert_memory_equal(&found, &exact, sizeof exact);
    segment_drop(segment);
    assert_ok(store_files.open(partition, 42, 0, false, &segment));
    assert_int_equal(segment->log[12344], 'x');
    assert_int_equal(segment->index_bytes, 16);
    assert_int_equal(segment->timeindex_bytes, 24);
    segment_drop(segment);
}

static void making_one_anew_empties_what_a_dead_writer_left(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct segment *segment;
    struct segment_sizes sizes = segment_allocation(5000);
    for (int i = 0; i < 2; i++) {
        assert_ok(store_files.create(partition, 7, RESERVE, &segment));
        assert_ok(store_files.allocate(segment, &sizes));
        for (int b = 0; b < 5000; b++)
            assert_int_equal(segment->log[b], 0);
        for (uint64_t b = 0; b < sizes.index; b++)
            assert_int_equal(segment->index[b], 0);
        memset(segment->log, 0xff, 5000);
        memset(segment->index, 0xff, sizes.index);
        segment_drop(segment);
    }
}

static void removing_leaves_readers_their_bytes_and_no_file(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct segment *segment, *reading;
    struct segment_sizes sizes = segment_allocation(5000);
    assert_ok(store_files.create(partition, 7, RESERVE, &segment));
    assert_ok(store_files.allocate(segment, &sizes));
    memset(segment->log, 'x', 5000);
    assert_ok(store_files.open(partition, 7, 0, false, &reading));
    assert_ok(store_files.remove(partition, 7));
    assert_int_equal(reading->log[4999], 'x');
    assert_false(there("00000000000000000007.log"));
    assert_false(there("00000000000000000007.index"));
    assert_false(there("00000000000000000007.timeindex"));
    assert_ok(store_files.remove(partition, 7)); /* somebody else was faster */
    segment_drop(reading);
    segment_drop(segment);
    assert_code(MAPLOG_NOT_FOUND, store_files.open(partition, 7, 0, false, &segment));
    assert_code(MAPLOG_NOT_FOUND, store_files.open(partition, 7, 0, true, &segment));
}

/* Whoever dies while removing leaves a segment that the next one sees and removes: the file that
 * list() looks for goes last. */
static void a_death_while_removing_is_made_up_for(void **state)
{
    (void)state;
    struct partition *partition =
        log_topic("t", "segment.bytes=4096", "index.interval.bytes=500", NULL);
    log_fill(partition, 12, 1000, 1);
    for (int nth = 1; nth <= 4; nth++) {
        int64_t bases[8];
        size_t count = log_segments(partition, bases);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            fault_signal_at("remove-part", (unsigned)nth, SIGKILL);
            store_files.remove(partition, bases[0]);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_ok(partition_delete_records(partition, bases[1]));
        assert_int_equal(log_segments(partition, NULL), count - 1);
        char name[64];
        static const char *const suffixes[] = {"log", "index", "timeindex"};
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "%020lld.%s", (long long)bases[0], suffixes[i]);
            if (nth < 4)
                assert_false(there(name));
        }
        log_fill(partition, 3, 1000, 1);
    }
}

static void only_segments_are_listed(void **state)
{
    (void)state;
    struct partition *partition = make();
    assert_int_equal(log_segments(partition, NULL), 0);
    static const int64_t bases[] = {500, 0, 42};
    for (int i = 0; i < 3; i++) {
        struct segment *segment;
        assert_ok(store_files.create(partition, bases[i], RESERVE, &segment));
        segment_drop(segment);
    }
    static const char *const others[] = {
        "00000000000000000043.log.deleted", "0000000000000000044.log", "0000000000000000004x.log",
        "99999999999999999999.log",         "leader-epoch-checkpoint", "00000000000000000045.index",
        "-0000000000000000046.log"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/t-0/%s", log_path, others[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    char path[200];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000047.log", log_path);
    mkdir(path, 0700);
    int64_t found[16];
    assert_int_equal(log_segments(partition, found), 3);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 42);
    assert_int_equal(found[2], 500);
}

static void a_reader_does_without_indexes(void **state)
{
    (void)state;
    struct partition *partition = make();
    log_fill(partition, 3, 100, 1);
    char path[200];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000000.index", log_path);
    unlink(path);
    snprintf(path, sizeof path, "%s/t-0/00000000000000000000.timeindex", log_path);
    unlink(path);
    struct segment *segment;
    struct segment_sizes sizes;
    assert_ok(store_files.open(partition, 0, 0, false, &segment));
    assert_null(segment->index);
    assert_null(segment->timeindex);
    segment_drop(segment);
    assert_ok(store_files.sizes(partition, 0, &sizes));
    assert_int_equal(sizes.index, 0);
    /* A writer makes them. */
    assert_ok(store_files.open(partition, 0, RESERVE, true, &segment));
    sizes = segment_allocation(65536);
    assert_ok(store_files.allocate(segment, &sizes));
    memset(segment->index, 1, sizes.index);
    segment_drop(segment);
}

static void errors_name_the_file_and_leave_nothing_open(void **state)
{
    (void)state;
    struct partition *partition = make();
    struct segment *segment;
    struct segment_sizes sizes = segment_allocation(5000);
    static const struct {
        enum fault_kind kind;
        int errnum, result;
    } cases[] = {{FAULT_OPEN, EACCES, MAPLOG_DENIED}, {FAULT_MAP, ENOMEM, MAPLOG_NO_MEMORY}};
    int before = dup(0);
    close(before);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned nth = 1; nth < 5; nth++) {
            fault_set(cases[i].kind, nth, cases[i].errnum, 0);
            int result = store_files.create(partition, 0, RESERVE, &segment);
            fault_clear();
            if (result == 0) {
                segment_drop(segment);
                continue;
            }
            assert_code(cases[i].result, result);
        }
    }
    assert_ok(store_files.create(partition, 0, RESERVE, &segment));
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 0);
    assert_code(MAPLOG_DISK_FULL, store_files.allocate(segment, &sizes));
    assert_non_null(strstr(error_text(), "t-0/00000000000000000000.log"));
    fault_set(FAULT_ALLOCATE, 2, ENOSPC, 0);
    assert_code(MAPLOG_DISK_FULL, store_files.allocate(segment, &sizes));
    assert_non_null(strstr(error_text(), "t-0/00000000000000000000.index"));
    fault_clear();
    segment_drop(segment);
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_segment_is_made_allocated_written_and_sealed),
        TEST(making_one_anew_empties_what_a_dead_writer_left),
        TEST(removing_leaves_readers_their_bytes_and_no_file),
        TEST(a_death_while_removing_is_made_up_for),
        TEST(only_segments_are_listed),
        TEST(a_reader_does_without_indexes),
        TEST(errors_name_the_file_and_leave_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
