/*
 * hands.h - ways of handing over from one thread or process to another: a post at one end ends an
 * await at the other. Two directions, an end is one thread's.
 *
 * Made before the other side begins, so that both have it: a fork inherits it, a thread shares it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hands_way {
    HANDS_SPIN, /* looks at a cache line until it changes: never sleeps */
    HANDS_FUTEX,
    HANDS_EVENTFD,
    HANDS_PIPE,
    HANDS_UNIX,
    HANDS_TCP,
    HANDS_QUEUE, /* POSIX message queue */
    HANDS_WAYS
};
const char *hands_name(enum hands_way way);

struct hands_shared; /* in memory that both sides see */

struct hands {
    enum hands_way way;
    struct hands_shared *shared;
    int to[2], from[2]; /* of each direction: where one posts, and where one awaits; -1: none */
    uint32_t posted[2], awaited[2];
    bool (*stopped)(const void *context); /* asked now and then while it waits */
    const void *context;
};

/* Negative codes with a text, when this machine does not have it. */
int hands_open(struct hands *hands, enum hands_way way);
void hands_close(struct hands *hands);
/* direction: 0 or 1. Each side posts in one and awaits in the other. */
int hands_post(struct hands *hands, int direction);
/* MAPLOG_CLOSED: stopped() said so, or hands_end() was called. */
int hands_await(struct hands *hands, int direction);
/* Whoever posts is about to post for the last time: that await, and all later ones, tell. */
void hands_end(struct hands *hands);
