/* encode_test.c - what is written, copied or not, and what is left out. */
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

static void expect_hex(const struct wire_struct *type, int16_t version, const void *message,
                       const char *hex)
{
    struct arena arena = {.limit = MEMORY};
    struct wire_output out = {.arena = &arena};
    assert_int_equal(wire_encode(type, version, message, &out), 0);
    struct plain got = plain_of_output(&out), wanted = plain_of_hex(hex);
    assert_int_equal(got.size, wanted.size);
    assert_memory_equal(got.at, wanted.at, wanted.size);
    free(got.at);
    free(wanted.at);
    arena_reset(&arena);
}

static void records_are_slices_of_their_own(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    static const uint8_t first[100], second[200];
    int segment;
    struct fetch_response *answer = wire_new(&arena, &wire_fetch_response);
    answer->responses_count = 1;
    answer->responses = wire_array(&arena, &wire_fetch_response_responses, 1);
    answer->responses->topic = wire_text("orders");
    answer->responses->partitions_count = 4;
    struct fetch_response_responses_partitions *partitions = answer->responses->partitions =
        wire_array(&arena, &wire_fetch_response_responses_partitions, 4);
    partitions[0].records = (struct wire_records){first, 100, 4096, &segment};
    partitions[1].records = (struct wire_records){second, 200, 0, NULL};
    partitions[2].records = (struct wire_records){first, 0, 0, NULL};
    partitions[3].records.size = -1;
    struct wire_output out = {.arena = &arena};
    assert_int_equal(wire_encode(&wire_fetch_response, 4, answer, &out), 0);
    assert_int_equal(out.count, 5);
    assert_ptr_equal(out.slices[1].at, first);
    assert_int_equal(out.slices[1].size, 100);
    assert_int_equal(out.slices[1].position, 4096);
    assert_ptr_equal(out.slices[1].source, &segment);
    assert_ptr_equal(out.slices[3].at, second);
    assert_null(out.slices[3].source);
    size_t sum = 0;
    for (uint32_t i = 0; i < out.count; i++)
        sum += out.slices[i].size;
    assert_int_equal(out.size, sum);
    /* The size goes before the records: 100, then 200; 0 and null at the end. */
    assert_int_equal(bytes_load32(out.slices[0].at + out.slices[0].size - 4), 100);
    assert_int_equal(bytes_load32(out.slices[2].at + out.slices[2].size - 4), 200);
    assert_int_equal(bytes_load32(out.slices[4].at + out.slices[4].size - 4), UINT32_MAX);
    arena_reset(&arena);
}

static void null_becomes_empty_where_a_version_knows_no_null(void **state)
{
    (void)state;
    struct metadata_request request;
    wire_init(&wire_metadata_request, &request);
    request.topics_count = -1;
    expect_hex(&wire_metadata_request, 0, &request, "00000000");
    expect_hex(&wire_metadata_request, 1, &request, "ffffffff");
    expect_hex(&wire_metadata_request, 9, &request,
               "00"
               "01"
               "00"
               "00"
               "00");
    struct heartbeat_request heartbeat;
    wire_init(&wire_heartbeat_request, &heartbeat);
    heartbeat.group_id = wire_text(NULL);
    heartbeat.group_instance_id = wire_text(NULL);
    expect_hex(&wire_heartbeat_request, 0, &heartbeat,
               "0000"
               "00000000"
               "0000");
    expect_hex(&wire_heartbeat_request, 3, &heartbeat,
               "0000"
               "00000000"
               "0000"
               "ffff");
    expect_hex(&wire_heartbeat_request, 4, &heartbeat,
               "01"
               "00000000"
               "01"
               "00"
               "00");
}

static void what_a_version_has_not_is_left_out(void **state)
{
    (void)state;
    struct heartbeat_request heartbeat;
    wire_init(&wire_heartbeat_request, &heartbeat);
    heartbeat.group_instance_id = wire_text("static");
    expect_hex(&wire_heartbeat_request, 2, &heartbeat,
               "0000"
               "00000000"
               "0000");
}

static void tagged_fields_are_written_when_they_say_something(void **state)
{
    (void)state;
    struct fetch_request fetch;
    wire_init(&wire_fetch_request, &fetch);
    fetch.max_bytes = 1;
    expect_hex(&wire_fetch_request, 15, &fetch,
               "00000000"
               "00000000"
               "00000001"
               "00"
               "00000000"
               "ffffffff"
               "01"
               "01"
               "01"
               "00");
    fetch.cluster_id = wire_text("");
    fetch.replica_state.replica_epoch = 9;
    expect_hex(&wire_fetch_request, 15, &fetch,
               "00000000"
               "00000000"
               "00000001"
               "00"
               "00000000"
               "ffffffff"
               "01"
               "01"
               "01"
               "02"
               "00"
               "01"
               "01"
               "01"
               "0d"
               "ffffffff"
               "0000000000000009"
               "00");
}

