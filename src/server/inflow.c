/* inflow.c - a buffer of received frames. */
#include "server/inflow.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define SMALLEST 1024u /* bytes of a buffer */
#define SPARE 256u     /* room behind a small frame, so that the end of the peer is noticed */
#define KEPT_SMALL (64u << 10) /* empty buffers up to this size are not kept */
#define GROWTH 4               /* a buffer grows by this factor as bytes come */

int inflow_frame(const struct inflow *inflow, uint32_t limit, uint32_t *size)
{
    uint32_t have = inflow->end - inflow->start;
    if (have < WIRE_FRAME_PREFIX)
        return 0;
    int32_t body = (int32_t)bytes_load32(inflow->bytes + inflow->start);
    if (body < 0)
        return error_set(MAPLOG_CORRUPT, "a frame of %d bytes: this is no Kafka client", body);
    if ((uint32_t)body > limit)
        return error_set(MAPLOG_TOO_LARGE,
                         "a frame of %d bytes, above socket.request.max.bytes (%u)", body, limit);
    *size = (uint32_t)body + WIRE_FRAME_PREFIX;
    return have >= *size;
}

static void count(struct inflow *inflow, struct workplace *place, uint32_t bytes)
{
    add_full(&place->memory_used, (int64_t)bytes - (int64_t)inflow->claimed);
    inflow->claimed = bytes;
}

/* Large frames are counted ahead, in steps: who announces one has to send a part of it before it
 * takes memory from others. */
static bool claim(struct inflow *inflow, struct workplace *place, uint32_t bytes)
{
    if (bytes <= inflow->claimed)
        return true;
    int64_t more = (int64_t)bytes - inflow->claimed;
    if (bytes > KEPT_SMALL && place->memory_limit &&
        add_full(&place->memory_used, more) + more > place->memory_limit) {
        add_full(&place->memory_used, -more);
        return false;
    }
    if (bytes <= KEPT_SMALL || !place->memory_limit)
        add_full(&place->memory_used, more);
    inflow->claimed = bytes;
    return true;
}

static int grow(struct inflow *inflow, uint32_t capacity)
{
    uint8_t *bytes = realloc(inflow->bytes, capacity);
    if (!bytes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a request of %u bytes", capacity);
    inflow->bytes = bytes;
    inflow->capacity = capacity;
    return 0;
}

int inflow_keep(struct inflow *inflow, struct workplace *place, const uint8_t *bytes, size_t size)
{
    uint32_t needed = inflow->end + (uint32_t)size;
    if (needed > inflow->capacity) {
        uint32_t capacity = needed + SPARE < SMALLEST ? SMALLEST : needed + SPARE;
        int result = grow(inflow, capacity);
        if (result)
            return result;
        if (capacity > inflow->claimed)
            count(inflow, place, capacity);
    }
    memcpy(inflow->bytes + inflow->end, bytes, size);
    inflow->end = needed;
    return 0;
}

static void compact(struct inflow *inflow)
{
    if (inflow->start == 0)
        return;
    memmove(inflow->bytes, inflow->bytes + inflow->start, inflow->end - inflow->start);
    inflow->end -= inflow->start;
    inflow->start = 0;
}

/* Makes room for the frame that has begun, as far as its bytes may be expected now. */
static int make_room(struct inflow *inflow, struct workplace *place, bool *thirsty)
{
    uint32_t wanted = WIRE_FRAME_PREFIX;
    inflow_frame(inflow, UINT32_MAX >> 1, &wanted); /* its limit was checked when it began */
    if (inflow->start + (uint64_t)wanted > inflow->capacity)
        compact(inflow);
    if (inflow->end < inflow->capacity)
        return 0;
    uint64_t step = (uint64_t)inflow->capacity * GROWTH;
    if (wanted > inflow->capacity && step > wanted)
        step = wanted;
    if (!claim(inflow, place, (uint32_t)step)) {
        *thirsty = true;
        return MAPLOG_BUSY;
    }
    return grow(inflow, (uint32_t)step);
}

int inflow_room(struct inflow *inflow, struct workplace *place, bool in_use,
                struct inflow_room *room)
{
    *room = (struct inflow_room){0};
    if (in_use && inflow->end == inflow->capacity)
        return MAPLOG_BUSY;
    if (!in_use && inflow->end > inflow->start) {
        int result = make_room(inflow, place, &room->thirsty);
        if (result)
            return result;
    }
    if (inflow->bytes) {
        room->at = inflow->bytes + inflow->end;
        room->size = inflow->capacity - inflow->end;
    }
    return 0;
}

void inflow_drop(struct inflow *inflow, struct workplace *place, uint32_t size, bool receiving)
{
    inflow->start += size;
    if (inflow->start < inflow->end || receiving)
        return;
    inflow->start = inflow->end = 0;
    if (inflow->capacity <= KEPT_SMALL)
        inflow_free(inflow, place);
}

bool inflow_is_large(const struct inflow *inflow)
{
    return inflow->claimed > KEPT_SMALL;
}

void inflow_free(struct inflow *inflow, struct workplace *place)
{
    count(inflow, place, 0);
    free(inflow->bytes);
    *inflow = (struct inflow){0};
}
