/* guard_test.c - a mapped file that is cut short is an error, not the end of the process. */
#define _GNU_SOURCE 1
#include "os/guard.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (64u << 10)

struct file {
    int fd;
    volatile char *text;
    unsigned sum;
};

static int sum_all(void *context)
{
    struct file *file = context;
    for (unsigned i = 0; i < BYTES; i += 512)
        file->sum += (unsigned char)file->text[i];
    return 7;
}

static int make_file(void **state)
{
    static struct file file;
    file.fd = memfd_create("guard", MFD_CLOEXEC);
    file.sum = 0;
    assert_int_equal(ftruncate(file.fd, BYTES), 0);
    file.text = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file.fd, 0);
    assert_ptr_not_equal(file.text, MAP_FAILED);
    assert_int_equal(pwrite(file.fd, "a", 1, 0), 1);
    *state = &file;
    return 0;
}

static int drop_file(void **state)
{
    struct file *file = *state;
    munmap((void *)file->text, BYTES);
    return close(file->fd);
}

static void a_whole_file_is_read(void **state)
{
    struct file *file = *state;
    assert_int_equal(guard_run((void *)file->text, BYTES, "whole", sum_all, file), 7);
    assert_int_equal(file->sum, 'a');
}

static void a_file_that_was_cut_is_an_error_that_names_it(void **state)
{
    struct file *file = *state;
    assert_int_equal(ftruncate(file->fd, BYTES / 2), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(guard_run((void *)file->text, BYTES, "cut.txt", sum_all, file), MAPLOG_IO);
        assert_non_null(strstr(error_text(), "cut.txt"));
    }
}

static void *run_in_thread(void *context)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    struct file *file = context;
    return (void *)(intptr_t)guard_run((void *)file->text, BYTES, "cut.txt", sum_all, file);
}

static void threads_that_block_all_signals_are_guarded(void **state)
{
    struct file *file = *state;
    pthread_t threads[2];
    assert_int_equal(ftruncate(file->fd, 0), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, file), 0);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_int_equal((intptr_t)result, MAPLOG_IO);
    }
}

