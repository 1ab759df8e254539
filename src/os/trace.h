/*
 * trace.h - the kernel's own trace events of this thread and of the children that it forks, by
 * tracefs (/sys/kernel/tracing), which only root reads by default. It records into an instance of
 * its own, so what others trace is not disturbed. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct trace;

struct trace_event {
    int tid;
    uint64_t at_us;     /* since some moment, the same for all events */
    const char *name;   /* "page_fault_user" */
    const char *fields; /* as the kernel prints them: "address=0x7f.. ip=0x55.. error_code=0x4" */
};

/* Makes the instance, with those of the events ("exceptions/page_fault_user") that this kernel has.
 * It does not record yet. MAPLOG_DENIED, MAPLOG_UNSUPPORTED with a text that says what is missing.
 * Instances of processes that were killed are removed, too. */
int trace_open(const char *const *events, size_t count, struct trace **trace);
/* Forgets what was recorded, and records from now on. */
int trace_begin(struct trace *trace);
/* Records no more; calls visit for each event since, in order. A non-zero answer ends the walk and
 * is returned. What fields points to is valid during the visit. */
int trace_end(struct trace *trace, int (*visit)(void *context, const struct trace_event *event),
              void *context);
void trace_close(struct trace *trace); /* removes the instance; accepts NULL */
