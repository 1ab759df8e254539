#include <string.h>

#include "base/error.h"
#include "wire/codec.h"
#include "wire/output.h"
#include "wire/rows.h"

struct encoder {
    struct wire_output *out;
    int16_t version;
    bool flexible;
};

static int encode_struct(const struct encoder *to, const struct wire_struct *type,
                         const char *from);

/* A length or a count; -1: null, which is written as 0 where this version knows no null. */
static void put_length(const struct encoder *to, const struct wire_field *field, int32_t length,
                       bool is_short)
{
    if (length < 0)
        length = wire_within(to->version, field->null_first, field->null_last) ? -1 : 0;
    if (to->flexible)
        wire_put_uvarint(to->out, (uint32_t)length + 1);
    else if (is_short)
        wire_put16(to->out, (uint16_t)length);
    else
        wire_put32(to->out, (uint32_t)length);
}

static void put_data(const struct encoder *to, const struct wire_field *field, const void *data,
                     int32_t size)
{
    put_length(to, field, size, field->kind == WIRE_STRING);
    if (size > 0)
        wire_put_data(to->out, data, (size_t)size);
}

static void put_records(const struct encoder *to, const struct wire_field *field,
                        const struct wire_records *records)
{
    put_length(to, field, records->size, false);
    if (records->size <= 0)
        return;
    wire_output_close(to->out);
    struct wire_slice slice = {
        .at = records->at,
        .size = (size_t)records->size,
        .source = records->source,
        .position = records->position,
    };
    wire_output_slice(to->out, &slice);
}

static inline int put_value(const struct encoder *to, const struct wire_field *field,
                            const char *from)
{
    struct wire_output *out = to->out;
    switch ((enum wire_kind)field->kind) {
    case WIRE_BOOL:
    case WIRE_INT8:
        wire_put8(out, *(const uint8_t *)from);
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        wire_put16(out, *(const uint16_t *)from);
        break;
    case WIRE_INT32:
    case WIRE_UINT32:
        wire_put32(out, *(const uint32_t *)from);
        break;
    case WIRE_INT64:
        wire_put64(out, *(const uint64_t *)from);
        break;
    case WIRE_FLOAT64: {
        uint64_t bits;
        memcpy(&bits, from, sizeof bits);
        wire_put64(out, bits);
        break;
    }
    case WIRE_UUID:
        wire_put_data(out, from, sizeof(struct uuid));
        break;
    case WIRE_STRING: {
        const struct wire_string *string = (const struct wire_string *)from;
        if (string->size > INT16_MAX)
            return error_set(MAPLOG_TOO_LARGE, "%s: a string of %d bytes; the protocol ends at %d",
                             wire_field_name(field), string->size, INT16_MAX);
        put_data(to, field, string->at, string->size);
        break;
    }
    case WIRE_BYTES: {
        const struct wire_bytes *bytes = (const struct wire_bytes *)from;
        put_data(to, field, bytes->at, bytes->size);
        break;
    }
    case WIRE_RECORDS:
        put_records(to, field, (const struct wire_records *)from);
        break;
    case WIRE_STRUCT:
        return encode_struct(to, field->child, from);
    }
    return 0;
}

static int put_array(const struct encoder *to, const struct wire_field *field,
                     const struct wire_list *list)
{
    put_length(to, field, list->count, false);
    size_t size = wire_element_size(field);
    const char *element = list->first;
    int result = 0;
    for (int32_t i = 0; i < list->count && result == 0; i++, element += size)
        result = put_value(to, field, element);
    return result;
}

static const char *pointed_at(const char *field)
{
    const char *value;
    memcpy(&value, field, sizeof value);
    return value;
}

static inline int encode_field(const struct encoder *to, const struct wire_field *field,
                               const char *from)
{
    from += field->offset;
    if (field->form == WIRE_ONE)
        return put_value(to, field, from);
    if (field->form == WIRE_ARRAY)
        return put_array(to, field, (const struct wire_list *)from);
    const char *value = pointed_at(from);
    bool null = !value && wire_within(to->version, field->null_first, field->null_last);
    wire_put8(to->out, null ? UINT8_MAX : 1);
    return null ? 0 : encode_struct(to, field->child, value ? value : field->child->defaults);
}

/* ---- tagged fields: those that are not at their default ---- */

static bool all_default(const struct wire_struct *type, const char *from);

