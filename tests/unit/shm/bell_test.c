/* bell_test.c - sleepers wake for every kind of move, and no wake-up is lost. */
#include "bell_fixture.h"

/* ---- looking --------------------------------------------------------------------------------- */

static void a_move_that_was_before_the_wait_ends_it_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct bell_watch watch = watch_now(&fixture->view, 0);
    assert_false(bell_moved(&fixture->view, &watch));
    assert_int_equal(bell_wait(&fixture->view, &watch, 1, 0), MAPLOG_TIMED_OUT);
    publish(&fixture->view, 0);
    assert_true(bell_moved(&fixture->view, &watch));
    assert_int_equal(bell_wait(&fixture->view, &watch, 1, 0), 0);
    watch = watch_now(&fixture->view, 0);
    roll(&fixture->view, 0);
    assert_int_equal(bell_wait(&fixture->view, &watch, 1, WAIT), 0);
    watch = watch_now(&fixture->view, 0);
    store_release(&fixture->area.control->partitions[0].state, PARTITION_DELETED);
    assert_int_equal(bell_wait(&fixture->view, &watch, 1, WAIT), 0);
    assert_int_equal(bell_word_of(fixture, 0), 0); /* nobody slept */
}

static void nothing_moves_until_the_time_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct bell_watch watches[PARTITIONS];
    struct control_view view = fixture->view;
    for (uint32_t i = 0; i < PARTITIONS; i++)
        watches[i] = watch_now(&view, i);
    for (unsigned count = 1; count <= PARTITIONS; count += PARTITIONS - 1) {
        assert_int_equal(bell_wait(&view, watches, count, 1000), MAPLOG_TIMED_OUT);
        assert_int_equal(bell_wait(&view, watches, count, 3000000), MAPLOG_TIMED_OUT);
    }
    view.bell = NULL;
    assert_int_equal(bell_wait(&view, watches, 1, 3000000), MAPLOG_TIMED_OUT);
    assert_int_equal(bell_wait(&view, watches, 0, 3000000), MAPLOG_TIMED_OUT);
}

static void ringing_touches_nothing_when_nobody_sleeps(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 100; i++)
        publish(&fixture->view, 3);
    assert_int_equal(bell_word_of(fixture, 3), 0);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static void a_publication_wakes_all_sleepers_and_takes_the_mark_away(void **state)
{
    struct fixture *fixture = *state;
    struct sleeper a, b;
    sleeper_start(fixture, &a, 7, 1);
    sleeper_start(fixture, &b, 7, 1);
    publish(&fixture->view, 7);
    sleeper_end(&a);
    sleeper_end(&b);
    uint32_t word = bell_word_of(fixture, 7);
    assert_int_equal(word, 2);
    publish(&fixture->view, 7);
    assert_int_equal(bell_word_of(fixture, 7), word);
}

static void a_roll_wakes_the_sleeper(void **state)
{
    struct fixture *fixture = *state;
    struct sleeper sleeper;
    publish(&fixture->view, 0);
    for (int i = 0; i < 2; i++) {
        sleeper_start(fixture, &sleeper, 0, 1);
        roll(&fixture->view, 0);
        sleeper_end(&sleeper);
    }
}

static void a_deletion_wakes_the_sleeper(void **state)
{
    struct fixture *fixture = *state;
    struct sleeper sleeper;
    sleeper_start(fixture, &sleeper, 0, 1);
    store_release(&fixture->area.control->partitions[0].state, PARTITION_DELETED);
    bell_wake(&fixture->view, 0);
    sleeper_end(&sleeper);
}

static void a_publication_without_a_ring_is_seen_all_the_same(void **state)
{
    /* Its writer was killed between the two. */
    struct fixture *fixture = *state;
    struct sleeper sleeper;
    sleeper_start(fixture, &sleeper, 0, 1);
    store_release(&fixture->area.control->partitions[0].published[0], 1);
    sleeper_end(&sleeper);
}

static void any_of_many_partitions_wakes_the_sleeper(void **state)
{
    struct fixture *fixture = *state;
    const unsigned counts[] = {2, 17, FUTEX_WAIT_MANY_LIMIT, FUTEX_WAIT_MANY_LIMIT + 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct sleeper sleeper;
        sleeper_start(fixture, &sleeper, 5, counts[i]);
        publish(&fixture->view, 5 + counts[i] / 2);
        sleeper_end(&sleeper);
    }
}

static void a_sleeper_that_may_not_write_the_bell_wakes_too(void **state)
{
    struct fixture *fixture = *state;
    struct fixture silent = *fixture;
    struct sleeper sleeper;
    silent.view.bell = NULL;
    sleeper.view = silent.view;
    sleeper.count = 1;
    sleeper.watches[0] = watch_now(&fixture->view, 0);
    assert_int_equal(thread_start(&sleeper.thread, "sleeper", sleep_on, &sleeper), 0);
    clock_sleep_ns(3000000);
    publish(&fixture->view, 0);
    sleeper_end(&sleeper);
    assert_int_equal(bell_word_of(fixture, 0), 0);
}

