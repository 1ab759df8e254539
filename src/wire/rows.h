/*
 * rows.h - how the generated tables describe a message. For messages.c and the codec only.
 */
#pragma once

#include "base/uuid.h"
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
    WIRE_ARRAY,   /* struct wire_list */
    WIRE_POINTER, /* to a struct; NULL: null */
};

/* How every array lies in a message's struct, where `first` has a type of its own. */
struct wire_list {
    void *first;
    int32_t count; /* -1: null */
} __attribute__((may_alias));

/* A field: where it lies, and in which versions it is there and may be null. */
struct wire_field {
    const struct wire_struct *child; /* of WIRE_STRUCT */
    uint16_t name;                   /* where it begins in wire_names */
    uint16_t offset;
    uint8_t kind;
    uint8_t form;
    int8_t first, last;           /* no API has more than 127 versions */
    int8_t null_first, null_last; /* first > last: never */
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

extern const char wire_names[];           /* of all fields, each with its NUL */
extern const struct wire_api wire_apis[]; /* by key; gaps have no name */

static inline bool wire_within(int16_t version, int16_t first, int16_t last)
{
    return version >= first && version <= last;
}

/* Bytes of a plain value, on the wire as in memory. kind < WIRE_STRING */
static inline size_t wire_width(uint8_t kind)
{
    static const uint8_t widths[] = {1, 1, 2, 2, 4, 4, 8, 8, 16};
    return widths[kind];
}

/* Bytes of one value in memory. */
static inline size_t wire_element_size(const struct wire_field *field)
{
    switch (field->kind) {
    case WIRE_STRUCT:
        return field->child->size;
    case WIRE_STRING:
        return sizeof(struct wire_string);
    case WIRE_BYTES:
        return sizeof(struct wire_bytes);
    case WIRE_RECORDS:
        return sizeof(struct wire_records);
    default:
        return wire_width(field->kind);
    }
}

static inline const char *wire_field_name(const struct wire_field *field)
{
    return wire_names + field->name;
}

/* 0, or MAPLOG_UNSUPPORTED with a text. */
int wire_check_version(const struct wire_struct *type, int16_t version);
