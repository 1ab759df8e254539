/* validate_fixture.h - batches to be validated: known ones, built ones, changed ones. */
#pragma once

#include "log/validate.h"

#include "golden.h"

#include "log/builder.h"

#define HOUR_MS 3600000ll

static struct settings settings;
static struct validate_rules rules;
static uint8_t *bytes;
static size_t size;

static inline int make(void **state)
{
    (void)state;
    settings_default(&settings);
    rules = (struct validate_rules){.settings = &settings,
                                    .now_ms = GOLDEN_TIME,
                                    .timestamp_after_max_ms = HOUR_MS,
                                    .timestamp_before_max_ms = INT64_MAX,
                                    .zstd = true};
    bytes = NULL;
    return 0;
}

static inline int drop(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

static inline void take_golden(enum maplog_compression codec)
{
    free(bytes);
    bytes = golden_bytes(golden_batches[codec], &size);
}

struct plan {
    int records;
    enum maplog_compression codec;
    const char *key;      /* of all but the last; NULL: none */
    const char *last_key; /* of the last */
    unsigned keyless;     /* bits: the records without key all the same */
    int64_t timestamp;    /* of the first; each later one is 1 later */
    size_t value;
};

static inline void build(const struct plan *plan)
{
    struct builder builder;
    static char value[100000];
    assert_true(plan->value <= sizeof value);
    builder_init(&builder, plan->codec);
    for (int i = 0; i < plan->records; i++) {
        const char *key = i + 1 < plan->records ? plan->key : plan->last_key;
        if (i < 32 && plan->keyless >> i & 1)
            key = NULL;
        struct maplog_record record = {.key = key,
                                       .key_size = key ? strlen(key) : 0,
                                       .value = value,
                                       .value_size = plan->value};
        assert_int_equal(builder_add(&builder, &record, plan->timestamp + i), 0);
    }
    uint8_t *batch;
    assert_int_equal(builder_finish(&builder, &batch, &size), 0);
    free(bytes);
    bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, batch, size);
    builder_free(&builder);
}

static inline struct validated check(enum validate_reason reason, const char *text)
{
    struct validated validated;
    enum validate_reason found = validate_batch(bytes, size, &rules, &validated);
    if (found != reason)
        fail_msg("reason %d, expected %d: %s", found, reason, validated.text);
    assert_int_equal(validated.reason, reason);
    if (!strstr(validated.text, text))
        fail_msg("no \"%s\" in: %s", text, validated.text);
    if (reason == VALIDATE_GOOD)
        assert_string_equal(validated.text, "");
    return validated;
}

static inline void good(void)
{
    check(VALIDATE_GOOD, "");
}

static inline void put16(size_t at, uint16_t value)
{
    bytes_store16(bytes + at, value);
    golden_sign(bytes, size);
}

static inline void put32(size_t at, uint32_t value)
{
    bytes_store32(bytes + at, value);
    golden_sign(bytes, size);
}

static inline void put64(size_t at, uint64_t value)
{
    bytes_store64(bytes + at, value);
    golden_sign(bytes, size);
}
