/* producer_snapshot_test.c - Kafka's snapshot file: its bytes, and which of a partition's stay. */
#include "producer_batches.h"

/* Producer 4711 with epoch 3: its last batch had sequences 97 to 99 and ended at offset 41. And
 * producer 5, of which only the epoch is known. */
static const struct producers_entry entries[] = {
    {4711, 3, 99, 41, 2, BATCH_NOW},
    {5, 0, -1, -1, 0, -1},
};
static const uint8_t golden[] = {
    0,    1,                                        /* version */
    0xc5, 0xb0, 0x6c, 0x3f,                         /* CRC */
    0,    0,    0,    2,                            /* producers */
    0,    0,    0,    0,    0,    0,    0x12, 0x67, /* id */
    0,    3,                                        /* epoch */
    0,    0,    0,    99,                           /* last sequence */
    0,    0,    0,    0,    0,    0,    0,    41,   /* last offset */
    0,    0,    0,    2,                            /* offset delta */
    0,    0,    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, /* timestamp */
    0xff, 0xff, 0xff, 0xff,                         /* coordinator epoch */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* offset of its transaction */
    0,    0,    0,    0,    0,    0,    0,    5,    /* id */
    0,    0,                                        /* epoch */
    0xff, 0xff, 0xff, 0xff,                         /* last sequence */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* last offset */
    0,    0,    0,    0,                            /* offset delta */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* timestamp */
    0xff, 0xff, 0xff, 0xff,                         /* coordinator epoch */
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* offset of its transaction */
};

static void bytes_are_kafkas(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    assert_ok(producer_snapshot_encode(entries, 2, &bytes, &size));
    assert_int_equal(size, sizeof golden);
    assert_memory_equal(bytes, golden, size);
    free(bytes);
}

static void bytes_are_read(void **state)
{
    (void)state;
    struct producers_entry *found;
    size_t count;
    assert_ok(producer_snapshot_decode(golden, sizeof golden, &found, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i].producer_id, entries[i].producer_id);
        assert_int_equal(found[i].epoch, entries[i].epoch);
        assert_int_equal(found[i].last_sequence, entries[i].last_sequence);
        assert_int_equal(found[i].last_offset, entries[i].last_offset);
        assert_int_equal(found[i].offset_delta, entries[i].offset_delta);
        assert_int_equal(found[i].timestamp, entries[i].timestamp);
    }
    free(found);
}

static void a_snapshot_may_be_empty(void **state)
{
    (void)state;
    uint8_t *bytes;
    struct producers_entry *found;
    size_t size, count;
    assert_ok(producer_snapshot_encode(NULL, 0, &bytes, &size));
    assert_int_equal(size, PRODUCER_SNAPSHOT_HEADER);
    assert_ok(producer_snapshot_decode(bytes, size, &found, &count));
    assert_int_equal(count, 0);
    free(found);
    free(bytes);
}

static void damage_is_seen(void **state)
{
    (void)state;
    struct producers_entry *found;
    size_t count;
    for (size_t at = 0; at < sizeof golden; at++) {
        uint8_t bytes[sizeof golden];
        memcpy(bytes, golden, sizeof bytes);
        bytes[at] ^= 4;
        assert_code(at < 2 ? MAPLOG_VERSION : MAPLOG_CORRUPT,
                    producer_snapshot_decode(bytes, sizeof bytes, &found, &count));
    }
    for (size_t size = 0; size < sizeof golden; size++)
        assert_code(MAPLOG_CORRUPT, producer_snapshot_decode(golden, size, &found, &count));
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct producers_entry impossible[] = {
        {-1, 0, 0, 0, 0, 0}, {0, -2, 0, 0, 0, 0}, {0, 0, -2, 0, 0, 0},
        {0, 0, 0, -2, 0, 0}, {0, 0, 0, 0, -1, 0}, {0, 0, 0, 6, 7, 0},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        uint8_t *bytes;
        struct producers_entry *found;
        size_t size, count;
        assert_ok(producer_snapshot_encode(&impossible[i], 1, &bytes, &size));
        assert_code(MAPLOG_CORRUPT, producer_snapshot_decode(bytes, size, &found, &count));
        bytes_store32(bytes + 6, INT32_MAX);
        bytes_store32(bytes + 2, crc32c(0, bytes + 6, size - 6));
        assert_code(MAPLOG_CORRUPT, producer_snapshot_decode(bytes, size, &found, &count));
        free(bytes);
    }
}

