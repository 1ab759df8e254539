/*
 * layout.h - every byte that processes share, apart from the records themselves.
 *
 * maplog.control: header, process slots, writer seats, one slot a partition. Mapped read-write by
 * attached processes, read-only by read-only ones. maplog.bell: waiter words that every attached
 * process may write. An anonymous log has the same structures at the front of its memfd.
 * Offsets and indexes only, never pointers. Whatever is read here was written by a process of the
 * same trust domain, which may have died half-way or gone mad: copy, check, then use.
 * Changing anything: raise CONTROL_VERSION; docs/shm-layout.md says why each word is safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "os/process.h"
#include "os/thread.h"

#define CONTROL_MAGIC 0x31474f4c50414d00ull /* "\0MAPLOG1" little-endian */
#define CONTROL_VERSION 2u
#define CACHE_LINE 64
#define OWN_LINE _Alignas(CACHE_LINE)

/* How writers of this directory exclude each other (control_header.writers). */
enum writer_kind {
    WRITER_LEASE = 1, /* biased lease with membarrier */
    WRITER_MUTEX = 2, /* robust mutex around each append: where membarrier is refused */
};

struct control_header {
    /* Written once by the process that initialises, before `ready`. */
    uint64_t magic;
    uint32_t version;
    uint32_t mutex_abi; /* thread_mutex_abi() */
    uint32_t writers;   /* enum writer_kind */
    uint32_t reserved;
    uint8_t boot_id[PROCESS_BOOT_ID_SIZE]; /* where and what this file was when it was trusted */
    uint64_t device, inode, mount, born;
    _Atomic uint64_t session; /* +1 at each (re)initialisation; odd while it is under way */

    /* Read at each append: rarely written. +1 at each change of topics or settings. */
    OWN_LINE _Atomic uint64_t settings_generation;
    OWN_LINE _Atomic uint64_t seat_limit; /* seats at and above were never used */
    _Atomic uint64_t process_limit;       /* process slots at and above were never used */
    _Atomic uint64_t attachments;         /* given out so far; see control_process.attachment */
    OWN_LINE _Atomic uint64_t keeper;     /* process slot of the keeper + 1, 0: none */
    _Atomic uint64_t keeper_seen_ms;      /* its last round, wall clock */
    _Atomic uint64_t partition_limit;     /* partition slots at and above were never allocated */
    /* One sleeper for all partitions, a server's. Written by who rings while it listens. */
    OWN_LINE _Atomic uint32_t listening; /* bit 0: it sleeps or is about to; above it: wakes */
};

#define CONTROL_ROLE_SIZE 16 /* bytes of a role text ("producer"), with the NUL */

/* One attached read-write process. The truth of its life is its byte lock (control.h); the rest is
 * for people, except attachment. Texts lie in words, so that a torn look is no data race. */
struct control_process {
    OWN_LINE _Atomic uint32_t pid; /* 0: nobody */
    uint32_t reserved;
    _Atomic uint64_t attachment; /* number of this attachment, never given twice in a session */
    _Atomic uint64_t start;      /* process_start() */
    _Atomic uint64_t attached_ms;
    _Atomic uint64_t name[PROCESS_NAME_SIZE / 8];
    /* Oldest segment slot sequence that it still reads, of an anonymous log; UINT64_MAX: none. */
    OWN_LINE _Atomic uint64_t pinned;
    _Atomic uint64_t role[CONTROL_ROLE_SIZE / 8];
};

/* One open producer. In its own line: the taker of a lease watches in_append. */
struct control_seat {
    OWN_LINE _Atomic uint64_t owner; /* attachment << 16 | process slot + 1; 0: free */
    _Atomic uint32_t in_append;      /* partition slot + 1 while inside, else 0 */
};

enum partition_state {
    PARTITION_FREE = 0,
    PARTITION_LIVE = 1,
    PARTITION_DELETED = 2,
};

/* Lease words. A word whose seat is 0 but whose generation is not was given up by its owner. */
#define LEASE_REVOKED 0ull /* its former owner may still be inside; the value at first */
#define LEASE_TOKEN(generation, seat) ((uint64_t)(generation) << 16 | ((uint32_t)(seat) + 1))
#define LEASE_SEAT(token) ((uint32_t)(token)&0xffff) /* seat + 1; 0: nobody */
#define LEASE_GIVEN_UP(token) ((token) & ~0xffffull)
#define WANT_URGENT (1ull << 63) /* beside the token in want: hand over at the next leave */

/* One partition. */
struct control_partition {
    /* Lease: written at a change of writer, read at each append by its owner. */
    OWN_LINE _Atomic uint64_t lease;   /* token of the owner: generation << 16 | seat + 1 */
    OWN_LINE _Atomic uint64_t want;    /* token of the would-be taker, 0: nobody */
    _Atomic uint64_t lease_generation; /* of the newest token; under takers, never goes back */
    _Atomic uint32_t taker_seat;       /* seat + 1 of the holder of `takers`, for messages */

