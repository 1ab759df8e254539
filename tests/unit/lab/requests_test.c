/* requests_test.c - the log that is served, and requests that walk through it. */
#include "lab/requests.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <maplog.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "os/file.h"
#include "wire/messages.h"

/* So that sizes in the tables are true. */
static void batches_have_exactly_their_size(void **state)
{
    (void)state;
    char directory[] = "/tmp/maplog-requests-XXXXXX", log_directory[64];
    struct maplog_partition found;
    const struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    maplog *log;
    assert_non_null(mkdtemp(directory));
    snprintf(log_directory, sizeof log_directory, "%s/log", directory);
    assert_int_equal(requests_make_log(log_directory, 50), 0);
    assert_int_equal(maplog_open(log_directory, &options, &log), 0);
    assert_int_equal(maplog_partition_describe(log, REQUESTS_TOPIC, 0, &found), 0);
    assert_int_equal(found.end_offset, 50);
    assert_int_equal(found.bytes, 50 * REQUESTS_BATCH);
    assert_int_equal(found.segments, 1);
    maplog_close(log);
    assert_int_equal(file_remove_tree(AT_FDCWD, directory), 0);
}

static void a_request_asks_for_whole_batches(void **state)
{
    (void)state;
    assert_int_equal(request_batches(1), 1);
    assert_int_equal(request_batches(REQUESTS_BATCH), 1);
    assert_int_equal(request_batches(4096), 4);
    assert_int_equal(request_batches(8 << 20), 8388);
}

/* Chunk by chunk, and again from the first when a whole one no longer fits. */
static void requests_walk_through_the_log(void **state)
{
    (void)state;
    struct request request;
    assert_int_equal(request_fetch(4096, 11, &request), 0);
    assert_int_equal(request.step, 4);
    assert_int_equal(request_next(&request, 0), 4);
    assert_int_equal(request_next(&request, 4), 0);
    uint8_t *bytes = malloc(request.size);
    request_write(&request, 77, bytes);
    assert_int_equal(bytes_load64(bytes + request.offset_at), 77);
    assert_int_equal(bytes_load32(bytes), request.size - 4);
    assert_memory_equal(bytes, request.bytes, request.offset_at);
    assert_memory_equal(bytes + request.offset_at + 8, request.bytes + request.offset_at + 8,
                        request.size - request.offset_at - 8);
    free(bytes);
    request_free(&request);
    assert_null(request.bytes);
}

/* What request_check says of an answer with so many bytes of records. */
static int check(int16_t error, int16_t partition_error, size_t size, bool empty)
{
    static const uint8_t records[2000];
    uint8_t answer[4096];
    size_t length = 0;
    struct arena arena = {.limit = 1 << 20};
    struct wire_output output = {.arena = &arena};
    struct fetch_response body;
    struct fetch_response_responses topic;
    struct fetch_response_responses_partitions part;
    wire_init(&wire_fetch_response, &body);
    wire_init(&wire_fetch_response_responses, &topic);
    wire_init(&wire_fetch_response_responses_partitions, &part);
    part.error_code = partition_error;
    part.records = (struct wire_records){.at = records, .size = (int32_t)size};
    topic.topic = wire_text(REQUESTS_TOPIC);
    topic.partitions = &part;
    topic.partitions_count = 1;
    body.error_code = error;
    body.responses = &topic;
    body.responses_count = !empty;
    assert_int_equal(wire_encode_response(wire_api(WIRE_FETCH), 12, 0, &body, &output), 0);
    for (uint32_t i = 0; i < output.count; i++) {
        memcpy(answer + length, output.slices[i].at, output.slices[i].size);
        length += output.slices[i].size;
    }
    int result = request_check(answer, length, 1000);
    arena_reset(&arena);
    return result;
}

static void only_an_answer_with_all_records_will_do(void **state)
{
    (void)state;
    uint8_t nothing[6] = {0};
    assert_int_equal(check(0, 0, 1000, false), 0);
    assert_int_equal(check(0, 0, 999, false), MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "999 bytes of records where 1000 were expected");
    assert_int_equal(check(0, 0, 1000, true), MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "an answer without its partition");
    assert_int_equal(check(0, 1, 1000, false), MAPLOG_IO);
    assert_string_equal(error_text(), "the server refuses to be read: OFFSET_OUT_OF_RANGE");
    assert_int_equal(check(1, 0, 0, true), MAPLOG_IO);
    assert_true(request_check(nothing, sizeof nothing, 1000) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_have_exactly_their_size),
        cmocka_unit_test(a_request_asks_for_whole_batches),
        cmocka_unit_test(requests_walk_through_the_log),
        cmocka_unit_test(only_an_answer_with_all_records_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
