/* doorbell_test.c - flags that a signal raises. */
#include "os/doorbell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"

static void each_flag_that_hangs_is_raised(void **state)
{
    (void)state;
    struct event_flag first = {.fd = -1}, second = {.fd = -1};
    assert_int_equal(event_open(&first.fd), 0);
    assert_int_equal(event_open(&second.fd), 0);
    assert_int_equal(doorbell_hang(&first), 0);
    assert_int_equal(doorbell_hang(&second), 0);
    raise(DOORBELL_SIGNAL);
    assert_true(event_is_raised(&first) && event_is_raised(&second));
    event_lower(&first);
    event_lower(&second);
    doorbell_unhang(&first);
    doorbell_unhang(&first);
    raise(DOORBELL_SIGNAL);
    assert_false(event_is_raised(&first));
    assert_true(event_is_raised(&second));
    doorbell_unhang(&second);
    file_close(first.fd);
    file_close(second.fd);
}

static void a_thread_that_blocks_it_is_woken_in_ppoll(void **state)
{
    (void)state;
    struct event_flag flag = {.fd = -1};
    sigset_t blocked, before, during;
    assert_int_equal(event_open(&flag.fd), 0);
    assert_int_equal(doorbell_hang(&flag), 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, DOORBELL_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    raise(DOORBELL_SIGNAL);
    assert_false(event_is_raised(&flag));
    doorbell_mask(&during);
    struct pollfd asked = {flag.fd, POLLIN, 0};
    assert_int_equal(ppoll(&asked, 1, NULL, &during), -1); /* EINTR: the handler ran */
    assert_int_equal(ppoll(&asked, 1, NULL, &during), 1);
    assert_true(event_is_raised(&flag));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    doorbell_unhang(&flag);
    file_close(flag.fd);
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    static struct event_flag flags[100];
    int hung = 0, result;
    while ((result = doorbell_hang(&flags[hung])) == 0)
        assert_true(++hung < 100);
    assert_int_equal(result, MAPLOG_LIMIT);
    while (hung > 0)
        doorbell_unhang(&flags[--hung]);
    assert_int_equal(doorbell_hang(&flags[0]), 0);
    doorbell_unhang(&flags[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flag_that_hangs_is_raised),
        cmocka_unit_test(a_thread_that_blocks_it_is_woken_in_ppoll),
        cmocka_unit_test(no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
