/* transfer_test.c - single attempts. */
#include "io/transfer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "io/methods.h"

static int ends[2]; /* [0] is ours and does not block */

static int connect_ends(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int close_ends(void **state)
{
    (void)state;
    return close(ends[0]) || close(ends[1]);
}

static void a_receive_blocks_gets_and_ends(void **state)
{
    (void)state;
    struct io_operation operation = {.fd = ends[0], .kind = IO_RECEIVE};
    uint8_t bytes[8];
    size_t got = 99;
    assert_int_equal(transfer_receive(&operation, bytes, sizeof bytes, &got), TRANSFER_BLOCKED);
    assert_int_equal(got, 99);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    assert_int_equal(transfer_receive(&operation, bytes, sizeof bytes, &got), TRANSFER_DONE);
    assert_int_equal(got, 3);
    shutdown(ends[1], SHUT_WR);
    assert_int_equal(transfer_receive(&operation, bytes, sizeof bytes, &got), TRANSFER_DONE);
    assert_int_equal(got, 0);
}

static void errors_have_codes_and_texts(void **state)
{
    (void)state;
    struct io_operation operation = {.kind = IO_ACCEPT};
    static const int short_of[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < sizeof short_of / sizeof *short_of; i++) {
        operation.error = short_of[i];
        assert_int_equal(transfer_error(&operation), MAPLOG_LIMIT);
    }
    operation.error = EINVAL;
    assert_int_equal(transfer_error(&operation), MAPLOG_IO);
    assert_string_equal(error_text(), "cannot accept a connection: Invalid argument");
    operation = (struct io_operation){.kind = IO_RECEIVE, .error = ETIMEDOUT};
    assert_int_equal(transfer_error(&operation), MAPLOG_IO);
    assert_string_equal(error_text(), "cannot receive: Connection timed out");
    operation = (struct io_operation){.kind = IO_SEND, .error = EPIPE};
    assert_int_equal(transfer_error(&operation), MAPLOG_IO);
    assert_string_equal(error_text(), "cannot send: Broken pipe");
    operation.error = EIO;
    assert_int_equal(transfer_error(&operation), MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "cannot send: the file cannot be read: Input/output error");
}

/* Security modules and filters of system calls say EPERM, of every attempt. */
static void an_accept_that_is_forbidden_fails_and_does_not_go_on(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_accept4, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof code / sizeof code[0], code};
        struct io_operation operation = {.fd = ends[0], .kind = IO_ACCEPT};
        int fd;
        alarm(10);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(2);
        bool failed = transfer_accept(&operation, &fd) == TRANSFER_FAILED;
        _exit(failed && operation.error == EPERM ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
#define ENDS(test) cmocka_unit_test_setup_teardown(test, connect_ends, close_ends)
    const struct CMUnitTest tests[] = {
        ENDS(a_receive_blocks_gets_and_ends),
        ENDS(errors_have_codes_and_texts),
        ENDS(an_accept_that_is_forbidden_fails_and_does_not_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
