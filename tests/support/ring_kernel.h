/* ring_kernel.h - rings in a memory file, filled as the kernel module fills them. One writer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/ring_layout.h"

struct ring_kernel {
    int fd; /* what a reader opens in place of the device */
    uint32_t rings;
    uint64_t data_bytes;
    char *memory; /* all of the device, mapped for writing */
    size_t size;
};

/* Exits when there is no memory. */
void ring_kernel_open(struct ring_kernel *kernel, uint32_t rings, uint64_t data_bytes);
void ring_kernel_close(struct ring_kernel *kernel);

struct ring_header *ring_kernel_header(struct ring_kernel *kernel, uint32_t ring);
uint8_t *ring_kernel_data(struct ring_kernel *kernel, uint32_t ring);
/* A record, or a drop when there is no room (false). */
bool ring_kernel_emit(struct ring_kernel *kernel, uint32_t ring, const void *payload,
                      uint32_t length);
