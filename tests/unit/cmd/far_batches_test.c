/* far_batches_test.c - records out of batches that a server sent: whole, cut off, damaged. */
#include "cmd/far_batches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "log/builder.h"

#define BATCHES 2
#define EACH 3

/* Offsets 0 to 5, in two batches. */
static uint8_t bytes[4096];
static size_t size, first_size;

static void make(enum maplog_compression codec)
{
    size = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct builder builder;
        uint8_t *batch;
        size_t batch_size;
        builder_init(&builder, codec);
        for (int j = 0; j < EACH; j++) {
            struct maplog_record record = {.value = "value", .value_size = 5};
            assert_int_equal(builder_add(&builder, &record, 1000 + j), 0);
        }
        assert_int_equal(builder_finish(&builder, &batch, &batch_size), 0);
        bytes_store64(batch + BATCH_BASE_OFFSET, (uint64_t)(i * EACH));
        memcpy(bytes + size, batch, batch_size);
        size += batch_size;
        first_size = i ? first_size : batch_size;
        builder_free(&builder);
    }
}

/* Records that are handed out from *position on; the last answer. */
static int walk(size_t available, int64_t *position, int *count, bool check_crcs)
{
    struct far_batches batches = {.check_crcs = check_crcs};
    struct maplog_message message;
    /* Of exactly this size, so that a sanitizer sees a read behind it. */
    uint8_t *copy = malloc(available ? available : 1);
    memcpy(copy, bytes, available);
    far_batches_begin(&batches, copy, available);
    int result;
    *count = 0;
    while ((result = far_batches_next(&batches, position, &message)) == 1) {
        assert_int_equal(message.offset, *position - 1);
        if (check_crcs)
            assert_memory_equal(message.value, "value", 5);
        ++*count;
    }
    far_batches_free(&batches);
    free(copy);
    return result;
}

static void whole_batches(void **state)
{
    (void)state;
    for (int codec = MAPLOG_COMPRESSION_NONE; codec <= MAPLOG_COMPRESSION_ZSTD; codec++) {
        make((enum maplog_compression)codec);
        for (int64_t from = 0; from < 6; from++) {
            int64_t position = from;
            int count;
            assert_int_equal(walk(size, &position, &count, true), 0);
            assert_int_equal(count, 6 - from);
            assert_int_equal(position, 6);
        }
    }
}

static void cut_off_anywhere(void **state)
{
    (void)state;
    make(MAPLOG_COMPRESSION_NONE);
    for (size_t cut = 0; cut < size; cut++) {
        int64_t position = 0;
        int count;
        assert_int_equal(walk(cut, &position, &count, true), 0);
        assert_int_equal(count, cut < first_size ? 0 : EACH);
        assert_int_equal(position, count);
    }
}

static void any_flipped_bit_is_found(void **state)
{
    (void)state;
    for (int codec = MAPLOG_COMPRESSION_NONE; codec <= MAPLOG_COMPRESSION_ZSTD; codec++) {
        make((enum maplog_compression)codec);
        for (size_t bit = BATCH_MAGIC * 8; bit < first_size * 8; bit++) {
            int64_t position = 0;
            int count;
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(walk(size, &position, &count, true), MAPLOG_CORRUPT);
            position = 0;
            walk(size, &position, &count, false); /* nothing that a sanitizer minds */
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void control_batches_are_passed_over(void **state)
{
    (void)state;
    make(MAPLOG_COMPRESSION_NONE);
    bytes_store16(bytes + BATCH_ATTRIBUTES, ATTRIBUTE_CONTROL | ATTRIBUTE_TRANSACTIONAL);
    bytes_store32(bytes + BATCH_CRC,
                  crc32c(0, bytes + BATCH_ATTRIBUTES, first_size - BATCH_ATTRIBUTES));
    int64_t position = 0;
    int count;
    assert_int_equal(walk(first_size, &position, &count, true), 0);
    assert_int_equal(count, 0);
    assert_int_equal(position, EACH); /* a fetch from here goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_batches),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(any_flipped_bit_is_found),
        cmocka_unit_test(control_batches_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
