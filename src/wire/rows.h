/*
 * rows.h - how the generated tables describe a message. For messages.c and the codec only.
 */
#pragma once

#include "wire/codec.h"

enum wire_kind {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
};

enum wire_form {
    WIRE_ONE,
    WIRE_ARRAY,   /* a pointer, and behind it an int32_t count */
    WIRE_POINTER, /* to a struct; NULL: null */
};

/* A field: where it lies, and in which versions it is there and may be null. */
struct wire_field {
    const char *name;
    const struct wire_struct *child; /* of WIRE_STRUCT */
    uint16_t offset;
    uint8_t kind;
    uint8_t form;
    int16_t first, last;
    int16_t null_first, null_last; /* first > last: never */
};

struct wire_struct {
    const char *name;                /* "ProduceRequest.TopicData" */
    const struct wire_field *fields; /* in wire order, then the tagged ones: tags 0, 1, 2 ... */
    const void *defaults;            /* one of the C struct */
    const uint8_t *smallest;         /* bytes of an encoding at least, by version - first_version */
    uint32_t size;                   /* of the C struct */
    uint16_t field_count;            /* without the tagged ones */
    uint16_t tagged_count;
    int16_t first_version, last_version, flexible_version; /* of the message */
};

extern const struct wire_api wire_apis[]; /* by key; gaps have no name */
