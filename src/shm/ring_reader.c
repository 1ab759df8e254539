#include "shm/ring_reader.h"

#include <stdlib.h>

#include "base/error.h"
#include "os/file.h"
#include "os/map.h"
#include "shm/order.h"

#define STATUS_LOOKS 100 /* before a fill is called nonsense */

struct ring {
    struct ring_header *header; /* the mapped page */
    const uint8_t *data;        /* mapped twice, one behind the other; NULL for an observer */
    uint64_t position;          /* of the next record */
    uint64_t head;              /* as last looked at */
};

struct ring_reader {
    const char *path; /* the caller's */
    struct ring_header constants;
    uint32_t mapped; /* rings that are */
    struct ring rings[];
};

static uint64_t load_word(const __u64 *word)
{
    return load_acquire((const _Atomic __u64 *)word);
}

static int damaged(const struct ring_reader *reader, uint32_t ring, uint64_t at, const char *what)
{
    return error_set(MAPLOG_CORRUPT,
                     "ring %u of %s is damaged at byte %llu: %s; give up what it holds with "
                     "\"maplog drain --reset\", or load the module anew",
                     ring, reader->path, (unsigned long long)at, what);
}

/* ---- what never changes ---------------------------------------------------------------------- */

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* The sizes, so that no product of them overflows. */
static bool sizes_fit(const struct ring_header *header)
{
    return is_power_of_two(header->data_bytes) && header->data_bytes >= RING_DATA_MIN &&
           header->data_bytes <= RING_DATA_MAX && header->data_offset == MAP_PAGE_BYTES &&
           header->ring_stride % MAP_PAGE_BYTES == 0 &&
           header->ring_stride >= header->data_offset + header->data_bytes &&
           header->ring_stride <= 2 * RING_DATA_MAX && header->rings >= 1 &&
           header->rings <= RING_LIMIT && header->record_max <= header->data_bytes &&
           RING_RECORD_BYTES(header->record_max) <= header->data_bytes;
}

static int check_header(const char *path, const struct ring_header *header, uint32_t ring)
{
    if (header->magic != RING_MAGIC)
        return error_set(MAPLOG_CORRUPT, "%s: ring %u does not begin as one of maplog's", path,
                         ring);
    if (header->version != RING_VERSION)
        return error_set(MAPLOG_VERSION,
                         "%s speaks version %u of the rings, this program version %u: install "
                         "module and program of one release",
                         path, header->version, RING_VERSION);
    if (!sizes_fit(header) || header->ring != ring)
        return error_set(MAPLOG_CORRUPT, "%s: the header of ring %u makes no sense", path, ring);
    return 0;
}

