/*
 * doorbell.h - a signal of the process that says "look": each time it comes, all flags that hang on
 * it are raised. For what tells its end by a signal to the process, as POSIX AIO does. Signals that
 * come together are one, and none is ever lost: unlike those that are queued, it needs no memory.
 */
#pragma once

#include <signal.h>

#include "os/event.h"

#define DOORBELL_SIGNAL SIGURG /* ignored where nobody asked for it; otherwise of no use here */

/* The flag is raised from now on, by handlers in any thread. MAPLOG_LIMIT, MAPLOG_IO. */
int doorbell_hang(struct event_flag *flag);
/* No handler knows it any more. Accepts one that does not hang. */
void doorbell_unhang(struct event_flag *flag);
/* The calling thread's signal mask, but with the signal let in: for ppoll. */
void doorbell_mask(sigset_t *mask);
