#include "ring_kernel.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define TIME_NS 1700000000123456789ull /* of the first record; each further one is 1 ms later */

static void check(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

void ring_kernel_open(struct ring_kernel *kernel, uint32_t rings, uint64_t data_bytes)
{
    uint64_t stride = PAGE + data_bytes;
    kernel->rings = rings;
    kernel->data_bytes = data_bytes;
    kernel->size = rings * stride;
    kernel->fd = memfd_create("rings", MFD_CLOEXEC);
    check(kernel->fd >= 0 && ftruncate(kernel->fd, (off_t)kernel->size) == 0, "memfd");
    kernel->memory = mmap(NULL, kernel->size, PROT_READ | PROT_WRITE, MAP_SHARED, kernel->fd, 0);
    check(kernel->memory != MAP_FAILED, "mmap");
    for (uint32_t i = 0; i < rings; i++)
        *ring_kernel_header(kernel, i) = (struct ring_header){
            .magic = RING_MAGIC,
            .version = RING_VERSION,
            .rings = rings,
            .ring_stride = stride,
            .data_bytes = data_bytes,
            .data_offset = PAGE,
            .record_max = RING_RECORD_MAX(data_bytes),
            .ring = i,
            .cpu = rings == 1 ? RING_EVERY_CPU : i,
            .memory = RING_MEMORY_VMALLOC,
        };
}

void ring_kernel_close(struct ring_kernel *kernel)
{
    munmap(kernel->memory, kernel->size);
    close(kernel->fd);
}

struct ring_header *ring_kernel_header(struct ring_kernel *kernel, uint32_t ring)
{
    return (struct ring_header *)(kernel->memory + ring * (PAGE + kernel->data_bytes));
}

uint8_t *ring_kernel_data(struct ring_kernel *kernel, uint32_t ring)
{
    return (uint8_t *)ring_kernel_header(kernel, ring) + PAGE;
}

static void put(struct ring_kernel *kernel, uint32_t ring, uint64_t position, const void *from,
                size_t length)
{
    uint64_t at = position & (kernel->data_bytes - 1), left = kernel->data_bytes - at;
    size_t first = length < left ? length : left;
    memcpy(ring_kernel_data(kernel, ring) + at, from, first);
    memcpy(ring_kernel_data(kernel, ring), (const char *)from + first, length - first);
}

bool ring_kernel_emit(struct ring_kernel *kernel, uint32_t ring, const void *payload,
                      uint32_t length)
{
    struct ring_header *header = ring_kernel_header(kernel, ring);
    uint64_t head = header->head;
    uint64_t tail = atomic_load_explicit((_Atomic __u64 *)&header->tail, memory_order_acquire);
    /* Drops that no record has told of lie where the real one has memory of its own. */
    __u64 *untold = &header->unused_kernel[0];
    if (length > header->record_max ||
        head + RING_RECORD_BYTES(length) - tail > kernel->data_bytes) {
        header->dropped++;
        header->dropped_bytes += length;
        ++*untold;
        return false;
    }
    struct ring_record record = {
        .length = length,
        .dropped = (uint32_t)*untold,
        .time = TIME_NS + header->records * 1000000,
        .cpu = ring,
        .source = RING_SOURCE_EMIT,
    };
    *untold = 0;
    put(kernel, ring, head, &record, sizeof record);
    put(kernel, ring, head + sizeof record, payload, length);
    header->records++;
    atomic_store_explicit((_Atomic __u64 *)&header->head, head + RING_RECORD_BYTES(length),
                          memory_order_release);
    return true;
}
