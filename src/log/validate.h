/*
 * validate.h - what a batch must be before it may be appended: the rules of Kafka's broker, for
 * every door. Pure; any thread.
 */
#pragma once

#include "log/batch.h"
#include "log/settings.h"

/* Why a batch is refused; the Kafka door has an error code for each. */
enum validate_reason {
    VALIDATE_GOOD = 0,
    VALIDATE_TOO_LARGE,       /* above max.message.bytes */
    VALIDATE_CORRUPT,         /* length, magic, CRC */
    VALIDATE_INVALID_RECORD,  /* count, offsets, control bit, sequence, key missing, record bytes */
    VALIDATE_TIMESTAMP,       /* outside of what the settings allow */
    VALIDATE_SEGMENT_TOO_SMALL, /* above segment.bytes */
    VALIDATE_CODEC,           /* zstd where the client's version does not know it */
};

struct validate_rules {
    const struct settings *settings;
    int64_t now_ms;
    int64_t timestamp_after_max_ms;  /* later than now by more: refused; INT64_MAX: no limit */
    int64_t timestamp_before_max_ms; /* earlier than now by more: refused; INT64_MAX: no limit */
    bool zstd;                       /* allowed */
};

struct validated {
    struct batch batch;
    enum validate_reason reason;
    int32_t record;     /* index within the batch of the record that is to blame, -1: the batch */
    char text[160];     /* says what is wrong; "" when good */
};

/* Checks that `size` bytes are exactly one good batch: header, CRC, and the records of an
 * uncompressed one; a compressed one is only unfolded when its topic is compacted and keys matter.
 * Answers VALIDATE_GOOD with the batch read, or the reason. */
enum validate_reason validate_batch(const uint8_t *bytes, size_t size,
                                    const struct validate_rules *rules,
                                    struct validated *validated);
