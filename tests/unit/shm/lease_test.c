/*
 * lease_test.c - one writer at a time, with either kind of writers. Threads over one mapping stand
 * for processes (each seat is one); deaths and stops are shown with real ones.
 */
#define _GNU_SOURCE 1
#include "shm/lease.h"

#include "../os/scratch.h"
#include "base/error.h"
#include "lease_fixture.h"
#include "os/clock.h"

#include <pthread.h>
#include <string.h>

/* ---- both kinds ------------------------------------------------------------------------------ */

static void who_stays_is_told_so_and_who_becomes_writer_reloads(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(lease_enter(one, WAIT), 1);
        lease_leave(one);
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(lease_enter(one, WAIT), 0);
            assert_int_equal(load_relaxed(&one->seat->in_append), 1);
            lease_leave(one);
            assert_int_equal(load_relaxed(&one->seat->in_append), 0);
        }
        assert_int_equal(lease_enter(two, WAIT), 1);
        lease_leave(two);
        assert_int_equal(lease_enter(two, WAIT), 0);
        lease_leave(two);
    }
}

static void the_writer_inside_is_waited_for_and_named(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "partition slot 0 is held by %d (", getpid());
    assert_int_equal(lease_enter(one, WAIT), 1);
    assert_int_equal(lease_enter(two, 2000000), MAPLOG_TIMED_OUT);
    assert_non_null(strstr(error_text(), wanted));
    assert_int_equal(load_relaxed(&two->seat->in_append), 0);
    assert_int_equal(lease_enter(two, 0), MAPLOG_BUSY);
    assert_non_null(strstr(error_text(), wanted));
    lease_leave(one);
    assert_int_equal(lease_enter(two, WAIT), 1);
    lease_leave(two);
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
}

static void who_dropped_the_lease_reloads(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lease_enter(one, WAIT), 1);
        lease_leave(one);
        lease_drop(one);
    }
}

static void a_try_succeeds_against_an_idle_writer(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(lease_enter(one, 0), 1);
        lease_leave(one);
        assert_int_equal(lease_enter(two, 0), 1);
        lease_leave(two);
    }
}

#define COUNT_WRITERS 4
#define COUNT_ROUNDS 20000

struct counting {
    struct fixture *fixture;
    uint64_t *counter; /* not atomic: two writers at once lose counts, and TSan sees them */
    unsigned number;
    int64_t timeout_ns;
    int failure;
};

static void *count(void *context)
{
    struct counting *counting = context;
    struct writer writer;
    writer_open(&counting->fixture->area, 0, &writer);
    uint64_t last = 0;
    for (int i = 0; i < COUNT_ROUNDS && !counting->failure; i++) {
        int result = lease_enter(&writer.lease, counting->timeout_ns);
        if (result == MAPLOG_BUSY && counting->timeout_ns == 0) {
            clock_sleep_ns(1000);
            i--;
            continue;
        }
        if (result < 0 || (result == 0 && *counting->counter != last)) {
            counting->failure = result < 0 ? result : 1;
            break;
        }
        last = ++*counting->counter;
        lease_leave(&writer.lease);
        if ((i + counting->number) % 1024 == 0)
            clock_sleep_ns(10000); /* idle owners are part of it */
    }
    writer_close(&writer);
    return NULL;
}

static void count_with(struct fixture *fixture, unsigned tries)
{
    pthread_t threads[COUNT_WRITERS];
    struct counting counting[COUNT_WRITERS];
    uint64_t counter = 0;
    for (unsigned i = 0; i < COUNT_WRITERS; i++) {
        counting[i] = (struct counting){fixture, &counter, i, i < tries ? 0 : WAIT, 0};
        assert_int_equal(thread_start(&threads[i], "count", count, &counting[i]), 0);
    }
    for (unsigned i = 0; i < COUNT_WRITERS; i++)
        thread_join(threads[i]);
    for (unsigned i = 0; i < COUNT_WRITERS; i++)
        assert_int_equal(counting[i].failure, 0);
    assert_int_equal(counter, COUNT_WRITERS * COUNT_ROUNDS);
}

static void threads_count_together_without_losing_any(void **state)
{
    count_with(*state, 0);
}

