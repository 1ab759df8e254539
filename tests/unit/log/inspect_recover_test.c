/* inspect_recover_test.c - recovery tried out on private copies. */
#include "inspect_told.h"
#include "log_fixture.h"

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_trial_shows_what_recovery_will_do_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
