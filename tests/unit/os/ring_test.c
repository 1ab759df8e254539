/* ring_test.c - an io_uring that was opened as disabled is enabled once. */
#include "os/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

static void a_disabled_ring_is_enabled_once(void **state)
{
    (void)state;
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};
    int fd = (int)syscall(SYS_io_uring_setup, 8, &params);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        skip(); /* not here */
    assert_true(fd >= 0);
    assert_int_equal(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0), -1);
    assert_int_equal(errno, EBADFD);
    assert_int_equal(ring_enable(fd), 0);
    assert_int_equal(syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0), 0);
    assert_int_equal(ring_enable(fd), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "cannot start io_uring"));
    close(fd);
}

static void what_is_no_ring_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(ring_enable(-1), MAPLOG_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disabled_ring_is_enabled_once),
        cmocka_unit_test(what_is_no_ring_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
