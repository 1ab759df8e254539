/* codec_test.c - the four compressions there and back, as others write them, cut short, and as
 * bombs. */
#include "log/codec.h"

#include "base/limits.h"
#include "golden.h"

#define FIRST_CODEC MAPLOG_COMPRESSION_GZIP
#define LAST_CODEC MAPLOG_COMPRESSION_ZSTD

static struct codec_buffer packed, unfolded;

static int drop(void **state)
{
    (void)state;
    codec_buffer_free(&packed);
    codec_buffer_free(&unfolded);
    codec_buffer_free(NULL);
    return 0;
}

static void there_and_back(enum maplog_compression codec, const uint8_t *bytes, size_t size)
{
    assert_int_equal(codec_compress(codec, bytes, size, 61, &packed), 0);
    assert_int_equal(codec_decompress(codec, packed.bytes + 61, packed.size - 61, &unfolded), 0);
    assert_int_equal(unfolded.size, size);
    assert_memory_equal(unfolded.bytes, bytes, size);
}

static void bytes_go_there_and_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,     100,   4096,  16383,  16384,   16385,
                                   32767, 32768, 32769, 65536, 100000, 1 << 20, 3000001};
    enum { LARGEST = 3000001 };
    uint8_t *random_bytes = malloc(LARGEST), *text = malloc(LARGEST);
    assert_true(random_bytes && text);
    uint64_t random = 1;
    for (size_t i = 0; i < LARGEST; i++) {
        random_bytes[i] = (uint8_t)golden_random(&random);
        text[i] = (uint8_t) "some text that repeats "[i % 23];
    }
    for (unsigned codec = FIRST_CODEC; codec <= LAST_CODEC; codec++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            there_and_back(codec, random_bytes, sizes[i]);
            there_and_back(codec, text, sizes[i]);
        }
        assert_true(packed.size < LARGEST / 2);
    }
    free(random_bytes);
    free(text);
}

static void the_prefix_is_left_to_the_caller(void **state)
{
    (void)state;
    for (unsigned codec = FIRST_CODEC; codec <= LAST_CODEC; codec++) {
        assert_int_equal(codec_compress(codec, "hello", 5, 0, &packed), 0);
        size_t size = packed.size;
        assert_int_equal(codec_compress(codec, "hello", 5, 1000, &packed), 0);
        assert_int_equal(packed.size, size + 1000);
        assert_int_equal(codec_decompress(codec, packed.bytes + 1000, size, &unfolded), 0);
        golden_expect_bytes(unfolded.bytes, unfolded.size, "hello", 5);
    }
}

/* The compressed bytes of a golden batch. */
static uint8_t *golden_packed(unsigned codec, size_t *size)
{
    size_t whole;
    uint8_t *bytes = golden_bytes(golden_batches[codec], &whole);
    *size = whole > BATCH_HEADER_BYTES ? whole - BATCH_HEADER_BYTES : 0;
    memmove(bytes, bytes + BATCH_HEADER_BYTES, *size);
    return bytes;
}

/* From a copy of exactly `size` bytes. */
static int decompress_copy(unsigned codec, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + !size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int result = codec_decompress(codec, copy, size, &unfolded);
    free(copy);
    return result;
}

static void what_is_cut_short_or_followed_by_more_is_corrupt(void **state)
{
    (void)state;
    for (unsigned codec = FIRST_CODEC; codec <= LAST_CODEC; codec++) {
        size_t size;
        uint8_t *bytes = golden_packed(codec, &size);
        assert_int_equal(decompress_copy(codec, bytes, size), 0);
        assert_int_equal(unfolded.size, 125);
        for (size_t length = 0; length < size; length++) {
            /* A xerial stream may end behind its header. */
            if (codec == MAPLOG_COMPRESSION_SNAPPY && length == 16)
                continue;
            assert_int_equal(decompress_copy(codec, bytes, length), MAPLOG_CORRUPT);
        }
        uint8_t *more = calloc(1, size + 3);
        memcpy(more, bytes, size);
        more[size] = 7;
        for (size_t extra = 1; extra <= 3; extra++)
            assert_int_equal(decompress_copy(codec, more, size + extra), MAPLOG_CORRUPT);
        free(more);
        free(bytes);
    }
}

