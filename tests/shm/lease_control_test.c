/*
 * lease_control_test.c - the control of lease_torture_test.c: the same code without the membarrier
 * must be caught. A torture that cannot tell the two apart proves nothing.
 *
 * not under tsan: it sees nothing across processes
 */
#define _GNU_SOURCE 1
#include "os/process.h"

static int no_barrier(void)
{
    return 0;
}

/* The library's own lease.o is then not linked. */
#define process_barrier no_barrier
#include "shm/lease.c"
#undef process_barrier

#include "lease_torture.h"

#define BUDGET (120 * SECOND)

static void without_the_membarrier_two_writers_meet(void **state)
{
    (void)state;
    static struct torturer torturer;
    /* Owners that come back at about the time when a taker thinks them idle. */
    const unsigned idle_ns[] = {2500, 4000, 1500, 3000, 6000};
    int64_t begun = clock_monotonic_ns();
    for (unsigned i = 0; clock_monotonic_ns() - begun < BUDGET; i++) {
        const struct torture torture = {.name = "control",
                                        .writers = WRITER_LEASE,
                                        .processes = 2 + i % 3,
                                        .idle_ns = idle_ns[i % 5],
                                        .work_ns = 500,
                                        .cold_stores = true};
        torture_begin(&torturer, &torture);
        torture_run(&torturer, SECOND);
        uint64_t violations = load_relaxed(&torturer.arena->violations);
        torture_end(&torturer);
        if (violations) {
            print_message("caught after %.2f s and %u settings\n",
                          (double)(clock_monotonic_ns() - begun) / 1e9, i + 1);
            return;
        }
    }
    fail_msg("nothing was caught in %lld s", BUDGET / SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_membarrier_two_writers_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
