/* decode_test.c - what is refused, and the text that says where. */
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

#define MEMORY (1u << 20)

struct read {
    struct arena arena;
    struct plain plain;
    int result;
    union {
        struct produce_request produce;
        struct fetch_request fetch;
        struct metadata_request metadata;
        struct heartbeat_request heartbeat;
        struct describe_topic_partitions_request describe;
        char room[1024];
    };
};

static struct read *decode_of(const struct wire_struct *type, int16_t version, const char *hex)
{
    struct read *read = calloc(1, sizeof *read);
    assert_true(wire_size(type) <= sizeof read->room);
    read->arena.limit = MEMORY;
    read->plain = plain_of_hex(hex);
    struct bytes in = bytes_over(read->plain.at, read->plain.size);
    read->result = wire_decode(type, version, &in, &read->arena, read->room);
    return read;
}

static void end(struct read *read)
{
    arena_reset(&read->arena);
    free(read->plain.at);
    free(read);
}

static void expect_text(const struct wire_struct *type, int16_t version, const char *hex,
                        const char *text)
{
    struct read *read = decode_of(type, version, hex);
    assert_int_equal(read->result, MAPLOG_CORRUPT);
    assert_string_equal(error_text(), text);
    end(read);
}

#define PRODUCE_3                                                                                  \
    "ffff"                                                                                         \
    "0001"                                                                                         \
    "00007530"                                                                                     \
    "00000001"                                                                                     \
    "0001"                                                                                         \
    "74"                                                                                           \
    "00000001"                                                                                     \
    "00000007"                                                                                     \
    "00000003"                                                                                     \
    "010203"

static void strings_and_records_point_into_the_frame(void **state)
{
    (void)state;
    struct read *read = decode_of(&wire_produce_request, 3, PRODUCE_3);
    assert_int_equal(read->result, 0);
    assert_int_equal(read->produce.transactional_id.size, -1);
    assert_null(read->produce.transactional_id.at);
    assert_int_equal(read->produce.acks, 1);
    assert_int_equal(read->produce.timeout_ms, 30000);
    assert_int_equal(read->produce.topic_data_count, 1);
    const struct produce_request_topic_data *topic = read->produce.topic_data;
    assert_true(wire_equal(topic->name, "t"));
    assert_ptr_equal(topic->name.at, read->plain.at + 14);
    assert_int_equal(topic->partition_data_count, 1);
    assert_int_equal(topic->partition_data->index, 7);
    assert_int_equal(topic->partition_data->records.size, 3);
    assert_ptr_equal(topic->partition_data->records.at, read->plain.at + read->plain.size - 3);
    assert_null(topic->partition_data->records.source);
    end(read);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const struct {
        const struct wire_struct *type;
        int16_t version;
        const char *hex;
    } cases[] = {
#define GOLDEN(name, number, text) {&wire_##name, number, text},
#include "golden.def"
#undef GOLDEN
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plain plain = plain_of_hex(cases[i].hex);
        for (size_t size = 0; size < plain.size; size++) {
            struct arena arena = {.limit = MEMORY};
            /* Memory of just that size, so that a read beyond it is seen. */
            uint8_t *cut = memcpy(malloc(size + 1), plain.at, size);
            cut = realloc(cut, size ? size : 1);
            struct bytes in = bytes_over(cut, size);
            void *message = wire_new(&arena, cases[i].type);
            int result = wire_decode(cases[i].type, cases[i].version, &in, &arena, message);
            if (result != MAPLOG_CORRUPT)
                fail_msg("%s version %d of %zu bytes gave %d", cases[i].type->name,
                         cases[i].version, size, result);
            free(cut);
            arena_reset(&arena);
        }
        free(plain.at);
    }
}

