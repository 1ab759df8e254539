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
    bool added : 1;
    bool readable : 1; /* nobody has seen it empty since it was last said to have something */
    bool odd : 1;      /* only "would block" says that it is empty */
    bool wary : 1; /* it had urgent bytes, or news of it were lost: odd whenever it has something */
    bool copied : 1;    /* its kind knows no sending without copies */
    bool armed : 1;     /* the kernel delivers what comes, by itself */
    bool disarmed : 1;  /* it was told to stop, and has not said that it did */
    bool listens : 1;   /* what is delivered are connections */
    uint8_t generation; /* of the descriptor: which of its sockets this is */
    uint8_t calm;       /* receives in a row that were asked for before the bytes came */
    uint8_t broken;     /* errno that the kernel told while nobody received, and tells once only */
    uint16_t held_first, held_last; /* what was delivered before anybody received */
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

/* Any of them may have something, whatever is known. */
void sockets_doubt(const struct sockets *sockets);

/* Notes an operation as under way. 0, or the errno of what is wrong with it. */
int sockets_begin(const struct sockets *sockets, struct io_operation *operation);
/* It is the caller's again. */
void sockets_end(const struct sockets *sockets, const struct io_operation *operation);
