/* process_test.c - what /proc says, barriers, and descriptors that fork closes. */
#include "os/process.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/thread.h"
#include "scratch.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void a_process_knows_itself(void **state)
{
    (void)state;
    char name[PROCESS_NAME_SIZE];
    assert_int_equal(process_id(), getpid());
    assert_true(process_start(getpid()) > 0);
    assert_int_equal(process_start(getpid()), process_start(getpid()));
    assert_int_equal(process_state(getpid()), 'R');
    process_name(name);
    assert_string_equal(name, "process_test");
    assert_true(process_cpus() >= 1);
}

static int carry_a_nasty_name(void *context, struct child_ends ends)
{
    (void)context;
    prctl(PR_SET_NAME, "a) Z 1 (b");
    child_say(ends, 'n');
    child_wait(ends);
    return 0;
}

static void another_process_goes_through_its_states(void **state)
{
    (void)state;
    int status;
    struct child child = child_start(carry_a_nasty_name, NULL);
    child_hear(&child);
    uint64_t start = process_start(child.pid);
    assert_true(start >= process_start(getpid()));
    kill(child.pid, SIGSTOP);
    assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
    assert_int_equal(process_state(child.pid), 'T');
    kill(child.pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_state(child.pid), 'Z');
    assert_int_equal(process_start(child.pid), start);
    child_end(&child);
    assert_int_equal(process_state(child.pid), 0);
    assert_int_equal(process_start(child.pid), 0);
}

static void the_boot_id_is_the_kernels(void **state)
{
    (void)state;
    uint8_t id[PROCESS_BOOT_ID_SIZE];
    char *text, formatted[33], *to = formatted;
    size_t length;
    assert_int_equal(process_boot_id(id), 0);
    for (unsigned i = 0; i < sizeof id; i++)
        to += snprintf(to, 3, "%02x", id[i]);
    assert_int_equal(
        file_read_all(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &text, &length), 0);
    to = text;
    for (const char *at = text; *at; at++)
        if (*at != '-' && *at != '\n')
            *to++ = *at;
    *to = '\0';
    assert_string_equal(formatted, text);
    free(text);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t first[300], second[300];
    memset(first, 0, sizeof first);
    memset(second, 0, sizeof second);
    assert_int_equal(process_random(first, sizeof first), 0);
    assert_int_equal(process_random(second, sizeof second), 0);
    assert_memory_not_equal(first, second, sizeof first);
    assert_memory_not_equal(first + 284, second + 284, 16);
}

static void barriers_work_or_are_refused(void **state)
{
    (void)state;
    int registered = process_barrier_register();
    if (registered == MAPLOG_UNSUPPORTED)
        skip();
    assert_int_equal(registered, 0);
    assert_int_equal(process_barrier(), 0);
}

static int is_open(void *context, struct child_ends ends)
{
    (void)ends;
    return fcntl(*(int *)context, F_GETFD) >= 0;
}

static int open_in_child(int fd)
{
    struct child child = child_start(is_open, &fd);
    int status = child_end(&child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void registered_descriptors_are_closed_in_children_only(void **state)
{
    (void)state;
    int fds[40];
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(file_memory("test", &fds[i]), 0);
        assert_int_equal(process_close_in_child(fds[i]), 0);
    }
    assert_int_equal(open_in_child(fds[0]), 0);
    assert_int_equal(open_in_child(fds[39]), 0);
    process_keep_in_child(fds[7]);
    assert_int_equal(open_in_child(fds[7]), 1);
    assert_int_equal(open_in_child(fds[8]), 0);
    assert_int_equal(open_in_child(fds[39]), 0);
    for (size_t i = 0; i < 40; i++) {
        assert_true(fcntl(fds[i], F_GETFD) >= 0);
        process_keep_in_child(fds[i]);
        file_close(fds[i]);
    }
}

static int fork_a_child_of_its_own(void *context, struct child_ends ends)
{
    int fd = *(int *)context, other;
    (void)ends;
    /* The parent's number is free again, and must not be closed a second time. */
    if (fcntl(fd, F_GETFD) >= 0 || file_memory("other", &other) != 0)
        return 1;
    if (other != fd && dup2(other, fd) != fd)
        return 2;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fcntl(fd, F_GETFD) < 0);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 3;
}

static void a_child_starts_with_nothing_registered(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(file_memory("test", &fd), 0);
    assert_int_equal(process_close_in_child(fd), 0);
    struct child child = child_start(fork_a_child_of_its_own, &fd);
    assert_int_equal(child_end(&child), 0);
    process_keep_in_child(fd);
    file_close(fd);
}

static atomic_int held;     /* 1 while the other thread is between hold and release */
static atomic_int overlaps; /* forks that fell in there */
static atomic_int done;

static void *hold_and_release(void *argument)
{
    (void)argument;
    while (!done) {
        process_fork_hold();
        held = 1;
        clock_sleep_ns(200000);
        held = 0;
        process_fork_release();
        clock_sleep_ns(50000);
    }
    return NULL;
}

static void no_fork_falls_into_a_hold(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "holder", hold_and_release, NULL), 0);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            process_fork_hold(); /* usable in the child as well */
            process_fork_release();
            _exit(held);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            overlaps++;
    }
    done = 1;
    thread_join(thread);
    assert_int_equal(overlaps, 0);
}

static void descriptors_are_raised_to_what_is_allowed(void **state)
{
    (void)state;
    struct rlimit before, few, after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    process_raise_descriptors();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_knows_itself),
        cmocka_unit_test(another_process_goes_through_its_states),
        cmocka_unit_test(the_boot_id_is_the_kernels),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(descriptors_are_raised_to_what_is_allowed),
        cmocka_unit_test(barriers_work_or_are_refused),
        cmocka_unit_test(registered_descriptors_are_closed_in_children_only),
        cmocka_unit_test(a_child_starts_with_nothing_registered),
        cmocka_unit_test(no_fork_falls_into_a_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
