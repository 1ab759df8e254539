/* producer_batches.h - batches of idempotent producers, for tests of what keeps their state. */
#pragma once

#include "log_fixture.h"

#include "base/crc32c.h"
#include "log/builder.h"
#include "log/producer_snapshot.h"
#include "log/producers.h"

#define BATCH_NOW 1700000000000ll

/* A batch as a client sends it. */
struct sent {
    int64_t producer;
    int16_t epoch;
    int32_t sequence; /* of the first record */
    int32_t records;
    int64_t timestamp; /* 0: BATCH_NOW */
    size_t value;      /* bytes of each */
    uint16_t attributes;
};

/* Its header as validate_batch() would give it; for the table alone. */
static inline struct batch header_of(struct sent sent)
{
    return (struct batch){.records = sent.records,
                          .last_offset = sent.records - 1,
                          .max_timestamp = sent.timestamp ? sent.timestamp : BATCH_NOW,
                          .producer_id = sent.producer,
                          .producer_epoch = sent.epoch,
                          .base_sequence = sent.sequence,
                          .attributes = sent.attributes};
}

/* Appends it to the log; its base offset. */
static inline int64_t append_sent(struct writer *writer, struct sent sent)
{
    static char value[8192];
    struct builder builder;
    struct appended appended;
    uint8_t *batch;
    size_t size;
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    struct maplog_record record = {.value = value, .value_size = sent.value};
    for (int32_t i = 0; i < sent.records; i++)
        assert_ok(builder_add(&builder, &record, sent.timestamp ? sent.timestamp : BATCH_NOW));
    assert_ok(builder_finish(&builder, &batch, &size));
    bytes_store64(batch + BATCH_PRODUCER_ID, (uint64_t)sent.producer);
    bytes_store16(batch + BATCH_PRODUCER_EPOCH, (uint16_t)sent.epoch);
    bytes_store32(batch + BATCH_BASE_SEQUENCE, (uint32_t)sent.sequence);
    bytes_store16(batch + BATCH_ATTRIBUTES, sent.attributes);
    bytes_store32(batch + BATCH_CRC, crc32c(0, batch + BATCH_ATTRIBUTES, size - BATCH_ATTRIBUTES));
    assert_ok(appender_append(&writer->appender, batch, size, &appended));
    builder_free(&builder);
    return appended.base_offset;
}

static inline enum producers_verdict ask(struct producers *producers, struct sent sent,
                                         int64_t *offset)
{
    struct batch batch = header_of(sent);
    struct producers_found found = {-1, -1};
    enum producers_verdict verdict = producers_check(producers, &batch, &found);
    *offset = found.base_offset;
    return verdict;
}

#define assert_verdict(expected, producers, ...)                                                   \
    do {                                                                                           \
        int64_t offset_;                                                                           \
        assert_int_equal(ask(producers, (struct sent){__VA_ARGS__}, &offset_), expected);          \
    } while (0)
#define assert_duplicate(expected_offset, producers, ...)                                          \
    do {                                                                                           \
        int64_t offset_;                                                                           \
        assert_int_equal(ask(producers, (struct sent){__VA_ARGS__}, &offset_),                     \
                         PRODUCERS_DUPLICATE);                                                     \
        assert_int_equal(offset_, expected_offset);                                                \
    } while (0)

static inline void add_sent(struct producers *producers, struct sent sent, int64_t base_offset)
{
    struct batch batch = header_of(sent);
    assert_ok(producers_add(producers, &batch, base_offset));
}

static inline struct producers *load_producers(struct partition *partition, const char *note)
{
    char told[256];
    struct producers *producers;
    assert_ok(producers_load(partition, told, &producers));
    if (note[0] ? !strstr(told, note) : told[0] != '\0')
        fail_msg("note \"%s\", expected \"%s\"", told, note);
    return producers;
}

/* Entries of producers_list(). */
struct listed {
    struct producers_entry entries[16];
    size_t count;
};

static inline int list_one(void *context, const struct producers_entry *entry)
{
    struct listed *listed = context;
    assert_true(listed->count < 16);
    listed->entries[listed->count++] = *entry;
    return 0;
}

static inline struct listed list_producers(const struct producers *producers)
{
    struct listed listed = {.count = 0};
    assert_int_equal(producers_list(producers, list_one, &listed), 0);
    return listed;
}

static inline struct producer_place place_of(const struct partition *partition)
{
    return (struct producer_place){partition->directory->fd, partition->name};
}

/* The snapshots of a partition, up to 8 of them; their number. */
static inline size_t snapshots_of(const struct partition *partition, int64_t offsets[static 8])
{
    const struct producer_place place = place_of(partition);
    struct segment_list list;
    assert_ok(producer_snapshot_list(&place, &list));
    assert_true(list.count <= 8);
    for (size_t i = 0; i < list.count; i++)
        offsets[i] = list.bases[i];
    size_t count = list.count;
    segment_list_free(&list);
    return count;
}
