/*
 * inflow.h - what a connection received and has not answered yet: a buffer that holds whole frames
 * in place, grows as bytes really come, and is counted against what all connections may have.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/exchange.h"

/* Begin with {0}. */
struct inflow {
    uint8_t *bytes;
    uint32_t capacity;
    uint32_t start, end; /* received and not answered yet: [start, end) */
    uint32_t claimed;    /* bytes counted in place->memory_used */
};

/* The frame at the front: 1 and its size with the prefix, 0 when more must come, MAPLOG_TOO_LARGE
 * or MAPLOG_CORRUPT for a size that cannot be. */
int inflow_frame(const struct inflow *inflow, uint32_t limit, uint32_t *size);
/* Copies what the engine received. MAPLOG_NO_MEMORY. */
int inflow_keep(struct inflow *inflow, struct workplace *place, const uint8_t *bytes, size_t size);
/* Where to receive next; at NULL: nothing is kept, receive into the engine's buffer. */
struct inflow_room {
    uint8_t *at;
    size_t size;
    bool thirsty; /* with MAPLOG_BUSY: wait until other connections give memory back */
};
/* in_use: the first frame must stay where it is. MAPLOG_BUSY: not before that request is answered,
 * or thirsty. MAPLOG_NO_MEMORY. */
int inflow_room(struct inflow *inflow, struct workplace *place, bool in_use,
                struct inflow_room *room);
/* The first `size` bytes are done with. receiving: more is being received behind the end. */
void inflow_drop(struct inflow *inflow, struct workplace *place, uint32_t size, bool receiving);
/* It holds memory that others may have to wait for. */
bool inflow_is_large(const struct inflow *inflow);
/* Gives all of it back. */
void inflow_free(struct inflow *inflow, struct workplace *place);