/* Random damage is an error, or gives some bytes within the limit; nothing else. */
static void damaged_bytes_are_survived(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (unsigned codec = FIRST_CODEC; codec <= LAST_CODEC; codec++) {
        size_t size;
        uint8_t *bytes = golden_packed(codec, &size);
        int refused = 0;
        for (int round = 0; round < 2000; round++) {
            size_t at = golden_random(&random) % size;
            uint8_t good = bytes[at];
            bytes[at] = (uint8_t)golden_random(&random);
            int result = decompress_copy(codec, bytes, size);
            if (result) {
                assert_true(result == MAPLOG_CORRUPT || result == MAPLOG_LIMIT);
                refused++;
            } else {
                assert_true(unfolded.size <= LIMIT_DECOMPRESSED);
            }
            bytes[at] = good;
        }
        assert_true(refused > 100);
        free(bytes);
    }
}

static void snappy_is_framed_in_blocks_and_read_raw_too(void **state)
{
    (void)state;
    static const uint8_t header[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                       0,    0,   0,   1,   0,   0,   0,   1};
    uint8_t zeros[40000] = {0};
    assert_int_equal(codec_compress(MAPLOG_COMPRESSION_SNAPPY, zeros, sizeof zeros, 0, &packed), 0);
    assert_memory_equal(packed.bytes, header, sizeof header);
    struct bytes in = bytes_over(packed.bytes + 16, packed.size - 16);
    size_t total = 0;
    for (int block = 0; block < 2; block++) {
        uint32_t size = bytes_take32(&in);
        const uint8_t *raw = bytes_take(&in, size);
        assert_non_null(raw);
        assert_int_equal(decompress_copy(MAPLOG_COMPRESSION_SNAPPY, raw, size), 0);
        assert_int_equal(unfolded.size, block ? sizeof zeros - 32768 : 32768);
        total += unfolded.size;
    }
    assert_int_equal(bytes_left(&in), 0);
    assert_int_equal(total, sizeof zeros);
}

static void gzip_members_and_zstd_frames_may_follow_each_other(void **state)
{
    (void)state;
    static const enum maplog_compression codecs[] = {MAPLOG_COMPRESSION_GZIP,
                                                     MAPLOG_COMPRESSION_ZSTD};
    for (int i = 0; i < 2; i++) {
        uint8_t both[200];
        size_t size = 0;
        for (int part = 0; part < 2; part++) {
            assert_int_equal(
                codec_compress(codecs[i], part ? "world" : "hello ", part ? 5 : 6, 0, &packed), 0);
            memcpy(both + size, packed.bytes, packed.size);
            size += packed.size;
        }
        assert_int_equal(decompress_copy(codecs[i], both, size), 0);
        golden_expect_bytes(unfolded.bytes, unfolded.size, "hello world", 11);
    }
}

/* Java's reader of lz4 refuses frames whose blocks depend on each other. */
static void lz4_blocks_are_independent(void **state)
{
    (void)state;
    uint8_t zeros[200000] = {0};
    assert_int_equal(codec_compress(MAPLOG_COMPRESSION_LZ4, zeros, sizeof zeros, 0, &packed), 0);
    assert_int_equal(packed.bytes[4] & 0xe0, 0x60); /* version 1, independent */
}

#define MEBIBYTE (1u << 20)

/* How a compressed form is cut into what stands before, within and after. */
struct form {
    enum maplog_compression codec;
    size_t before, after;
    size_t unfolds; /* bytes of zeros that one middle part may hold */
};

/* `count` middle parts of zeros, and one with a single byte when `more`. */
static uint8_t *make_bomb(const struct form *form, size_t count, bool more, size_t *size)
{
    uint8_t *zeros = calloc(1, form->unfolds);
    assert_non_null(zeros);
    assert_int_equal(codec_compress(form->codec, zeros, 1, 0, &unfolded), 0);
    assert_int_equal(codec_compress(form->codec, zeros, form->unfolds, 0, &packed), 0);
    size_t middle = packed.size - form->before - form->after;
    size_t last = more ? unfolded.size - form->before - form->after : 0;
    uint8_t *bytes = malloc(packed.size + middle * count + last), *at = bytes;
    assert_non_null(bytes);
    memcpy(at, packed.bytes, form->before);
    at += form->before;
    for (size_t i = 0; i < count; i++, at += middle)
        memcpy(at, packed.bytes + form->before, middle);
    memcpy(at, unfolded.bytes + form->before, last);
    memcpy(at + last, packed.bytes + packed.size - form->after, form->after);
    *size = (size_t)(at - bytes) + last + form->after;
    free(zeros);
    return bytes;
}

