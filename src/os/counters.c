/* counters.c - one perf event for each counter. */
#include "os/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRACEPOINT "events/raw_syscalls/sys_enter/id"
#define PARANOID "/proc/sys/kernel/perf_event_paranoid"
#define WHY_SIZE 256

/* The number in a file of the kernel's; -1 with errno when there is none. */
static long read_number(const char *path, long missing)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return missing;
    ssize_t got = read(fd, text, sizeof text - 1);
    int errnum = errno;
    close(fd);
    errno = errnum;
    if (got <= 0)
        return missing;
    text[got] = '\0';
    return strtol(text, NULL, 10);
}

static long tracepoint_id(void)
{
    long id = read_number("/sys/kernel/tracing/" TRACEPOINT, -1);
    return id >= 0 ? id : read_number("/sys/kernel/debug/tracing/" TRACEPOINT, -1);
}

static int open_event(enum counter counter, int tid)
{
    static const uint64_t software[COUNTERS] = {
        [COUNTER_SWITCHES] = PERF_COUNT_SW_CONTEXT_SWITCHES,
        [COUNTER_FAULTS] = PERF_COUNT_SW_PAGE_FAULTS,
        [COUNTER_MAJOR_FAULTS] = PERF_COUNT_SW_PAGE_FAULTS_MAJ,
        [COUNTER_CPU_NS] = PERF_COUNT_SW_TASK_CLOCK,
    };
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = software[counter],
        .inherit = 1,
    };
    if (counter == COUNTER_CALLS) {
        long id = tracepoint_id();
        if (id < 0)
            return -1;
        attr.type = PERF_TYPE_TRACEPOINT;
        attr.config = (uint64_t)id;
    }
    return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void counters_open(struct counters *counters, int tid)
{
    for (int i = 0; i < COUNTERS; i++) {
        counters->fds[i] = open_event((enum counter)i, tid);
        counters->errors[i] = counters->fds[i] < 0 ? errno : 0;
    }
}

void counters_close(struct counters *counters)
{
    for (int i = 0; i < COUNTERS; i++) {
        if (counters->fds[i] >= 0)
            close(counters->fds[i]);
        counters->fds[i] = -1;
    }
}

bool counters_read(const struct counters *counters, enum counter counter, uint64_t *value)
{
    return counters->fds[counter] >= 0 &&
           read(counters->fds[counter], value, sizeof *value) == sizeof *value;
}

/* ---- why not --------------------------------------------------------------------------------- */

static const char *refused_to_us(enum counter counter, char why[static WHY_SIZE])
{
    /* What the kernel asks of those without CAP_PERFMON. */
    long wanted = counter == COUNTER_CALLS ? -1 : 1, paranoid = read_number(PARANOID, 2);
    if (paranoid > wanted)
        snprintf(why, WHY_SIZE,
                 "kernel.perf_event_paranoid is %ld and this process has no CAP_PERFMON: be root, "
                 "or sysctl kernel.perf_event_paranoid=%ld",
                 paranoid, wanted);
    else
        snprintf(why, WHY_SIZE,
                 "perf_event_open is refused, as a container's filter of system calls does: "
                 "allow it there, and CAP_PERFMON");
    return why;
}

static const char *no_tracepoint(int errnum)
{
    if (errnum == EACCES || errnum == EPERM)
        return "the number of the tracepoint lies in /sys/kernel/tracing, which only root reads: "
               "be root";
    if (access("/sys/kernel/tracing/events", F_OK) == 0 ||
        access("/sys/kernel/debug/tracing/events", F_OK) == 0)
        return "this kernel has no tracepoint for system calls (CONFIG_FTRACE_SYSCALLS)";
    return "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing";
}

const char *counters_refusal(const struct counters *counters, enum counter counter)
{
    static _Thread_local char why[WHY_SIZE];
    if (counters->fds[counter] >= 0)
        return NULL;
    if (counter == COUNTER_CALLS && tracepoint_id() < 0)
        return no_tracepoint(counters->errors[counter]);
    switch (counters->errors[counter]) {
    case EACCES:
    case EPERM:
        return refused_to_us(counter, why);
    case ENOSYS:
        return "this kernel has no perf_event_open (CONFIG_PERF_EVENTS)";
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
        return "this kernel does not count it";
    case ESRCH:
        return "the process has ended";
    }
    snprintf(why, sizeof why, "perf_event_open: %s", strerror(counters->errors[counter]));
    return why;
}
