/* indexer_test.c - which batches get index entries, as in Kafka's LogSegment.append. */
#include "segment_files.h"

#include "log/indexer.h"

#define INTERVAL 300

static struct indexer indexer;
static uint8_t index_bytes[4096], timeindex_bytes[4096];

static struct indexer_parts empty_parts(void)
{
    memset(index_bytes, 0, sizeof index_bytes);
    memset(timeindex_bytes, 0, sizeof timeindex_bytes);
    return (struct indexer_parts){.index = index_bytes,
                                  .index_room = sizeof index_bytes,
                                  .timeindex = timeindex_bytes,
                                  .timeindex_room = sizeof timeindex_bytes};
}

static void an_entry_is_due_when_more_than_the_interval_lies_behind(void **state)
{
    (void)state;
    indexer_init(&indexer, 100);
    assert_false(indexer_add(&indexer, 60, 5, 0));
    assert_false(indexer_add(&indexer, 40, 6, 1)); /* 60 bytes */
    assert_false(indexer_add(&indexer, 1, 6, 2));  /* exactly 100 */
    assert_true(indexer_add(&indexer, 70, 6, 3));  /* 101 */
    assert_int_equal(indexer.bytes_since, 70);
    assert_false(indexer_add(&indexer, 70, 6, 4));
    assert_true(indexer_add(&indexer, 70, 6, 5));
}

static void interval_0_indexes_all_but_the_first(void **state)
{
    (void)state;
    indexer_init(&indexer, 0);
    assert_false(indexer_add(&indexer, 61, 1, 0));
    assert_true(indexer_add(&indexer, 61, 1, 1));
    assert_true(indexer_add(&indexer, 61, 1, 2));
}

static void the_first_batch_with_the_largest_timestamp_counts(void **state)
{
    (void)state;
    indexer_init(&indexer, 100);
    assert_int_equal(indexer.max_timestamp, -1);
    indexer_note(&indexer, 10, 7, 3);
    indexer_note(&indexer, 10, 7, 5);
    indexer_note(&indexer, 10, 2, 9);
    assert_int_equal(indexer.max_timestamp, 7);
    assert_int_equal(indexer.max_timestamp_relative, 3);
    assert_int_equal(indexer.bytes_since, 30);
}

/* 20 batches of one record, offsets 2 apart, from base 1000 on; timestamps 3 at a time the same,
 * and the last one larger than all. */
static int time_of(int i)
{
    return i == 19 ? 100 : i / 3;
}

static struct segment_bytes make_log(void)
{
    struct segment_bytes log = {0};
    for (int i = 0; i < 20; i++)
        bytes_batch(&log, (struct batch_plan){.base_offset = 1000 + i * 2,
                                              .value = 40 + (size_t)i * 2,
                                              .timestamp = FILES_NOW + time_of(i)});
    return log;
}

static void a_build_gives_what_kafka_writes(void **state)
{
    (void)state;
    struct segment_bytes log = make_log();
    struct indexer_parts parts = empty_parts();
    indexer_init(&indexer, INTERVAL);
    assert_int_equal(indexer_build(&indexer, log.bytes, log.size, 1000, &parts), log.size);
    /* The rule once more, spelled out. */
    size_t entries = 0, time_entries = 0, position = 0;
    uint32_t since = 0;
    int64_t indexed = -1;
    for (int i = 0; i < 20; i++) {
        uint32_t size = BATCH_PREFIX_BYTES + bytes_load32(log.bytes + position + BATCH_LENGTH);
        if (since > INTERVAL) {
            assert_int_equal(bytes_load32(index_bytes + entries * 8), i * 2);
            assert_int_equal(bytes_load32(index_bytes + entries * 8 + 4), position);
            entries++;
            since = 0;
            if (time_of(i) > indexed) {
                indexed = time_of(i);
                const uint8_t *entry = timeindex_bytes + time_entries++ * 12;
                assert_int_equal(bytes_load64(entry), FILES_NOW + time_of(i));
                assert_int_equal(bytes_load32(entry + 8), i / 3 * 3 * 2);
            }
        }
        since += size;
        position += size;
    }
    assert_true(entries > 4 && time_entries > 2);
    assert_int_equal(parts.index_bytes, entries * 8);
    assert_int_equal(parts.timeindex_bytes, time_entries * 12);
    assert_true(indexed < 100);
    indexer_end(&indexer, &parts);
    assert_int_equal(parts.timeindex_bytes, (time_entries + 1) * 12);
    assert_int_equal(bytes_load64(timeindex_bytes + time_entries * 12), FILES_NOW + 100);
    assert_int_equal(bytes_load32(timeindex_bytes + time_entries * 12 + 8), 38);
    indexer_end(&indexer, &parts); /* once is enough */
    assert_int_equal(parts.timeindex_bytes, (time_entries + 1) * 12);
    bytes_release(&log);
}

