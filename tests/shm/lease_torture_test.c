/*
 * lease_torture_test.c - real processes fight for one partition and are killed and stopped at
 * random points: no entry is lost, doubled or torn, and the others go on. With MAPLOG_LONG=1 for
 * minutes. lease_control_test.c shows that this torture finds a lease that is wrong.
 *
 * not under tsan: it sees nothing across processes; unit/shm/lease_test does the same with threads
 */
#define _GNU_SOURCE 1
#include "lease_torture.h"

static int64_t duration_ns(void)
{
    const char *wanted = getenv("MAPLOG_LONG");
    return wanted && *wanted == '1' ? 15 * SECOND : 3 * SECOND / 2;
}

static void run(const struct torture *torture)
{
    static struct torturer torturer; /* large */
    torture_begin(&torturer, torture);
    uint64_t wrong = torture_run(&torturer, duration_ns());
    print_message("%s: %llu entries, %llu changes of writer, %llu kills, %llu rounds, longest wait "
                  "%.3f ms\n",
                  torture->name, (unsigned long long)torturer.entries,
                  (unsigned long long)torturer.acquired, (unsigned long long)torturer.kills,
                  (unsigned long long)torturer.rounds,
                  (double)load_relaxed(&torturer.arena->longest_ns) / 1e6);
    if (wrong)
        fail_msg("%llu things wrong (%llu violations, %llu failures: %s)",
                 (unsigned long long)wrong,
                 (unsigned long long)load_relaxed(&torturer.arena->violations),
                 (unsigned long long)load_relaxed(&torturer.arena->failures), torturer.arena->text);
    assert_true(torturer.acquired > torturer.rounds);
    torture_end(&torturer);
}

#define TORTURE(test, ...)                                                                         \
    static void test(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run(&(const struct torture){.name = #test, __VA_ARGS__});                                  \
    }

TORTURE(two_writers_flat_out, .writers = WRITER_LEASE, .processes = 2)
TORTURE(two_idling_writers_revoke_each_other, .writers = WRITER_LEASE, .processes = 2,
        .idle_ns = 2500, .work_ns = 100)
TORTURE(two_idling_writers_with_slow_stores, .writers = WRITER_LEASE, .processes = 2,
        .idle_ns = 2500, .work_ns = 500, .cold_stores = true)
TORTURE(two_writers_killed, .writers = WRITER_LEASE, .processes = 2, .work_ns = 300, .kills = 700)
TORTURE(two_idling_writers_killed, .writers = WRITER_LEASE, .processes = 2, .idle_ns = 3000,
        .work_ns = 1000, .kills = 500)
TORTURE(three_writers_killed_one_only_tries, .writers = WRITER_LEASE, .processes = 3,
        .idle_ns = 2000, .work_ns = 200, .trying = 1, .kills = 700)
TORTURE(three_writers_that_only_try_killed, .writers = WRITER_LEASE, .processes = 3,
        .idle_ns = 1000, .work_ns = 200, .trying = 3, .kills = 700)
TORTURE(five_slow_writers_killed, .writers = WRITER_LEASE, .processes = 5, .idle_ns = 20000,
        .work_ns = 20000, .kills = 500)
TORTURE(eight_writers_killed, .writers = WRITER_LEASE, .processes = 8, .idle_ns = 1000,
        .work_ns = 100, .kills = 500)
TORTURE(three_writers_with_a_mutex_killed, .writers = WRITER_MUTEX, .processes = 3, .idle_ns = 500,
        .work_ns = 500, .kills = 700)
TORTURE(eight_writers_with_a_mutex_killed, .writers = WRITER_MUTEX, .processes = 8, .idle_ns = 1000,
        .work_ns = 100, .trying = 2, .kills = 500)

/* ---- stops ----------------------------------------------------------------------------------- */

static const struct control_seat *seat_of_pid(struct torturer *torturer, pid_t pid)
{
    struct control *control = torturer->area.control;
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        uint64_t owner = load_acquire(&control->seats[i].owner);
        if (owner != 0 &&
            load_relaxed(&control->processes[(owner & 0xffff) - 1].pid) == (uint32_t)pid)
            return &control->seats[i];
    }
    return NULL;
}

static uint64_t published(struct torturer *torturer)
{
    return load_acquire(&torturer->area.control->partitions[0].published[0]);
}

/* Stops a writer for a while. When that caught it inside, it stays the only writer and the others
 * time out; else the others go on without it. */
static bool stop_one(struct torturer *torturer)
{
    struct arena *arena = torturer->arena;
    unsigned victim = torture_random(&torturer->random) % torturer->torture->processes;
    pid_t pid = torturer->pids[victim];
    int status;
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    const struct control_seat *seat = seat_of_pid(torturer, pid);
    uint64_t timeouts = load_relaxed(&arena->timeouts);
    int64_t end = clock_monotonic_ns() + PATIENCE;
    bool caught =
        seat && load_relaxed(&seat->in_append) != 0 && arena->inside == torturer->life[victim] + 1;
    if (caught) {
        uint64_t before = published(torturer);
        while (load_relaxed(&arena->timeouts) < timeouts + 4 && clock_monotonic_ns() < end)
            clock_sleep_ns(100000);
        assert_true(load_relaxed(&arena->timeouts) >= timeouts + 4);
        assert_int_equal(published(torturer), before);
        assert_int_equal(arena->inside, torturer->life[victim] + 1);
    }
    kill(pid, SIGCONT);
    uint64_t before = published(torturer);
    while (published(torturer) == before && !load_acquire(&arena->full) &&
           clock_monotonic_ns() < end)
        clock_sleep_ns(100000);
    assert_true(published(torturer) != before || load_acquire(&arena->full));
    return caught;
}

static void nobody_takes_over_from_a_stopped_writer(void **state)
{
    (void)state;
    static struct torturer torturer;
    const struct torture torture = {.name = "stops",
                                    .writers = WRITER_LEASE,
                                    .processes = 3,
                                    .idle_ns = 1000,
                                    .work_ns = 5000,
                                    .timeout_ns = 1000000};
    int64_t end = clock_monotonic_ns() + duration_ns();
    unsigned stops = 0, caught = 0;
    torture_begin(&torturer, &torture);
    while (clock_monotonic_ns() < end || caught == 0) {
        torture_round_begin(&torturer);
        while (!load_acquire(&torturer.arena->full) &&
               (clock_monotonic_ns() < end || caught == 0)) {
            clock_sleep_ns((int64_t)(torture_random(&torturer.random) % 2000000));
            caught += stop_one(&torturer);
            stops++;
        }
        assert_int_equal(torture_round_end(&torturer), 0);
    }
    print_message("%u stops, %u of them inside\n", stops, caught);
    torture_end(&torturer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_writers_flat_out),
        cmocka_unit_test(two_idling_writers_revoke_each_other),
        cmocka_unit_test(two_idling_writers_with_slow_stores),
        cmocka_unit_test(two_writers_killed),
        cmocka_unit_test(two_idling_writers_killed),
        cmocka_unit_test(three_writers_killed_one_only_tries),
        cmocka_unit_test(three_writers_that_only_try_killed),
        cmocka_unit_test(five_slow_writers_killed),
        cmocka_unit_test(eight_writers_killed),
        cmocka_unit_test(three_writers_with_a_mutex_killed),
        cmocka_unit_test(eight_writers_with_a_mutex_killed),
        cmocka_unit_test(nobody_takes_over_from_a_stopped_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
