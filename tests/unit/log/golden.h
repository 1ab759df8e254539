/*
 * golden.h - batches written by another implementation (kafka-python 3.0), and helpers of the tests
 * of batches. Each golden batch of GOLDEN_RECORDS holds the same four records, see golden_records.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "log/codec.h"
#include "log/record.h"

#define GOLDEN_TIME 1700000000000
#define GOLDEN_CODECS 5
#define GOLDEN_COUNT 4
#define GOLDEN_VALUE                                                                               \
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv" /* 70 bytes */

/* "hello", alone. */
static const char golden_hello[] = "0000000000000000" /* base offset */
                                   "0000003d"         /* length */
                                   "00000000"         /* leader epoch */
                                   "02"               /* magic */
                                   "e641a44b"         /* CRC */
                                   "0000"             /* attributes */
                                   "00000000"         /* last offset delta */
                                   "0000018bcfe56800" /* base timestamp */
                                   "0000018bcfe56800" /* max timestamp */
                                   "ffffffffffffffff" /* producer id */
                                   "ffff"             /* producer epoch */
                                   "ffffffff"         /* base sequence */
                                   "00000001"         /* records */
                                   "16"               /* length 11 */
                                   "000000"       /* attributes, timestamp delta, offset delta */
                                   "01"           /* no key */
                                   "0a68656c6c6f" /* value of 5 */
                                   "00";          /* no headers */

/* One transactional record "a" of producer 4711, epoch 3, sequence 99. */
static const char golden_transactional[] =
    "0000000000000000000000390000000002a837e3bd0010000000000000018bcfe568000000018bcfe5680000"
    "0000000000126700030000006300000001"
    "0e00000001026100";

/* By codec: none, gzip, snappy (xerial), lz4, zstd. */
static const char *const golden_batches[GOLDEN_CODECS] = {
    "0000000000000000000000ae00000000020085877f0000000000030000018bcfe568000000018bcfe67970ffffffff"
    "ffffffffffffffffffff0000000414000000046b300476300028000a02010a76616c75650404683102780468320110"
    "0005040001020000a40100e0c50806066b65798c017676767676767676767676767676767676767676767676767676"
    "767676767676767676767676767676767676767676767676767676767676767676767676767676767676767600",
    "00000000000000000000007f0000000002bcf2c3980001000000030000018bcfe568000000018bcfe67970ffffffff"
    "ffffffffffffffffffff000000041f8b0800971c036b02ff1361606060c93660293360d060e06262e42a4bcc294d65"
    "61c93064aa60c9306214606065616064626058c2c8f0e028071b5b766a650f63195500030039c4bc9b7d000000",
    "00000000000000000000008700000000022df73d060002000000030000018bcfe568000000018bcfe67970ffffffff"
    "ffffffffffffffffffff0000000482534e41505059000000000100000001000000427de014000000046b3004763000"
    "28000a02010a76616c756504046831027804683201100005040001020000a40100e0c50806066b65798c01767676ee"
    "02000d020000",
    "00000000000000000000008a0000000002e1a0483d0003000000030000018bcfe568000000018bcfe67970ffffffff"
    "ffffffffffffffffffff0000000404224d1868407d00000000000000d442000000ff2814000000046b300476300028"
    "000a02010a76616c756504046831027804683201100005040001020000a40100e0c50806066b65798c017601002e50"
    "767676760000000000",
    "00000000000000000000007a0000000002a0d296930004000000030000018bcfe568000000018bcfe67970ffffffff"
    "ffffffffffffffffffff0000000428b52ffd207d050200840314000000046b300476300028000a02010a76616c7565"
    "04046831027804683201100005040001020000a40100e0c50806066b65798c017600010027288002",
};

static const struct maplog_header golden_two_headers[] = {{"h1", "x", 1}, {"h2", NULL, 0}};
static const struct maplog_header golden_empty_header[] = {{"", "", 0}};
/* What the golden batches hold. */
static const struct maplog_record golden_records[GOLDEN_COUNT] = {
    {.key = "k0", .key_size = 2, .value = "v0", .value_size = 2, .timestamp = GOLDEN_TIME},
    {.value = "value",
     .value_size = 5,
     .headers = golden_two_headers,
     .header_count = 2,
     .timestamp = GOLDEN_TIME + 5},
    {.key = "", .headers = golden_empty_header, .header_count = 1, .timestamp = GOLDEN_TIME - 3},
    {.key = "key",
     .key_size = 3,
     .value = GOLDEN_VALUE,
     .value_size = 70,
     .timestamp = GOLDEN_TIME + 70000},
};

/* The bytes that the hexadecimal text says; the caller frees them. */
static inline uint8_t *golden_bytes(const char *text, size_t *size)
{
    *size = strlen(text) / 2;
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    for (size_t i = 0; i < *size; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        char *end;
        bytes[i] = (uint8_t)strtoul(digits, &end, 16);
        assert_true(end == digits + 2);
    }
    return bytes;
}

/* Makes the CRC right again after a change. */
static inline void golden_sign(uint8_t *batch, size_t size)
{
    bytes_store32(batch + BATCH_CRC, crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
}

static inline void golden_expect_bytes(const void *found, size_t size, const void *expected,
                                       size_t expected_size)
{
    assert_int_equal(size, expected_size);
    if (!expected) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_memory_equal(found, expected, size);
}

/* The record read back is the one that was written; its offset and time are the caller's matter. */
static inline void golden_expect_record(const struct record *found,
                                        const struct maplog_record *expected)
{
    golden_expect_bytes(found->key, found->key_size, expected->key, expected->key_size);
    golden_expect_bytes(found->value, found->value_size, expected->value, expected->value_size);
    assert_int_equal(found->header_count, expected->header_count);
    struct bytes in = bytes_over(found->headers, found->headers_size);
    const char *name;
    const void *value;
    size_t name_size, value_size;
    for (size_t i = 0; i < expected->header_count; i++) {
        const struct maplog_header *header = &expected->headers[i];
        assert_int_equal(record_header_next(&in, &name, &name_size, &value, &value_size), 1);
        golden_expect_bytes(name, name_size, header->name, strlen(header->name));
        golden_expect_bytes(value, value_size, header->value, header->value_size);
    }
    assert_int_equal(record_header_next(&in, &name, &name_size, &value, &value_size), 0);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t golden_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ull;
}