static bool same_data(const void *a, int32_t a_size, const void *b, int32_t b_size)
{
    return a_size == b_size && (a_size <= 0 || memcmp(a, b, (size_t)a_size) == 0);
}

static bool is_default(const struct wire_struct *type, const struct wire_field *field,
                       const char *message)
{
    const char *from = message + field->offset;
    const char *standard = (const char *)type->defaults + field->offset;
    if (field->form == WIRE_ONE && memcmp(from, standard, wire_element_size(field)) == 0)
        return true; /* the usual case, fast; what differs may still be the same text elsewhere */
    if (field->form == WIRE_POINTER)
        return !pointed_at(from);
    if (field->form == WIRE_ARRAY)
        return ((const struct wire_list *)from)->count ==
               ((const struct wire_list *)standard)->count;
    if (field->kind == WIRE_STRUCT)
        return all_default(field->child, from);
    if (field->kind == WIRE_STRING) {
        const struct wire_string *a = (const struct wire_string *)from;
        const struct wire_string *b = (const struct wire_string *)standard;
        return same_data(a->at, a->size, b->at, b->size);
    }
    if (field->kind == WIRE_BYTES) {
        const struct wire_bytes *a = (const struct wire_bytes *)from;
        const struct wire_bytes *b = (const struct wire_bytes *)standard;
        return same_data(a->at, a->size, b->at, b->size);
    }
    return false;
}

static bool all_default(const struct wire_struct *type, const char *from)
{
    for (int i = 0; i < type->field_count + type->tagged_count; i++)
        if (!is_default(type, &type->fields[i], from))
            return false;
    return true;
}

/* Encoded aside first: its size goes before it. */
static int put_tagged(const struct encoder *to, uint32_t tag, const struct wire_field *field,
                      const char *from)
{
    struct wire_output aside = {.arena = to->out->arena};
    struct encoder inner = {&aside, to->version, to->flexible};
    int result = encode_field(&inner, field, from);
    wire_output_close(&aside);
    to->out->failed |= aside.failed;
    if (result != 0 || aside.failed)
        return result;
    wire_put_uvarint(to->out, tag);
    wire_put_uvarint(to->out, (uint32_t)aside.size);
    for (uint32_t i = 0; i < aside.count; i++)
        wire_put_data(to->out, aside.slices[i].at, aside.slices[i].size);
    return 0;
}

static int encode_tagged(const struct encoder *to, const struct wire_struct *type, const char *from)
{
    const struct wire_field *fields = type->fields + type->field_count;
    uint64_t wanted = 0; /* a bit a tag */
    uint32_t count = 0;
    for (uint32_t tag = 0; tag < type->tagged_count; tag++) {
        if (!wire_within(to->version, fields[tag].first, fields[tag].last) ||
            is_default(type, &fields[tag], from))
            continue;
        wanted |= 1ull << tag;
        count++;
    }
    wire_put_uvarint(to->out, count);
    int result = 0;
    for (uint32_t tag = 0; wanted >> tag && result == 0; tag++)
        if (wanted >> tag & 1)
            result = put_tagged(to, tag, &fields[tag], from);
    return result;
}

static int encode_struct(const struct encoder *to, const struct wire_struct *type, const char *from)
{
    const struct wire_field *end = type->fields + type->field_count;
    for (const struct wire_field *field = type->fields; field < end; field++) {
        if (!wire_within(to->version, field->first, field->last))
            continue;
        int result = encode_field(to, field, from);
        if (result != 0)
            return result;
    }
    return to->flexible ? encode_tagged(to, type, from) : 0;
}

int wire_encode(const struct wire_struct *type, int16_t version, const void *message,
                struct wire_output *out)
{
    int result = wire_check_version(type, version);
    if (result != 0)
        return result;
    struct encoder to = {out, version, version >= type->flexible_version};
    result = encode_struct(&to, type, message);
    wire_output_close(out);
    if (result != 0)
        return result;
    if (out->failed)
        return error_set(MAPLOG_LIMIT, "%s: the message needs more than %zu bytes of memory",
                         type->name, out->arena->limit);
    if (out->size > INT32_MAX)
        return error_set(MAPLOG_TOO_LARGE, "%s: a message of %zu bytes; the protocol ends at %d",
                         type->name, out->size, INT32_MAX);
    return 0;
}
