#include "log/codec.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/limits.h"

#define FIRST_CAPACITY (16u << 10)
#define GZIP_WINDOW_BITS 31 /* gzip header and trailer around a window of 32 KiB */
#define GZIP_MEMORY_LEVEL 8 /* zlib's default */
#define ZSTD_LEVEL 3        /* Kafka's default */

/* Framing of snappy-java: a header, then blocks with their size in front. */
#define XERIAL_MAGIC "\x82SNAPPY\0"
#define XERIAL_MAGIC_BYTES 8
#define XERIAL_HEADER_BYTES 16 /* magic, int32 version, int32 oldest version that can read it */
#define XERIAL_VERSION 1
#define XERIAL_BLOCK_BYTES (32u << 10)

static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
#define CODECS (sizeof names / sizeof *names)

const char *codec_name(enum maplog_compression codec)
{
    return (size_t)codec < CODECS ? names[codec] : NULL;
}

int codec_parse(const char *name, enum maplog_compression *codec)
{
    for (size_t i = 0; i < CODECS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *codec = (enum maplog_compression)i;
            return 0;
        }
    }
    return error_set(MAPLOG_INVALID,
                     "no compression \"%s\"; there are none, gzip, snappy, lz4, zstd", name);
}

void codec_buffer_free(struct codec_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->bytes);
    *buffer = (struct codec_buffer){0};
}

static int reserve(struct codec_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity)
        return 0;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu bytes of records", capacity);
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return 0;
}

static int too_much(void)
{
    return error_set(MAPLOG_LIMIT, "a compressed batch unfolds to more than %u bytes",
                     LIMIT_DECOMPRESSED);
}

/* More room for decompressed bytes, in steps: a small input cannot ask for much at once. One byte
 * above the limit tells what ends there from what goes on. */
static int grow(struct codec_buffer *buffer)
{
    if (buffer->capacity > LIMIT_DECOMPRESSED)
        return too_much();
    size_t capacity = buffer->capacity * 2;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    return reserve(buffer, capacity < LIMIT_DECOMPRESSED ? capacity : LIMIT_DECOMPRESSED + 1);
}

static int corrupt(const char *codec, const char *what)
{
    return error_set(MAPLOG_CORRUPT, "%s: %s", codec, what);
}

/* ---- gzip ------------------------------------------------------------------------------------ */

static int gzip_compress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS,
                     GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return error_set(MAPLOG_NO_MEMORY, "no memory for gzip");
    int result = reserve(buffer, buffer->size + deflateBound(&stream, size));
    if (!result) {
        stream.next_in = (Bytef *)from;
        stream.avail_in = (uInt)size;
        stream.next_out = buffer->bytes + buffer->size;
        stream.avail_out = (uInt)(buffer->capacity - buffer->size);
        if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
            result = error_set(MAPLOG_LIMIT, "gzip could not compress %zu bytes", size);
        buffer->size += stream.total_out;
    }
    deflateEnd(&stream);
    return result;
}

/* Members may follow each other, as in a file. */
static int gzip_decompress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    z_stream stream = {.next_in = (Bytef *)from, .avail_in = (uInt)size};
    if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
        return error_set(MAPLOG_NO_MEMORY, "no memory for gzip");
    int result = 0;
    for (;;) {
        if (buffer->size == buffer->capacity && (result = grow(buffer)) != 0)
            break;
        stream.next_out = buffer->bytes + buffer->size;
        stream.avail_out = (uInt)(buffer->capacity - buffer->size);
        int state = inflate(&stream, Z_NO_FLUSH);
        buffer->size = (size_t)(stream.next_out - buffer->bytes);
        if (state == Z_STREAM_END && stream.avail_in == 0)
            break;
        if (state == Z_STREAM_END)
            state = inflateReset(&stream);
        if (state != Z_OK && !(state == Z_BUF_ERROR && stream.avail_out == 0)) {
            result = state == Z_MEM_ERROR   ? error_set(MAPLOG_NO_MEMORY, "no memory for gzip")
                     : state == Z_BUF_ERROR ? corrupt("gzip", "the end is missing")
                                            : corrupt("gzip", stream.msg ? stream.msg : "damaged");
            break;
        }
    }
    inflateEnd(&stream);
    return result;
}

/* ---- snappy ---------------------------------------------------------------------------------- */

