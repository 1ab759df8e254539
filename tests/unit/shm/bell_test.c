/* bell_test.c - sleepers wake for every kind of move, and no wake-up is lost. */
#define _GNU_SOURCE 1
#include "shm/bell.h"

#include "../../support/control_area.h"
#include "../os/scratch.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/map.h"

#include <pthread.h>
#include <string.h>

#define SECOND 1000000000ll
#define WAIT (60 * SECOND) /* must not be reached */
#define PARTITIONS 200

struct fixture {
    struct control_area area;
    struct control_view view;
};

static int setup(void **state, enum writer_kind writers)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    control_area_make(&fixture->area, writers, PARTITIONS);
    control_area_attach(&fixture->area, "bell", &fixture->view);
    *state = fixture;
    return 0;
}

static int setup_lease(void **state)
{
    return setup(state, WRITER_LEASE);
}

static int setup_mutex(void **state)
{
    return setup(state, WRITER_MUTEX);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    control_area_detach(&fixture->view);
    control_area_remove(&fixture->area);
    free(fixture);
    return 0;
}

static uint32_t bell_word_of(struct fixture *fixture, uint32_t partition)
{
    return load_relaxed(&fixture->area.bell[partition].waiters);
}

/* ---- the writer's side, as the log does it ----------------------------------------------------
 */

static void publish(struct control_view *view, uint32_t i)
{
    struct control_partition *partition = &view->control->partitions[i];
    uint64_t index = load_relaxed(&partition->rolls) & 1;
    store_release(&partition->published[index], load_relaxed(&partition->published[index]) + 1);
    bell_ring(view, i);
}

static void roll(struct control_view *view, uint32_t i)
{
    struct control_partition *partition = &view->control->partitions[i];
    uint64_t rolls = load_relaxed(&partition->rolls) + 1;
    store_release(&partition->published[rolls & 1], 0);
    store_release(&partition->rolls, rolls);
    bell_ring(view, i);
}

static struct bell_watch watch_now(const struct control_view *view, uint32_t i)
{
    const struct control_partition *partition = &view->control->partitions[i];
    uint64_t rolls = load_acquire(&partition->rolls);
    return (struct bell_watch){i, rolls, load_acquire(&partition->published[rolls & 1])};
}

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

struct sleeper {
    struct control_view view;
    struct bell_watch watches[PARTITIONS];
    unsigned count;
    int result;
    pthread_t thread;
};

static void *sleep_on(void *context)
{
    struct sleeper *sleeper = context;
    sleeper->result = bell_wait(&sleeper->view, sleeper->watches, sleeper->count, WAIT);
    return NULL;
}

/* Starts a sleeper on partitions first .. first + count - 1 and waits until it sleeps on them. */
static void sleeper_start(struct fixture *fixture, struct sleeper *sleeper, uint32_t first,
                          unsigned count)
{
    *sleeper = (struct sleeper){.view = fixture->view, .count = count, .result = -1};
    for (unsigned i = 0; i < count; i++)
        sleeper->watches[i] = watch_now(&fixture->view, first + i);
    assert_int_equal(thread_start(&sleeper->thread, "sleeper", sleep_on, sleeper), 0);
    while (count <= FUTEX_WAIT_MANY_LIMIT &&
           !(bell_word_of(fixture, first + count - 1) & BELL_WAITING))
        clock_sleep_ns(20000);
    clock_sleep_ns(2000000); /* most likely it sleeps by now; it must wake in any case */
}

static void sleeper_end(struct sleeper *sleeper)
{
    thread_join(sleeper->thread);
    assert_int_equal(sleeper->result, 0);
}

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

#define TURNS 3000

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

/* ---- listening --------------------------------------------------------------------------------
 */

/* A listener, and what it heard. */
struct ear {
    struct bell_listener *bell;
    _Atomic uint32_t heard[PARTITIONS];
    _Atomic uint32_t total;
};

static void on_moved(void *context, uint32_t partition)
{
    struct ear *ear = context;
    assert_true(partition < PARTITIONS);
    add_full(&ear->heard[partition], 1);
    add_full(&ear->total, 1);
}

static void ear_open(struct ear *ear, struct control_view *view)
{
    *ear = (struct ear){.bell = calloc(1, sizeof(struct bell_listener))};
    assert_non_null(ear->bell);
    bell_listen_begin(ear->bell, view);
}

