/* index_test.c - look-ups against walks over the batches, and damaged indexes. */
#include "log/index.h"

#include "golden.h"
#include "log/indexer.h"

#define BATCHES 300
#define ROOM 4096

/* A segment of random batches, as far as an index knows one. */
struct model {
    struct {
        uint32_t first, last; /* relative offsets */
        uint32_t position, size;
        int64_t timestamp;     /* largest of the batch */
        int64_t max_timestamp; /* largest up to this batch */
    } batches[BATCHES];
    uint8_t index[ROOM], timeindex[ROOM];
    struct indexer_parts parts;
};

static struct model model;

/* gaps: offsets are missing within and between batches, as in a compacted log. */
static void make_segment(uint64_t *random, uint32_t interval, bool gaps)
{
    uint32_t next = 0, position = 0;
    int64_t time = GOLDEN_TIME, largest = -1;
    struct indexer indexer;
    memset(&model, 0, sizeof model);
    model.parts = (struct indexer_parts){.index = model.index,
                                         .index_room = ROOM,
                                         .timeindex = model.timeindex,
                                         .timeindex_room = ROOM};
    indexer_init(&indexer, interval);
    for (int i = 0; i < BATCHES; i++) {
        if (gaps)
            next += (uint32_t)(golden_random(random) % 5);
        time += (int64_t)(golden_random(random) % 21) - 8; /* not always ahead */
        largest = time > largest ? time : largest;
        model.batches[i].first = next;
        model.batches[i].last = next + (uint32_t)(golden_random(random) % 10);
        model.batches[i].position = position;
        model.batches[i].size = 62 + (uint32_t)(golden_random(random) % 1000);
        model.batches[i].timestamp = time;
        model.batches[i].max_timestamp = largest;
        if (indexer_add(&indexer, model.batches[i].size, time, model.batches[i].last))
            indexer_put(&indexer, &model.parts, position, model.batches[i].last);
        next = model.batches[i].last + 1;
        position += model.batches[i].size;
    }
    if (golden_random(random) & 1)
        indexer_end(&indexer, &model.parts);
}

static int batch_at(uint32_t position)
{
    for (int i = 0; i < BATCHES; i++) {
        if (model.batches[i].position == position)
            return i;
    }
    fail_msg("no batch begins at %u", position);
    return -1;
}

/* The first batch that holds the offset, or lies behind it. */
static int batch_of(uint32_t relative)
{
    int i = 0;
    while (i < BATCHES && model.batches[i].last < relative)
        i++;
    return i;
}

static void check_offsets(size_t bytes)
{
    uint32_t end = model.batches[BATCHES - 1].last + 3;
    for (uint32_t relative = 0; relative < end; relative++) {
        uint32_t position = index_find(model.index, bytes, relative);
        int from = batch_at(position), holder = batch_of(relative);
        assert_true(from <= holder);
        /* No other entry is nearer. */
        for (size_t i = 0; i < model.parts.index_bytes / INDEX_ENTRY_BYTES; i++) {
            uint32_t entry = bytes_load32(model.index + i * INDEX_ENTRY_BYTES + 4);
            if (bytes_load32(model.index + i * INDEX_ENTRY_BYTES) <= relative)
                assert_true(entry <= position);
        }
        if (position > 0)
            assert_true(model.batches[from].last <= relative);
        if (position > 0 && model.batches[from].last == relative)
            assert_int_equal(from, holder);
    }
}

/* bytes: a tail of zeros is passed over. */
static void check_positions(size_t bytes)
{
    uint32_t end = model.batches[BATCHES - 1].position;
    for (uint32_t position = 0; position <= end + 100; position += 13) {
        uint32_t relative = 0, found = 0, nearest = 0;
        bool is_there = index_find_position(model.index, bytes, position, &relative, &found);
        for (size_t i = 0; i < model.parts.index_bytes / INDEX_ENTRY_BYTES; i++) {
            uint32_t entry = bytes_load32(model.index + i * INDEX_ENTRY_BYTES + 4);
            nearest = entry <= position ? entry : nearest;
        }
        assert_int_equal(is_there, nearest > 0);
        assert_int_equal(found, nearest);
        if (is_there)
            assert_int_equal(model.batches[batch_at(found)].last, relative);
    }
}

