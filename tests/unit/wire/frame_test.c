/* frame_test.c - headers of requests and answers, as the Java client has them. */
#include "wire/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "bytes_of.h"
#include "wire/messages.h"

#define MEMORY (1u << 20)
#define CORRELATION 0x01020304

/* As kafka-clients 4.4.0 writes them; Golden.java. */
static const struct {
    int16_t key, version;
    const char *client_id;
    const char *request, *answer;
} golden[] = {
    {0, 8, "a client", "000000080102030400086120636c69656e74", "01020304"},
    {0, 8, "", "00000008010203040000", "01020304"},
    {0, 8, NULL, "0000000801020304ffff", "01020304"},
    {0, 9, "a client", "000000090102030400086120636c69656e7400", "0102030400"},
    {0, 9, "", "0000000901020304000000", "0102030400"},
    {0, 9, NULL, "0000000901020304ffff00", "0102030400"},
    {18, 0, "a client", "001200000102030400086120636c69656e74", "01020304"},
    {18, 0, "", "00120000010203040000", "01020304"},
    {18, 0, NULL, "0012000001020304ffff", "01020304"},
    {18, 3, "a client", "001200030102030400086120636c69656e7400", "01020304"},
    {18, 3, "", "0012000301020304000000", "01020304"},
    {18, 3, NULL, "0012000301020304ffff00", "01020304"},
    {47, 0, "a client", "002f00000102030400086120636c69656e74", "01020304"},
    {47, 0, "", "002f0000010203040000", "01020304"},
    {47, 0, NULL, "002f000001020304ffff", "01020304"},
};
#define GOLDENS (sizeof golden / sizeof golden[0])

static void request_headers_are_those_of_the_java_client(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct plain plain = plain_of_hex(golden[i].request);
        struct bytes in = bytes_over(plain.at, plain.size);
        struct wire_request_header header;
        assert_int_equal(wire_decode_request_header(&in, &header), 0);
        assert_int_equal(header.api_key, golden[i].key);
        assert_int_equal(header.api_version, golden[i].version);
        assert_int_equal(header.correlation_id, CORRELATION);
        assert_true(wire_equal(header.client_id, golden[i].client_id));
        assert_int_equal(bytes_left(&in), 0);
        for (size_t size = 0; size < plain.size; size++) {
            in = bytes_over(plain.at, size);
            assert_int_equal(wire_decode_request_header(&in, &header), MAPLOG_CORRUPT);
        }
        free(plain.at);
    }
}

/* The frame's size, the golden header, and the body as wire_encode() gives it. */
static void expect_frame(const struct wire_output *out, const char *header,
                         const struct wire_struct *type, int16_t version, const void *body)
{
    struct arena arena = {.limit = MEMORY};
    struct wire_output alone = {.arena = &arena};
    assert_int_equal(wire_encode(type, version, body, &alone), 0);
    struct plain frame = plain_of_output(out), head = plain_of_hex(header);
    struct plain rest = plain_of_output(&alone);
    assert_int_equal(frame.size, WIRE_FRAME_PREFIX + head.size + rest.size);
    assert_int_equal(bytes_load32(frame.at), frame.size - WIRE_FRAME_PREFIX);
    assert_memory_equal(frame.at + WIRE_FRAME_PREFIX, head.at, head.size);
    assert_memory_equal(frame.at + WIRE_FRAME_PREFIX + head.size, rest.at, rest.size);
    free(frame.at);
    free(head.at);
    free(rest.at);
    arena_reset(&arena);
}

static void frames_have_size_header_and_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct arena arena = {.limit = MEMORY};
        const struct wire_api *api = wire_api(golden[i].key);
        const struct wire_request_header header = {golden[i].key, golden[i].version, CORRELATION,
                                                   wire_text(golden[i].client_id)};
        struct wire_output request = {.arena = &arena}, answer = {.arena = &arena};
        void *asked = wire_new(&arena, api->request), *said = wire_new(&arena, api->response);
        assert_int_equal(wire_encode_request(&header, asked, &request), 0);
        expect_frame(&request, golden[i].request, api->request, golden[i].version, asked);
        assert_int_equal(wire_encode_response(api, golden[i].version, CORRELATION, said, &answer),
                         0);
        expect_frame(&answer, golden[i].answer, api->response, golden[i].version, said);
        arena_reset(&arena);
    }
}

static void answer_headers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        const struct wire_api *api = wire_api(golden[i].key);
        struct plain plain = plain_of_hex(golden[i].answer);
        struct bytes in = bytes_over(plain.at, plain.size);
        int32_t correlation = 0;
        assert_int_equal(wire_decode_response_header(api, golden[i].version, &in, &correlation), 0);
        assert_int_equal(correlation, CORRELATION);
        assert_int_equal(bytes_left(&in), 0);
        in = bytes_over(plain.at, plain.size - 1);
        assert_int_equal(wire_decode_response_header(api, golden[i].version, &in, &correlation),
                         MAPLOG_CORRUPT);
        free(plain.at);
    }
}