static void ear_close(struct ear *ear)
{
    free(ear->bell);
}

static void mark(struct ear *ear, uint32_t partition)
{
    bell_mark(ear->bell, partition);
    bell_mark_barrier(ear->bell);
}

/* Listens until so many were heard in all. */
static void listen_until(struct ear *ear, uint32_t total)
{
    while (load_relaxed(&ear->total) < total)
        bell_listen(ear->bell, -1, on_moved, ear);
    assert_int_equal(load_relaxed(&ear->total), total);
}

static unsigned listen_briefly(struct ear *ear)
{
    return bell_listen(ear->bell, 2000000, on_moved, ear);
}

static void each_mark_is_heard_of_once(void **state)
{
    struct fixture *fixture = *state;
    struct ear ear;
    ear_open(&ear, &fixture->view);
    assert_int_equal(listen_briefly(&ear), 0);
    publish(&fixture->view, 5); /* nobody marked it */
    assert_int_equal(listen_briefly(&ear), 0);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        mark(&ear, i);
    for (uint32_t i = 0; i < PARTITIONS; i += 3) {
        publish(&fixture->view, i);
        publish(&fixture->view, i);
    }
    listen_until(&ear, (PARTITIONS + 2) / 3);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(load_relaxed(&ear.heard[i]), i % 3 == 0);
    publish(&fixture->view, 0); /* not marked any more */
    assert_int_equal(listen_briefly(&ear), 0);
    mark(&ear, 0);
    roll(&fixture->view, 0);
    listen_until(&ear, (PARTITIONS + 2) / 3 + 1);
    assert_int_equal(load_relaxed(&ear.heard[0]), 2);
    store_release(&fixture->area.control->partitions[7].state, PARTITION_DELETED);
    bell_wake(&fixture->view, 7);
    listen_until(&ear, (PARTITIONS + 2) / 3 + 2);
    assert_int_equal(load_relaxed(&ear.heard[7]), 1);
    ear_close(&ear);
}

static void a_publication_without_a_ring_is_heard_of_all_the_same(void **state)
{
    /* Its writer was killed between the two, or after it took the mark away. */
    struct fixture *fixture = *state;
    struct ear ear;
    ear_open(&ear, &fixture->view);
    for (unsigned i = 0; i < 2; i++) {
        mark(&ear, i);
        store_release(&fixture->area.control->partitions[i].published[0], 1);
        if (i)
            store_relaxed(&fixture->area.bell[i].waiters, 2);
        listen_until(&ear, i + 1);
        assert_int_equal(load_relaxed(&ear.heard[i]), 1);
    }
    /* Another mark that comes after the publication takes nothing from the one before it. */
    mark(&ear, 2);
    store_release(&fixture->area.control->partitions[2].published[0], 1);
    mark(&ear, 2);
    listen_until(&ear, 3);
    ear_close(&ear);
}

static void a_sleeper_and_the_listener_are_both_told(void **state)
{
    struct fixture *fixture = *state;
    struct sleeper sleeper;
    struct ear ear;
    ear_open(&ear, &fixture->view);
    for (unsigned i = 0; i < 50; i++) {
        sleeper_start(fixture, &sleeper, 9, 1);
        mark(&ear, 9);
        publish(&fixture->view, 9);
        sleeper_end(&sleeper);
        listen_until(&ear, i + 1);
    }
    ear_close(&ear);
}

/* A read-only process that wakes its own sleepers does not take the listener's mark away. */
static void who_cannot_tell_the_listener_leaves_its_mark(void **state)
{
    struct fixture *fixture = *state;
    struct control_view silent = fixture->view;
    struct ear ear;
    silent.read_only = true;
    ear_open(&ear, &fixture->view);
    mark(&ear, 3);
    uint32_t word = bell_word_of(fixture, 3);
    bell_wake(&silent, 3);
    assert_int_equal(bell_word_of(fixture, 3), word + 2);
    assert_int_equal(listen_briefly(&ear), 0);
    publish(&fixture->view, 3);
    listen_until(&ear, 1);
    ear_close(&ear);
}

