/*
 * format.h - the bytes of a segment: Kafka's RecordBatch v2, and its two indexes.
 *
 * Source: https://kafka.apache.org/documentation/#recordbatch and KIP-98. docs/log-format.md
 * describes them with an example. All integers are big-endian. Pure.
 */
#pragma once

#include "base/bytes.h"

#define BATCH_BASE_OFFSET 0        /* int64, not under the CRC: set when the batch is appended */
#define BATCH_LENGTH 8             /* int32, bytes after this field, not under the CRC */
#define BATCH_LEADER_EPOCH 12      /* int32, not under the CRC: set when the batch is appended */
#define BATCH_MAGIC 16             /* int8, 2 */
#define BATCH_CRC 17               /* uint32, CRC-32C of the bytes from BATCH_ATTRIBUTES on */
#define BATCH_ATTRIBUTES 21        /* int16, see below */
#define BATCH_LAST_OFFSET_DELTA 23 /* int32 */
#define BATCH_BASE_TIMESTAMP 27    /* int64 */
#define BATCH_MAX_TIMESTAMP 35     /* int64 */
#define BATCH_PRODUCER_ID 43       /* int64, -1: not idempotent */
#define BATCH_PRODUCER_EPOCH 51    /* int16 */
#define BATCH_BASE_SEQUENCE 53     /* int32 */
#define BATCH_RECORD_COUNT 57      /* int32 */
#define BATCH_HEADER_BYTES 61      /* the records follow */

#define BATCH_PREFIX_BYTES 12 /* base offset and length: not counted by BATCH_LENGTH */
#define BATCH_MAGIC_V2 2

#define ATTRIBUTE_CODEC 0x07 /* enum maplog_compression */
#define ATTRIBUTE_LOG_APPEND_TIME 0x08
#define ATTRIBUTE_TRANSACTIONAL 0x10
#define ATTRIBUTE_CONTROL 0x20
#define ATTRIBUTE_DELETE_HORIZON 0x40

/* .index: the last offset of the batch that begins at position. */
#define INDEX_ENTRY_BYTES 8 /* int32 relative offset, int32 position */
/* .timeindex: the largest timestamp so far, and the last offset of the batch that holds it. */
#define TIMEINDEX_ENTRY_BYTES 12 /* int64 timestamp, int32 relative offset */

#define SEGMENT_NAME_BYTES 20 /* base offset in decimal, zero-padded, then the suffix */
#define SEGMENT_LOG_SUFFIX ".log"
#define SEGMENT_INDEX_SUFFIX ".index"
#define SEGMENT_TIMEINDEX_SUFFIX ".timeindex"
