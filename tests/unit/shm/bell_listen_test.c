/* bell_listen_test.c - the listener hears of every marked partition that moves, once, and of no
 * other. */
#include "bell_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
