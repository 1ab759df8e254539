/* codec_fuzz.c - the first byte chooses a codec; the others are decompressed, and compressed and
 * decompressed. */
#include "base/limits.h"
#include "log/codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum maplog_compression codec = 1 + data[0] % 4;
    struct codec_buffer packed = {0}, unfolded = {0};
    int result = codec_decompress(codec, data + 1, size - 1, &unfolded);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_LIMIT);
    check(result != 0 || unfolded.size <= LIMIT_DECOMPRESSED);
    check(unfolded.capacity <= LIMIT_DECOMPRESSED + 1);
    check(codec_compress(codec, data, size, 3, &packed) == 0);
    check(codec_decompress(codec, packed.bytes + 3, packed.size - 3, &unfolded) == 0);
    check(unfolded.size == size && memcmp(unfolded.bytes, data, size) == 0);
    codec_buffer_free(&packed);
    codec_buffer_free(&unfolded);
    return 0;
}
