/*
 * sockets.h - what an engine keeps for each descriptor: the operations under way and what is known
 * of it. A table by descriptor that grows in chunks, so that entries never move. Internal to io/;
 * owned by the engine that embeds it, called by its thread only. Begins as {.limit = N}.
 */
#pragma once

#include "io/methods.h"

enum direction { DIRECTION_IN, DIRECTION_OUT, DIRECTIONS };

struct socket_entry {
    struct io_operation *operations[DIRECTIONS]; /* under way */
    bool added;
    bool readable; /* nobody has seen it empty since it was last said to have something */
    bool odd;      /* only "would block" says that it is empty */
    bool copied;   /* its kind knows no sending without copies */
};

_Static_assert(sizeof(struct socket_entry) <= 24, "idle connections are cheap");

struct sockets {
    struct socket_entry **chunks;
    uint32_t chunk_count;
    uint32_t count; /* added and not removed */
    uint32_t limit;
};

int sockets_add(struct sockets *sockets, int fd); /* as io_add */
void sockets_remove(struct sockets *sockets, int fd);
void sockets_free(struct sockets *sockets);
struct socket_entry *sockets_find(const struct sockets *sockets, int fd); /* NULL: not added */

/* Notes an operation as under way. 0, or the errno of what is wrong with it. */
int sockets_begin(const struct sockets *sockets, struct io_operation *operation);
/* It is the caller's again. */
void sockets_end(const struct sockets *sockets, const struct io_operation *operation);