static void check_times(size_t bytes)
{
    int64_t last = model.batches[BATCHES - 1].max_timestamp;
    for (int64_t time = GOLDEN_TIME - 20; time <= last + 2; time++) {
        uint32_t from = timeindex_find(model.timeindex, bytes, time);
        int first = 0;
        while (first < BATCHES && model.batches[first].timestamp < time)
            first++;
        /* Everything before `from` is older. */
        assert_true(batch_of(from) <= first);
        for (size_t i = 0; i < model.parts.timeindex_bytes / TIMEINDEX_ENTRY_BYTES; i++) {
            const uint8_t *entry = model.timeindex + i * TIMEINDEX_ENTRY_BYTES;
            if ((int64_t)bytes_load64(entry) < time)
                assert_true(bytes_load32(entry + 8) < from);
        }
    }
}

static void look_ups_agree_with_walks(void **state)
{
    (void)state;
    static const uint32_t intervals[] = {0, 1, 500, 4096, 20000, 1u << 30};
    uint64_t random = 17;
    for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        for (int gaps = 0; gaps < 2; gaps++) {
            make_segment(&random, intervals[i], gaps);
            check_offsets(model.parts.index_bytes);
            check_positions(model.parts.index_bytes);
            check_times(model.parts.timeindex_bytes);
            /* The same with a tail of zeros. */
            check_offsets(ROOM);
            check_positions(ROOM);
            check_times(ROOM);
            assert_int_equal(index_valid_bytes(model.index, ROOM), model.parts.index_bytes);
            assert_int_equal(timeindex_valid_bytes(model.timeindex, ROOM),
                             model.parts.timeindex_bytes);
        }
    }
}

static void an_empty_index_sends_to_the_beginning(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    uint32_t relative = 5, position = 6;
    int64_t timestamp = 7;
    for (size_t bytes = 0; bytes <= sizeof zeros; bytes++) {
        assert_int_equal(index_find(zeros, bytes, 100), 0);
        assert_int_equal(timeindex_find(zeros, bytes, GOLDEN_TIME), 0);
        assert_int_equal(index_valid_bytes(zeros, bytes), 0);
        assert_int_equal(timeindex_valid_bytes(zeros, bytes), 0);
    }
    assert_false(index_last(zeros, INDEX_ENTRY_BYTES - 1, &relative, &position));
    assert_false(timeindex_last(zeros, TIMEINDEX_ENTRY_BYTES - 1, &timestamp, &relative));
    assert_int_equal(relative, 5);
    assert_int_equal(position, 6);
    assert_int_equal(timestamp, 7);
}

static void entries_are_kafkas(void **state)
{
    (void)state;
    static const uint8_t index[] = {0, 0, 0x12, 0x34, 0x00, 0x01, 0x00, 0x02};
    static const uint8_t timeindex[] = {0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0x12, 0x34};
    uint8_t bytes[40] = {0};
    index_put(bytes, 8, 0x1234, 0x10002);
    assert_memory_equal(bytes + 8, index, sizeof index);
    timeindex_put(bytes, 24, GOLDEN_TIME, 0x1234);
    assert_memory_equal(bytes + 24, timeindex, sizeof timeindex);
    uint32_t relative, position;
    int64_t timestamp;
    assert_true(index_last(bytes, 16 + 7, &relative, &position)); /* a part of an entry is none */
    assert_int_equal(relative, 0x1234);
    assert_int_equal(position, 0x10002);
    assert_true(timeindex_last(bytes, 36, &timestamp, &relative));
    assert_int_equal(timestamp, GOLDEN_TIME);
    assert_int_equal(relative, 0x1234);
}

static size_t put_three(uint8_t *index, const uint32_t entries[3][2])
{
    for (size_t i = 0; i < 3; i++)
        index_put(index, i * INDEX_ENTRY_BYTES, entries[i][0], entries[i][1]);
    return index_valid_bytes(index, 3 * INDEX_ENTRY_BYTES + 5) / INDEX_ENTRY_BYTES;
}