static int read_header(const char *hex, struct wire_request_header *header, size_t *left)
{
    struct plain plain = plain_of_hex(hex);
    struct bytes in = bytes_over(plain.at, plain.size);
    int result = wire_decode_request_header(&in, header);
    *left = bytes_left(&in);
    free(plain.at);
    return result;
}

static void unknown_apis_are_read_as_far_as_the_correlation_id(void **state)
{
    (void)state;
    struct wire_request_header header;
    size_t left;
    assert_int_equal(read_header("7fff"
                                 "0001"
                                 "00000009"
                                 "0001",
                                 &header, &left),
                     MAPLOG_UNSUPPORTED);
    assert_string_equal(error_text(), "no API has the key 32767");
    assert_int_equal(header.correlation_id, 9);
    assert_int_equal(left, 2);
    assert_true(wire_equal(header.client_id, NULL));
    assert_int_equal(read_header("0012"
                                 "0063"
                                 "00000009"
                                 "ffff",
                                 &header, &left),
                     MAPLOG_UNSUPPORTED);
    assert_string_equal(error_text(), "ApiVersionsRequest: no version 99, only 0 to 5");
    assert_int_equal(header.api_key, WIRE_API_VERSIONS);
    assert_int_equal(header.api_version, 99);
    assert_int_equal(header.correlation_id, 9);
    assert_int_equal(read_header("ffff"
                                 "ffff"
                                 "00000009",
                                 &header, &left),
                     MAPLOG_UNSUPPORTED);
    assert_int_equal(read_header("0012"
                                 "ffff"
                                 "00000009",
                                 &header, &left),
                     MAPLOG_UNSUPPORTED);
}

static void tags_of_a_header_are_skipped(void **state)
{
    (void)state;
    struct wire_request_header header;
    size_t left;
    assert_int_equal(read_header("0000"
                                 "0009"
                                 "00000009"
                                 "000161"
                                 "02"
                                 "00"
                                 "01"
                                 "aa"
                                 "07"
                                 "00"
                                 "beef",
                                 &header, &left),
                     0);
    assert_int_equal(left, 2);
    assert_int_equal(read_header("0000"
                                 "0009"
                                 "00000009"
                                 "000161"
                                 "02"
                                 "00"
                                 "01"
                                 "aa",
                                 &header, &left),
                     MAPLOG_CORRUPT);
    assert_int_equal(read_header("0000"
                                 "0009"
                                 "00000009"
                                 "000161"
                                 "01"
                                 "00"
                                 "ffffffff0f",
                                 &header, &left),
                     MAPLOG_CORRUPT);
    assert_int_equal(read_header("0000"
                                 "0008"
                                 "00000009"
                                 "fffe"
                                 "00",
                                 &header, &left),
                     MAPLOG_CORRUPT);
    assert_string_equal(
        error_text(), "the header of the request ends too early or has an absurd length, byte 10");
}

static void what_cannot_be_asked_is_refused(void **state)
{
    (void)state;
    struct arena arena = {.limit = MEMORY};
    static char name[40000];
    struct heartbeat_request body;
    wire_init(&wire_heartbeat_request, &body);
    struct wire_request_header header = {.api_key = 4, .client_id = wire_text("c")};
    struct wire_output out = {.arena = &arena};
    assert_int_equal(wire_encode_request(&header, &body, &out), MAPLOG_UNSUPPORTED);
    header.api_key = WIRE_HEARTBEAT;
    header.api_version = 5;
    struct wire_output second = {.arena = &arena};
    assert_int_equal(wire_encode_request(&header, &body, &second), MAPLOG_UNSUPPORTED);
    header.api_version = 4;
    header.client_id = (struct wire_string){name, sizeof name};
    struct wire_output third = {.arena = &arena};
    assert_int_equal(wire_encode_request(&header, &body, &third), MAPLOG_TOO_LARGE);
    struct arena none = {0};
    struct wire_output nowhere = {.arena = &none};
    header.client_id = wire_text("c");
    assert_int_equal(wire_encode_request(&header, &body, &nowhere), MAPLOG_LIMIT);
    arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_headers_are_those_of_the_java_client),
        cmocka_unit_test(frames_have_size_header_and_body),
        cmocka_unit_test(answer_headers_are_read),
        cmocka_unit_test(unknown_apis_are_read_as_far_as_the_correlation_id),
        cmocka_unit_test(tags_of_a_header_are_skipped),
        cmocka_unit_test(what_cannot_be_asked_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
