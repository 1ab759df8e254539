/*
 * memory_layout.h - every byte of an anonymous log's memfd, apart from the records themselves.
 *
 *   struct control up to its first partition slot
 *   the bell page: one word
 *   struct memory_header
 *   slot 0, slot 1, ...: each a log area, an offset index area and a time index area
 *
 * A slot holds one segment at a time. Only the partition's writer changes the table of slots (under
 * the lease), readers look things up in it. A slot is recycled when no process pins the sequence of
 * its segment or an older one (control_process.pinned); order of both sides in log/store_memory.c.
 * Changing anything: raise MEMORY_VERSION.
 */
#pragma once

#include "shm/layout.h"

#define MEMORY_MAGIC 0x31304d454d4c4d00ull /* "\0MLMEM01" little-endian */
#define MEMORY_VERSION 2u
#define MEMORY_PAGE 4096
#define MEMORY_NO_BASE UINT64_MAX

struct memory_slot {
    OWN_LINE _Atomic uint64_t sequence; /* of the segment in it; 0: never used */
    _Atomic uint64_t base;              /* its base offset; MEMORY_NO_BASE: empty */
    /* Bytes that may be touched of the parts; exact once the segment is sealed. */
    _Atomic uint64_t log_bytes;
    _Atomic uint64_t index_bytes;
    _Atomic uint64_t timeindex_bytes;
};

struct memory_header {
    /* Written once by the process that makes the log, before anybody else knows of it. */
    uint64_t magic;
    uint32_t version;
    uint32_t slots;
    uint64_t segment_bytes; /* segment.bytes of the topic */
    uint8_t topic_id[16];
    char topic[LIMIT_TOPIC_NAME + 1]; /* NUL-terminated */

    OWN_LINE _Atomic uint64_t sequence; /* given out so far */
    struct memory_slot slot[LIMIT_ANONYMOUS_SLOTS];
};

#define MEMORY_PAGE_UP(bytes) (((uint64_t)(bytes) + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1))
#define MEMORY_BELL_AT MEMORY_PAGE_UP(CONTROL_PARTITION_AT(1))
#define MEMORY_HEADER_AT (MEMORY_BELL_AT + MEMORY_PAGE)
#define MEMORY_SLOTS_AT (MEMORY_HEADER_AT + MEMORY_PAGE_UP(sizeof(struct memory_header)))

_Static_assert(sizeof(struct memory_slot) == CACHE_LINE, "a slot is a line");
_Static_assert(offsetof(struct memory_header, sequence) == 320, "the fixed part");
_Static_assert(offsetof(struct memory_header, slot) == 384, "the table of slots");
_Static_assert(sizeof(struct memory_header) == 384 + LIMIT_ANONYMOUS_SLOTS * CACHE_LINE,
               "memory header");
