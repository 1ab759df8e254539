/*
 * poll.h - one call of poll that asks for every parked operation: the engine poll waits by it, and
 * sigio asks by it once when signals were lost. Internal to io/; called by the engine's thread.
 */
#pragma once

#include <poll.h>

#include "io/ready.h"

/* What is asked for, kept for the next time; begins as zeroes. */
struct poll_list {
    struct pollfd *asked;
    size_t room; /* entries */
};

/* A look (struct ready_hooks). */
int poll_look(struct poll_list *list, struct ready *ready, int64_t timeout_ns);
void poll_free(struct poll_list *list);
