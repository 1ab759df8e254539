/* counters_test.c - what the kernel counts of this process and its children, and why it does not.
 */
#include "os/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 1000
#define PAGES 100

/* The count; skips the test where the machine refuses it, once it has said why. */
static uint64_t counted(const struct counters *counters, enum counter counter)
{
    uint64_t value = 0;
    if (!counters_read(counters, counter, &value)) {
        assert_true(strlen(counters_refusal(counters, counter)) > 10);
        skip();
    }
    assert_null(counters_refusal(counters, counter));
    return value;
}

static void *call(void *argument)
{
    for (int i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    return argument;
}

static void touch(void)
{
    volatile char *memory =
        mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(madvise((void *)memory, PAGES * 4096, MADV_NOHUGEPAGE), 0);
    for (int i = 0; i < PAGES; i++)
        memory[i * 4096] = 1;
    munmap((void *)memory, PAGES * 4096);
}

static void calls_of_every_thread_and_child_are_counted(void **state)
{
    (void)state;
    struct counters counters;
    pthread_t thread;
    counters_open(&counters, 0);
    call(NULL);
    uint64_t own = counted(&counters, COUNTER_CALLS);
    assert_in_range(own, CALLS, CALLS + 50);
    assert_int_equal(pthread_create(&thread, NULL, call, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        call(NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_in_range(counted(&counters, COUNTER_CALLS), own + 2 * CALLS, own + 2 * CALLS + 200);
    counters_close(&counters);
}

static void faults_are_counted(void **state)
{
    (void)state;
    struct counters counters;
    counters_open(&counters, 0);
    uint64_t before = counted(&counters, COUNTER_FAULTS);
    touch();
    assert_in_range(counted(&counters, COUNTER_FAULTS) - before, PAGES, PAGES + 20);
    counters_close(&counters);
}

static void switches_and_cpu_time_are_counted(void **state)
{
    (void)state;
    struct counters counters;
    counters_open(&counters, 0);
    for (int i = 0; i < 10; i++)
        usleep(100); /* who sleeps lets another have the CPU */
    uint64_t switches = counted(&counters, COUNTER_SWITCHES);
    assert_true(switches >= 10);
    assert_true(counted(&counters, COUNTER_CPU_NS) > 0);
    counters_close(&counters);
}

static void another_process_is_counted(void **state)
{
    (void)state;
    struct counters counters;
    int gate[2];
    char go = 0;
    assert_int_equal(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        if (read(gate[0], &go, 1) == 1)
            call(NULL);
        _exit(0);
    }
    counters_open(&counters, child);
    assert_int_equal(write(gate[1], "", 1), 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_in_range(counted(&counters, COUNTER_CALLS), CALLS, CALLS + 50);
    counters_close(&counters);
    close(gate[0]);
    close(gate[1]);
}

static void a_refusal_says_what_to_do(void **state)
{
    (void)state;
    struct counters counters;
    for (int i = 0; i < COUNTERS; i++) {
        counters.fds[i] = -1;
        counters.errors[i] = EACCES;
    }
    uint64_t value;
    assert_false(counters_read(&counters, COUNTER_FAULTS, &value));
    const char *why = counters_refusal(&counters, COUNTER_FAULTS);
    assert_true(strstr(why, "perf_event_paranoid") || strstr(why, "CAP_PERFMON"));
    counters.errors[COUNTER_FAULTS] = ENOSYS;
    assert_non_null(strstr(counters_refusal(&counters, COUNTER_FAULTS), "CONFIG_PERF_EVENTS"));
    counters.errors[COUNTER_FAULTS] = EMFILE;
    assert_non_null(strstr(counters_refusal(&counters, COUNTER_FAULTS), strerror(EMFILE)));
    counters_close(&counters);
}

static void a_process_that_is_gone_is_refused(void **state)
{
    (void)state;
    struct counters counters;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    counters_open(&counters, child);
    for (int i = 0; i < COUNTERS; i++)
        assert_true(strlen(counters_refusal(&counters, (enum counter)i)) > 10);
    counters_close(&counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_every_thread_and_child_are_counted),
        cmocka_unit_test(faults_are_counted),
        cmocka_unit_test(switches_and_cpu_time_are_counted),
        cmocka_unit_test(another_process_is_counted),
        cmocka_unit_test(a_refusal_says_what_to_do),
        cmocka_unit_test(a_process_that_is_gone_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
