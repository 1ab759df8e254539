/*
 * appender.h - appends to one partition: claim, copy, publish, index. One seat, one thread.
 *
 * The order of design rule "claim and publish": the whole batch lies at the tail before one release
 * store of the commit word makes it visible; everything else follows from that word and can be
 * rebuilt. A writer that dies before the store leaves nothing, one that dies after it leaves an
 * index that the next writer mends (appender_reload).
 */
#pragma once

#include <maplog.h>

#include "log/builder.h"
#include "log/indexer.h"
#include "log/partition.h"
#include "shm/lease.h"

struct directory;

#define APPENDER_TEMPLATE_BYTES 80 /* header and at most 15 bytes; copied whole */
#define APPENDER_SLACK 80          /* bytes behind a batch that a copy may run over */

/* A cached single-record batch without key and headers: all but value, offset, epoch and CRC. */
struct appender_template {
    uint8_t bytes[APPENDER_TEMPLATE_BYTES]; /* header and the record up to its value */
    uint32_t prefix;                        /* used bytes */
    uint32_t size;                          /* of the whole batch */
    uint32_t crc;                           /* of bytes from BATCH_ATTRIBUTES to prefix */
    size_t value_size;
    int64_t timestamp;
};

struct appender {
    struct lease lease;
    struct partition *partition;
    struct directory *directory;

    /* Valid while the lease is ours. */
    struct segment *segment; /* a reference */
    _Atomic uint64_t *published;
    uint8_t *log;
    int64_t base;
    uint32_t position; /* tail */
    uint32_t relative; /* next offset - base */
    uint32_t limit;    /* bytes that may be touched */
    uint32_t leader_epoch;
    struct indexer indexer;
    uint32_t parity;    /* rolls & 1: which of the control slot's pairs is ours */
    int64_t roll_at_ms; /* wall clock at which segment.ms is over */

    struct settings settings;
    uint64_t settings_generation;
    struct appender_template template;
    int64_t timeout_ns; /* longest wait for another writer; 0: never wait */
};

/* What came of an append. */
struct appended {
    int64_t base_offset;
    int64_t last_offset;
    int64_t log_append_time; /* -1 with create time */
};

/* seat: taken with control_take_seat; stays the caller's. */
int appender_open(struct partition *partition, uint32_t seat, int64_t timeout_ns,
                  struct appender *appender);
void appender_close(struct appender *appender); /* gives an idle lease up */

/* Appends one whole batch whose CRC is right (base offset and leader epoch are set here; with
 * LogAppendTime timestamps too, and the CRC is made anew): batch is changed. */
int appender_append(struct appender *appender, uint8_t *batch, size_t size,
                    struct appended *appended);
/* The same, only if the batch gets the offset `at`: MAPLOG_BUSY when others appended since. */
int appender_append_at(struct appender *appender, uint8_t *batch, size_t size, int64_t at,
                       struct appended *appended);
/* Appends a record as a batch of its own. now_ms: its timestamp unless the record has one. */
int appender_append_record(struct appender *appender, const struct maplog_record *record,
                           int64_t now_ms, int64_t *offset);
/* Same as append, but keeps every offset and epoch of the batch (import, compacted logs): base
 * offset must be at or above the end. */
int appender_append_kept(struct appender *appender, const uint8_t *batch, size_t size);

/* Allocates and populates `bytes` ahead of the tail, at most to the end of the segment, so that the
 * appends to come meet neither allocation nor page fault. */
int appender_prepare(struct appender *appender, uint64_t bytes);
/* Ends the active segment and begins a new one, when it holds anything. */
int appender_roll(struct appender *appender);
