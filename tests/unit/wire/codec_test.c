/* codec_test.c - every message in every version: as Kafka writes it, and through bytes and back. */
#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/error.h"
#include "bytes_of.h"
#include "wire/messages.h"
#include "wire/rows.h"

#define MEMORY (16u << 20)

static const struct {
    const struct wire_struct *type;
    int16_t version;
    const char *hex;
} golden[] = {
#define GOLDEN(name, number, text) {&wire_##name, number, text},
#include "golden.def"
#undef GOLDEN
};
#define GOLDENS (sizeof golden / sizeof golden[0])

/* Calls check(type, version) for every message and version of the schema. */
static void for_every_message(void (*check)(const struct wire_struct *type, int16_t version))
{
    const struct wire_struct *messages[2 * WIRE_KEYS + 2] = {&wire_consumer_protocol_subscription,
                                                             &wire_consumer_protocol_assignment};
    size_t count = 2;
    for (int16_t key = 0; key < WIRE_KEYS; key++) {
        const struct wire_api *api = wire_api(key);
        if (!api)
            continue;
        messages[count++] = api->request;
        messages[count++] = api->response;
    }
    for (size_t i = 0; i < count; i++)
        for (int16_t v = messages[i]->first_version; v <= messages[i]->last_version; v++)
            check(messages[i], v);
}

static void bytes_of_the_java_client_are_read_and_written_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct arena arena = {.limit = MEMORY};
        struct plain plain = plain_of_hex(golden[i].hex);
        struct bytes in = bytes_over(plain.at, plain.size);
        void *message = wire_new(&arena, golden[i].type);
        struct wire_output out = {.arena = &arena};
        if (wire_decode(golden[i].type, golden[i].version, &in, &arena, message) ||
            wire_encode(golden[i].type, golden[i].version, message, &out))
            fail_msg("%s", error_text());
        struct plain again = plain_of_output(&out);
        if (!plain_equal(plain, again))
            fail_msg("%s version %d differs", golden[i].type->name, golden[i].version);
        free(plain.at);
        free(again.at);
        arena_reset(&arena);
    }
}

static void expect_golden(const struct wire_struct *type, int16_t version)
{
    for (size_t i = 0; i < GOLDENS; i++)
        if (golden[i].type == type && golden[i].version == version)
            return;
    fail_msg("%s version %d is not among the golden messages", type->name, version);
}

static void every_message_has_its_golden_bytes(void **state)
{
    (void)state;
    for_every_message(expect_golden);
}

/* ---- any values, there and back ---- */

static uint64_t seed;

