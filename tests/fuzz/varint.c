/* varint.c - any bytes as a row of varints: the cursor stays inside, what it took can be put. */
#include "base/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_over(data, size);
    while (!in.failed && bytes_left(&in) > 0) {
        struct bytes narrow = in;
        const uint8_t *first = in.at;
        int64_t value = bytes_take_varlong(&in);
        int32_t narrow_value = bytes_take_varint(&narrow);
        check(in.at <= in.end && narrow.at <= narrow.end);
        if (in.failed) {
            check(value == 0 && narrow.failed);
            continue;
        }
        uint8_t again[VARLONG_SIZE_MAX];
        size_t taken = (size_t)(in.at - first);
        size_t put = (size_t)(varint_put(again, value) - again);
        check(put <= taken && put == varint_size(value));
        check(put < taken || memcmp(again, first, put) == 0);
        check(narrow.failed || (narrow_value == value && taken <= VARINT_SIZE_MAX));
    }
    return 0;
}
