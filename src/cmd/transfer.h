/*
 * transfer.h - how import, export and backup show their work. Main thread.
 */
#pragma once

#include "cmd/meter.h"
#include "log/transfer.h"

struct transfer_view {
    struct meter meter;
};

/* A listener that says notes and refusals on standard error, shows progress, and ends the work when
 * a signal comes. verb: "imported". */
struct transfer_listener transfer_view_begin(struct transfer_view *view, const char *verb);
/* Ends the progress; after a success prints what was done. Returns the exit status. */
int transfer_view_end(struct transfer_view *view, int result, const struct transfer_counts *counts,
                      const char *where);
