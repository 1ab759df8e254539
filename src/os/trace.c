/* trace.c - an instance of tracefs. Its files are text, and to write is to set. */
#include "os/trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"

#define PREFIX "maplog-" /* of an instance's name; the process's number follows */
#define INSTANCES "instances"
#define NAME_SIZE 64

struct trace {
    int root, instance; /* directories */
    int on;             /* the file tracing_on, open: to begin and to end is one call each */
    char name[NAME_SIZE];
};

static int set(int directory, const char *name, const char *value, int flags)
{
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC | flags);
    if (fd < 0)
        return error_errno(errno, "cannot open %s of tracefs", name);
    size_t length = strlen(value);
    int errnum = 0;
    if (length && write(fd, value, length) != (ssize_t)length)
        errnum = errno;
    close(fd);
    return errnum ? error_errno(errnum, "cannot write \"%s\" to %s of tracefs", value, name) : 0;
}

/* ---- making and removing it ------------------------------------------------------------------ */

static int open_root(int *root)
{
    static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    int errnum = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && faccessat(fd, INSTANCES, W_OK, AT_EACCESS) == 0) {
            *root = fd;
            return 0;
        }
        errnum = errno == EACCES || errno == EPERM || !errnum ? errno : errnum;
        if (fd >= 0)
            close(fd);
    }
    if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
        return error_set(MAPLOG_DENIED, "tracefs may be used only by root: be root");
    return error_set(MAPLOG_UNSUPPORTED,
                     "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing");
}

/* Who was killed has left its instance. */
static void remove_abandoned(int root)
{
    int fd = openat(root, INSTANCES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *instances = fd >= 0 ? fdopendir(fd) : NULL;
    if (!instances && fd >= 0)
        close(fd);
    for (struct dirent *entry; instances && (entry = readdir(instances)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        int pid = (int)strtol(entry->d_name + strlen(PREFIX), NULL, 10);
        if (pid > 0 && !process_start(pid))
            unlinkat(dirfd(instances), entry->d_name, AT_REMOVEDIR);
    }
    if (instances)
        closedir(instances);
}

/* The clock of CLOCK_MONOTONIC would do, too; "global" keeps the order over all CPUs. */
static int set_up(struct trace *trace, const char *const *events, size_t count)
{
    char text[128];
    unsigned enabled = 0;
    snprintf(text, sizeof text, "%d", (int)gettid());
    int result = set(trace->instance, "tracing_on", "0", 0);
    if (!result)
        result = set(trace->instance, "set_event_pid", text, 0);
    if (!result)
        result = set(trace->instance, "options/event-fork", "1", 0);
    if (!result)
        result = set(trace->instance, "trace_clock", "global", 0);
    for (size_t i = 0; i < count && !result; i++) {
        snprintf(text, sizeof text, "events/%s/enable", events[i]);
        if (faccessat(trace->instance, text, W_OK, AT_EACCESS) == 0) {
            result = set(trace->instance, text, "1", 0);
            enabled++;
        }
    }
    if (!result && !enabled)
        result = error_set(MAPLOG_UNSUPPORTED, "this kernel has none of the trace events");
    if (!result && (trace->on = openat(trace->instance, "tracing_on", O_WRONLY | O_CLOEXEC)) < 0)
        result = error_errno(errno, "cannot open tracing_on of tracefs");
    return result;
}

int trace_open(const char *const *events, size_t count, struct trace **trace)
{
    struct trace *made = malloc(sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a trace");
    *made = (struct trace){.root = -1, .instance = -1, .on = -1};
    int result = open_root(&made->root);
    if (!result) {
        remove_abandoned(made->root);
        char name[NAME_SIZE];
        snprintf(name, sizeof name, INSTANCES "/" PREFIX "%d", process_id());
        if (mkdirat(made->root, name, 0700) != 0)
            result = error_errno(errno, "cannot make %s in tracefs", name);
        else
            memcpy(made->name, name, sizeof name);
    }
    if (!result) {
        made->instance = openat(made->root, made->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = made->instance < 0 ? error_errno(errno, "cannot open %s of tracefs", made->name)
                                    : set_up(made, events, count);
    }
    if (result) {
        trace_close(made);
        return result;
    }
    *trace = made;
    return 0;
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    if (trace->on >= 0)
        close(trace->on);
    if (trace->instance >= 0)
        close(trace->instance);
    if (trace->name[0])
        unlinkat(trace->root, trace->name, AT_REMOVEDIR);
    if (trace->root >= 0)
        close(trace->root);
    free(trace);
}

/* ---- recording ------------------------------------------------------------------------------- */

int trace_begin(struct trace *trace)
{
    int result = set(trace->instance, "trace", "", O_TRUNC);
    if (!result && pwrite(trace->on, "1", 1, 0) != 1)
        result = error_errno(errno, "cannot begin a trace");
    return result;
}

/* "   maplog-lab-1234    [001] d.... 38811.062006: page_fault_user: address=0x..". False: it is no
 * event. A name may hold blanks, so what comes first is searched from the CPU's bracket. */
static bool parse(char *line, struct trace_event *event)
{
    char *cpu = strstr(line, " [");
    while (cpu && (cpu[2] < '0' || cpu[2] > '9'))
        cpu = strstr(cpu + 1, " [");
    if (!cpu || line[0] == '#')
        return false;
    char *tid = cpu;
    while (tid > line && tid[-1] == ' ')
        tid--;
    while (tid > line && tid[-1] >= '0' && tid[-1] <= '9')
        tid--;
    uint64_t seconds, microseconds;
    int name = 0;
    if (sscanf(cpu, " [%*[0-9]] %*s %" SCNu64 ".%" SCNu64 ": %n", &seconds, &microseconds, &name) !=
            2 ||
        !name)
        return false;
    event->tid = (int)strtol(tid, NULL, 10);
    event->at_us = seconds * 1000000 + microseconds;
    event->name = cpu + name;
    char *colon = strstr(cpu + name, ": ");
    if (!colon)
        return false;
    *colon = '\0';
    event->fields = colon + 2;
    colon[2 + strcspn(colon + 2, "\n")] = '\0';
    return true;
}

int trace_end(struct trace *trace, int (*visit)(void *context, const struct trace_event *event),
              void *context)
{
    if (pwrite(trace->on, "0", 1, 0) != 1)
        return error_errno(errno, "cannot end a trace");
    int fd = openat(trace->instance, "trace", O_RDONLY | O_CLOEXEC), result = 0;
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!file) {
        result = error_errno(errno, "cannot read a trace");
        if (fd >= 0)
            close(fd);
        return result;
    }
    char *line = NULL;
    size_t size = 0;
    struct trace_event event;
    while (!result && getline(&line, &size, file) > 0)
        if (parse(line, &event))
            result = visit(context, &event);
    free(line);
    fclose(file);
    return result;
}
