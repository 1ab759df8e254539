#include "io/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CHUNK_SOCKETS 256 /* the table grows by so many */

struct socket_entry *sockets_find(const struct sockets *sockets, int fd)
{
    uint32_t chunk = (uint32_t)fd / CHUNK_SOCKETS;
    if (fd < 0 || chunk >= sockets->chunk_count || !sockets->chunks[chunk])
        return NULL;
    struct socket_entry *entry = &sockets->chunks[chunk][(uint32_t)fd % CHUNK_SOCKETS];
    return entry->added ? entry : NULL;
}

static int make_room(struct sockets *sockets, uint32_t chunk)
{
    if (chunk >= sockets->chunk_count) {
        uint32_t count = chunk + 1;
        struct socket_entry **chunks = realloc(sockets->chunks, count * sizeof(*chunks));
        if (!chunks)
            return error_set(MAPLOG_NO_MEMORY, "no memory for the table of sockets");
        memset(chunks + sockets->chunk_count, 0, (count - sockets->chunk_count) * sizeof(*chunks));
        sockets->chunks = chunks;
        sockets->chunk_count = count;
    }
    if (!sockets->chunks[chunk])
        sockets->chunks[chunk] = calloc(CHUNK_SOCKETS, sizeof(struct socket_entry));
    if (!sockets->chunks[chunk])
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d more sockets", CHUNK_SOCKETS);
    return 0;
}

int sockets_add(struct sockets *sockets, int fd)
{
    if (fd < 0 || sockets_find(sockets, fd))
        return error_set(MAPLOG_INVALID, "descriptor %d is %s", fd,
                         fd < 0 ? "none" : "with this engine already");
    if (sockets->count == sockets->limit)
        return error_set(MAPLOG_LIMIT, "more than %u sockets with one engine", sockets->limit);
    int error = make_room(sockets, (uint32_t)fd / CHUNK_SOCKETS);
    if (error)
        return error;
    struct socket_entry *entry = &sockets->chunks[fd / CHUNK_SOCKETS][fd % CHUNK_SOCKETS];
    *entry = (struct socket_entry){.added = true, .generation = (uint8_t)(entry->generation + 1)};
    sockets->count++;
    return 0;
}

void sockets_remove(struct sockets *sockets, int fd)
{
    struct socket_entry *entry = sockets_find(sockets, fd);
    if (!entry)
        return;
    entry->added = false;
    sockets->count--;
}

void sockets_doubt(const struct sockets *sockets)
{
    for (uint32_t fd = 0; fd < sockets->chunk_count * CHUNK_SOCKETS; fd++) {
        struct socket_entry *entry = sockets_find(sockets, (int)fd);
        if (entry)
            entry->readable = entry->odd = entry->wary = true;
    }
}

void sockets_free(struct sockets *sockets)
{
    for (uint32_t i = 0; i < sockets->chunk_count; i++)
        free(sockets->chunks[i]);
    free(sockets->chunks);
}

static enum direction direction_of(const struct io_operation *operation)
{
    return operation->kind == IO_SEND ? DIRECTION_OUT : DIRECTION_IN;
}

int sockets_begin(const struct sockets *sockets, struct io_operation *operation)
{
    struct socket_entry *entry = sockets_find(sockets, operation->fd);
    if (!entry)
        return EBADF;
    if (entry->operations[direction_of(operation)])
        return EALREADY;
    entry->operations[direction_of(operation)] = operation;
    return 0;
}

void sockets_end(const struct sockets *sockets, const struct io_operation *operation)
{
    struct socket_entry *entry = sockets_find(sockets, operation->fd);
    if (entry && entry->operations[direction_of(operation)] == operation)
        entry->operations[direction_of(operation)] = NULL;
}
