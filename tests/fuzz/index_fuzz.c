/* index_fuzz.c - eight bytes to look for, the others as an offset index and as a time index: a
 * look-up answers with an entry or 0, and among valid entries with the right one. */
#include "log/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* The plain walk; any: some entry has the answer. */
static uint32_t walk(const uint8_t *index, size_t bytes, uint32_t relative, uint32_t answer,
                     bool *any)
{
    uint32_t position = 0;
    *any = answer == 0;
    for (size_t at = 0; at + INDEX_ENTRY_BYTES <= bytes; at += INDEX_ENTRY_BYTES) {
        if (bytes_load32(index + at) <= relative)
            position = bytes_load32(index + at + 4);
        *any |= bytes_load32(index + at + 4) == answer;
    }
    return position;
}

static uint32_t walk_time(const uint8_t *timeindex, size_t bytes, int64_t timestamp,
                          uint32_t answer, bool *any)
{
    uint32_t relative = 0;
    *any = answer == 0;
    for (size_t at = 0; at + TIMEINDEX_ENTRY_BYTES <= bytes; at += TIMEINDEX_ENTRY_BYTES) {
        bool zero = bytes_load64(timeindex + at) == 0 && bytes_load32(timeindex + at + 8) == 0;
        if ((int64_t)bytes_load64(timeindex + at) < timestamp && !zero)
            relative = bytes_load32(timeindex + at + 8) + 1;
        *any |= bytes_load32(timeindex + at + 8) + 1 == answer;
    }
    return relative;
}

static void look(const uint8_t *index, size_t bytes, uint64_t wanted)
{
    bool any;
    uint32_t relative = (uint32_t)wanted, last, position;
    uint32_t found = index_find(index, bytes, relative);
    walk(index, bytes, relative, found, &any);
    check(any);
    size_t valid = index_valid_bytes(index, bytes);
    check(valid <= bytes && valid % INDEX_ENTRY_BYTES == 0);
    found = index_find(index, valid, relative);
    check(found == walk(index, valid, relative, found, &any));
    if (index_last(index, valid, &last, &position))
        check(index_find(index, valid, last) == position);
    else
        check(valid == 0);
}

static void look_time(const uint8_t *timeindex, size_t bytes, int64_t wanted)
{
    bool any;
    uint32_t last;
    int64_t timestamp;
    uint32_t found = timeindex_find(timeindex, bytes, wanted);
    walk_time(timeindex, bytes, wanted, found, &any);
    check(any);
    size_t valid = timeindex_valid_bytes(timeindex, bytes);
    check(valid <= bytes && valid % TIMEINDEX_ENTRY_BYTES == 0);
    found = timeindex_find(timeindex, valid, wanted);
    check(found == walk_time(timeindex, valid, wanted, found, &any));
    if (timeindex_last(timeindex, valid, &timestamp, &last) && timestamp < INT64_MAX)
        check(timeindex_find(timeindex, valid, timestamp + 1) == last + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    uint64_t wanted = bytes_load64(data);
    look(data + 8, size - 8, wanted);
    look(data + 8, size - 8, wanted & 0xffff);
    look_time(data + 8, size - 8, (int64_t)wanted);
    return 0;
}
