/* wake_test.c - waits that end: by time, by other threads, by signal handlers. */
#include "scene.h"

#include <pthread.h>
#include <stdatomic.h>

#include "os/clock.h"

#define WAKERS 4
#define WAKES 2000 /* by each */

static void a_wait_ends_when_its_time_is_over(void **state)
{
    (void)state;
    int64_t begun = clock_monotonic_ns();
    assert_int_equal(io_wait(scene.engine, 0), 0);
    assert_int_equal(io_wait(scene.engine, 3000000), 0);
    assert_true(clock_monotonic_ns() - begun >= 3000000);
}

static void a_wake_ends_the_next_wait_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        io_wake(scene.engine);
        io_wake(scene.engine);
        assert_int_equal(io_wait(scene.engine, -1), 0);
    }
    int64_t begun = clock_monotonic_ns();
    assert_int_equal(io_wait(scene.engine, 3000000), 0);
    assert_true(clock_monotonic_ns() - begun >= 3000000);
}

static int said; /* by the wakers, each under its own lock-free word */
static atomic_int asked;

static void *wake_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < WAKES; i++) {
        atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
        io_wake(scene.engine);
    }
    return NULL;
}

/* Hangs when a wake is lost. */
static void no_wake_of_another_thread_is_lost(void **state)
{
    (void)state;
    pthread_t wakers[WAKERS];
    asked = 0;
    for (int i = 0; i < WAKERS; i++)
        assert_int_equal(pthread_create(&wakers[i], NULL, wake_often, NULL), 0);
    while (atomic_load_explicit(&asked, memory_order_relaxed) < WAKERS * WAKES)
        assert_int_equal(io_wait(scene.engine, -1), 0);
    for (int i = 0; i < WAKERS; i++)
        pthread_join(wakers[i], NULL);
}

static void *say_and_wake(void *argument)
{
    (void)argument;
    said = 1; /* the wake itself carries it over */
    io_wake(scene.engine);
    return NULL;
}

static void what_was_said_before_a_wake_is_seen_behind_it(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        pthread_t waker;
        said = 0;
        assert_int_equal(pthread_create(&waker, NULL, say_and_wake, NULL), 0);
        assert_int_equal(io_wait(scene.engine, -1), 0);
        assert_int_equal(said, 1);
        pthread_join(waker, NULL);
    }
}

static void wake_by_signal(int number)
{
    (void)number;
    io_wake(scene.engine);
}

static void a_signal_handler_may_wake(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = wake_by_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < 100; i++) {
        raise(SIGUSR1);
        assert_int_equal(io_wait(scene.engine, -1), 0);
    }
    sigaction(SIGUSR1, &before, NULL);
}

static void *send_signal(void *argument)
{
    pthread_kill(*(pthread_t *)argument, SIGUSR1);
    return NULL;
}

static void a_signal_during_the_wait_is_no_error(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    /* It holds signals back until a waiting call that it knows; io_uring_enter and futex are none.
     */
    if (strcmp(scene_engine, "epoll") != 0 && strcmp(scene_engine, "poll") != 0)
        return;
#endif
    struct sigaction action = {.sa_handler = wake_by_signal}, before;
    pthread_t self = pthread_self(), sender;
    sigaction(SIGUSR1, &action, &before);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pthread_create(&sender, NULL, send_signal, &self), 0);
        assert_int_equal(io_wait(scene.engine, -1), 0);
        pthread_join(sender, NULL);
        assert_int_equal(io_wait(scene.engine, 0), 0);
    }
    sigaction(SIGUSR1, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_wait_ends_when_its_time_is_over),
        SCENE(a_wake_ends_the_next_wait_once),
        SCENE(no_wake_of_another_thread_is_lost),
        SCENE(what_was_said_before_a_wake_is_seen_behind_it),
        SCENE(a_signal_handler_may_wake),
        SCENE(a_signal_during_the_wait_is_no_error),
    };
    return scene_run_all(tests, sizeof tests / sizeof tests[0]);
}
