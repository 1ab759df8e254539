/* event.h - a descriptor that polls readable while it is set (eventfd). Any thread, any process
 * that inherited it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

int event_open(int *fd); /* not set; close-on-exec; the caller closes it with file_close */
/* The same that can raise signals (O_ASYNC), which an eventfd cannot: a socket connected to itself.
 */
int event_open_signalling(int *fd);
void event_set(int fd);   /* polls readable from now on */
void event_clear(int fd); /* not any more */

/* The same within one process, for events that come in crowds: raising what is raised already costs
 * no system call. Begins as {fd, false}. */
struct event_flag {
    int fd;
    atomic_bool raised;
};

void event_raise(struct event_flag *flag);           /* any thread, signal handlers */
bool event_is_raised(const struct event_flag *flag); /* without a system call */
/* By the one that polls, before it looks for what was raised. */
void event_lower(struct event_flag *flag);
