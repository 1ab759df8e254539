/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * ring_layout.h - every byte that the kernel module and the process that maps its rings share.
 *
 * Freestanding: compiled into the module and into maplog. The device file's offsets are
 *
 *   ring i begins at i * ring_stride
 *     header page   struct ring_header; the reader may map it writable, for its tail
 *     data          data_bytes from data_offset on; may be mapped for reading only
 *
 * head and tail count bytes since the module was loaded and never wrap: the byte of position P lies
 * at P & (data_bytes - 1) of the data, and what lies from tail up to head is the reader's. A
 * record begins at a multiple of RING_ALIGN and may run over the end of the data to its beginning;
 * a reader that maps the data twice, one behind the other, never sees the seam.
 *
 * Orders: the kernel fills records, then stores head with release; the reader loads head with
 * acquire. The reader copies or is done with records, then stores tail with release; the kernel
 * loads tail with acquire before it overwrites.
 *
 * Trust: of the header the kernel reads tail alone, and takes it only when it lies between the last
 * one that it took and head; all else it keeps in memory of its own, writes here and never reads
 * back. It writes the whole header anew when a reader opens the device. The reader copies, checks,
 * then uses.
 *
 * Changing anything: raise RING_VERSION.
 */
#pragma once

#include <linux/types.h>

#define RING_MAGIC 0x474e4952504c4d00ull /* "\0MLPRING" little-endian */
#define RING_VERSION 1u
#define RING_ALIGN 8u
#define RING_LIMIT 4096u           /* rings of a device */
#define RING_DATA_MIN 4096u        /* bytes of data, a power of two; at least a page */
#define RING_DATA_MAX (1ull << 30) /* bytes */
#define RING_EVERY_CPU 0xffffffffu /* ring_header.cpu: all CPUs write into this ring */

/* How the module got the memory, and maps it (module parameter memory=). */
enum ring_memory {
    RING_MEMORY_VMALLOC = 1,    /* vmalloc_user, remap_vmalloc_range */
    RING_MEMORY_CONTIGUOUS = 2, /* alloc_pages_exact, remap_pfn_range */
    RING_MEMORY_FAULT = 3,      /* vmalloc_user, a page at a time by the fault handler */
};

/* Who wrote a record. */
enum ring_source {
    RING_SOURCE_EMIT = 1,       /* maplog_emit() of a module */
    RING_SOURCE_KERNEL_LOG = 2, /* printk */
    RING_SOURCE_WRITE = 3,      /* write(2) to the device */
};

struct ring_header {
    /* What does not change while the module is loaded. */
    __u64 magic;
    __u32 version;
    __u32 rings;       /* of this device, 1 to RING_LIMIT */
    __u64 ring_stride; /* bytes of the device file from one ring to the next */
    __u64 data_bytes;  /* a power of two, RING_DATA_MIN to RING_DATA_MAX */
    __u32 data_offset; /* bytes from the ring's beginning: the kernel's page size */
    __u32 record_max;  /* bytes of payload that a record of this ring may have */
    __u32 ring;        /* this one's number */
    __u32 cpu;         /* that writes into it, or RING_EVERY_CPU */
    __u32 memory;      /* enum ring_memory */
    __u32 reserved;    /* 0 */
    __u64 unused[9];   /* 0: the kernel's words have lines of their own */

    /* The kernel's. */
    __u64 head;              /* bytes published */
    __u64 records;           /* published */
    __u64 dropped;           /* records that found no room, or were longer than record_max */
    __u64 dropped_bytes;     /* of their payloads */
    __u64 refused_tails;     /* times that tail was nonsense when the kernel looked */
    __u64 unused_kernel[11]; /* 0 */

    /* The reader's. */
    __u64 tail; /* bytes done with: where a record ended */
    __u64 unused_reader[15];
};

/* Before each payload; the next record begins at the next multiple of RING_ALIGN. */
struct ring_record {
    __u32 length;   /* bytes of payload, 0 to ring_header.record_max */
    __u32 dropped;  /* records lost in this ring between the one before and this one */
    __u64 time;     /* nanoseconds since 1970 (CLOCK_REALTIME) */
    __u32 cpu;      /* that it was written on */
    __u16 source;   /* enum ring_source */
    __u16 reserved; /* 0 */
};

/* Bytes of the ring that a record takes. */
#define RING_RECORD_BYTES(length)                                                                  \
    (((__u64)(length) + sizeof(struct ring_record) + RING_ALIGN - 1) & ~(__u64)(RING_ALIGN - 1))

/* The longest payload of a ring: what leaves room for three more like it, and of a large ring what
 * a topic takes with all its headers (max.message.bytes, 1 MiB by default) and is copied in a
 * moment, since interrupts may be off meanwhile. */
#define RING_RECORD_LIMIT ((1u << 20) - 4096u)
#define RING_RECORD_MAX(data_bytes)                                                                \
    ((data_bytes) / 4 < RING_RECORD_LIMIT ? (__u32)((data_bytes) / 4 - sizeof(struct ring_record)) \
                                          : RING_RECORD_LIMIT)

_Static_assert(__builtin_offsetof(struct ring_header, head) == 128, "the kernel's words");
_Static_assert(__builtin_offsetof(struct ring_header, tail) == 256, "the reader's words");
_Static_assert(sizeof(struct ring_header) == 384, "a ring's header");
_Static_assert(sizeof(struct ring_record) == 24, "a record's header");
_Static_assert(RING_RECORD_MAX(RING_DATA_MIN) == 1000, "the longest payload of the smallest ring");
_Static_assert(RING_RECORD_MAX(RING_DATA_MAX) == RING_RECORD_LIMIT, "and of the largest");
