/* pipe_test.c - pipes within this process. */
#include "os/pipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

static void a_pipe_carries_bytes_and_is_not_inherited(void **state)
{
    (void)state;
    int ends[2];
    char in;
    assert_int_equal(pipe_open(ends), 0);
    for (int i = 0; i < 2; i++)
        assert_true(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(read(ends[0], &in, 1), 1);
    assert_int_equal(in, 'x');
    close(ends[0]);
    close(ends[1]);
}

static void without_descriptors_there_is_none(void **state)
{
    (void)state;
    struct rlimit before, few = {3, 3};
    int ends[2];
    getrlimit(RLIMIT_NOFILE, &before);
    few.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &few);
    int result = pipe_open(ends);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(result, MAPLOG_LIMIT);
    assert_string_equal(error_text(), "cannot make a pipe: Too many open files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_carries_bytes_and_is_not_inherited),
        cmocka_unit_test(without_descriptors_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
