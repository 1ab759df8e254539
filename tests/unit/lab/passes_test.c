/* passes_test.c - rounds take turns, counts are the kernel's, failures stay where they are. */
#include "lab/passes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

struct job {
    const char *name;
    int prepared, ran, fail_at;
};

static char order[64]; /* of all runs */

static int prepare(void *context)
{
    struct job *job = context;
    job->prepared++;
    return 0;
}

static int run(void *context)
{
    struct job *job = context;
    order[strlen(order)] = job->name[0];
    return ++job->ran == job->fail_at ? error_set(MAPLOG_IO, "%s broke", job->name) : 0;
}

static void works_take_turns(void **state)
{
    (void)state;
    struct job jobs[] = {{.name = "a"}, {.name = "b"}};
    const struct work works[] = {{prepare, run, &jobs[0]}, {NULL, run, &jobs[1]}};
    struct measured measured[2];
    memset(order, 0, sizeof order);
    passes_run(works, 2, 3, measured);
    assert_string_equal(order, "abababab"); /* a counted round, and three */
    assert_int_equal(jobs[0].prepared, 4);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(measured[i].result, 0);
        assert_int_equal(measured[i].rounds, 3);
        assert_true(measured[i].seconds > 0 && measured[i].spread >= 0);
    }
}

static void who_fails_is_left_out(void **state)
{
    (void)state;
    struct job jobs[] = {{.name = "a", .fail_at = 2}, {.name = "b"}};
    const struct work works[] = {{NULL, run, &jobs[0]}, {NULL, run, &jobs[1]}};
    struct measured measured[2];
    double least, most;
    memset(order, 0, sizeof order);
    passes_run(works, 2, 2, measured);
    assert_string_equal(order, "ababb");
    assert_int_equal(measured[0].result, MAPLOG_IO);
    assert_string_equal(measured[0].why, "a broke");
    assert_int_equal(measured[1].result, 0);
    assert_true(passes_ratio(&measured[0], &measured[1], false, &least, &most) <= 0);
}

static void rounds_have_a_limit(void **state)
{
    (void)state;
    struct job job = {.name = "a"};
    const struct work work = {NULL, run, &job};
    struct measured measured;
    memset(order, 0, sizeof order);
    passes_run(&work, 1, 40, &measured);
    assert_int_equal(measured.rounds, PASSES_ROUNDS);
}

static void ratios_are_of_pairs(void **state)
{
    (void)state;
    struct measured a = {.rounds = 3, .all_seconds = {1, 10, 2}, .all_cpu_seconds = {1, 1, 1}};
    struct measured b = {.rounds = 3, .all_seconds = {2, 20, 6}, .all_cpu_seconds = {4, 5, 6}};
    double least, most;
    assert_true(passes_ratio(&a, &b, false, &least, &most) == 2);
    assert_true(least == 2 && most == 3);
    assert_true(passes_ratio(&a, &b, true, &least, &most) == 5);
    assert_true(least == 4 && most == 6);
}

#define CALLS 100
#define PAGES 16

static int call(void *context)
{
    (void)context;
    for (int i = 0; i < CALLS; i++)
        if (lseek(-1, 0, SEEK_SET) == 0)
            return -1;
    return 0;
}

static int touch(void *context)
{
    uint8_t *pages = *(uint8_t **)context;
    for (int i = 0; i < PAGES; i++)
        *(volatile uint8_t *)(pages + i * 4096) = 1;
    return 0;
}

static int forget(void *context)
{
    uint8_t *pages = *(uint8_t **)context;
    return madvise(pages, PAGES * 4096, MADV_DONTNEED);
}

static void the_kernel_counts_exactly(void **state)
{
    (void)state;
    uint8_t *pages =
        mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(madvise(pages, PAGES * 4096, MADV_NOHUGEPAGE), 0);
    touch(&pages); /* what a sanitizer keeps of them is there from now on */
    const struct work works[] = {{NULL, call, NULL}, {forget, touch, &pages}};
    struct measured measured[2];
    passes_run(works, 2, 1, measured);
    if (measured[0].counted[COUNTER_CALLS])
        assert_int_equal((int)measured[0].counts[COUNTER_CALLS], CALLS);
    else
        assert_true(measured[0].refusals[COUNTER_CALLS][0]);
    if (measured[1].counted[COUNTER_FAULTS])
        assert_int_equal((int)measured[1].counts[COUNTER_FAULTS], PAGES);
    else
        assert_true(measured[1].refusals[COUNTER_FAULTS][0]);
    munmap(pages, PAGES * 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_take_turns),          cmocka_unit_test(who_fails_is_left_out),
        cmocka_unit_test(rounds_have_a_limit),       cmocka_unit_test(ratios_are_of_pairs),
        cmocka_unit_test(the_kernel_counts_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
