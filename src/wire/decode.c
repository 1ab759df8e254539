#include <string.h>

#include "base/error.h"
#include "base/varint.h"
#include "wire/codec.h"
#include "wire/rows.h"

struct decoder {
    struct bytes *in;
    const uint8_t *first; /* of the body: texts count from here */
    struct arena *arena;
    int16_t version;
    bool flexible;
};

/* The struct and the field that are being read: what a text names. */
struct place {
    const struct wire_struct *type;
    const struct wire_field *field;
    const uint8_t *at; /* where the field begins */
};

static __attribute__((cold)) int broken(const struct decoder *from, const struct place *place,
                                        const char *what)
{
    return error_set(MAPLOG_CORRUPT, "%s.%s, version %d, byte %zu: %s", place->type->name,
                     wire_field_name(place->field), from->version,
                     (size_t)(place->at - from->first), what);
}

static int truncated(const struct decoder *from, const struct place *place)
{
    return broken(from, place, "the message ends too early");
}

static int beyond_memory(const struct decoder *from, const struct place *place)
{
    return error_set(MAPLOG_LIMIT, "%s.%s: the message needs more than %zu bytes of memory",
                     place->type->name, wire_field_name(place->field), from->arena->limit);
}

/* A length or a count; -1: null. What else is below 0 stays so and is refused later. */
static int64_t take_length(struct decoder *from, bool is_short)
{
    if (from->flexible)
        return (int64_t)bytes_take_uvarint(from->in) - 1;
    return is_short ? (int16_t)bytes_take16(from->in) : (int32_t)bytes_take32(from->in);
}

/* Checks what take_length() gave: 1 for null, 0 when `units` of at least `least` bytes can follow.
 */
static int check_length(const struct decoder *from, const struct place *place, int64_t units,
                        size_t least)
{
    if (from->in->failed)
        return truncated(from, place);
    if (units == -1) {
        bool nullable =
            wire_within(from->version, place->field->null_first, place->field->null_last);
        return nullable ? 1 : broken(from, place, "null, which it must not be");
    }
    if (units < 0 || units > INT32_MAX)
        return broken(from, place, "an absurd length");
    if ((uint64_t)units * least > bytes_left(from->in))
        return broken(from, place, "longer than what is left of the message");
    return 0;
}

/* String, bytes or records: *data stays NULL and *size becomes -1 for null. */
static int take_data(struct decoder *from, const struct place *place, const uint8_t **data,
                     int32_t *size)
{
    bool is_string = place->field->kind == WIRE_STRING;
    int64_t length = take_length(from, is_string);
    int result = check_length(from, place, length, 1);
    *data = NULL;
    *size = -1;
    if (result != 0)
        return result < 0 ? result : 0;
    if (is_string && length > INT16_MAX)
        return broken(from, place, "a string of more than 32767 bytes");
    *data = bytes_take(from->in, (size_t)length);
    *size = (int32_t)length;
    return 0;
}

static int take_string(struct decoder *from, const struct place *place, struct wire_string *to)
{
    const uint8_t *data;
    int result = take_data(from, place, &data, &to->size);
    to->at = (const char *)data;
    return result;
}

static int decode_struct(struct decoder *from, const struct wire_struct *type, char *to);

static inline int take_value(struct decoder *from, const struct place *place, char *to)
{
    struct bytes *in = from->in;
    switch ((enum wire_kind)place->field->kind) {
    case WIRE_BOOL:
        *(bool *)to = bytes_take8(in) != 0;
        break;
    case WIRE_INT8:
        *(uint8_t *)to = bytes_take8(in);
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        *(uint16_t *)to = bytes_take16(in);
        break;
    case WIRE_INT32:
    case WIRE_UINT32:
        *(uint32_t *)to = bytes_take32(in);
        break;
    case WIRE_INT64:
        *(uint64_t *)to = bytes_take64(in);
        break;
    case WIRE_FLOAT64: {
        uint64_t bits = bytes_take64(in);
        memcpy(to, &bits, sizeof bits);
        break;
    }
    case WIRE_UUID: {
        const uint8_t *id = bytes_take(in, sizeof(struct uuid));
        if (id)
            memcpy(to, id, sizeof(struct uuid));
        break;
    }
    case WIRE_STRING:
        return take_string(from, place, (struct wire_string *)to);
    case WIRE_BYTES: {
        struct wire_bytes *bytes = (struct wire_bytes *)to;
        return take_data(from, place, &bytes->at, &bytes->size);
    }
    case WIRE_RECORDS: {
        struct wire_records *records = (struct wire_records *)to;
        return take_data(from, place, &records->at, &records->size);
    }
    case WIRE_STRUCT:
        return decode_struct(from, place->field->child, to);
    }
    return in->failed ? truncated(from, place) : 0;
}

