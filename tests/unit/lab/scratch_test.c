/* scratch_test.c - the states of pages are what their names say, by the kernel's word. */
#include "lab/scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <maplog.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES ((size_t)1 << 20)

static struct scratch made;

static int open_scratch(void **state)
{
    (void)state;
    return scratch_open(&made, "/tmp", BYTES);
}

static int close_scratch(void **state)
{
    (void)state;
    scratch_close(&made);
    scratch_close(&made); /* again: nothing */
    return 0;
}

static double cached(void)
{
    double share = -1;
    assert_int_equal(scratch_cached(&made, &share), 0);
    return share;
}

static uint64_t allocated(void)
{
    struct stat status;
    assert_int_equal(fstat(made.fd, &status), 0);
    assert_int_equal(status.st_size, BYTES);
    return (uint64_t)status.st_blocks * 512;
}

/* Page faults of a store into each page. */
static long faults(void)
{
    struct rusage before, after;
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    for (size_t at = 0; at < BYTES; at += SCRATCH_PAGE)
        *(volatile uint8_t *)(made.map + at) = 1;
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    return after.ru_minflt - before.ru_minflt;
}

static void a_fresh_file_is_a_hole(void **state)
{
    (void)state;
    memset(made.map, 'x', BYTES);
    assert_int_equal(scratch_prepare(&made, SCRATCH_FRESH), 0);
    assert_int_equal(allocated(), 0);
    assert_true(cached() <= 0);
    assert_true(faults() > 0);
}

static void an_allocated_file_has_blocks_and_no_pages(void **state)
{
    (void)state;
    assert_int_equal(scratch_prepare(&made, SCRATCH_ALLOCATED), 0);
    assert_true(allocated() >= BYTES);
    assert_true(cached() <= 0);
    assert_true(faults() > 0);
}

static void populated_and_recycled_pages_do_not_fault(void **state)
{
    (void)state;
    int result = scratch_prepare(&made, SCRATCH_POPULATED);
    if (result == MAPLOG_UNSUPPORTED)
        skip();
    assert_int_equal(result, 0);
    assert_true(cached() >= 1);
    assert_true(faults() <= 1);
    assert_int_equal(scratch_prepare(&made, SCRATCH_RECYCLED), 0);
    assert_true(cached() >= 1);
    assert_true(faults() <= 1);
}

static void what_is_evicted_is_read_again(void **state)
{
    (void)state;
    assert_int_equal(scratch_prepare(&made, SCRATCH_ALLOCATED), 0);
    assert_int_equal(scratch_fill(&made), 0);
    assert_true(cached() >= 1);
    uint8_t first[64];
    memcpy(first, made.map, sizeof first);
    int result = scratch_evict(&made);
    if (result == MAPLOG_UNSUPPORTED) /* a file system in memory */
        skip();
    assert_int_equal(result, 0);
    assert_true(cached() <= 0);
    assert_memory_equal(made.map, first, sizeof first);
    assert_true(cached() > 0);
}

static void there_must_be_a_directory(void **state)
{
    (void)state;
    struct scratch none;
    assert_true(scratch_open(&none, "/nowhere", BYTES) < 0);
    scratch_close(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_file_is_a_hole),
        cmocka_unit_test(an_allocated_file_has_blocks_and_no_pages),
        cmocka_unit_test(populated_and_recycled_pages_do_not_fault),
        cmocka_unit_test(what_is_evicted_is_read_again),
        cmocka_unit_test(there_must_be_a_directory),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
