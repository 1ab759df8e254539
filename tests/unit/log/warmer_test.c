/* warmer_test.c - what is populated ahead, how far, and where not. */
#include "log_fixture.h"

#include <errno.h>

#include "log/durable.h"
#include "log/warmer.h"
#include "os/map.h"

#define MIB (1u << 20)

static struct writer writer;
static struct warmer warmer;
static int64_t now_ms;

/* A partition with a segment allocated for `bytes`, and one record in it. */
static struct partition *prepared(const char *topic, const char *config, uint64_t bytes)
{
    struct partition *partition = log_topic(topic, config, NULL, NULL);
    writer_open(partition, &writer);
    now_ms = clock_wall_ms();
    assert_int_equal(writer_put(&writer, 100, 1), 0);
    struct segment_sizes sizes = segment_allocation(bytes);
    assert_ok(partition->store->allocate(writer.appender.segment, &sizes));
    uint64_t parity = load_relaxed(&partition->control->rolls) & 1;
    store_release(&partition->control->allocated[parity], (uint32_t)bytes);
    warmer = (struct warmer){.partition = partition};
    store_relaxed(&partition->appended_ms, now_ms);
    return partition;
}

/* Rounds until nothing more is populated; the bytes. */
static uint64_t warm(uint64_t budget)
{
    uint64_t all = 0, bytes;
    while ((bytes = warmer_round(&warmer, now_ms, budget - all)) > 0) {
        assert_true(bytes <= WARMER_STEP);
        all += bytes;
    }
    return all;
}

/* Pretends that the published end moved on by `bytes`. */
static void publish(struct partition *partition, uint32_t bytes)
{
    struct partition_end end;
    partition_end(partition, &end);
    store_release(&partition->control->published[end.rolls & 1],
                  end.word + PUBLISHED_WORD(bytes, 0));
}

static void it_stays_two_mebibytes_ahead_at_least(void **state)
{
    (void)state;
    prepared("least", NULL, 32 * MIB);
    uint64_t bytes = warm(LIMIT_WARM_DIRECTORY);
    assert_true(bytes >= 2 * MIB && bytes <= 4 * MIB);
    assert_true(warmer_ahead(&warmer) >= 2 * MIB);
    assert_true(writer.appender.segment->populated);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
    writer_close(&writer);
}

static void it_looks_as_far_ahead_as_was_appended_lately(void **state)
{
    (void)state;
    struct partition *partition = prepared("window", NULL, 64 * MIB);
    warm(LIMIT_WARM_DIRECTORY);
    now_ms += 50;
    store_relaxed(&partition->appended_ms, now_ms);
    publish(partition, 20 * MIB);
    warm(LIMIT_WARM_DIRECTORY);
    assert_true(warmer_ahead(&warmer) >= 20 * MIB && warmer_ahead(&warmer) <= 22 * MIB);
    /* The flow thins out: a trickle needs little ahead, what lies ready is used up first. */
    for (int i = 0; i < 3; i++) {
        now_ms += WARMER_WINDOW_MS;
        store_relaxed(&partition->appended_ms, now_ms);
        publish(partition, 6 * MIB);
        warm(LIMIT_WARM_DIRECTORY);
    }
    assert_true(warmer_ahead(&warmer) <= 10 * MIB);
    writer_close(&writer);
}

static void it_never_goes_beyond_what_is_allocated(void **state)
{
    (void)state;
    struct partition *partition = prepared("allocated", NULL, MIB + 4096);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), MIB + 4096);
    uint64_t parity = load_relaxed(&partition->control->rolls) & 1;
    store_release(&partition->control->allocated[parity], 0); /* as a roll does before it seals */
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
    writer_close(&writer);
}

static void it_keeps_to_its_budget(void **state)
{
    (void)state;
    prepared("budget", NULL, 32 * MIB);
    assert_int_equal(warm(65536), 65536);
    assert_int_equal(warmer_round(&warmer, now_ms, 0), 0);
    writer_close(&writer);
}

