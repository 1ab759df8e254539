/* touch_steps_test.c - what the kernel does at each step, whatever it costs. */
#include "lab/touch_steps.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <maplog.h>
#include <string.h>
#include <sys/mman.h>

static struct touch_result results[TOUCH_STEPS];
static unsigned begun, ended;

static void begin(void *context)
{
    (void)context;
    assert_int_equal(begun, ended);
    begun++;
}

static void end(void *context)
{
    (void)context;
    ended++;
}

static int go_through(void **state)
{
    (void)state;
    static const struct touch_hooks hooks = {begin, end, NULL};
    /* Twice: in the second round the program's own pages make no faults any more. */
    for (int round = 0; round < 2; round++) {
        struct touch touch;
        if (touch_open(&touch, "/tmp"))
            return -1;
        for (unsigned i = 0; i < TOUCH_STEPS; i++)
            touch_do(&touch, &touch_steps[i], &hooks, &results[i]);
        touch_close(&touch);
    }
    return 0;
}

/* A file system in memory has nothing to write back, and evicts nothing. */
static bool on_disk(void)
{
    return results[TOUCH_EVICT].result == 0;
}

static uint64_t faults(enum touch_number step)
{
    assert_int_equal(results[step].result, 0);
    return results[step].minor + results[step].major;
}

static void every_step_is_done_or_says_why_not(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TOUCH_STEPS; i++) {
        assert_true(touch_steps[i].name[0]);
        if (results[i].result) {
            assert_true(i == TOUCH_EVICT || i == TOUCH_LOAD_EVICTED || i == TOUCH_POPULATE);
            assert_int_equal(results[i].result, MAPLOG_UNSUPPORTED);
            assert_true(results[i].why[0]);
        } else {
            assert_true(results[i].ns > 0);
        }
    }
    assert_int_equal(begun, 2 * TOUCH_STEPS);
    assert_int_equal(ended, 2 * TOUCH_STEPS);
}

static void mmap_brings_no_page(void **state)
{
    (void)state;
    assert_int_equal(results[TOUCH_MMAP].mapping.mapped, 0);
    assert_string_equal(results[TOUCH_MMAP].mapping.mode, "rw-s");
    assert_int_equal(results[TOUCH_MMAP_PRIVATE].mapping.mapped, 0);
    assert_string_equal(results[TOUCH_MMAP_PRIVATE].mapping.mode, "rw-p");
}

static void what_is_mapped_faults_no_more(void **state)
{
    (void)state;
    assert_int_equal(faults(TOUCH_LOAD), 1);
    assert_int_equal(faults(TOUCH_LOAD_AGAIN), 0);
    assert_int_equal(faults(TOUCH_STORE_AGAIN), 0);
    if (!results[TOUCH_POPULATE].result)
        assert_int_equal(faults(TOUCH_STORE_POPULATED), 0);
}

static void what_is_in_memory_is_a_minor_fault(void **state)
{
    (void)state;
    assert_int_equal(results[TOUCH_LOAD].major, 0);
    assert_int_equal(faults(TOUCH_LOAD_FORGOTTEN), 1);
    assert_int_equal(results[TOUCH_LOAD_FORGOTTEN].major, 0);
    assert_int_equal(results[TOUCH_FORGET].mapping.mapped, 0);
    assert_true(results[TOUCH_FORGET].cache.cached >= TOUCH_PAGES);
}

static void what_was_evicted_is_a_major_fault(void **state)
{
    (void)state;
    if (!on_disk())
        return;
    assert_int_equal(results[TOUCH_EVICT].cache.cached, 0);
    assert_int_equal(results[TOUCH_LOAD_EVICTED].major, 1);
    assert_true(results[TOUCH_LOAD_EVICTED].cache.cached >= 1);
}

static void write_back_makes_the_next_store_fault(void **state)
{
    (void)state;
    if (!on_disk())
        return;
    assert_int_equal(faults(TOUCH_STORE), 1);
    /* More than one where the page belongs to a large folio. */
    assert_true(results[TOUCH_STORE].mapping.dirty >= 1);
    assert_true(results[TOUCH_STORE_FAR].mapping.dirty >= results[TOUCH_STORE].mapping.dirty);
    assert_int_equal(results[TOUCH_MSYNC].mapping.dirty, 0);
    assert_int_equal(faults(TOUCH_STORE_SYNCED), 1);
}

static void a_private_store_copies_the_page_and_leaves_the_file(void **state)
{
    (void)state;
    assert_int_equal(results[TOUCH_LOAD_PRIVATE].mapping.anonymous, 0);
    assert_int_equal(faults(TOUCH_STORE_PRIVATE), 1);
    assert_int_equal(results[TOUCH_STORE_PRIVATE].mapping.anonymous, 1);
    assert_int_equal(results[TOUCH_STORE_PRIVATE].cache.dirty,
                     results[TOUCH_LOAD_PRIVATE].cache.dirty);
}

static void a_child_faults_for_itself(void **state)
{
    (void)state;
    assert_int_equal(results[TOUCH_CHILD_LOAD].major, 0);
    assert_true(faults(TOUCH_CHILD_LOAD) >= 1);
    assert_true(faults(TOUCH_CHILD_STORE) >= 1);
    assert_int_equal(results[TOUCH_CHILD_STORE].mapping.anonymous, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_done_or_says_why_not),
        cmocka_unit_test(mmap_brings_no_page),
        cmocka_unit_test(what_is_mapped_faults_no_more),
        cmocka_unit_test(what_is_in_memory_is_a_minor_fault),
        cmocka_unit_test(what_was_evicted_is_a_major_fault),
        cmocka_unit_test(write_back_makes_the_next_store_fault),
        cmocka_unit_test(a_private_store_copies_the_page_and_leaves_the_file),
        cmocka_unit_test(a_child_faults_for_itself),
    };
    return cmocka_run_group_tests(tests, go_through, NULL);
}