static bool same_device(const struct ring_header *one, const struct ring_header *other)
{
    return one->rings == other->rings && one->ring_stride == other->ring_stride &&
           one->data_bytes == other->data_bytes && one->data_offset == other->data_offset &&
           one->record_max == other->record_max && one->memory == other->memory;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int map_header(int fd, const char *path, uint64_t at, enum ring_role role,
                      struct ring_header **header)
{
    void *page;
    int result = map_file(fd, path, at, MAP_PAGE_BYTES,
                          role == RING_READER ? MAP_MODE_WRITE : MAP_MODE_READ, &page);
    *header = result ? NULL : page;
    return result;
}

/* Where the last reader stopped. */
static int take_position(struct ring_reader *reader, uint32_t number)
{
    struct ring *ring = &reader->rings[number];
    ring->position = ring->head = load_word(&ring->header->tail);
    return ring->position % RING_ALIGN
               ? damaged(reader, number, ring->position, "its tail is between two records")
               : 0;
}

static int map_ring(struct ring_reader *reader, int fd, uint32_t number, enum ring_role role)
{
    const struct ring_header *constants = &reader->constants;
    struct ring *ring = &reader->rings[number];
    uint64_t at = number * constants->ring_stride;
    int result = map_header(fd, reader->path, at, role, &ring->header);
    if (result)
        return result;
    reader->mapped++;
    struct ring_header header = *ring->header;
    result = check_header(reader->path, &header, number);
    if (!result && !same_device(constants, &header))
        result = error_set(MAPLOG_CORRUPT, "%s: ring %u disagrees with ring 0 about their sizes",
                           reader->path, number);
    if (result || role == RING_OBSERVER)
        return result;
    void *data;
    result =
        map_file_twice(fd, reader->path, at + constants->data_offset, constants->data_bytes, &data);
    if (result)
        return result;
    ring->data = data;
    return take_position(reader, number);
}

/* What all headers say, from the first. */
static int read_constants(int fd, const char *path, struct ring_header *constants)
{
    struct ring_header *header;
    int result = map_header(fd, path, 0, RING_OBSERVER, &header);
    if (result)
        return result;
    *constants = *header;
    map_remove(header, MAP_PAGE_BYTES);
    return check_header(path, constants, 0);
}

/* A device refuses to map what it has not; a file would, and end the process at the first touch. */
static int check_size(int fd, const char *path, const struct ring_header *constants)
{
    struct file_identity file;
    int result = file_identify(fd, path, &file);
    if (!result && file.is_regular && file.size < constants->rings * constants->ring_stride)
        result = error_set(MAPLOG_CORRUPT, "%s ends before the last of its %u rings", path,
                           constants->rings);
    return result;
}

int ring_reader_open(int fd, const char *path, enum ring_role role, struct ring_reader **reader)
{
    struct ring_header constants;
    int result = read_constants(fd, path, &constants);
    if (!result)
        result = check_size(fd, path, &constants);
    if (result)
        return result;
    struct ring_reader *made = calloc(1, sizeof *made + constants.rings * sizeof made->rings[0]);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %u rings", constants.rings);
    made->path = path;
    made->constants = constants;
    for (uint32_t i = 0; !result && i < constants.rings; i++)
        result = map_ring(made, fd, i, role);
    if (result) {
        ring_reader_close(made);
        return result;
    }
    *reader = made;
    return 0;
}

void ring_reader_close(struct ring_reader *reader)
{
    if (!reader)
        return;
    for (uint32_t i = 0; i < reader->mapped; i++) {
        map_remove((void *)reader->rings[i].data, 2 * reader->constants.data_bytes);
        map_remove(reader->rings[i].header, MAP_PAGE_BYTES);
    }
    free(reader);
}

uint32_t ring_reader_rings(const struct ring_reader *reader)
{
    return reader->constants.rings;
}

void ring_reader_status(const struct ring_reader *reader, uint32_t ring, struct ring_status *status)
{
    const struct ring_header *header = reader->rings[ring].header;
    uint64_t filled;
    int looks = 0;
    /* Between two looks at one ring both may have gone all round it. */
    do {
        uint64_t tail = load_word(&header->tail);
        filled = load_word(&header->head) - tail;
    } while (filled > reader->constants.data_bytes && ++looks < STATUS_LOOKS);
    *status = (struct ring_status){
        .cpu = header->cpu,
        .memory = reader->constants.memory,
        .data_bytes = reader->constants.data_bytes,
        .filled = filled,
        .records = load_word(&header->records),
        .dropped = load_word(&header->dropped),
        .dropped_bytes = load_word(&header->dropped_bytes),
        .refused_tails = load_word(&header->refused_tails),
    };
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Looks how far the ring is filled; pairs with the kernel's release of head. */
static int take_head(struct ring_reader *reader, uint32_t number)
{
    struct ring *ring = &reader->rings[number];
    uint64_t head = load_word(&ring->header->head);
    if (head - ring->position > reader->constants.data_bytes || head % RING_ALIGN)
        return damaged(reader, number, ring->position, "its head cannot be where it says");
    ring->head = head;
    return 0;
}

static const char *wrong_with(const struct ring_record *record, uint64_t left, uint32_t record_max)
{
    if (record->length > record_max)
        return "a record is longer than records of this ring can be";
    if (RING_RECORD_BYTES(record->length) > left)
        return "a record reaches beyond the head";
    if (record->source < RING_SOURCE_EMIT || record->source > RING_SOURCE_WRITE || record->reserved)
        return "what stands there is no record";
    return NULL;
}

int ring_reader_next(struct ring_reader *reader, uint32_t ring, struct ring_entry *entry)
{
    struct ring *here = &reader->rings[ring];
    if (here->position == here->head) {
        int result = take_head(reader, ring);
        if (result || here->position == here->head)
            return result;
    }
    uint64_t left = here->head - here->position;
    const uint8_t *at = here->data + (here->position & (reader->constants.data_bytes - 1));
    const struct ring_record record = *(const volatile struct ring_record *)at;
    const char *wrong = left < sizeof record
                            ? "a record reaches beyond the head"
                            : wrong_with(&record, left, reader->constants.record_max);
    if (wrong)
        return damaged(reader, ring, here->position, wrong);
    *entry = (struct ring_entry){
        .payload = at + sizeof record,
        .length = record.length,
        .dropped = record.dropped,
        .time_ns = record.time,
        .cpu = record.cpu,
        .source = record.source,
    };
    here->position += RING_RECORD_BYTES(record.length);
    return 1;
}

void ring_reader_unread(struct ring_reader *reader, uint32_t ring, const struct ring_entry *entry)
{
    reader->rings[ring].position -= RING_RECORD_BYTES(entry->length);
}

/* Pairs with the kernel's acquire of tail: what was read lies before it. */
void ring_reader_release(struct ring_reader *reader, uint32_t ring)
{
    struct ring *here = &reader->rings[ring];
    store_release((_Atomic __u64 *)&here->header->tail, here->position);
}

uint64_t ring_reader_skip(struct ring_reader *reader, uint32_t ring)
{
    struct ring *here = &reader->rings[ring];
    uint64_t from = here->position;
    here->position = here->head = load_word(&here->header->head);
    ring_reader_release(reader, ring);
    return here->position - from;
}