static void texts_name_field_and_byte(void **state)
{
    (void)state;
    expect_text(&wire_produce_request, 3,
                "ffff"
                "0001"
                "0000",
                "ProduceRequest.TimeoutMs, version 3, byte 4: the message ends too early");
    expect_text(&wire_produce_request, 3,
                "ffff"
                "0001"
                "00007530"
                "00000001"
                "ffff"
                "00000000",
                "ProduceRequest.TopicData.Name, version 3, byte 12: null, which it must not be");
    expect_text(&wire_produce_request, 3,
                "fffe"
                "0001"
                "00007530"
                "00000000",
                "ProduceRequest.TransactionalId, version 3, byte 0: an absurd length");
    expect_text(&wire_produce_request, 3, PRODUCE_3 "00",
                "ProduceRequest, version 3, byte 30: bytes are left over: 1");
    expect_text(&wire_produce_request, 3,
                "ffff"
                "0001"
                "00007530"
                "ffffffff",
                "ProduceRequest.TopicData, version 3, byte 8: null, which it must not be");
    expect_text(&wire_produce_request, 3,
                "ffff"
                "0001"
                "00007530"
                "80000000",
                "ProduceRequest.TopicData, version 3, byte 8: an absurd length");
    expect_text(&wire_produce_request, 9,
                "00"
                "0001"
                "00007530"
                "01"
                "02"
                "01",
                "ProduceRequest, version 9, byte 10: its tagged fields end too early");
    expect_text(&wire_produce_request, 9, "ffffffffff",
                "ProduceRequest.TransactionalId, version 9, byte 0: the message ends too early");
    expect_text(&wire_produce_request, 9,
                "ffffffff0f"
                "00000000000000",
                "ProduceRequest.TransactionalId, version 9, byte 0: an absurd length");
}

static void counts_are_held_against_what_is_left(void **state)
{
    (void)state;
    /* A topic without a name and partitions has 6 bytes in version 3, and 3 in version 9. */
    expect_text(
        &wire_produce_request, 3,
        "ffff"
        "0001"
        "00007530"
        "00000003"
        "000000000000"
        "0000000000",
        "ProduceRequest.TopicData, version 3, byte 8: longer than what is left of the message");
    struct read *read = decode_of(&wire_produce_request, 9,
                                  "00"
                                  "0001"
                                  "00007530"
                                  "03"
                                  "010100"
                                  "010100"
                                  "00");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->produce.topic_data_count, 2);
    end(read);
    expect_text(
        &wire_produce_request, 9,
        "00"
        "0001"
        "00007530"
        "04"
        "010100"
        "010100"
        "0000",
        "ProduceRequest.TopicData, version 9, byte 7: longer than what is left of the message");
}

static void memory_has_its_limit(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    size_t room = 16 + (size_t)COUNT * 6;
    char *hex = malloc(room);
    size_t at = (size_t)snprintf(hex, room, "%08x", COUNT);
    for (int i = 0; i < COUNT; i++)
        at += (size_t)snprintf(hex + at, room - at, "000174");
    struct read *read = decode_of(&wire_metadata_request, 1, hex);
    assert_int_equal(read->result, MAPLOG_LIMIT);
    assert_string_equal(
        error_text(),
        "MetadataRequest.Topics: the message needs more than 1048576 bytes of memory");
    end(read);
    free(hex);
}

static void null_where_it_may_be(void **state)
{
    (void)state;
    struct read *read = decode_of(&wire_metadata_request, 1, "ffffffff");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->metadata.topics_count, -1);
    assert_null(read->metadata.topics);
    assert_true(read->metadata.allow_auto_topic_creation);
    end(read);
    expect_text(&wire_metadata_request, 0, "ffffffff",
                "MetadataRequest.Topics, version 0, byte 0: null, which it must not be");

    read = decode_of(&wire_describe_topic_partitions_request, 0,
                     "01"
                     "00000010"
                     "ff"
                     "00");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->describe.response_partition_limit, 16);
    assert_null(read->describe.cursor);
    end(read);
    read = decode_of(&wire_describe_topic_partitions_request, 0,
                     "01"
                     "00000010"
                     "01"
                     "0274"
                     "00000005"
                     "00"
                     "00");
    assert_int_equal(read->result, 0);
    assert_true(wire_equal(read->describe.cursor->topic_name, "t"));
    assert_int_equal(read->describe.cursor->partition_index, 5);
    end(read);
}

#define FETCH_12                                                                                   \
    "000001f4"                                                                                     \
    "00000001"                                                                                     \
    "00100000"                                                                                     \
    "00"                                                                                           \
    "00000000"                                                                                     \
    "ffffffff"                                                                                     \
    "01"                                                                                           \
    "01"                                                                                           \
    "01"