static void there_is_a_limit(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    assert_code(MAPLOG_LIMIT,
                producer_snapshot_encode(entries, LIMIT_SNAPSHOT / 46 + 1, &bytes, &size));
}

static void store(const struct producer_place *place, int64_t offset)
{
    assert_ok(producer_snapshot_store(place, offset, golden, sizeof golden, false));
}

static void the_newest_stay(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    const struct producer_place place = place_of(partition);
    int64_t offsets[8];
    assert_int_equal(snapshots_of(partition, offsets), 0);
    assert_ok(producer_snapshot_prune(&place, 5)); /* there is no directory yet */
    log_fill(partition, 1, 10, BATCH_NOW);
    for (int64_t offset = 70; offset > 0; offset -= 10)
        store(&place, offset);
    assert_ok(
        file_replace(log_directory->fd, "t-0/00000000000000000030.snapshot.tmp", "x", 1, false));
    assert_ok(producer_snapshot_prune(&place, 59));
    assert_int_equal(snapshots_of(partition, offsets), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(offsets[i], 30 + 10 * i);
    assert_false(file_exists(log_directory->fd, "t-0/00000000000000000030.snapshot.tmp"));
    assert_ok(producer_snapshot_prune(&place, 40));
    assert_int_equal(snapshots_of(partition, offsets), 2);
    assert_ok(producer_snapshot_prune(&place, -1));
    assert_int_equal(snapshots_of(partition, offsets), 0);
    assert_int_equal(log_walk(partition), 1);
}

static void they_are_copied(void **state)
{
    (void)state;
    struct partition *from = log_topic("from", NULL, NULL, NULL);
    struct partition *to = log_topic("to", NULL, NULL, NULL);
    const struct producer_place source = place_of(from), target = place_of(to);
    struct producers_entry *found;
    int64_t offsets[8];
    size_t count;
    log_fill(from, 1, 10, BATCH_NOW);
    log_fill(to, 1, 10, BATCH_NOW);
    assert_ok(producer_snapshot_copy(&source, &target, 100, true)); /* nothing */
    for (int64_t offset = 10; offset <= 50; offset += 10)
        store(&source, offset);
    assert_ok(producer_snapshot_copy(&source, &target, 40, true));
    assert_int_equal(snapshots_of(to, offsets), 3);
    assert_int_equal(offsets[0], 20);
    assert_int_equal(offsets[2], 40);
    assert_ok(producer_snapshot_load(&target, 40, &found, &count));
    assert_int_equal(count, 2);
    free(found);
    assert_code(MAPLOG_NOT_FOUND, producer_snapshot_load(&target, 50, &found, &count));
}

static void a_segment_takes_its_snapshot_along(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    const struct producer_place place = place_of(partition);
    int64_t bases[16], offsets[8];
    log_fill(partition, 10, 1000, BATCH_NOW);
    assert_true(log_segments(partition, bases) >= 3);
    for (int i = 0; i < 3; i++)
        store(&place, bases[i]);
    assert_ok(partition_delete_records(partition, bases[2]));
    assert_int_equal(snapshots_of(partition, offsets), 1);
    assert_int_equal(offsets[0], bases[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_kafkas),
        cmocka_unit_test(bytes_are_read),
        cmocka_unit_test(a_snapshot_may_be_empty),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test_setup_teardown(the_newest_stay, log_make, log_remove),
        cmocka_unit_test_setup_teardown(they_are_copied, log_make, log_remove),
        cmocka_unit_test_setup_teardown(a_segment_takes_its_snapshot_along, log_make, log_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