static void writers_that_only_try_get_their_turn_too(void **state)
{
    count_with(*state, 1);
}

static int enter_and_die(void *context, struct child_ends ends)
{
    struct writer writer;
    writer_open(context, 0, &writer);
    if (lease_enter(&writer.lease, WAIT) != 1)
        return 1;
    child_say(ends, 'i');
    pause();
    return 0;
}

static void a_writer_killed_inside_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t timeout_ns = 0; timeout_ns <= WAIT; timeout_ns += WAIT) {
        struct child child = child_start(enter_and_die, &fixture->area);
        assert_int_equal(child_hear(&child), 'i');
        assert_int_equal(lease_enter(&fixture->one.lease, 0), MAPLOG_BUSY);
        child_kill(&child);
        assert_int_equal(lease_enter(&fixture->one.lease, timeout_ns), 1);
        lease_leave(&fixture->one.lease);
        assert_int_equal(lease_enter(&fixture->one.lease, timeout_ns), 0);
        lease_leave(&fixture->one.lease);
    }
}

static int enter_twice(void *context, struct child_ends ends)
{
    struct writer writer;
    writer_open(context, 0, &writer);
    if (lease_enter(&writer.lease, WAIT) != 1)
        return 1;
    child_say(ends, 'i');
    child_wait(ends);
    lease_leave(&writer.lease);
    int result = lease_enter(&writer.lease, WAIT); /* waits for its turn like everybody */
    if (result < 0)
        return 2;
    lease_leave(&writer.lease);
    writer_close(&writer);
    return 0;
}

static void a_stopped_writer_is_named_and_nobody_takes_over(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    struct child child = child_start(enter_twice, &fixture->area);
    char wanted[64];
    int status;
    snprintf(wanted, sizeof wanted, "is held by %d (", child.pid);
    assert_int_equal(child_hear(&child), 'i');
    kill(child.pid, SIGSTOP);
    assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
    for (int i = 0; i < 20; i++) {
        struct lease *lease = i % 2 ? two : one;
        assert_int_equal(lease_enter(lease, i < 10 ? 1000000 : 0),
                         i < 10 ? MAPLOG_TIMED_OUT : MAPLOG_BUSY);
        assert_non_null(strstr(error_text(), wanted));
        assert_non_null(strstr(error_text(), ", which is stopped"));
    }
    kill(child.pid, SIGCONT);
    child_tell(&child);
    assert_int_equal(child_end(&child), 0);
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
}

static void a_deleted_partition_lets_nobody_in(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    assert_int_equal(lease_delete_partition(two, WAIT), 0);
    assert_int_equal(load_relaxed(&two->seat->in_append), 0);
    assert_int_equal(lease_enter(one, WAIT), MAPLOG_TOPIC_DELETED);
    assert_int_equal(lease_enter(two, WAIT), MAPLOG_TOPIC_DELETED);
    assert_int_equal(lease_enter(two, 0), MAPLOG_TOPIC_DELETED);
    assert_int_equal(lease_delete_partition(one, WAIT), MAPLOG_TOPIC_DELETED);
    assert_int_equal(load_relaxed(&one->seat->in_append), 0);
    assert_int_equal(load_relaxed(&two->seat->in_append), 0);
}

static void a_slot_used_again_is_another_partition(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    uint64_t generation = load_relaxed(&slot_of(fixture)->lease_generation);
    assert_int_equal(lease_delete_partition(two, WAIT), 0);
    assert_int_equal(control_format_partition(fixture->area.control, 0, (uint8_t[16]){2}, 0), 0);
    assert_int_equal(lease_enter(one, WAIT), MAPLOG_TOPIC_DELETED);
    assert_int_equal(lease_enter(two, 0), MAPLOG_TOPIC_DELETED);
    lease_init(two, &fixture->two.view, 0, fixture->two.seat);
    assert_int_equal(lease_enter(two, WAIT), 1);
    lease_leave(two);
    assert_true(load_relaxed(&slot_of(fixture)->lease_generation) > generation);
    assert_int_equal(lease_enter(one, WAIT), MAPLOG_TOPIC_DELETED);
}

