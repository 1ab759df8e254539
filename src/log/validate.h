/*
 * validate.h - what a batch must be before it may be appended: the rules of Kafka's broker, for
 * every door. Pure; any thread.
 *
 * The rules are Kafka's, with its answers, but for these:
 *   - Base offset and leader epoch may be anything: the append sets them.
 *   - Transactions are not offered: the transactional bit is refused, as the control bit is.
 *   - The offset deltas of uncompressed records must be 0, 1, 2, ...; Kafka does not look there.
 *   - A compressed batch is unfolded only when somebody needs what is in it: the keys, in a
 *     compacted topic, or a largest timestamp that its header cannot have right.
 * As there, one record's missing key or wrong timestamp does not end the search for others; what
 * cannot be read does. Negative timestamps are no error there either; -1 means none, and no limit
 * is for it.
 */
#pragma once

#include "log/batch.h"
#include "log/settings.h"

#define VALIDATE_TEXT 160 /* bytes of what is said of an error, with the NUL */

/* Why a batch is refused; the Kafka door has an error code for each. */
enum validate_reason {
    VALIDATE_GOOD = 0,
    VALIDATE_TOO_LARGE,      /* above max.message.bytes */
    VALIDATE_CORRUPT,        /* length, CRC: sent again it may be good */
    VALIDATE_INVALID_RECORD, /* count, offsets, bits, sequence, key missing, record bytes, more than
                                one batch or none, an old magic */
    VALIDATE_TIMESTAMP,      /* outside of what the settings allow */
    VALIDATE_SEGMENT_TOO_SMALL, /* above segment.bytes */
    VALIDATE_CODEC,             /* zstd where the client's version does not know it */
};

struct validate_rules {
    const struct settings *settings;
    int64_t now_ms;
    int64_t timestamp_after_max_ms;  /* later than now by more: refused; INT64_MAX: no limit */
    int64_t timestamp_before_max_ms; /* earlier than now by more: refused; INT64_MAX: no limit */
    bool zstd;                       /* allowed */
    /* Told of each record that is to blame, in their order; false: that is enough of them. The text
     * is valid within the call. NULL: the first alone is wanted. */
    bool (*blame)(void *context, int32_t record, const char *text);
    void *context;
};

struct validated {
    struct batch batch;
    enum validate_reason reason;
    int32_t record; /* index within the batch of the first record to blame, -1: the batch */
    char text[VALIDATE_TEXT]; /* says what is wrong; "" when good */
};

/* Checks that `size` bytes are exactly one good batch: header, CRC, and the records of an
 * uncompressed one. Answers VALIDATE_GOOD with the batch read (its base offset as 0), or the
 * reason.
 *
 * Some clients get the largest timestamp of the header wrong (older ones write -1). As in Kafka it
 * is corrected in the bytes, with the CRC, when the topic has CreateTime: refusing it would lock
 * them out, and a wrong one would mislead look-ups by time and retention. */
enum validate_reason validate_batch(uint8_t *bytes, size_t size, const struct validate_rules *rules,
                                    struct validated *validated);