static void a_long_tagged_field_has_a_long_size(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    struct api_versions_response *answer = wire_new(&arena, &wire_api_versions_response);
    answer->supported_features_count = 300;
    answer->supported_features =
        wire_array(&arena, &wire_api_versions_response_supported_features, 300);
    for (int i = 0; i < 300; i++)
        answer->supported_features[i].name = wire_text("metadata.version");
    struct wire_output out = {.arena = &arena};
    assert_int_equal(wire_encode(&wire_api_versions_response, 3, answer, &out), 0);
    struct plain plain = plain_of_output(&out);
    struct bytes in = bytes_over(plain.at, plain.size);
    struct api_versions_response read;
    assert_int_equal(wire_decode(&wire_api_versions_response, 3, &in, &arena, &read), 0);
    assert_int_equal(read.supported_features_count, 300);
    assert_true(wire_equal(read.supported_features[299].name, "metadata.version"));
    free(plain.at);
    arena_reset(&arena);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    static char text[40000];
    struct heartbeat_request heartbeat;
    wire_init(&wire_heartbeat_request, &heartbeat);
    heartbeat.group_id = (struct wire_string){text, 32767};
    struct wire_output out = {.arena = &arena};
    assert_int_equal(wire_encode(&wire_heartbeat_request, 0, &heartbeat, &out), 0);
    assert_int_equal(out.size, 2 + 32767 + 4 + 2);
    heartbeat.group_id.size++;
    for (int16_t version = 0; version <= 4; version++)
        assert_int_equal(wire_encode(&wire_heartbeat_request, version, &heartbeat, &out),
                         MAPLOG_TOO_LARGE);
    assert_string_equal(error_text(),
                        "GroupId: a string of 32768 bytes; the protocol ends at 32767");

    static const uint8_t byte;
    struct produce_request *produce = wire_new(&arena, &wire_produce_request);
    produce->topic_data_count = 1;
    produce->topic_data = wire_array(&arena, &wire_produce_request_topic_data, 1);
    produce->topic_data->partition_data_count = 2;
    produce->topic_data->partition_data =
        wire_array(&arena, &wire_produce_request_topic_data_partition_data, 2);
    for (int i = 0; i < 2; i++)
        produce->topic_data->partition_data[i].records =
            (struct wire_records){.at = &byte, .size = 0x40000000};
    struct wire_output huge = {.arena = &arena};
    assert_int_equal(wire_encode(&wire_produce_request, 9, produce, &huge), MAPLOG_TOO_LARGE);
    arena_reset(&arena);
}

static void the_arena_ends(void **state)
{
    (void)state;
    struct arena arena = {.limit = 40 << 10}, narrow = {.limit = 8 << 10};
    struct metadata_request *request = wire_new(&arena, &wire_metadata_request);
    request->topics_count = 500;
    request->topics = wire_array(&arena, &wire_metadata_request_topics, 500);
    for (int i = 0; i < 500; i++)
        request->topics[i].name = wire_text("a topic with a name");
    struct wire_output out = {.arena = &narrow};
    assert_int_equal(wire_encode(&wire_metadata_request, 4, request, &out), MAPLOG_LIMIT);
    assert_string_equal(error_text(),
                        "MetadataRequest: the message needs more than 8192 bytes of memory");
    assert_int_equal(wire_encode(&wire_metadata_request, 3, request, &out), MAPLOG_LIMIT);
    arena_reset(&arena);
    arena_reset(&narrow);
}

static void versions_outside_the_schema(void **state)
{
    (void)state;
    struct wire_output out = {.arena = NULL};
    assert_int_equal(wire_encode(&wire_produce_request, 2, NULL, &out), MAPLOG_UNSUPPORTED);
    assert_int_equal(wire_encode(&wire_produce_request, -1, NULL, &out), MAPLOG_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_slices_of_their_own),
        cmocka_unit_test(null_becomes_empty_where_a_version_knows_no_null),
        cmocka_unit_test(what_a_version_has_not_is_left_out),
        cmocka_unit_test(tagged_fields_are_written_when_they_say_something),
        cmocka_unit_test(a_long_tagged_field_has_a_long_size),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(the_arena_ends),
        cmocka_unit_test(versions_outside_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
