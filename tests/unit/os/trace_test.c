/* trace_test.c - the kernel's events of this thread, and an instance that does not stay behind. */
#include "os/trace.h"

#include "base/error.h"
#include "scratch.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE 4096
#define PAGES 8

static const char *const events[] = {"exceptions/page_fault_user", "maplog/no_such_event"};

static struct trace *open_or_skip(void)
{
    struct trace *trace = NULL;
    int result = trace_open(events, 2, &trace);
    if (result) {
        assert_true(result == MAPLOG_DENIED || result == MAPLOG_UNSUPPORTED);
        assert_non_null(strstr(error_text(), "trac"));
        skip();
    }
    return trace;
}

static bool instance_exists(void)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/kernel/tracing/instances/maplog-%d", (int)getpid());
    return access(path, F_OK) == 0;
}

struct faults {
    uint64_t begin, end, last_us; /* addresses looked for; when the last came */
    int tid;                      /* of the last */
    unsigned count;
};

static int count_fault(void *context, const struct trace_event *event)
{
    struct faults *faults = context;
    uint64_t address = 0;
    assert_string_equal(event->name, "page_fault_user");
    assert_int_equal(sscanf(event->fields, "address=%lx ip=", &address), 1);
    assert_true(event->at_us >= faults->last_us);
    faults->last_us = event->at_us;
    if (address < faults->begin || address >= faults->end)
        return 0;
    faults->tid = event->tid;
    faults->count++;
    return 0;
}

static struct faults read_faults(struct trace *trace, volatile char *at)
{
    struct faults faults = {.begin = (uintptr_t)at, .end = (uintptr_t)at + PAGES * PAGE};
    assert_int_equal(trace_end(trace, count_fault, &faults), 0);
    return faults;
}

static volatile char *memory(void)
{
    void *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    return at;
}

static void faults_between_begin_and_end_are_seen(void **state)
{
    (void)state;
    struct trace *trace = open_or_skip();
    volatile char *at = memory();
    at[0] = 1;
    assert_int_equal(trace_begin(trace), 0);
    for (int i = 1; i < 4; i++)
        at[i * PAGE] = 1;
    struct faults faults = read_faults(trace, at);
    at[5 * PAGE] = 1;
    assert_int_equal(faults.count, 3);
    assert_int_equal(faults.tid, gettid());
    /* The second time begins from nothing. */
    assert_int_equal(trace_begin(trace), 0);
    assert_int_equal(read_faults(trace, at).count, 0);
    trace_close(trace);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static void a_child_is_seen_too(void **state)
{
    (void)state;
    struct trace *trace = open_or_skip();
    volatile char *at = memory();
    assert_int_equal(trace_begin(trace), 0);
    pid_t child = fork();
    if (child == 0) {
        at[0] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct faults faults = read_faults(trace, at);
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.tid, child);
    trace_close(trace);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static int stop(void *context, const struct trace_event *event)
{
    (void)event;
    ++*(int *)context;
    return 5;
}

static void a_visitor_ends_the_walk(void **state)
{
    (void)state;
    int visits = 0;
    struct trace *trace = open_or_skip();
    volatile char *at = memory();
    assert_int_equal(trace_begin(trace), 0);
    at[0] = at[PAGE] = 1;
    assert_int_equal(trace_end(trace, stop, &visits), 5);
    assert_int_equal(visits, 1);
    trace_close(trace);
    munmap((void *)(uintptr_t)at, PAGES * PAGE);
}

static void nothing_stays_behind(void **state)
{
    (void)state;
    struct trace *trace = open_or_skip();
    assert_true(instance_exists());
    trace_close(trace);
    assert_false(instance_exists());
    trace_close(NULL);
}

static void the_instance_of_a_killed_process_is_removed(void **state)
{
    (void)state;
    char path[128];
    pid_t child = fork();
    if (child == 0) {
        struct trace *trace;
        _exit(trace_open(events, 2, &trace) ? 1 : 0); /* without trace_close */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    struct trace *trace = open_or_skip();
    snprintf(path, sizeof path, "/sys/kernel/tracing/instances/maplog-%d", (int)child);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), -1);
    trace_close(trace);
}

static void events_that_no_kernel_has_are_told(void **state)
{
    (void)state;
    struct trace *trace = open_or_skip();
    trace_close(trace);
    assert_int_equal(trace_open(events + 1, 1, &trace), MAPLOG_UNSUPPORTED);
    assert_false(instance_exists());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_between_begin_and_end_are_seen),
        cmocka_unit_test(a_child_is_seen_too),
        cmocka_unit_test(a_visitor_ends_the_walk),
        cmocka_unit_test(nothing_stays_behind),
        cmocka_unit_test(the_instance_of_a_killed_process_is_removed),
        cmocka_unit_test(events_that_no_kernel_has_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
