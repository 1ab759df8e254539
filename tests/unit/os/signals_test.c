/* signals_test.c - signals become flags and a wake. */
#include "os/signals.h"

#include "scratch.h"

#include <errno.h>

static int woken;

static void wake(void *context)
{
    (*(int *)context)++;
    errno = EIO; /* as a system call within it may */
}

static void each_signal_sets_its_flag_and_wakes(void **state)
{
    (void)state;
    woken = 0;
    assert_int_equal(signals_catch(wake, &woken), 0);
    assert_int_equal(signals_take(), 0);
    errno = 0;
    raise(SIGTERM);
    assert_int_equal(errno, 0);
    assert_int_equal(woken, 1);
    assert_int_equal(signals_take(), SIGNALS_STOP);
    assert_int_equal(signals_take(), 0);
    raise(SIGINT);
    raise(SIGHUP);
    raise(SIGHUP);
    assert_int_equal(woken, 4);
    assert_int_equal(signals_take(), SIGNALS_STOP | SIGNALS_RELOAD);
    assert_int_equal(signals_take(), 0);
    signals_release();
}

static void a_broken_pipe_is_an_error_and_no_death(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(signals_catch(wake, &woken), 0);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
    signals_release();
}

static int dies_of_it(void *context, struct child_ends ends)
{
    (void)context;
    if (signals_catch(wake, &woken) != 0)
        return 1;
    signals_release();
    signals_release(); /* no harm */
    child_say(ends, 'r');
    raise(SIGTERM);
    return 2;
}

static void a_release_brings_back_what_was_before(void **state)
{
    (void)state;
    struct child child = child_start(dies_of_it, NULL);
    assert_int_equal(child_hear(&child), 'r');
    int status = child_end(&child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signal_sets_its_flag_and_wakes),
        cmocka_unit_test(a_broken_pipe_is_an_error_and_no_death),
        cmocka_unit_test(a_release_brings_back_what_was_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