static void entries_that_do_not_ascend_end_the_valid_ones(void **state)
{
    (void)state;
    uint8_t index[64] = {0}, timeindex[64] = {0};
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 100}, {6, 200}, {7, 300}}), 3);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 100}, {6, 200}, {6, 300}}), 2);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 100}, {6, 100}, {7, 300}}), 1);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 100}, {4, 200}, {7, 300}}), 1);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 0}, {6, 200}, {7, 300}}), 0);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{0, 9}, {6, 200}, {7, 300}}), 0);
    assert_int_equal(
        put_three(index, (const uint32_t[3][2]){{5, 100}, {6, 200}, {0x80000000u, 300}}), 2);
    assert_int_equal(put_three(index, (const uint32_t[3][2]){{5, 100}, {6, 0xffffffffu}, {7, 300}}),
                     1);

    static const struct {
        int64_t times[3];
        uint32_t relatives[3];
        size_t valid;
    } cases[] = {
        {{1, 2, 3}, {0, 1, 2}, 3}, {{0, 2, 3}, {1, 2, 3}, 3},  {{0, 1, 2}, {0, 1, 2}, 3},
        {{0, 0, 0}, {0, 0, 0}, 0}, {{1, 1, 3}, {0, 1, 2}, 1},  {{1, 2, 2}, {0, 1, 2}, 2},
        {{1, 2, 3}, {0, 0, 2}, 1}, {{-1, 2, 3}, {0, 1, 2}, 0}, {{1, 2, 3}, {0, 1, 1u << 31}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t entry = 0; entry < 3; entry++)
            timeindex_put(timeindex, entry * TIMEINDEX_ENTRY_BYTES, cases[i].times[entry],
                          cases[i].relatives[entry]);
        assert_int_equal(timeindex_valid_bytes(timeindex, 3 * TIMEINDEX_ENTRY_BYTES + 11),
                         cases[i].valid * TIMEINDEX_ENTRY_BYTES);
    }
}

/* Any bytes: a look-up ends, reads inside only (address sanitizer) and answers with what an entry
 * says, or 0. */
static void damaged_indexes_are_survived(void **state)
{
    (void)state;
    uint64_t random = 23;
    for (int round = 0; round < 2000; round++) {
        make_segment(&random, 1000, false);
        size_t bytes = golden_random(&random) % (model.parts.index_bytes + 1);
        size_t time_bytes = golden_random(&random) % (model.parts.timeindex_bytes + 1);
        uint8_t *index = malloc(bytes + !bytes), *timeindex = malloc(time_bytes + !time_bytes);
        memcpy(index, model.index, bytes);
        memcpy(timeindex, model.timeindex, time_bytes);
        for (int i = 0; i < round % 50; i++) {
            if (bytes)
                index[golden_random(&random) % bytes] = (uint8_t)golden_random(&random);
            if (time_bytes)
                timeindex[golden_random(&random) % time_bytes] = (uint8_t)golden_random(&random);
        }
        uint32_t relative = (uint32_t)golden_random(&random) % 2000;
        uint32_t position = index_find(index, bytes, relative);
        bool known = position == 0;
        for (size_t i = 0; i + INDEX_ENTRY_BYTES <= bytes; i += INDEX_ENTRY_BYTES)
            known |= bytes_load32(index + i + 4) == position;
        assert_true(known);
        uint32_t from = timeindex_find(timeindex, time_bytes, GOLDEN_TIME + relative);
        known = from == 0;
        for (size_t i = 0; i + TIMEINDEX_ENTRY_BYTES <= time_bytes; i += TIMEINDEX_ENTRY_BYTES)
            known |= bytes_load32(timeindex + i + 8) + 1 == from;
        assert_true(known);
        assert_true(index_valid_bytes(index, bytes) <= bytes);
        assert_true(timeindex_valid_bytes(timeindex, time_bytes) <= time_bytes);
        free(index);
        free(timeindex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(look_ups_agree_with_walks),
        cmocka_unit_test(an_empty_index_sends_to_the_beginning),
        cmocka_unit_test(entries_are_kafkas),
        cmocka_unit_test(entries_that_do_not_ascend_end_the_valid_ones),
        cmocka_unit_test(damaged_indexes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