static void who_cannot_be_told_looks_by_himself(void **state)
{
    struct fixture *fixture = *state;
    for (int kind = 0; kind < 2; kind++) {
        struct control_view silent = fixture->view;
        struct ear ear;
        silent.bell = kind ? silent.bell : NULL;
        silent.read_only = kind;
        ear_open(&ear, &silent);
        mark(&ear, 3);
        assert_int_equal(listen_briefly(&ear), 0);
        publish(&fixture->view, 3);
        listen_until(&ear, 1);
        assert_int_equal(listen_briefly(&ear), 0);
        assert_int_equal(bell_word_of(fixture, 3), 0);
        bell_listen_stop(ear.bell);
        ear_close(&ear);
    }
}

static int listen_without_membarrier(void *context, struct child_ends ends)
{
    struct control_view *view = context;
    struct ear ear;
    control_area_refuse_membarrier();
    ear_open(&ear, view);
    mark(&ear, 0);
    child_say(ends, 'm');
    listen_until(&ear, 1);
    ear_close(&ear);
    return 0;
}

static void a_listener_without_membarrier_hears_too(void **state)
{
    struct fixture *fixture = *state;
    struct child child = child_start(listen_without_membarrier, &fixture->view);
    assert_int_equal(child_hear(&child), 'm');
    publish(&fixture->view, 0);
    assert_int_equal(child_end(&child), 0);
}

static void *listen_on(void *context)
{
    struct ear *ear = context;
    while (!load_acquire(&ear->bell->stop))
        bell_listen(ear->bell, -1, on_moved, ear);
    return NULL;
}

static void a_stop_ends_the_listening(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 20; i++) {
        struct ear ear;
        pthread_t thread;
        ear_open(&ear, &fixture->view);
        mark(&ear, 1);
        assert_int_equal(thread_start(&thread, "listen", listen_on, &ear), 0);
        clock_sleep_ns(i % 2 * 1000000);
        bell_listen_stop(ear.bell);
        thread_join(thread);
        assert_int_equal(bell_listen(ear.bell, -1, on_moved, &ear), 0);
        ear_close(&ear);
    }
}

#define LOUD 4

struct loud {
    struct control_view view;
    struct ear *ear;
    uint32_t partition;
    pthread_t thread;
};

/* Publishes, and waits to be heard before it goes on: a ring that was lost is not made good by the
 * next one. */
static void *be_loud(void *context)
{
    struct loud *loud = context;
    for (unsigned turn = 0; turn < TURNS / 4; turn++) {
        bell_mark(loud->ear->bell, loud->partition);
        bell_mark_barrier(loud->ear->bell);
        clock_sleep_ns(turn % 4 ? 0 : (turn % 64) * 1000);
        publish(&loud->view, loud->partition);
        while (load_acquire(&loud->ear->heard[loud->partition]) <= turn)
            thread_yield();
    }
    return NULL;
}

static void no_publication_of_many_is_missed(void **state)
{
    struct fixture *fixture = *state;
    struct ear ear;
    struct loud loud[LOUD];
    pthread_t thread;
    ear_open(&ear, &fixture->view);
    assert_int_equal(thread_start(&thread, "listen", listen_on, &ear), 0);
    for (uint32_t i = 0; i < LOUD; i++) {
        loud[i] = (struct loud){.view = fixture->view, .ear = &ear, .partition = i * 40};
        assert_int_equal(thread_start(&loud[i].thread, "loud", be_loud, &loud[i]), 0);
    }
    for (uint32_t i = 0; i < LOUD; i++)
        thread_join(loud[i].thread);
    bell_listen_stop(ear.bell);
    thread_join(thread);
    for (uint32_t i = 0; i < LOUD; i++)
        assert_int_equal(load_relaxed(&ear.heard[i * 40]), TURNS / 4);
    ear_close(&ear);
}

#define BOTH(name)                                                                                 \
    {#name "_lease", name, setup_lease, teardown, NULL},                                           \
    {                                                                                              \
#name "_mutex", name, setup_mutex, teardown, NULL                                          \
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
        BOTH(each_mark_is_heard_of_once),
        BOTH(a_publication_without_a_ring_is_heard_of_all_the_same),
        BOTH(a_sleeper_and_the_listener_are_both_told),
        BOTH(who_cannot_tell_the_listener_leaves_its_mark),
        BOTH(who_cannot_be_told_looks_by_himself),
        BOTH(a_listener_without_membarrier_hears_too),
        BOTH(a_stop_ends_the_listening),
        BOTH(no_publication_of_many_is_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