static void a_signal_that_is_blocked_later_is_no_matter(void **state)
{
    struct file *file = *state;
    sigset_t bus, old;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    assert_int_equal(guard_run((void *)file->text, BYTES, "cut.txt", sum_all, file), 7);
    assert_int_equal(ftruncate(file->fd, 0), 0);
    pthread_sigmask(SIG_BLOCK, &bus, &old);
    assert_int_equal(guard_run((void *)file->text, BYTES, "cut.txt", sum_all, file), MAPLOG_IO);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void what_is_not_guarded_ends_the_process(void **state)
{
    struct file *file = *state;
    assert_int_equal(ftruncate(file->fd, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL); /* cmocka has its own */
        /* The range lies elsewhere. */
        guard_run((void *)(file->text + BYTES), 1, "other", sum_all, file);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static struct file make_another(void)
{
    struct file file = {.fd = memfd_create("another", MFD_CLOEXEC)};
    assert_int_equal(ftruncate(file.fd, BYTES), 0);
    file.text = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, file.fd, 0);
    assert_ptr_not_equal(file.text, MAP_FAILED);
    return file;
}

struct nest {
    struct file *outer, *inner;
    int inner_result;
};

static int sum_inner_then_outer(void *context)
{
    struct nest *nest = context;
    nest->inner_result = guard_run((void *)nest->inner->text, BYTES, "inner", sum_all, nest->inner);
    return sum_all(nest->outer);
}

static int sum_outer_within_inner(void *context)
{
    struct nest *nest = context;
    nest->inner_result = guard_run((void *)nest->inner->text, BYTES, "inner", sum_all, nest->outer);
    return 0;
}

static void guards_nest(void **state)
{
    struct file inner = make_another();
    struct nest nest = {*state, &inner, 0};
    void *outer_text = (void *)nest.outer->text;
    /* The inner one ends by itself; the outer one still stands after it. */
    assert_int_equal(ftruncate(inner.fd, 0), 0);
    assert_int_equal(guard_run(outer_text, BYTES, "outer", sum_inner_then_outer, &nest), 7);
    assert_int_equal(nest.inner_result, MAPLOG_IO);
    assert_int_equal(ftruncate(nest.outer->fd, 0), 0);
    assert_int_equal(guard_run(outer_text, BYTES, "outer", sum_inner_then_outer, &nest), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "outer"));
    /* A touch of the outer range ends both, and nothing is guarded afterwards. */
    nest.inner_result = 1;
    assert_int_equal(guard_run(outer_text, BYTES, "outer", sum_outer_within_inner, &nest),
                     MAPLOG_IO);
    assert_int_equal(nest.inner_result, 1);
    drop_file(&(void *){&inner});
}

static sigjmp_buf resume;

static void on_information(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (number == SIGBUS && info->si_addr)
        siglongjmp(resume, 1);
}

static void on_number(int number)
{
    siglongjmp(resume, number);
}

/* In a child, where no guard was installed yet: what was there before gets what is not guarded. */
static int pass_on_in_child(const struct sigaction *before, const struct file *file, int expected)
{
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGBUS, before, NULL);
        struct file own = *file;
        int guarded = guard_run((void *)own.text, BYTES, "cut", sum_all, &own);
        int jumped = sigsetjmp(resume, 1);
        if (!jumped)
            own.sum += (unsigned char)own.text[0];
        _exit(guarded != MAPLOG_IO || jumped != expected);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void others_handlers_get_what_is_theirs(void **state)
{
    struct file *file = *state;
    const struct sigaction informed = {.sa_sigaction = on_information, .sa_flags = SA_SIGINFO},
                           plain = {.sa_handler = on_number}, standard = {.sa_handler = SIG_DFL},
                           ignored = {.sa_handler = SIG_IGN};
    assert_int_equal(ftruncate(file->fd, 0), 0);
    assert_int_equal(pass_on_in_child(&informed, file, 1), 0);
    assert_int_equal(pass_on_in_child(&plain, file, SIGBUS), 0);
    assert_true(WIFSIGNALED(pass_on_in_child(&standard, file, 0)));
    assert_true(WIFSIGNALED(pass_on_in_child(&ignored, file, 0)));
}

static int nothing(void *context)
{
    (void)context;
    return 0;
}

static struct sigaction found;

/* As a library does that comes later: it saves what it finds, and passes on to it. */
static void on_later(int number, siginfo_t *info, void *context)
{
    found.sa_sigaction(number, info, context);
}

static void come_later(int blocked)
{
    struct sigaction later = {.sa_sigaction = on_later, .sa_flags = SA_SIGINFO};
    sigaddset(&later.sa_mask, blocked);
    sigaction(SIGBUS, &later, &found);
}

static void the_first_handler_is_reached_through_later_ones(void **state)
{
    struct file *file = *state;
    int status;
    assert_int_equal(ftruncate(file->fd, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct sigaction first = {.sa_sigaction = on_information, .sa_flags = SA_SIGINFO};
        sigaction(SIGBUS, &first, NULL);
        guard_run((void *)file->text, BYTES, "cut", nothing, NULL);
        come_later(SIGTERM);
        guard_run((void *)file->text, BYTES, "cut", nothing, NULL); /* stands before it again */
        int jumped = sigsetjmp(resume, 1);
        if (!jumped)
            file->sum += (unsigned char)file->text[0];
        _exit(jumped != 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int come_later_and_sum(void *context)
{
    come_later(SIGTERM);
    return sum_all(context);
}

static void a_jump_leaves_no_signal_blocked(void **state)
{
    struct file *file = *state;
    struct sigaction before;
    sigset_t blocked;
    sigaction(SIGBUS, NULL, &before);
    assert_int_equal(ftruncate(file->fd, 0), 0);
    int result = guard_run((void *)file->text, BYTES, "cut", come_later_and_sum, file);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    sigaction(SIGBUS, &before, NULL);
    assert_int_equal(result, MAPLOG_IO);
    assert_false(sigismember(&blocked, SIGBUS));
    assert_false(sigismember(&blocked, SIGTERM));
}

static int raise_within(void *context)
{
    raise(SIGBUS);
    return sum_all(context);
}

/* Who sends the signal by hand finds what would be there without the guard. */
static void a_signal_that_was_sent_is_passed_on(void **state)
{
    struct file *file = *state;
    int status;
    assert_int_equal(ftruncate(file->fd, 0), 0);
    for (int ignored = 0; ignored < 2; ignored++) {
        pid_t child = fork();
        if (child == 0) {
            signal(SIGBUS, ignored ? SIG_IGN : SIG_DFL);
            for (int i = 0; i < 2; i++)
                if (guard_run((void *)file->text, BYTES, "cut", raise_within, file) != MAPLOG_IO)
                    _exit(1);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(ignored ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_handlers_get_what_is_theirs, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_signal_that_is_blocked_later_is_no_matter, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(a_signal_that_was_sent_is_passed_on, make_file, drop_file),
        cmocka_unit_test_setup_teardown(the_first_handler_is_reached_through_later_ones, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(a_jump_leaves_no_signal_blocked, make_file, drop_file),
        cmocka_unit_test_setup_teardown(guards_nest, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_whole_file_is_read, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_is_an_error_that_names_it, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(threads_that_block_all_signals_are_guarded, make_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(what_is_not_guarded_ends_the_process, make_file, drop_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