    /* Commit point: position << 32 | next offset relative to the segment's base, of the segment
     * rolls & 1. The other entry keeps the final end of the segment before. */
    OWN_LINE _Atomic uint64_t published[2];

    /* Which segments; read often, written at a roll. */
    OWN_LINE _Atomic uint64_t rolls; /* segments begun; 0: the partition has none yet */
    _Atomic uint64_t base[2];        /* base offset of the active segment and the one before */
    _Atomic uint64_t log_start;      /* first readable offset */
    _Atomic uint32_t leader_epoch;
    _Atomic uint32_t state;          /* enum partition_state */
    _Atomic uint32_t durable_policy; /* 1: somebody asks for durable acks; do not populate ahead */
    _Atomic uint32_t index_damaged;  /* 1: an index could not be extended; rebuilt at recovery */
    _Atomic uint32_t incarnation;    /* +1 each time the slot is given to a new partition */
    _Atomic uint64_t rolling;        /* base offset + 1 of a segment that is being made; 0: none */

    /* The writer's own notes, valid while `noted_published` equals the commit word; else rebuilt
     * from the last index entry (the writer died between the two). Pairs as `published`. */
    OWN_LINE _Atomic uint64_t noted_published;
    _Atomic uint64_t max_timestamp;        /* of the active segment, as int64; -1: none */
    _Atomic uint64_t max_timestamp_offset; /* relative last offset of the batch that holds it */
    _Atomic uint64_t first_append_ms; /* wall clock of the segment's first append: segment.ms */
    _Atomic uint32_t bytes_since_index;
    _Atomic uint32_t index_bytes[2]; /* entries of .index that are valid, in bytes */
    _Atomic uint32_t timeindex_bytes[2];
    _Atomic uint32_t allocated[2]; /* bytes of .log that may be touched */

    /* Takers and slow paths take turns here. */
    OWN_LINE struct thread_mutex takers;

    /* Durability: a watermark. */
    OWN_LINE struct thread_mutex flusher;
    OWN_LINE _Atomic uint64_t durable_offset; /* everything below is on disk */
    _Atomic uint32_t flushes;                 /* +1 after each; waiters sleep on it */
    _Atomic uint32_t flush_waiters;
    _Atomic uint32_t flush_failed; /* errno of a failed sync: no durable ack any more */
    _Atomic uint32_t flush_group;  /* how many the last flush woke; the next one expects them */
    _Atomic uint32_t flush_us;     /* how long the last one took */
    uint8_t topic_id[16];
    uint32_t partition;
    _Atomic uint32_t
        flusher_process; /* process slot + 1 of the holder of `flusher`, for messages */
};

/* maplog.bell: one word a partition, on which its readers sleep; counters only. */
struct bell_word {
    _Atomic uint32_t waiters; /* bit 0: somebody sleeps or is about to; above it: wakes so far */
};

struct control {
    struct control_header header;
    _Alignas(4096) struct control_process processes[LIMIT_PROCESSES];
    _Alignas(4096) struct control_seat seats[LIMIT_SEATS];
    /* Bit i % 64 of word i / 64: partition slot i rang, and the listener did not take it yet. */
    _Alignas(4096) _Atomic uint64_t dirty[LIMIT_PARTITIONS / 64];
    _Alignas(4096) struct control_partition partitions[LIMIT_PARTITIONS];
};

#define CONTROL_PARTITION_AT(i)                                                                    \
    (offsetof(struct control, partitions) + (size_t)(i) * sizeof(struct control_partition))

_Static_assert(sizeof(_Atomic uint64_t) == 8, "lock-free 64-bit words");
_Static_assert(offsetof(struct control_partition, published) == 128, "commit word has its line");
_Static_assert(sizeof(struct control_partition) == 512, "partition slot");
_Static_assert(sizeof(struct control_process) == 2 * CACHE_LINE, "process slot");
_Static_assert(sizeof(struct control_seat) == CACHE_LINE, "a seat is a line");
_Static_assert(LIMIT_SEATS < 0xffff && LIMIT_PROCESSES < 0xffff, "fit beside a generation");
_Static_assert(sizeof(struct control_header) <= 4096, "the header is a page");
_Static_assert(offsetof(struct control_header, listening) % CACHE_LINE == 0, "has its line");
_Static_assert(LIMIT_PARTITIONS % 64 == 0, "whole words of bits");
_Static_assert(offsetof(struct control, dirty) == 331776, "behind the seats");
_Static_assert(CONTROL_PARTITION_AT(0) == 335872, "partition slots");
_Static_assert(sizeof(struct bell_word) == 4, "a bell word is a futex word");