static int snappy_pack(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    size_t blocks = size / XERIAL_BLOCK_BYTES + 1;
    size_t largest = snappy_max_compressed_length(XERIAL_BLOCK_BYTES);
    int result = reserve(buffer, buffer->size + XERIAL_HEADER_BYTES + blocks * (4 + largest));
    if (result)
        return result;
    uint8_t *at = buffer->bytes + buffer->size;
    memcpy(at, XERIAL_MAGIC, XERIAL_MAGIC_BYTES);
    bytes_store32(at + XERIAL_MAGIC_BYTES, XERIAL_VERSION);
    bytes_store32(at + XERIAL_MAGIC_BYTES + 4, XERIAL_VERSION);
    at += XERIAL_HEADER_BYTES;
    while (size > 0) {
        size_t block = size < XERIAL_BLOCK_BYTES ? size : XERIAL_BLOCK_BYTES, packed = largest;
        if (snappy_compress((const char *)from, block, (char *)at + 4, &packed) != SNAPPY_OK)
            return error_set(MAPLOG_LIMIT, "snappy could not compress %zu bytes", block);
        bytes_store32(at, (uint32_t)packed);
        at += 4 + packed;
        from += block;
        size -= block;
    }
    buffer->size = (size_t)(at - buffer->bytes);
    return 0;
}

/* One raw block; its first bytes tell the size that it unfolds to. */
static int snappy_unpack_block(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    size_t unfolded;
    if (snappy_uncompressed_length((const char *)from, size, &unfolded) != SNAPPY_OK)
        return corrupt("snappy", "a block without its size");
    /* Snappy does not shrink more than about 21 to 1: a larger claim asks for memory only. */
    if (unfolded / 64 > size)
        return corrupt("snappy", "a block is too short for its size");
    while (!buffer->bytes || buffer->capacity - buffer->size < unfolded) {
        int result = grow(buffer);
        if (result)
            return result;
    }
    size_t room = unfolded;
    if (snappy_uncompress((const char *)from, size, (char *)buffer->bytes + buffer->size, &room) !=
        SNAPPY_OK)
        return corrupt("snappy", "a block is damaged");
    buffer->size += room;
    return 0;
}

static int snappy_unpack(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    if (size < XERIAL_HEADER_BYTES || memcmp(from, XERIAL_MAGIC, XERIAL_MAGIC_BYTES) != 0)
        return snappy_unpack_block(from, size, buffer);
    struct bytes in = bytes_over(from, size);
    bytes_take(&in, XERIAL_HEADER_BYTES);
    while (bytes_left(&in) > 0) {
        uint32_t block = bytes_take32(&in);
        const uint8_t *packed = bytes_take(&in, block);
        if (!packed)
            return corrupt("snappy", "a block reaches past the end");
        int result = snappy_unpack_block(packed, block, buffer);
        if (result)
            return result;
    }
    return 0;
}

/* ---- lz4 ------------------------------------------------------------------------------------- */

static int lz4_compress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    /* Kafka's Java reader knows independent blocks only. */
    const LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
    int result = reserve(buffer, buffer->size + LZ4F_compressFrameBound(size, &preferences));
    if (result)
        return result;
    size_t packed = LZ4F_compressFrame(buffer->bytes + buffer->size,
                                       buffer->capacity - buffer->size, from, size, &preferences);
    if (LZ4F_isError(packed))
        return error_set(MAPLOG_LIMIT, "lz4 could not compress %zu bytes: %s", size,
                         LZ4F_getErrorName(packed));
    buffer->size += packed;
    return 0;
}

static int lz4_decompress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return error_set(MAPLOG_NO_MEMORY, "no memory for lz4");
    int result = 0;
    size_t wanted = 1; /* 0 at the end of the frame */
    while (!result && wanted > 0) {
        if (buffer->size == buffer->capacity && (result = grow(buffer)) != 0)
            break;
        size_t taken = size, given = buffer->capacity - buffer->size;
        wanted = LZ4F_decompress(context, buffer->bytes + buffer->size, &given, from, &taken, NULL);
        if (LZ4F_isError(wanted))
            result = corrupt("lz4", LZ4F_getErrorName(wanted));
        else if (taken == 0 && given == 0 && wanted > 0)
            result = corrupt("lz4", "the end is missing");
        from += taken;
        size -= taken;
        buffer->size += given;
    }
    if (!result && size > 0)
        result = corrupt("lz4", "bytes behind the frame");
    LZ4F_freeDecompressionContext(context);
    return result;
}

/* ---- zstd ------------------------------------------------------------------------------------ */