static int lock_and_die(void *context, struct child_ends ends)
{
    struct control_area *area = context;
    bool died;
    if (thread_mutex_lock(&area->control->partitions[0].takers, WAIT, &died) != 0)
        return 1;
    child_say(ends, 'l');
    pause();
    return 0;
}

static void a_taker_killed_with_the_mutex_is_passed(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(lock_and_die, &fixture->area);
    assert_int_equal(child_hear(&child), 'l');
    assert_int_equal(lease_enter(&fixture->one.lease, 0), MAPLOG_BUSY);
    assert_int_equal(lease_enter(&fixture->one.lease, 1000000), MAPLOG_TIMED_OUT);
    child_kill(&child);
    assert_int_equal(lease_enter(&fixture->one.lease, WAIT), 1);
    lease_leave(&fixture->one.lease);
}

/* ---- the lease only -------------------------------------------------------------------------- */

struct asking {
    struct lease *lease;
    int result;
};

static void *ask(void *context)
{
    struct asking *asking = context;
    asking->result = lease_enter(asking->lease, WAIT);
    return NULL;
}

static void a_wanted_lease_is_handed_over_after_its_share(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    const uint64_t wanted = LEASE_TOKEN(1000, fixture->two.seat);
    store_release(&slot_of(fixture)->want, wanted);
    for (int i = 1; i < LEASE_FAIR_APPENDS - 1; i++) {
        assert_int_equal(lease_enter(one, WAIT), 0);
        lease_leave(one);
        assert_int_equal(load_relaxed(&slot_of(fixture)->lease), one->token);
    }
    assert_int_equal(lease_enter(one, WAIT), 0);
    lease_leave(one);
    assert_int_equal(load_relaxed(&slot_of(fixture)->lease), wanted);
    assert_int_equal(one->token, 0);
}

static void an_urgent_want_is_granted_at_the_next_leave(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease;
    const uint64_t wanted = LEASE_TOKEN(1000, fixture->two.seat);
    assert_int_equal(lease_enter(one, WAIT), 1);
    store_release(&slot_of(fixture)->want, wanted | WANT_URGENT);
    lease_leave(one);
    assert_int_equal(load_relaxed(&slot_of(fixture)->lease), wanted);
}

static void a_taker_waits_for_a_writer_that_is_slow_inside(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease;
    struct asking asking = {&fixture->two.lease, -1};
    pthread_t thread;
    assert_int_equal(lease_enter(one, WAIT), 1);
    assert_int_equal(thread_start(&thread, "ask", ask, &asking), 0);
    while (load_acquire(&slot_of(fixture)->lease) != LEASE_REVOKED)
        clock_sleep_ns(100000); /* its patience ends, it revokes */
    clock_sleep_ns(1000000);
    assert_int_equal(load_acquire(&slot_of(fixture)->lease), LEASE_REVOKED);
    lease_leave(one);
    thread_join(thread);
    assert_int_equal(asking.result, 1);
    lease_leave(asking.lease);
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
}

static void a_busy_try_asks_and_a_later_try_finds_the_lease_handed_over(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    assert_int_equal(lease_enter(two, 0), MAPLOG_BUSY);
    assert_int_equal(lease_enter(two, 0), MAPLOG_BUSY); /* asks with more urgency */
    lease_leave(one);
    assert_int_equal(LEASE_SEAT(load_relaxed(&slot_of(fixture)->lease)), two->seat_index + 1);
    assert_int_equal(lease_enter(two, 0), 1);
    lease_leave(two);
}

static void a_token_that_nobody_uses_does_not_block(void **state)
{
    /* Handed over to a taker that had given up, or died, or closed its producer. */
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease;
    const uint32_t seats[] = {fixture->two.seat, fixture->one.seat, 17, LIMIT_SEATS, 60000};
    for (size_t i = 0; i < sizeof seats / sizeof *seats; i++) {
        store_release(&slot_of(fixture)->lease, LEASE_TOKEN(5000, seats[i]));
        assert_int_equal(lease_enter(one, WAIT), 1);
        lease_leave(one);
        assert_int_equal(lease_enter(one, WAIT), 0);
        lease_leave(one);
    }
}

