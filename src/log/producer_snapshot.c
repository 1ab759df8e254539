#include "log/producer_snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "log/format.h"
#include "log/names.h"
#include "os/file.h"

#define VERSION 1
#define VERSION_AT 0
#define CRC_AT 2
#define COUNT_AT 6
#define UNFINISHED_SUFFIX PRODUCER_SNAPSHOT_SUFFIX ".tmp" /* file_replace() makes it */
/* Of transactions, which are not kept: coordinator epoch and first offset. */
#define NO_EPOCH (-1)
#define NO_OFFSET (-1)

_Static_assert(COUNT_AT + sizeof(int32_t) == PRODUCER_SNAPSHOT_HEADER, "the entries follow");

/* ---- bytes ----------------------------------------------------------------------------------- */

static struct producers_entry take_entry(struct bytes *in)
{
    struct producers_entry entry = {.producer_id = (int64_t)bytes_take64(in),
                                    .epoch = (int16_t)bytes_take16(in),
                                    .last_sequence = (int32_t)bytes_take32(in),
                                    .last_offset = (int64_t)bytes_take64(in),
                                    .offset_delta = (int32_t)bytes_take32(in),
                                    .timestamp = (int64_t)bytes_take64(in)};
    bytes_take32(in); /* coordinator epoch */
    bytes_take64(in); /* first offset of its transaction */
    return entry;
}

/* No batch is told of by last offset -1; one without sequence by last sequence -1. */
static bool is_possible(const struct producers_entry *entry)
{
    return entry->producer_id >= 0 && entry->epoch >= -1 && entry->last_sequence >= -1 &&
           entry->offset_delta >= 0 && entry->last_offset >= -1 &&
           (entry->last_offset < 0 || entry->last_offset >= entry->offset_delta);
}

int producer_snapshot_decode(const void *bytes, size_t size, struct producers_entry **entries,
                             size_t *count)
{
    struct bytes in = bytes_over(bytes, size);
    int16_t version = (int16_t)bytes_take16(&in);
    uint32_t stored = bytes_take32(&in);
    const uint8_t *covered = in.at;
    int32_t wanted = (int32_t)bytes_take32(&in);
    if (in.failed)
        return error_set(MAPLOG_CORRUPT, "it has %zu bytes only", size);
    if (version != VERSION)
        return error_set(MAPLOG_VERSION, "it has version %d, known is %d", version, VERSION);
    uint32_t computed = crc32c(0, covered, size - COUNT_AT);
    if (stored != computed)
        return error_set(MAPLOG_CORRUPT, "it has CRC %08" PRIx32 ", its bytes give %08" PRIx32,
                         stored, computed);
    if (wanted < 0 || bytes_left(&in) != (uint64_t)wanted * PRODUCER_SNAPSHOT_ENTRY)
        return error_set(MAPLOG_CORRUPT, "%" PRId32 " producers in %zu bytes", wanted, size);
    struct producers_entry *found = malloc(((size_t)wanted + 1) * sizeof *found);
    if (!found)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %" PRId32 " producers", wanted);
    for (int32_t i = 0; i < wanted; i++) {
        found[i] = take_entry(&in);
        if (is_possible(&found[i]))
            continue;
        free(found);
        return error_set(MAPLOG_CORRUPT, "producer %" PRId32 " of %" PRId32 " makes no sense", i,
                         wanted);
    }
    *entries = found;
    *count = (size_t)wanted;
    return 0;
}

static void put_entry(uint8_t *to, const struct producers_entry *entry)
{
    bytes_store64(to, (uint64_t)entry->producer_id);
    bytes_store16(to + 8, (uint16_t)entry->epoch);
    bytes_store32(to + 10, (uint32_t)entry->last_sequence);
    bytes_store64(to + 14, (uint64_t)entry->last_offset);
    bytes_store32(to + 22, (uint32_t)entry->offset_delta);
    bytes_store64(to + 26, (uint64_t)entry->timestamp);
    bytes_store32(to + 34, (uint32_t)NO_EPOCH);
    bytes_store64(to + 38, (uint64_t)NO_OFFSET);
}

