/* crc32c_test.c - known vectors, and every path against a bitwise oracle. */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

/* The definition: polynomial 0x1EDC6F41, reflected. */
static uint32_t oracle(uint32_t crc, const uint8_t *at, size_t length)
{
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void known_vectors(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    /* RFC 3720, B.4 */
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
}

static uint8_t *random_bytes(size_t length)
{
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)rand();
    return bytes;
}

static void every_length_and_alignment_equals_the_oracle(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(2048 + 8);
    for (size_t length = 0; length <= 2048; length += length < 600 ? 1 : 61) {
        size_t shift = length % 8;
        uint32_t start = (uint32_t)length * 2654435761u;
        uint32_t wanted = oracle(start, bytes + shift, length);
        assert_int_equal(crc32c(start, bytes + shift, length), wanted);
        assert_int_equal(crc32c_inline(start, bytes + shift, length), wanted);
        if (crc32c_has_short())
            assert_int_equal(crc32c_short(start, bytes + shift, length), wanted);
    }
    free(bytes);
}

static void parts_compose_to_the_whole(void **state)
{
    (void)state;
    const size_t length = 1500;
    uint8_t *bytes = random_bytes(length);
    uint32_t whole = oracle(0, bytes, length);
    for (size_t cut = 0; cut <= length; cut += 7)
        assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, length - cut), whole);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(every_length_and_alignment_equals_the_oracle),
        cmocka_unit_test(parts_compose_to_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
