/* validate_fuzz.c - a byte of settings, the others as a batch that a client sends, with a right CRC
 * so that more comes through: what is accepted and was looked into passes every check of the log.
 */
#include "log/validate.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

#define NOW_MS 1700000000000ll
#define OPTION_COMPACT 1
#define OPTION_APPEND_TIME 2
#define OPTION_BEFORE 4
#define OPTION_NO_ZSTD 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* What the visitor saw. */
struct blamed {
    int32_t first, last; /* -1: none */
};

static bool blame(void *context, int32_t record, const char *text)
{
    struct blamed *blamed = context;
    check(record > blamed->last && text[0]);
    if (blamed->first < 0)
        blamed->first = record;
    blamed->last = record;
    return record % 7 != 6;
}

static void look(struct validate_rules *rules, uint8_t *bytes, size_t size)
{
    struct validated validated;
    struct batch batch;
    struct blamed blamed = {-1, -1};
    rules->context = &blamed;
    enum validate_reason reason = validate_batch(bytes, size, rules, &validated);
    check(blamed.first == validated.record);
    check(reason == validated.reason && (reason == VALIDATE_GOOD) == (validated.text[0] == '\0'));
    check(validated.record >= -1 && (reason != VALIDATE_GOOD || validated.record == -1));
    if (reason != VALIDATE_GOOD)
        return;
    check(validated.batch.bytes == bytes && validated.batch.size == size);
    check(validated.batch.records == validated.batch.last_offset + 1);
    bytes_store64(bytes + BATCH_BASE_OFFSET, 0);
    check(batch_read(bytes, size, &batch) == 0 && batch_check_crc(&batch) == 0);
    check(batch.max_timestamp == validated.batch.max_timestamp);
    bool create_time = rules->settings->timestamp_type == TIMESTAMP_CREATE_TIME;
    if (create_time && (batch_codec(&batch) == MAPLOG_COMPRESSION_NONE || rules->settings->compact))
        check(batch_check_deep(bytes, size, &batch) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct settings settings;
    settings_default(&settings);
    settings.compact = data[0] & OPTION_COMPACT;
    settings.timestamp_type =
        data[0] & OPTION_APPEND_TIME ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME;
    struct validate_rules rules = {.settings = &settings,
                                   .now_ms = NOW_MS,
                                   .timestamp_after_max_ms = 3600000,
                                   .timestamp_before_max_ms =
                                       data[0] & OPTION_BEFORE ? 86400000 : INT64_MAX,
                                   .zstd = !(data[0] & OPTION_NO_ZSTD),
                                   .blame = blame};
    uint8_t *bytes = malloc(size);
    check(bytes != NULL);
    memcpy(bytes, data + 1, --size);
    if (size >= BATCH_HEADER_BYTES) {
        bytes_store32(bytes + BATCH_LENGTH, (uint32_t)(size - BATCH_PREFIX_BYTES));
        bytes_store32(bytes + BATCH_CRC,
                      crc32c(0, bytes + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
    }
    look(&rules, bytes, size);
    free(bytes);
    return 0;
}
