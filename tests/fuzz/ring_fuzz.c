/* ring_fuzz.c - any bytes as the rings of a device, as they lie and behind headers that are right:
 * a reader takes records that are within the ring, or says what is damaged, and always ends. */
#include "shm/ring_reader.h"

#include <maplog.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define RINGS 2
#define DATA 4096
#define STRIDE (PAGE + DATA)
#define SIZE (RINGS * STRIDE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *memory; /* the device */
static int device = -1;

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

static void make_device(void)
{
    device = memfd_create("rings", MFD_CLOEXEC);
    check(device >= 0 && ftruncate(device, SIZE) == 0);
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    check(memory != MAP_FAILED);
}

/* All that a header says is right, but for head and tail. */
static void repair(uint32_t ring)
{
    struct ring_header *header = (struct ring_header *)(memory + ring * STRIDE);
    header->magic = RING_MAGIC;
    header->version = RING_VERSION;
    header->rings = RINGS;
    header->ring_stride = STRIDE;
    header->data_bytes = DATA;
    header->data_offset = PAGE;
    header->record_max = RING_RECORD_MAX(DATA);
    header->ring = ring;
    header->memory = RING_MEMORY_VMALLOC;
    header->tail &= ~7ull;
    header->head = header->tail + (header->head & (2 * DATA - 1) & ~7ull);
}

static void read_ring(struct ring_reader *reader, uint32_t ring)
{
    struct ring_entry entry;
    uint64_t taken = 0;
    volatile uint8_t sum = 0;
    int result;
    while ((result = ring_reader_next(reader, ring, &entry)) == 1) {
        taken += RING_RECORD_BYTES(entry.length);
        check(taken <= RING_DATA_MAX);
        for (uint32_t i = 0; i < entry.length; i++)
            sum = (uint8_t)(sum + ((const uint8_t *)entry.payload)[i]);
    }
    check(result == 0 || result == MAPLOG_CORRUPT);
    ring_reader_release(reader, ring);
    ring_reader_skip(reader, ring);
    check(ring_reader_next(reader, ring, &entry) == 0 || result == MAPLOG_CORRUPT);
}

static void look(void)
{
    struct ring_reader *reader;
    struct ring_status status;
    if (ring_reader_open(device, "device", RING_OBSERVER, &reader) == 0) {
        for (uint32_t i = 0; i < ring_reader_rings(reader); i++)
            ring_reader_status(reader, i, &status);
        ring_reader_close(reader);
    }
    int result = ring_reader_open(device, "device", RING_READER, &reader);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_VERSION ||
          result == MAPLOG_IO);
    if (result)
        return;
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++)
        read_ring(reader, i);
    ring_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (device < 0)
        make_device();
    memset(memory, 0, SIZE);
    size_t half = size / 2;
    for (uint32_t i = 0; i < RINGS; i++) {
        const uint8_t *from = data + i * half;
        size_t header = half < sizeof(struct ring_header) ? half : sizeof(struct ring_header);
        size_t rest = half - header < DATA ? half - header : DATA;
        memcpy(memory + i * STRIDE, from, header);
        memcpy(memory + i * STRIDE + PAGE, from + header, rest);
    }
    look();
    for (uint32_t i = 0; i < RINGS; i++)
        repair(i);
    look();
    return 0;
}