static int zstd_compress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    int result = reserve(buffer, buffer->size + ZSTD_compressBound(size));
    if (result)
        return result;
    size_t packed = ZSTD_compress(buffer->bytes + buffer->size, buffer->capacity - buffer->size,
                                  from, size, ZSTD_LEVEL);
    if (ZSTD_isError(packed))
        return error_set(MAPLOG_NO_MEMORY, "zstd could not compress %zu bytes: %s", size,
                         ZSTD_getErrorName(packed));
    buffer->size += packed;
    return 0;
}

/* Frames may follow each other: streaming writers end one at each flush. */
static int zstd_decompress(const uint8_t *from, size_t size, struct codec_buffer *buffer)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context)
        return error_set(MAPLOG_NO_MEMORY, "no memory for zstd");
    ZSTD_inBuffer in = {.src = from, .size = size};
    int result = 0;
    size_t wanted = 1; /* 0 at the end of a frame */
    while (!result && (wanted > 0 || in.pos < in.size)) {
        if (buffer->size == buffer->capacity && (result = grow(buffer)) != 0)
            break;
        ZSTD_outBuffer out = {.dst = buffer->bytes, .size = buffer->capacity, .pos = buffer->size};
        size_t before = in.pos;
        wanted = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(wanted))
            result = corrupt("zstd", ZSTD_getErrorName(wanted));
        else if (wanted > 0 && in.pos == before && out.pos == buffer->size)
            result = corrupt("zstd", "the end is missing");
        buffer->size = out.pos;
    }
    ZSTD_freeDCtx(context);
    return result;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int unknown(enum maplog_compression codec)
{
    return error_set(MAPLOG_INVALID, "compression %d is not known", (int)codec);
}

int codec_compress(enum maplog_compression codec, const void *from, size_t size, size_t prefix,
                   struct codec_buffer *buffer)
{
    if (size > INT32_MAX)
        return error_set(MAPLOG_LIMIT, "%zu bytes to compress, a batch has at most %d", size,
                         INT32_MAX);
    int result = reserve(buffer, prefix);
    if (result)
        return result;
    buffer->size = prefix;
    switch (codec) {
    case MAPLOG_COMPRESSION_GZIP:
        return gzip_compress(from, size, buffer);
    case MAPLOG_COMPRESSION_SNAPPY:
        return snappy_pack(from, size, buffer);
    case MAPLOG_COMPRESSION_LZ4:
        return lz4_compress(from, size, buffer);
    case MAPLOG_COMPRESSION_ZSTD:
        return zstd_compress(from, size, buffer);
    default:
        return unknown(codec);
    }
}

static int decompress(enum maplog_compression codec, const void *from, size_t size,
                      struct codec_buffer *buffer)
{
    switch (codec) {
    case MAPLOG_COMPRESSION_GZIP:
        return gzip_decompress(from, size, buffer);
    case MAPLOG_COMPRESSION_SNAPPY:
        return snappy_unpack(from, size, buffer);
    case MAPLOG_COMPRESSION_LZ4:
        return lz4_decompress(from, size, buffer);
    case MAPLOG_COMPRESSION_ZSTD:
        return zstd_decompress(from, size, buffer);
    default:
        return unknown(codec);
    }
}

int codec_decompress(enum maplog_compression codec, const void *from, size_t size,
                     struct codec_buffer *buffer)
{
    if (size > INT32_MAX)
        return error_set(MAPLOG_LIMIT, "%zu bytes to decompress, a batch has at most %d", size,
                         INT32_MAX);
    buffer->size = 0;
    int result = decompress(codec, from, size, buffer);
    return !result && buffer->size > LIMIT_DECOMPRESSED ? too_much() : result;
}

int codec_open_batch(const struct batch *batch, struct codec_buffer *buffer, const void **records,
                     size_t *size)
{
    const uint8_t *stored = batch->bytes + BATCH_HEADER_BYTES;
    size_t stored_size = batch->size - BATCH_HEADER_BYTES;
    enum maplog_compression codec = batch_codec(batch);
    /* Compaction writes a bare header for a batch without records, whatever its codec. */
    if (codec == MAPLOG_COMPRESSION_NONE || stored_size == 0) {
        *records = stored;
        *size = stored_size;
        return 0;
    }
    int result = codec_decompress(codec, stored, stored_size, buffer);
    if (result)
        return result;
    *records = buffer->bytes;
    *size = buffer->size;
    return 0;
}