int producer_snapshot_encode(const struct producers_entry *entries, size_t count, uint8_t **bytes,
                             size_t *size)
{
    if (count > (LIMIT_SNAPSHOT - PRODUCER_SNAPSHOT_HEADER) / PRODUCER_SNAPSHOT_ENTRY)
        return error_set(MAPLOG_LIMIT, "a snapshot of %zu producers has more than %u bytes", count,
                         LIMIT_SNAPSHOT);
    size_t length = PRODUCER_SNAPSHOT_HEADER + count * PRODUCER_SNAPSHOT_ENTRY;
    uint8_t *made = malloc(length);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a snapshot of %zu producers", count);
    bytes_store16(made + VERSION_AT, VERSION);
    bytes_store32(made + COUNT_AT, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_entry(made + PRODUCER_SNAPSHOT_HEADER + i * PRODUCER_SNAPSHOT_ENTRY, &entries[i]);
    bytes_store32(made + CRC_AT, crc32c(0, made + COUNT_AT, length - COUNT_AT));
    *bytes = made;
    *size = length;
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void path_of(const struct producer_place *place, int64_t offset,
                    char path[static LIMIT_PATH])
{
    snprintf(path, LIMIT_PATH, "%s/%0*" PRId64 PRODUCER_SNAPSHOT_SUFFIX, place->partition,
             SEGMENT_NAME_BYTES, offset);
}

struct listing {
    const struct producer_place *place;
    struct segment_list list;
    bool tidy; /* what a dead process left half-written goes */
};

static int add_offset(struct segment_list *list, int64_t offset)
{
    int64_t *offsets = realloc(list->bases, (list->count + 1) * sizeof *offsets);
    if (!offsets)
        return error_set(MAPLOG_NO_MEMORY, "cannot list snapshots");
    size_t at = list->count++;
    for (; at > 0 && offsets[at - 1] > offset; at--)
        offsets[at] = offsets[at - 1];
    offsets[at] = offset;
    list->bases = offsets;
    return 0;
}

static int see_file(void *context, const char *name, bool is_directory)
{
    struct listing *listing = context;
    int64_t offset;
    if (is_directory)
        return 0;
    if (names_segment(name, PRODUCER_SNAPSHOT_SUFFIX, &offset))
        return add_offset(&listing->list, offset);
    if (!listing->tidy || !names_segment(name, UNFINISHED_SUFFIX, &offset))
        return 0;
    char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", listing->place->partition, name);
    return file_remove(listing->place->directory_fd, path);
}

static int list_files(const struct producer_place *place, bool tidy, struct segment_list *list)
{
    struct listing listing = {.place = place, .tidy = tidy};
    int result = file_list(place->directory_fd, place->partition, see_file, &listing);
    if (result == MAPLOG_NOT_FOUND)
        result = 0; /* nothing was appended yet */
    if (result)
        segment_list_free(&listing.list);
    else
        *list = listing.list;
    return result;
}

int producer_snapshot_list(const struct producer_place *place, struct segment_list *list)
{
    return list_files(place, false, list);
}

int producer_snapshot_load(const struct producer_place *place, int64_t offset,
                           struct producers_entry **entries, size_t *count)
{
    char path[LIMIT_PATH], *bytes;
    size_t size;
    path_of(place, offset, path);
    int result = file_read_all(place->directory_fd, path, LIMIT_SNAPSHOT, &bytes, &size);
    if (result)
        return result;
    result = producer_snapshot_decode(bytes, size, entries, count);
    free(bytes);
    return result ? error_prefix(result, "%s", path) : 0;
}

int producer_snapshot_store(const struct producer_place *place, int64_t offset,
                            const uint8_t *bytes, size_t size, bool durable)
{
    char path[LIMIT_PATH];
    path_of(place, offset, path);
    return file_replace(place->directory_fd, path, bytes, size, durable);
}

/* Those that stay are bases[*first, *last) of the list. */
static void choose(const struct segment_list *list, int64_t end, size_t *first, size_t *last)
{
    *last = (size_t)(segment_list_find(list, end) + 1);
    *first = *last > PRODUCER_SNAPSHOT_KEPT ? *last - PRODUCER_SNAPSHOT_KEPT : 0;
}

int producer_snapshot_prune(const struct producer_place *place, int64_t end)
{
    struct segment_list list;
    int result = list_files(place, true, &list);
    if (result)
        return result;
    size_t first, last;
    choose(&list, end, &first, &last);
    for (size_t i = 0; !result && i < list.count; i++) {
        char path[LIMIT_PATH];
        path_of(place, list.bases[i], path);
        if (i < first || i >= last)
            result = file_remove(place->directory_fd, path);
    }
    segment_list_free(&list);
    return result;
}

int producer_snapshot_copy(const struct producer_place *from, const struct producer_place *to,
                           int64_t end, bool durable)
{
    struct segment_list list;
    int result = producer_snapshot_list(from, &list);
    if (result)
        return result;
    size_t first, last;
    choose(&list, end, &first, &last);
    for (size_t i = first; !result && i < last; i++) {
        char path[LIMIT_PATH], *bytes;
        size_t size;
        path_of(from, list.bases[i], path);
        if (file_read_all(from->directory_fd, path, LIMIT_SNAPSHOT, &bytes, &size) != 0)
            continue;
        result = producer_snapshot_store(to, list.bases[i], (uint8_t *)bytes, size, durable);
        free(bytes);
    }
    segment_list_free(&list);
    return result;
}