/* Unfolds to exactly the limit, and to one byte more. */
static void bombs_end_at_the_limit(void **state)
{
    (void)state;
    static const struct form forms[] = {
        {MAPLOG_COMPRESSION_GZIP, 0, 0, MEBIBYTE},
        {MAPLOG_COMPRESSION_SNAPPY, 16, 0, 32768},
        {MAPLOG_COMPRESSION_LZ4, 7, 4, 65536},
        {MAPLOG_COMPRESSION_ZSTD, 0, 0, MEBIBYTE},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t size, count = LIMIT_DECOMPRESSED / forms[i].unfolds;
        uint8_t *bomb = make_bomb(&forms[i], count, false, &size);
        assert_int_equal(codec_decompress(forms[i].codec, bomb, size, &unfolded), 0);
        assert_int_equal(unfolded.size, LIMIT_DECOMPRESSED);
        free(bomb);
        bomb = make_bomb(&forms[i], count, true, &size);
        assert_int_equal(codec_decompress(forms[i].codec, bomb, size, &unfolded), MAPLOG_LIMIT);
        assert_true(unfolded.capacity <= LIMIT_DECOMPRESSED + 1);
        free(bomb);
    }
}

static void a_claimed_size_alone_takes_no_memory(void **state)
{
    (void)state;
    /* Raw snappy that says 200 MiB and has one byte. */
    static const uint8_t snappy[] = {0x80, 0x80, 0x80, 0x64, 0x00};
    assert_int_equal(decompress_copy(MAPLOG_COMPRESSION_SNAPPY, snappy, sizeof snappy),
                     MAPLOG_CORRUPT);
    /* A zstd frame that says 200 MiB of content in its header. */
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00,
                                   0x00, 0x80, 0x0c, 0x01, 0x00};
    assert_int_equal(decompress_copy(MAPLOG_COMPRESSION_ZSTD, zstd, sizeof zstd), MAPLOG_CORRUPT);
    assert_true(unfolded.capacity <= MEBIBYTE);
}

static void batches_without_compression_are_opened_in_place(void **state)
{
    (void)state;
    size_t size, records_size;
    uint8_t *bytes = golden_bytes(golden_hello, &size);
    struct batch batch = {0};
    const void *records;
    assert_int_equal(batch_read(bytes, size, &batch), 0);
    assert_int_equal(codec_open_batch(&batch, &unfolded, &records, &records_size), 0);
    assert_ptr_equal(records, bytes + BATCH_HEADER_BYTES);
    assert_int_equal(records_size, size - BATCH_HEADER_BYTES);
    assert_null(unfolded.bytes);
    free(bytes);
}

static void names_are_kafkas(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (unsigned codec = 0; codec < GOLDEN_CODECS; codec++) {
        enum maplog_compression found;
        assert_string_equal(codec_name(codec), names[codec]);
        assert_int_equal(codec_parse(names[codec], &found), 0);
        assert_int_equal(found, codec);
    }
    assert_null(codec_name(5));
    enum maplog_compression untouched = MAPLOG_COMPRESSION_LZ4;
    assert_int_equal(codec_parse("brotli", &untouched), MAPLOG_INVALID);
    assert_non_null(strstr(error_text(), "none, gzip, snappy, lz4, zstd"));
    assert_int_equal(codec_parse("", &untouched), MAPLOG_INVALID);
    assert_int_equal(untouched, MAPLOG_COMPRESSION_LZ4);
}

static void unknown_codecs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(codec_compress(5, "a", 1, 0, &packed), MAPLOG_INVALID);
    assert_int_equal(codec_decompress(7, "a", 1, &unfolded), MAPLOG_INVALID);
    assert_int_equal(
        codec_compress(MAPLOG_COMPRESSION_GZIP, "a", (size_t)INT32_MAX + 1, 0, &packed),
        MAPLOG_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bytes_go_there_and_back, drop),
        cmocka_unit_test_teardown(the_prefix_is_left_to_the_caller, drop),
        cmocka_unit_test_teardown(what_is_cut_short_or_followed_by_more_is_corrupt, drop),
        cmocka_unit_test_teardown(damaged_bytes_are_survived, drop),
        cmocka_unit_test_teardown(snappy_is_framed_in_blocks_and_read_raw_too, drop),
        cmocka_unit_test_teardown(gzip_members_and_zstd_frames_may_follow_each_other, drop),
        cmocka_unit_test_teardown(lz4_blocks_are_independent, drop),
        cmocka_unit_test_teardown(bombs_end_at_the_limit, drop),
        cmocka_unit_test_teardown(a_claimed_size_alone_takes_no_memory, drop),
        cmocka_unit_test_teardown(batches_without_compression_are_opened_in_place, drop),
        cmocka_unit_test(names_are_kafkas),
        cmocka_unit_test_teardown(unknown_codecs_are_refused, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
