#include "wire/output.h"

#define CHUNK_MIN 512         /* most answers fit */
#define CHUNK_MAX (64u << 10) /* unless one value needs more */
#define SLICES_MIN 8

uint8_t *wire_output_grow(struct wire_output *out, size_t size)
{
    wire_output_close(out);
    size_t bytes = out->size < CHUNK_MIN   ? CHUNK_MIN
                   : out->size < CHUNK_MAX ? out->size
                                           : CHUNK_MAX;
    if (bytes < size)
        bytes = size;
    uint8_t *chunk = out->failed ? NULL : arena_take(out->arena, bytes);
    out->from = out->at = chunk;
    out->end = chunk ? chunk + bytes : NULL;
    out->failed = !chunk;
    return chunk;
}

void wire_output_slice(struct wire_output *out, const struct wire_slice *slice)
{
    if (out->count == out->room) {
        uint32_t room = out->room ? out->room * 2 : SLICES_MIN;
        struct wire_slice *slices =
            out->failed ? NULL : arena_take_array(out->arena, room, sizeof *slices);
        if (!slices) {
            out->failed = true;
            return;
        }
        if (out->count > 0)
            memcpy(slices, out->slices, out->count * sizeof *slices);
        out->slices = slices;
        out->room = room;
    }
    out->slices[out->count++] = *slice;
    out->size += slice->size;
}

void wire_output_close(struct wire_output *out)
{
    if (out->at == out->from)
        return;
    struct wire_slice slice = {.at = out->from, .size = (size_t)(out->at - out->from)};
    out->from = out->at;
    wire_output_slice(out, &slice);
}