static void a_partition_that_others_append_to_is_left_cold(void **state)
{
    (void)state;
    struct partition *partition = prepared("others", NULL, 32 * MIB);
    store_relaxed(&partition->appended_ms, now_ms - WARMER_WINDOW_MS - 1);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
    writer_close(&writer);
    struct directory *other = log_attach();
    warmer = (struct warmer){.partition = log_partition(other, "others")};
    store_relaxed(&warmer.partition->appended_ms, now_ms);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0); /* it has no writable mapping */
    directory_drop(other);
}

static void a_durable_partition_is_left_cold(void **state)
{
    (void)state;
    struct partition *partition = prepared("durable", NULL, 32 * MIB);
    durable_announce(partition);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
    writer_close(&writer);
    prepared("flushed", "flush.messages=1", 32 * MIB);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
    assert_false(writer.appender.segment->populated);
    writer_close(&writer);
}

static void it_begins_anew_with_each_segment(void **state)
{
    (void)state;
    struct partition *partition = prepared("rolled", NULL, 32 * MIB);
    assert_true(warm(LIMIT_WARM_DIRECTORY) > 0);
    assert_ok(appender_roll(&writer.appender));
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), LIMIT_ALLOCATE_FIRST);
    assert_int_equal(warmer.rolls, 2);
    assert_int_equal(load_relaxed(&partition->control->rolls), 2);
    writer_close(&writer);
}

static void an_empty_partition_is_nothing_to_warm(void **state)
{
    (void)state;
    warmer = (struct warmer){.partition = log_topic("empty", NULL, NULL, NULL)};
    now_ms = clock_wall_ms();
    store_relaxed(&warmer.partition->appended_ms, now_ms);
    assert_int_equal(warm(LIMIT_WARM_DIRECTORY), 0);
}

/* The bytes allocated of the active segment. */
static uint64_t allocated(const struct partition *partition)
{
    return load_relaxed(
        &partition->control->allocated[load_relaxed(&partition->control->rolls) & 1]);
}

static void a_large_allocation_is_followed_by_the_next_before_it_is_used_up(void **state)
{
    (void)state;
    struct partition *partition = log_topic("early", NULL, NULL, NULL);
    writer_open(partition, &writer);
    struct partition_end end = {.position = 0};
    for (; end.position < 20 * MIB; partition_end(partition, &end)) {
        assert_true(writer_put(&writer, 100000, 1) >= 0);
        if (end.position > 5 * MIB)
            assert_true(allocated(partition) >= end.position * 4 / 3);
    }
    /* A full disk is nobody's trouble before the allocated bytes are used. */
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    int64_t offset;
    while ((offset = writer_put(&writer, 100000, 1)) >= 0)
        ;
    assert_int_equal(offset, MAPLOG_DISK_FULL);
    partition_end(partition, &end);
    assert_true(end.position + 101000 > allocated(partition));
    fault_clear();
    assert_true(writer_put(&writer, 100000, 1) >= 0);
    /* A small one is used up first. */
    struct writer small;
    struct partition *other = log_topic("late", NULL, NULL, NULL);
    writer_open(other, &small);
    for (int i = 0; i < 6; i++)
        assert_true(writer_put(&small, 10000, 1) >= 0);
    assert_int_equal(allocated(other), LIMIT_ALLOCATE_FIRST);
    writer_close(&small);
    writer_close(&writer);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(it_stays_two_mebibytes_ahead_at_least),
        EACH(it_looks_as_far_ahead_as_was_appended_lately),
        EACH(it_never_goes_beyond_what_is_allocated),
        EACH(it_keeps_to_its_budget),
        EACH(a_partition_that_others_append_to_is_left_cold),
        EACH(a_durable_partition_is_left_cold),
        EACH(it_begins_anew_with_each_segment),
        EACH(an_empty_partition_is_nothing_to_warm),
        EACH(a_large_allocation_is_followed_by_the_next_before_it_is_used_up),
    };
    return cmocka_run_group_tests_name("warmer", tests, NULL, NULL);
}