static void a_build_ends_before_what_is_no_batch(void **state)
{
    (void)state;
    struct segment_bytes log = make_log();
    size_t end = log.size;
    bytes_add(&log, NULL, 100);
    struct indexer_parts parts = empty_parts();
    indexer_init(&indexer, INTERVAL);
    assert_int_equal(indexer_build(&indexer, log.bytes, log.size, 1000, &parts), end);
    bytes_release(&log);
}

static void without_room_entries_are_left_out(void **state)
{
    (void)state;
    struct segment_bytes log = make_log();
    struct indexer_parts parts = empty_parts();
    parts.index_room = 17;
    parts.timeindex_room = 11;
    indexer_init(&indexer, INTERVAL);
    indexer_build(&indexer, log.bytes, log.size, 1000, &parts);
    indexer_end(&indexer, &parts);
    assert_int_equal(parts.index_bytes, 16);
    assert_int_equal(parts.timeindex_bytes, 0);
    bytes_release(&log);
}

static bool sound(const struct segment_bytes *log, const struct indexer_parts *parts)
{
    return indexer_sound(INTERVAL, log->bytes, log->size, 1000, parts);
}

static void what_a_build_gives_is_sound_and_damage_is_not(void **state)
{
    (void)state;
    struct segment_bytes log = make_log();
    struct indexer_parts parts = empty_parts();
    assert_false(sound(&log, &parts)); /* entries are missing */
    indexer_init(&indexer, INTERVAL);
    indexer_build(&indexer, log.bytes, log.size, 1000, &parts);
    assert_false(sound(&log, &parts)); /* the last time entry is missing */
    indexer_end(&indexer, &parts);
    assert_true(sound(&log, &parts));
    struct indexer_parts whole = parts;
    parts.index_bytes -= 8;
    assert_false(sound(&log, &parts));
    parts.index_bytes += 4;
    assert_false(sound(&log, &parts));
    parts = whole;
    parts.index_bytes += 8; /* an entry of zeros */
    assert_false(sound(&log, &parts));
    parts = whole;
    index_bytes[parts.index_bytes - 1] ^= 1; /* the last entry points into a batch */
    assert_false(sound(&log, &parts));
    index_bytes[parts.index_bytes - 1] ^= 1;
    index_bytes[parts.index_bytes - 5] ^= 1; /* ... or has another offset */
    assert_false(sound(&log, &parts));
    index_bytes[parts.index_bytes - 5] ^= 1;
    index_bytes[3] ^= 0xff; /* does not ascend */
    assert_false(sound(&log, &parts));
    index_bytes[3] ^= 0xff;
    assert_true(sound(&log, &parts));
    log.size = 100; /* entries point behind the end */
    assert_false(sound(&log, &parts));
    bytes_release(&log);
}

static void agreement_is_found_entry_by_entry(void **state)
{
    (void)state;
    struct segment_bytes log = make_log();
    struct indexer_parts parts = empty_parts(), again;
    indexer_init(&indexer, INTERVAL);
    indexer_build(&indexer, log.bytes, log.size, 1000, &parts);
    for (int change = -1; change < (int)(parts.index_bytes + parts.timeindex_bytes); change++) {
        uint8_t *changed = change < 0 ? NULL
                           : change < (int)parts.index_bytes
                               ? index_bytes + change
                               : timeindex_bytes + change - parts.index_bytes;
        if (changed)
            *changed ^= 1;
        again = parts;
        again.index_bytes = again.timeindex_bytes = 0;
        bool agrees = true;
        indexer_init(&indexer, INTERVAL);
        for (size_t position = 0; position < log.size;) {
            struct batch batch = {0};
            assert_ok(batch_read(log.bytes + position, log.size - position, &batch));
            uint32_t relative = (uint32_t)(batch.last_offset - 1000);
            if (indexer_add(&indexer, batch.size, batch.max_timestamp, relative) && agrees)
                agrees = indexer_agrees(&indexer, &again, (uint32_t)position, relative);
            position += batch.size;
        }
        assert_int_equal(agrees, changed == NULL);
        if (changed)
            *changed ^= 1;
        else
            assert_int_equal(again.index_bytes, parts.index_bytes);
    }
    bytes_release(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_due_when_more_than_the_interval_lies_behind),
        cmocka_unit_test(interval_0_indexes_all_but_the_first),
        cmocka_unit_test(the_first_batch_with_the_largest_timestamp_counts),
        cmocka_unit_test(a_build_gives_what_kafka_writes),
        cmocka_unit_test(a_build_ends_before_what_is_no_batch),
        cmocka_unit_test(without_room_entries_are_left_out),
        cmocka_unit_test(what_a_build_gives_is_sound_and_damage_is_not),
        cmocka_unit_test(agreement_is_found_entry_by_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
