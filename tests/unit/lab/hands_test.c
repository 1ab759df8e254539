/* hands_test.c - every way hands over, and ends. */
#include "lab/hands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maplog.h>

#define TRIPS 100

static void *answer(void *context)
{
    struct hands hands = *(struct hands *)context;
    while (hands_await(&hands, 0) == 0 && hands_post(&hands, 1) == 0)
        ;
    return NULL;
}

/* Opens the way, or skips the test where the machine has it not. */
static void open_way(struct hands *hands, int way)
{
    if (hands_open(hands, (enum hands_way)way) != 0)
        skip();
}

static void make_trips(struct hands *hands)
{
    for (int i = 0; i < TRIPS; i++) {
        assert_int_equal(hands_post(hands, 0), 0);
        assert_int_equal(hands_await(hands, 1), 0);
    }
    hands_end(hands);
    assert_int_equal(hands_post(hands, 0), 0);
}

static void threads_hand_over(void **state)
{
    struct hands hands, other;
    pthread_t thread;
    open_way(&hands, (int)(intptr_t)*state);
    other = hands;
    assert_int_equal(pthread_create(&thread, NULL, answer, &other), 0);
    make_trips(&hands);
    assert_int_equal(pthread_join(thread, NULL), 0);
    hands_close(&hands);
}

static void processes_hand_over(void **state)
{
    struct hands hands;
    open_way(&hands, (int)(intptr_t)*state);
    pid_t pid = fork();
    if (pid == 0) {
        answer(&hands);
        _exit(0);
    }
    make_trips(&hands);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    hands_close(&hands);
}

static bool at_once(const void *context)
{
    (void)context;
    return true;
}

static void who_waits_in_vain_can_be_stopped(void **state)
{
    (void)state;
    for (int way = HANDS_SPIN; way <= HANDS_FUTEX; way++) {
        struct hands hands;
        assert_int_equal(hands_open(&hands, (enum hands_way)way), 0);
        hands.stopped = at_once;
        assert_int_equal(hands_await(&hands, 1), MAPLOG_CLOSED);
        hands_close(&hands);
    }
}

#define WAY(test, way) cmocka_unit_test_prestate_setup_teardown(test, NULL, NULL, (void *)(way))

int main(void)
{
    struct CMUnitTest tests[2 * HANDS_WAYS + 1] = {
        cmocka_unit_test(who_waits_in_vain_can_be_stopped)};
    for (intptr_t way = 0; way < HANDS_WAYS; way++) {
        tests[1 + 2 * way] = (struct CMUnitTest)WAY(threads_hand_over, way);
        tests[2 + 2 * way] = (struct CMUnitTest)WAY(processes_hand_over, way);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
