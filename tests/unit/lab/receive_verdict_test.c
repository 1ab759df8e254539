/* receive_verdict_test.c - when direct is called better, and when it pays. */
#include "lab/receive_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <maplog.h>
#include <math.h>

/* Copy takes 1 s and 1 CPU-s in each of three rounds; direct this much. */
static struct receive_point point(enum scratch_pages pages, const double seconds[3], double cpu)
{
    struct receive_point made = {.pages = pages, .chunk = 1024};
    struct measured *copy = &made.checked[RECEIVE_COPY], *direct = &made.checked[RECEIVE_DIRECT];
    copy->rounds = direct->rounds = 3;
    for (int i = 0; i < 3; i++) {
        copy->all_seconds[i] = copy->all_cpu_seconds[i] = 1;
        direct->all_seconds[i] = seconds[i];
        direct->all_cpu_seconds[i] = cpu;
    }
    copy->cpu_seconds = 1;
    direct->cpu_seconds = cpu;
    return made;
}

static const double faster[] = {0.7, 0.8, 0.75}, slower[] = {1.3, 1.2, 1.4}, same[] = {0.9, 1, 1.1},
                    scattered[] = {0.2, 0.5, 1.5};

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void all_pairs_must_agree(void **state)
{
    (void)state;
    const struct {
        const double *seconds;
        double cpu;
        int better;
    } cases[] = {
        {faster, 0.8, 1}, {faster, 1, 1},    {same, 0.8, 1},    {same, 1, 0},      {slower, 1, -1},
        {same, 1.2, -1},  {slower, 0.5, -1}, {scattered, 1, 0}, {faster, 1.2, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct receive_point made = point(SCRATCH_RECYCLED, cases[i].seconds, cases[i].cpu);
        struct receive_comparison found = receive_compare(&made);
        assert_true(found.known);
        assert_int_equal(found.better, cases[i].better);
        assert_true(found.least_time <= found.time && found.time <= found.most_time);
        assert_true(near(found.cpu, cases[i].cpu));
    }
}

static void what_failed_is_not_known(void **state)
{
    (void)state;
    struct receive_point made = point(SCRATCH_RECYCLED, faster, 0.8);
    made.checked[RECEIVE_DIRECT].result = MAPLOG_UNSUPPORTED;
    assert_false(receive_compare(&made).known);
    assert_int_equal(receive_judge(&made, 1, 1e9).points, 0);
}

static void only_prepared_pages_decide(void **state)
{
    (void)state;
    const struct receive_point points[] = {
        point(SCRATCH_FRESH, slower, 1.2),
        point(SCRATCH_ALLOCATED, slower, 1.2),
        point(SCRATCH_POPULATED, faster, 0.8),
        point(SCRATCH_RECYCLED, faster, 0.8),
    };
    struct receive_verdict verdict = receive_judge(points, 4, 1e9);
    assert_int_equal(verdict.points, 2);
    assert_int_equal(verdict.better, 2);
    assert_int_equal(verdict.worse, 0);
    assert_true(near(verdict.time, 0.75) && near(verdict.cpu, 0.8));
    assert_true(near(verdict.direct_saves, 0.2) && near(verdict.preparing_saves, 0));
    assert_true(verdict.direct_pays);
}

static void one_bad_point_or_a_small_gain_does_not_pay(void **state)
{
    (void)state;
    const struct receive_point bad[] = {
        point(SCRATCH_POPULATED, faster, 0.8),
        point(SCRATCH_POPULATED, faster, 0.8),
        point(SCRATCH_RECYCLED, slower, 0.8),
    };
    struct receive_verdict verdict = receive_judge(bad, 3, 1e9);
    assert_int_equal(verdict.worse, 1);
    assert_false(verdict.direct_pays);
    const struct receive_point small[] = {
        point(SCRATCH_POPULATED, same, 0.9),
        point(SCRATCH_RECYCLED, same, 0.9),
    };
    verdict = receive_judge(small, 2, 1e9);
    assert_int_equal(verdict.better, 2);
    assert_false(verdict.direct_pays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pairs_must_agree),
        cmocka_unit_test(what_failed_is_not_known),
        cmocka_unit_test(only_prepared_pages_decide),
        cmocka_unit_test(one_bad_point_or_a_small_gain_does_not_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