static void tagged_fields(void **state)
{
    (void)state;
    struct read *read = decode_of(&wire_fetch_request, 12, "ffffffff" FETCH_12 "00");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->fetch.cluster_id.size, -1);
    end(read);
    /* Known beside unknown ones, in any order. */
    read = decode_of(&wire_fetch_request, 12,
                     "ffffffff" FETCH_12 "02"
                     "63"
                     "03"
                     "aabbcc"
                     "00"
                     "03"
                     "026162");
    assert_int_equal(read->result, MAPLOG_CORRUPT); /* a length of 1 and 2 bytes */
    assert_string_equal(
        error_text(),
        "FetchRequest.ClusterId, version 12, byte 38: bytes are left over in the tagged field");
    end(read);
    read = decode_of(&wire_fetch_request, 12,
                     "ffffffff" FETCH_12 "02"
                     "63"
                     "03"
                     "aabbcc"
                     "00"
                     "03"
                     "036162");
    assert_int_equal(read->result, 0);
    assert_true(wire_equal(read->fetch.cluster_id, "ab"));
    end(read);
    /* ReplicaState is known from version 15 on: before, its tag is skipped like a foreign one. */
    read = decode_of(&wire_fetch_request, 12,
                     "ffffffff" FETCH_12 "01"
                     "01"
                     "02"
                     "ffff");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->fetch.replica_state.replica_id, -1);
    end(read);
    read = decode_of(&wire_fetch_request, 15,
                     FETCH_12 "01"
                              "01"
                              "0d"
                              "00000002"
                              "0000000000000009"
                              "00");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->fetch.replica_state.replica_id, 2);
    assert_int_equal(read->fetch.replica_state.replica_epoch, 9);
    end(read);
    expect_text(
        &wire_fetch_request, 15,
        FETCH_12 "01"
                 "01"
                 "02"
                 "0000",
        "FetchRequest.ReplicaState.ReplicaId, version 15, byte 27: the message ends too early");
    expect_text(&wire_fetch_request, 15,
                FETCH_12 "ffffffff0f"
                         "63"
                         "00",
                "FetchRequest, version 15, byte 31: its tagged fields end too early");
}

static void a_boolean_is_any_byte(void **state)
{
    (void)state;
    struct read *read = decode_of(&wire_metadata_request, 4,
                                  "ffffffff"
                                  "07");
    assert_int_equal(read->result, 0);
    assert_int_equal(read->metadata.allow_auto_topic_creation, 1);
    end(read);
}

static void a_string_ends_at_32767_bytes(void **state)
{
    (void)state;
    enum { SIZE = 32768 };
    char *hex = calloc(1, 2 * SIZE + 64);
    memcpy(hex, "818002", 6); /* one more than 32768 */
    memset(hex + 6, '6', 2 * SIZE);
    struct read *read = decode_of(&wire_heartbeat_request, 4, hex);
    assert_int_equal(read->result, MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "HeartbeatRequest.GroupId, version 4, byte 0: "
                                      "a string of more than 32767 bytes");
    end(read);
    free(hex);
}

static void versions_outside_the_schema(void **state)
{
    (void)state;
    struct read *read = decode_of(&wire_produce_request, 2, PRODUCE_3);
    assert_int_equal(read->result, MAPLOG_UNSUPPORTED);
    assert_string_equal(error_text(), "ProduceRequest: no version 2, only 3 to 13");
    end(read);
    read = decode_of(&wire_produce_request, 14, PRODUCE_3);
    assert_int_equal(read->result, MAPLOG_UNSUPPORTED);
    end(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_records_point_into_the_frame),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(texts_name_field_and_byte),
        cmocka_unit_test(counts_are_held_against_what_is_left),
        cmocka_unit_test(memory_has_its_limit),
        cmocka_unit_test(null_where_it_may_be),
        cmocka_unit_test(tagged_fields),
        cmocka_unit_test(a_boolean_is_any_byte),
        cmocka_unit_test(a_string_ends_at_32767_bytes),
        cmocka_unit_test(versions_outside_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
