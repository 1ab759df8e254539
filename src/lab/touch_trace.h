/*
 * touch_trace.h - what the kernel itself says of the steps of touch_steps.h: its trace events,
 * those of other files and of the program's own memory left out. One thread.
 */
#pragma once

#include "lab/sheet.h"
#include "lab/touch_steps.h"
#include "os/trace.h"

/* Equal events of one step, each of the page behind that of the one before. */
struct touch_span {
    unsigned step, times;
    uint64_t at_us;       /* since the step's first */
    uint64_t first, last; /* pages of the file */
    char event[40];
    char note[64]; /* what else is to say of it */
};

struct touch_spans {
    struct touch_span *items;
    size_t count;
};

/* Goes through all steps once, recording. Negative with a text where the kernel does not let us
 * (MAPLOG_DENIED, MAPLOG_UNSUPPORTED) or a step could not be done. */
int touch_trace(const char *directory, struct touch_spans *spans);
void touch_spans_free(struct touch_spans *spans);
/* Adds an event, unless it is of another file or memory. step_begin_us: 0 before its first. */
int touch_spans_add(struct touch_spans *spans, const struct touch *touch, unsigned step,
                    const struct trace_event *event, uint64_t *step_begin_us);
void touch_spans_print(const struct touch_spans *spans, struct sheet *sheet);