static void after_a_taker_died_every_seat_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    store_release(&slot_of(fixture)->lease, LEASE_REVOKED); /* as the taker left it */
    assert_int_equal(lease_enter(two, 2000000), MAPLOG_TIMED_OUT);
    assert_int_equal(lease_enter(two, 0), MAPLOG_BUSY);
    lease_leave(one);
    assert_int_equal(lease_enter(two, WAIT), 1);
    lease_leave(two);
}

static void a_seat_inside_another_partition_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, elsewhere;
    lease_init(&elsewhere, &fixture->one.view, 1, fixture->one.seat);
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    assert_int_equal(lease_enter(&elsewhere, WAIT), 1);
    assert_int_equal(lease_enter(&fixture->two.lease, WAIT), 1); /* of partition 0 */
    lease_leave(&fixture->two.lease);
    lease_leave(&elsewhere);
    lease_drop(&elsewhere);
}

static void a_dropped_lease_is_free_or_the_wanting_ones(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    uint64_t token = one->token;
    lease_drop(one);
    assert_int_equal(load_relaxed(&slot_of(fixture)->lease), LEASE_GIVEN_UP(token));
    lease_drop(one); /* nothing left to drop */
    assert_int_equal(lease_enter(two, 0), 1);
    lease_leave(two);

    const uint64_t wanted = LEASE_TOKEN(1000, fixture->one.seat);
    store_release(&slot_of(fixture)->want, wanted | WANT_URGENT);
    lease_drop(two);
    assert_int_equal(load_relaxed(&slot_of(fixture)->lease), wanted);
}

static void a_revoked_owner_notices_although_another_one_came_and_went(void **state)
{
    /* With a flag that is set and cleared again, the sleeper would go on. */
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, *two = &fixture->two.lease;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    uint64_t token = one->token;
    assert_int_equal(lease_enter(two, WAIT), 1);
    lease_leave(two);
    lease_drop(two);
    assert_int_equal(one->token, token); /* it does not know yet */
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
}

static void a_seat_used_again_does_not_inherit_the_lease(void **state)
{
    struct fixture *fixture = *state;
    struct lease *one = &fixture->one.lease, next;
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
    lease_init(&next, &fixture->one.view, 0, fixture->one.seat);
    assert_int_equal(lease_enter(&next, WAIT), 1);
    lease_leave(&next);
    assert_int_equal(lease_enter(one, WAIT), 1);
    lease_leave(one);
}

#define BOTH(name)                                                                                 \
    {#name "_lease", name, setup_lease, teardown, NULL},                                           \
    {                                                                                              \
#name "_mutex", name, setup_mutex, teardown, NULL                                          \
    }
#define LEASE(name) cmocka_unit_test_setup_teardown(name, setup_lease, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(who_stays_is_told_so_and_who_becomes_writer_reloads),
        BOTH(the_writer_inside_is_waited_for_and_named),
        BOTH(who_dropped_the_lease_reloads),
        BOTH(a_try_succeeds_against_an_idle_writer),
        BOTH(threads_count_together_without_losing_any),
        BOTH(writers_that_only_try_get_their_turn_too),
        BOTH(a_writer_killed_inside_is_replaced),
        BOTH(a_stopped_writer_is_named_and_nobody_takes_over),
        BOTH(a_deleted_partition_lets_nobody_in),
        BOTH(a_slot_used_again_is_another_partition),
        BOTH(a_taker_killed_with_the_mutex_is_passed),
        LEASE(a_wanted_lease_is_handed_over_after_its_share),
        LEASE(an_urgent_want_is_granted_at_the_next_leave),
        LEASE(a_taker_waits_for_a_writer_that_is_slow_inside),
        LEASE(a_busy_try_asks_and_a_later_try_finds_the_lease_handed_over),
        LEASE(a_token_that_nobody_uses_does_not_block),
        LEASE(after_a_taker_died_every_seat_is_waited_for),
        LEASE(a_seat_inside_another_partition_is_not_waited_for),
        LEASE(a_dropped_lease_is_free_or_the_wanting_ones),
        LEASE(a_revoked_owner_notices_although_another_one_came_and_went),
        LEASE(a_seat_used_again_does_not_inherit_the_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