static int wait_once(void *context, struct child_ends ends)
{
    struct control_view *view = context;
    struct bell_watch watch = watch_now(view, 0);
    child_say(ends, 'w');
    return -bell_wait(view, &watch, 1, WAIT);
}

static void wait_for_mark(struct fixture *fixture)
{
    while (!(bell_word_of(fixture, 0) & BELL_WAITING))
        clock_sleep_ns(20000);
}

static void a_killed_sleeper_leaves_at_most_one_needless_wake(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(wait_once, &fixture->view);
    assert_int_equal(child_hear(&child), 'w');
    wait_for_mark(fixture);
    child_kill(&child);
    publish(&fixture->view, 0);
    assert_int_equal(bell_word_of(fixture, 0), 2);
    publish(&fixture->view, 0);
    assert_int_equal(bell_word_of(fixture, 0), 2);
}

static void on_signal(int number)
{
    (void)number;
}

static int wait_for_signal(void *context, struct child_ends ends)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    return wait_once(context, ends);
}

static void a_signal_ends_the_sleep(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(wait_for_signal, &fixture->view);
    int status;
    assert_int_equal(child_hear(&child), 'w');
    wait_for_mark(fixture);
    while (waitpid(child.pid, &status, WNOHANG) == 0) {
        kill(child.pid, SIGUSR1);
        clock_sleep_ns(1000000);
    }
    assert_int_equal(status, 0);
    close(child.said);
    close(child.told);
}

static int wait_without_membarrier(void *context, struct child_ends ends)
{
    control_area_refuse_membarrier();
    return wait_once(context, ends);
}

static void a_reader_without_membarrier_wakes_too(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(wait_without_membarrier, &fixture->view);
    assert_int_equal(child_hear(&child), 'w');
    clock_sleep_ns(3000000);
    publish(&fixture->view, 0);
    assert_int_equal(child_end(&child), 0);
}

static int wait_read_only(void *context, struct child_ends ends)
{
    struct fixture *fixture = context;
    struct control_view view = fixture->view;
    void *control;
    if (map_file(fixture->area.fd, "area", 0, sizeof(struct control), MAP_MODE_READ, &control) < 0)
        return 1;
    view.control = control;
    view.read_only = true;
    return wait_once(&view, ends);
}

static void a_reader_with_the_control_area_read_only_sleeps_and_wakes(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(wait_read_only, fixture);
    assert_int_equal(child_hear(&child), 'w');
    wait_for_mark(fixture);
    clock_sleep_ns(2000000);
    publish(&fixture->view, 0);
    assert_int_equal(child_end(&child), 0);
}

/* ---- no wake-up is lost ---------------------------------------------------------------------- */

/* Answers each move of partition 0 with a publication in partition 1, until TURNS were answered. */
static void *answer(void *context)
{
    struct sleeper *sleeper = context;
    for (unsigned turn = 0; turn < TURNS;) {
        struct bell_watch watch = sleeper->watches[0];
        if ((sleeper->result = bell_wait(&sleeper->view, &watch, 1, WAIT)) < 0)
            return NULL;
        if (!bell_moved(&sleeper->view, &watch))
            continue;
        sleeper->watches[0] = watch_now(&sleeper->view, 0);
        publish(&sleeper->view, 1);
        turn++;
    }
    return NULL;
}

static void no_wake_up_is_lost_in_many_turns(void **state)
{
    struct fixture *fixture = *state;
    struct sleeper sleeper = {.view = fixture->view};
    sleeper.watches[0] = watch_now(&fixture->view, 0);
    assert_int_equal(thread_start(&sleeper.thread, "answer", answer, &sleeper), 0);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct bell_watch watch = watch_now(&fixture->view, 1);
        /* From now and then rolling, and from answering at once to when the other side sleeps. */
        clock_sleep_ns(turn % 4 ? 0 : (turn % 64) * 1000);
        if (turn % 8 == 0)
            roll(&fixture->view, 0);
        else
            publish(&fixture->view, 0);
        while (!bell_moved(&fixture->view, &watch))
            assert_int_equal(bell_wait(&fixture->view, &watch, 1, WAIT), 0);
    }
    sleeper_end(&sleeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_move_that_was_before_the_wait_ends_it_at_once),
        BOTH(nothing_moves_until_the_time_is_over),
        BOTH(ringing_touches_nothing_when_nobody_sleeps),
        BOTH(a_publication_wakes_all_sleepers_and_takes_the_mark_away),
        BOTH(a_roll_wakes_the_sleeper),
        BOTH(a_deletion_wakes_the_sleeper),
        BOTH(a_publication_without_a_ring_is_seen_all_the_same),
        BOTH(any_of_many_partitions_wakes_the_sleeper),
        BOTH(a_sleeper_that_may_not_write_the_bell_wakes_too),
        BOTH(a_killed_sleeper_leaves_at_most_one_needless_wake),
        BOTH(a_signal_ends_the_sleep),
        BOTH(a_reader_without_membarrier_wakes_too),
        BOTH(a_reader_with_the_control_area_read_only_sleeps_and_wakes),
        BOTH(no_wake_up_is_lost_in_many_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
