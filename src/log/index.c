#include "log/index.h"

struct index_entry {
    uint32_t relative;
    uint32_t position;
};

struct time_entry {
    int64_t timestamp;
    uint32_t relative;
};

static struct index_entry index_entry(const uint8_t *index, size_t i)
{
    const uint8_t *at = index + i * INDEX_ENTRY_BYTES;
    return (struct index_entry){bytes_load32(at), bytes_load32(at + 4)};
}

static struct time_entry time_entry(const uint8_t *timeindex, size_t i)
{
    const uint8_t *at = timeindex + i * TIMEINDEX_ENTRY_BYTES;
    return (struct time_entry){(int64_t)bytes_load64(at), bytes_load32(at + 8)};
}

/* Zero bytes sort behind every entry, so that a search among [0, count) ends before a zero tail. */
static bool empty_time_entry(struct time_entry entry)
{
    return entry.timestamp == 0 && entry.relative == 0;
}

uint32_t index_find(const uint8_t *index, size_t bytes, uint32_t relative)
{
    size_t low = 0, high = bytes / INDEX_ENTRY_BYTES; /* entries before low are <= relative */
    uint32_t position = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct index_entry entry = index_entry(index, middle);
        if (entry.position != 0 && entry.relative <= relative) {
            position = entry.position;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return position;
}

bool index_find_position(const uint8_t *index, size_t bytes, uint32_t position, uint32_t *relative,
                         uint32_t *found)
{
    size_t low = 0, high = bytes / INDEX_ENTRY_BYTES; /* entries before low are <= position */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct index_entry entry = index_entry(index, middle);
        if (entry.position != 0 && entry.position <= position) {
            *relative = entry.relative;
            *found = entry.position;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0;
}

uint32_t timeindex_find(const uint8_t *timeindex, size_t bytes, int64_t timestamp)
{
    size_t low = 0, high = bytes / TIMEINDEX_ENTRY_BYTES;
    uint32_t relative = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct time_entry entry = time_entry(timeindex, middle);
        if (!empty_time_entry(entry) && entry.timestamp < timestamp) {
            relative = entry.relative + 1;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return relative;
}

void index_put(uint8_t *index, size_t bytes, uint32_t last_relative, uint32_t position)
{
    bytes_store32(index + bytes, last_relative);
    bytes_store32(index + bytes + 4, position);
}

void timeindex_put(uint8_t *timeindex, size_t bytes, int64_t timestamp, uint32_t last_relative)
{
    bytes_store64(timeindex + bytes, (uint64_t)timestamp);
    bytes_store32(timeindex + bytes + 8, last_relative);
}

bool index_last(const uint8_t *index, size_t bytes, uint32_t *relative, uint32_t *position)
{
    size_t count = bytes / INDEX_ENTRY_BYTES;
    if (count == 0)
        return false;
    struct index_entry last = index_entry(index, count - 1);
    *relative = last.relative;
    *position = last.position;
    return true;
}

bool timeindex_last(const uint8_t *timeindex, size_t bytes, int64_t *timestamp, uint32_t *relative)
{
    size_t count = bytes / TIMEINDEX_ENTRY_BYTES;
    if (count == 0)
        return false;
    struct time_entry last = time_entry(timeindex, count - 1);
    *timestamp = last.timestamp;
    *relative = last.relative;
    return true;
}

size_t index_valid_bytes(const uint8_t *index, size_t bytes)
{
    size_t count = bytes / INDEX_ENTRY_BYTES, valid = 0;
    struct index_entry previous = {0};
    for (; valid < count; valid++) {
        struct index_entry entry = index_entry(index, valid);
        if (entry.relative <= previous.relative || entry.position <= previous.position ||
            entry.relative > INT32_MAX || entry.position > INT32_MAX)
            break;
        previous = entry;
    }
    return valid * INDEX_ENTRY_BYTES;
}

size_t timeindex_valid_bytes(const uint8_t *timeindex, size_t bytes)
{
    size_t count = bytes / TIMEINDEX_ENTRY_BYTES, valid = 0;
    struct time_entry previous = {.timestamp = -1};
    for (; valid < count; valid++) {
        struct time_entry entry = time_entry(timeindex, valid);
        if (entry.timestamp <= previous.timestamp || entry.relative > INT32_MAX ||
            (valid > 0 && entry.relative <= previous.relative))
            break;
        previous = entry;
    }
    /* A single entry of zero bytes is a tail without entries. */
    if (valid == 1 && empty_time_entry(previous))
        valid = 0;
    return valid * TIMEINDEX_ENTRY_BYTES;
}