/* Bytes that one element has at least. */
static size_t least_bytes(const struct decoder *from, const struct wire_field *field)
{
    if (field->kind == WIRE_STRUCT)
        return field->child->smallest[from->version - field->child->first_version];
    if (field->kind == WIRE_STRING)
        return from->flexible ? 1 : 2;
    if (field->kind > WIRE_STRING)
        return from->flexible ? 1 : 4;
    return wire_width(field->kind);
}

static int take_array(struct decoder *from, const struct place *place, struct wire_list *to)
{
    const struct wire_field *field = place->field;
    int64_t count = take_length(from, false);
    int result = check_length(from, place, count, least_bytes(from, field));
    to->first = NULL;
    to->count = result == 0 ? (int32_t)count : -1;
    if (result != 0 || count == 0)
        return result < 0 ? result : 0;
    size_t size = wire_element_size(field);
    char *element = field->child ? wire_array(from->arena, field->child, to->count)
                                 : arena_take_array(from->arena, (size_t)count, size);
    if (!element)
        return beyond_memory(from, place);
    to->first = element;
    for (; count > 0 && result == 0; count--, element += size)
        result = take_value(from, place, element);
    return result;
}

/* A struct that may be null: a byte says whether. to: where its pointer lies. */
static int take_pointer(struct decoder *from, const struct place *place, char *to)
{
    const struct wire_struct *type = place->field->child;
    if ((int8_t)bytes_take8(from->in) < 0 || from->in->failed) {
        memset(to, 0, sizeof(void *));
        return check_length(from, place, -1, 0) < 0 ? MAPLOG_CORRUPT : 0;
    }
    char *value = wire_new(from->arena, type);
    memcpy(to, &value, sizeof value);
    return value ? decode_struct(from, type, value) : beyond_memory(from, place);
}

static inline int decode_field(struct decoder *from, const struct wire_struct *type,
                               const struct wire_field *field, char *to)
{
    struct place place = {type, field, from->in->at};
    if (field->form == WIRE_ONE)
        return take_value(from, &place, to + field->offset);
    if (field->form == WIRE_ARRAY)
        return take_array(from, &place, (struct wire_list *)(to + field->offset));
    return take_pointer(from, &place, to + field->offset);
}

static int decode_tagged(struct decoder *from, const struct wire_struct *type, char *to)
{
    struct bytes *in = from->in;
    uint32_t count = bytes_take_uvarint(in);
    for (uint32_t i = 0; i < count && !in->failed; i++) {
        uint32_t tag = bytes_take_uvarint(in);
        uint32_t size = bytes_take_uvarint(in);
        const uint8_t *value = bytes_take(in, size);
        if (!value || tag >= type->tagged_count)
            continue;
        const struct wire_field *field = &type->fields[type->field_count + tag];
        if (!wire_within(from->version, field->first, field->last))
            continue;
        struct bytes inside = bytes_over(value, size);
        struct decoder within = *from;
        within.in = &inside;
        int result = decode_field(&within, type, field, to);
        if (result != 0)
            return result;
        if (bytes_left(&inside) > 0)
            return broken(from, &(struct place){type, field, inside.at},
                          "bytes are left over in the tagged field");
    }
    if (in->failed)
        return error_set(MAPLOG_CORRUPT,
                         "%s, version %d, byte %zu: its tagged fields end too early", type->name,
                         from->version, (size_t)(in->at - from->first));
    return 0;
}

/* `to` has its defaults already. */
static int decode_struct(struct decoder *from, const struct wire_struct *type, char *to)
{
    const struct wire_field *end = type->fields + type->field_count;
    for (const struct wire_field *field = type->fields; field < end; field++) {
        if (!wire_within(from->version, field->first, field->last))
            continue;
        int result = decode_field(from, type, field, to);
        if (result != 0)
            return result;
    }
    return from->flexible ? decode_tagged(from, type, to) : 0;
}

int wire_decode_prefix(const struct wire_struct *type, int16_t version, struct bytes *in,
                       struct arena *arena, void *message)
{
    int result = wire_check_version(type, version);
    if (result != 0)
        return result;
    struct decoder from = {in, in->at, arena, version, version >= type->flexible_version};
    wire_init(type, message);
    return decode_struct(&from, type, message);
}

int wire_decode(const struct wire_struct *type, int16_t version, struct bytes *in,
                struct arena *arena, void *message)
{
    const uint8_t *first = in->at;
    int result = wire_decode_prefix(type, version, in, arena, message);
    if (result == 0 && bytes_left(in) > 0)
        return error_set(MAPLOG_CORRUPT, "%s, version %d, byte %zu: bytes are left over: %zu",
                         type->name, version, (size_t)(in->at - first), bytes_left(in));
    return result;
}