static uint64_t any(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void fill_struct(struct arena *arena, const struct wire_struct *type, int16_t version,
                        char *to);

static void fill_value(struct arena *arena, const struct wire_field *field, int16_t version,
                       char *to)
{
    bool null = wire_within(version, field->null_first, field->null_last) && any(4) == 0;
    int32_t size = null ? -1 : (int32_t)(any(8) ? any(20) : any(400));
    char *data = null ? NULL : arena_take(arena, (size_t)size);
    for (int32_t i = 0; i < size; i++)
        data[i] = (char)any(256);
    if (field->kind == WIRE_STRUCT)
        fill_struct(arena, field->child, version, to);
    else if (field->kind == WIRE_STRING)
        *(struct wire_string *)to = (struct wire_string){data, size};
    else if (field->kind == WIRE_BYTES)
        *(struct wire_bytes *)to = (struct wire_bytes){(uint8_t *)data, size};
    else if (field->kind == WIRE_RECORDS)
        *(struct wire_records *)to = (struct wire_records){.at = (uint8_t *)data, .size = size};
    else if (field->kind == WIRE_BOOL)
        *to = (char)any(2);
    else
        for (size_t i = 0; i < wire_width(field->kind); i++)
            to[i] = (char)any(256);
}

static void fill_struct(struct arena *arena, const struct wire_struct *type, int16_t version,
                        char *to)
{
    for (int i = 0; i < type->field_count + type->tagged_count; i++) {
        const struct wire_field *field = &type->fields[i];
        bool tagged = i >= type->field_count;
        if (!wire_within(version, field->first, field->last) || (tagged && any(2)))
            continue;
        bool null = wire_within(version, field->null_first, field->null_last) && any(4) == 0;
        if (field->form == WIRE_ONE) {
            fill_value(arena, field, version, to + field->offset);
        } else if (field->form == WIRE_POINTER) {
            char *value = null ? NULL : wire_new(arena, field->child);
            memcpy(to + field->offset, &value, sizeof value);
            if (value)
                fill_struct(arena, field->child, version, value);
        } else {
            struct wire_list *list = (struct wire_list *)(to + field->offset);
            size_t size = wire_element_size(field);
            list->count = null ? -1 : (int32_t)any(4);
            if (!null && field->child)
                list->first = wire_array(arena, field->child, list->count);
            else if (!null)
                list->first = arena_take_array(arena, (size_t)list->count, size);
            for (int32_t k = 0; k < list->count; k++)
                fill_value(arena, field, version, (char *)list->first + (size_t)k * size);
        }
    }
}

static bool same_struct(const struct wire_struct *type, const char *a, const char *b);

static bool same_data(const void *a, int32_t a_size, const void *b, int32_t b_size)
{
    return a_size == b_size && (a_size <= 0 || memcmp(a, b, (size_t)a_size) == 0);
}

static bool same_value(const struct wire_field *field, const char *a, const char *b)
{
    switch (field->kind) {
    case WIRE_STRUCT:
        return same_struct(field->child, a, b);
    case WIRE_STRING: {
        const struct wire_string *x = (const void *)a, *y = (const void *)b;
        return same_data(x->at, x->size, y->at, y->size);
    }
    case WIRE_BYTES: {
        const struct wire_bytes *x = (const void *)a, *y = (const void *)b;
        return same_data(x->at, x->size, y->at, y->size);
    }
    case WIRE_RECORDS: {
        const struct wire_records *x = (const void *)a, *y = (const void *)b;
        return same_data(x->at, x->size, y->at, y->size);
    }
    default:
        return memcmp(a, b, wire_width(field->kind)) == 0;
    }
}

/* Also of fields that the version does not have: both are at their defaults. */
static bool same_struct(const struct wire_struct *type, const char *a, const char *b)
{
    for (int i = 0; i < type->field_count + type->tagged_count; i++) {
        const struct wire_field *field = &type->fields[i];
        const char *x = a + field->offset, *y = b + field->offset;
        bool same = true;
        if (field->form == WIRE_ONE) {
            same = same_value(field, x, y);
        } else if (field->form == WIRE_POINTER) {
            const char *first, *second;
            memcpy(&first, x, sizeof first);
            memcpy(&second, y, sizeof second);
            same = first && second ? same_struct(field->child, first, second) : first == second;
        } else {
            const struct wire_list *first = (const void *)x, *second = (const void *)y;
            size_t size = wire_element_size(field);
            same = first->count == second->count;
            for (int32_t k = 0; same && k < first->count; k++)
                same = same_value(field, (char *)first->first + (size_t)k * size,
                                  (char *)second->first + (size_t)k * size);
        }
        if (!same) {
            print_error("%s.%s differs\n", type->name, wire_field_name(field));
            return false;
        }
    }
    return true;
}

static void there_and_back(const struct wire_struct *type, int16_t version, bool filled)
{
    struct arena arena = {.limit = MEMORY};
    struct wire_output out = {.arena = &arena}, again = {.arena = &arena};
    char *message = wire_new(&arena, type), *read = arena_take(&arena, wire_size(type));
    if (filled)
        fill_struct(&arena, type, version, message);
    if (wire_encode(type, version, message, &out))
        fail_msg("%s", error_text());
    struct plain plain = plain_of_output(&out);
    struct bytes in = bytes_over(plain.at, plain.size);
    if (wire_decode(type, version, &in, &arena, read) || wire_encode(type, version, read, &again))
        fail_msg("%s", error_text());
    struct plain second = plain_of_output(&again);
    if (!plain_equal(plain, second) || !same_struct(type, message, read))
        fail_msg("%s version %d is not what it was", type->name, version);
    assert_true(plain.size >= type->smallest[version - type->first_version]);
    if (!filled && plain.size > 0) {
        in = bytes_over(plain.at, plain.size - 1);
        assert_int_equal(wire_decode(type, version, &in, &arena, read), MAPLOG_CORRUPT);
    }
    free(plain.at);
    free(second.at);
    arena_reset(&arena);
}

static void any_values_there_and_back(const struct wire_struct *type, int16_t version)
{
    for (int round = 0; round < 20; round++)
        there_and_back(type, version, true);
}

static void defaults_there_and_back(const struct wire_struct *type, int16_t version)
{
    there_and_back(type, version, false);
}

static void any_values_survive(void **state)
{
    (void)state;
    seed = 1;
    for_every_message(any_values_there_and_back);
}

static void defaults_survive(void **state)
{
    (void)state;
    for_every_message(defaults_there_and_back);
}

/* ---- the rest ---- */

static void defaults_are_those_of_the_schema(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    struct fetch_request *fetch = wire_new(&arena, &wire_fetch_request);
    assert_int_equal(fetch->replica_id, -1);
    assert_int_equal(fetch->replica_state.replica_epoch, -1);
    assert_int_equal(fetch->max_bytes, INT32_MAX);
    assert_int_equal(fetch->cluster_id.size, -1);
    assert_int_equal(fetch->rack_id.size, 0);
    assert_int_equal(fetch->topics_count, 0);
    struct fetch_request_topics_partitions *partitions =
        wire_array(&arena, &wire_fetch_request_topics_partitions, 2);
    assert_int_equal(partitions[1].log_start_offset, -1);
    assert_true(partitions[1].high_watermark == INT64_MAX);
    struct metadata_request metadata;
    wire_init(&wire_metadata_request, &metadata);
    assert_true(metadata.allow_auto_topic_creation);
    struct list_partition_reassignments_request list;
    wire_init(&wire_list_partition_reassignments_request, &list);
    assert_int_equal(list.topics_count, -1);
    assert_null(wire_array(&arena, &wire_fetch_request, -1));
    assert_null(wire_array(&arena, &wire_fetch_request, INT32_MAX));
    arena_reset(&arena);
}

/* Else a few bytes could ask for any number of elements. */
static void expect_bytes_in_elements(const struct wire_struct *type, int16_t version)
{
    for (int i = 0; i < type->field_count + type->tagged_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (!field->child || !wire_within(version, field->first, field->last))
            continue;
        if (field->form == WIRE_ARRAY)
            assert_in_range(field->child->smallest[version - type->first_version], 1, 254);
        expect_bytes_in_elements(field->child, version);
    }
}

static void no_element_is_without_bytes(void **state)
{
    (void)state;
    for_every_message(expect_bytes_in_elements);
}

static void texts(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    struct wire_string orders = {"orders and more", 6};
    assert_true(wire_equal(orders, "orders"));
    assert_false(wire_equal(orders, "order"));
    assert_false(wire_equal(orders, "orders and more"));
    assert_false(wire_equal(orders, NULL));
    assert_true(wire_equal(wire_text(NULL), NULL));
    assert_false(wire_equal(wire_text(NULL), ""));
    assert_true(wire_equal(wire_text("x"), "x"));
    assert_string_equal(wire_copy(&arena, orders), "orders");
    assert_string_equal(wire_copy(&arena, wire_text(NULL)), "");
    arena_reset(&arena);
}

static void apis_are_found_by_key(void **state)
{
    (void)state;
    assert_null(wire_api(-1));
    assert_null(wire_api(INT16_MAX));
    assert_null(wire_api(WIRE_KEYS));
    assert_null(wire_api(4));
    const struct wire_api *produce = wire_api(WIRE_PRODUCE);
    assert_string_equal(produce->name, "Produce");
    assert_int_equal(produce->key, 0);
    assert_int_equal(produce->first_version, 3);
    assert_int_equal(produce->last_version, 13);
    assert_int_equal(produce->flexible_version, 9);
    assert_ptr_equal(produce->request, &wire_produce_request);
    assert_int_equal(wire_api(WIRE_OFFSET_DELETE)->flexible_version, INT16_MAX);
    assert_int_equal(wire_size(&wire_produce_request), sizeof(struct produce_request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_the_java_client_are_read_and_written_again),
        cmocka_unit_test(every_message_has_its_golden_bytes),
        cmocka_unit_test(any_values_survive),
        cmocka_unit_test(defaults_survive),
        cmocka_unit_test(defaults_are_those_of_the_schema),
        cmocka_unit_test(no_element_is_without_bytes),
        cmocka_unit_test(texts),
        cmocka_unit_test(apis_are_found_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
