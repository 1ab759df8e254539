/*
 * codec.h - Kafka's messages: bytes <-> structs, by tables made from schema.txt. Pure; any thread.
 *
 * tools/wiregen turns schema.txt into wire/messages.h: one struct a message and a nested array
 * element, and one `const struct wire_struct wire_NAME` that describes it:
 *
 *   ProduceRequest               struct produce_request, wire_produce_request
 *     Acks int16                 int16_t acks
 *     TopicData []{              struct produce_request_topic_data *topic_data;
 *                                int32_t topic_data_count;      (-1: null)
 *       PartitionData []{        struct produce_request_topic_data_partition_data *partition_data;
 * ... PartitionIndexes []int32   int32_t *partition_indexes; int32_t partition_indexes_count
 *     CurrentLeader {            struct produce_response_..._current_leader current_leader (inline)
 *     Cursor { ?0+               the same as a pointer, NULL: null (only where it is nullable)
 *
 * A field that a version does not have is left out on encoding, whatever its value, and has its
 * default after decoding. null in a version that knows no null there is written as empty.
 *
 * The tables are read row by row, without plans made ahead: about 3 ns a field either way, 0.1 us
 * for a Produce request of one partition, 30 us for a Fetch of 1,000 (bench/wire.c).
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

struct wire_string {
    const char *at; /* no NUL behind it; into the frame after decoding */
    int32_t size;   /* -1: null */
};

struct wire_bytes {
    const uint8_t *at;
    int32_t size; /* -1: null */
};

/* Record batches. Encoded as a slice of its own (wire_output), never copied. */
struct wire_records {
    const uint8_t *at;
    int32_t size;      /* -1: null */
    uint32_t position; /* with source: of the first byte within it */
    void *source;      /* where the bytes lie beside memory: a struct segment; NULL: memory only */
};

/* A NUL-terminated string as a wire_string; NULL gives null. */
struct wire_string wire_text(const char *text);
/* A NUL-terminated copy; NULL without memory. null gives "". */
char *wire_copy(struct arena *arena, struct wire_string string);
bool wire_equal(struct wire_string string, const char *text);

struct wire_struct; /* rows.h: for the generated tables and the codec only */

/* One API: key, version range of the schema, request and response. */
struct wire_api {
    const char *name; /* "Produce" */
    int16_t key;
    int16_t first_version, last_version; /* that the schema knows; what is offered: broker/apis */
    int16_t flexible_version;            /* INT16_MAX: none */
    const struct wire_struct *request;
    const struct wire_struct *response;
};
/* NULL when the schema has no such key. */
const struct wire_api *wire_api(int16_t key);

/* Bytes of the C struct; every field at its default. */
size_t wire_size(const struct wire_struct *type);
void wire_init(const struct wire_struct *type, void *message);
/* An initialised struct, or `count` of them as an array; NULL without memory. */
void *wire_new(struct arena *arena, const struct wire_struct *type);
void *wire_array(struct arena *arena, const struct wire_struct *type, int32_t count);

/*
 * Reads one message body, the whole of `in`: strings, bytes and records point into it, arrays lie
 * in the arena. MAPLOG_CORRUPT with a text that names the field and its byte (truncated, absurd
 * length, null where none may be, bytes left over), MAPLOG_LIMIT when the arena is at its end,
 * MAPLOG_UNSUPPORTED for a version that the schema has not. On failure *message is undefined.
 * Tagged fields may come in any order, as with Kafka.
 */
int wire_decode(const struct wire_struct *type, int16_t version, struct bytes *in,
                struct arena *arena, void *message);
/* As wire_decode(), but leaves bytes after the message in `in`. For requests: Kafka's broker lets
 * them pass, and librdkafka (2.15) has three too many when it asks for the metadata of all topics
 * in version 9 or later. */
int wire_decode_prefix(const struct wire_struct *type, int16_t version, struct bytes *in,
                       struct arena *arena, void *message);

struct wire_slice {
    const uint8_t *at;
    size_t size;
    void *source;      /* as in wire_records */
    uint32_t position; /* as in wire_records */
};

/* What is to be sent: slices of memory in the arena, and of records wherever they lie. */
struct wire_output {
    struct arena *arena;
    struct wire_slice *slices;
    uint32_t count;
    uint32_t room;     /* of slices */
    size_t size;       /* bytes in all */
    uint8_t *from;     /* first byte written that no slice has yet */
    uint8_t *at, *end; /* free part of the chunk that it lies in */
    bool failed;       /* the arena was at its end */
};

/* Appends a message body: everything copied but records. MAPLOG_LIMIT when the arena is at its end,
 * MAPLOG_TOO_LARGE beyond INT32_MAX bytes in all and beyond INT16_MAX of a string. */
int wire_encode(const struct wire_struct *type, int16_t version, const void *message,
                struct wire_output *out);

/* ---- frames: [int32 size][header][body] ---- */

#define WIRE_FRAME_PREFIX 4

struct wire_request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct wire_string client_id;
};

/* Reads the header from a frame without its size prefix; *in is left at the body. The header's form
 * depends on the API's version: flexible ones carry tags. An unknown API or version is read as far
 * as the correlation id and gives MAPLOG_UNSUPPORTED. MAPLOG_CORRUPT. */
int wire_decode_request_header(struct bytes *in, struct wire_request_header *header);
/* A whole answer: size, header, body. *out is empty before, with its arena set. */
int wire_encode_response(const struct wire_api *api, int16_t version, int32_t correlation_id,
                         const void *body, struct wire_output *out);
/* The same for clients; MAPLOG_UNSUPPORTED where the schema has no such API or version. */
int wire_encode_request(const struct wire_request_header *header, const void *body,
                        struct wire_output *out);
/* *in is left at the body. MAPLOG_CORRUPT. */
int wire_decode_response_header(const struct wire_api *api, int16_t version, struct bytes *in,
                                int32_t *correlation_id);
