/* segment_cache_test.c - mappings are kept, found again, replaced when they do not serve any more,
 * and let go. */
#include "log_fixture.h"

#include "log/segment_cache.h"

#define NOW 1700000000000ll

static struct segment_cache *cache;

static struct partition *make(int records)
{
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    log_fill(partition, records, 300, NOW); /* 11 a segment */
    return partition;
}

/* The mapping that the cache gives now; the reference is given back at once. */
static const struct segment *peek(struct partition *partition, int64_t base)
{
    struct segment *segment;
    assert_ok(segment_cache_get(cache, partition, base, &segment));
    assert_int_equal(segment->base, base);
    segment_drop(segment);
    return segment;
}

static bool is_kept(struct partition *partition, int64_t base)
{
    struct segment *first, *second;
    assert_ok(segment_cache_get(cache, partition, base, &first));
    bool kept = load_relaxed(&first->references) == 2;
    assert_ok(segment_cache_get(cache, partition, base, &second));
    assert_ptr_equal(first, second);
    segment_drop(first);
    segment_drop(second);
    return kept;
}

static void a_segment_is_mapped_once(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    int64_t bases[10];
    size_t count = log_segments(partition, bases);
    const struct segment *first[10];
    assert_ok(segment_cache_open(10, &cache));
    for (size_t i = 0; i < count; i++)
        first[i] = peek(partition, bases[i]);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(peek(partition, bases[i]), first[i]);
        assert_true(is_kept(partition, bases[i]));
    }
    segment_cache_close(cache);
}

static void the_least_recently_used_one_goes(void **state)
{
    (void)state;
    struct partition *partition = make(60);
    int64_t bases[10];
    assert_true(log_segments(partition, bases) > 4);
    assert_ok(segment_cache_open(3, &cache));
    struct segment *held;
    assert_ok(segment_cache_get(cache, partition, bases[0], &held));
    peek(partition, bases[1]);
    peek(partition, bases[2]);
    peek(partition, bases[0]);
    peek(partition, bases[3]); /* bases[1] goes */
    assert_ptr_equal(peek(partition, bases[0]), held);
    peek(partition, bases[1]); /* bases[2] */
    peek(partition, bases[2]); /* bases[3] */
    peek(partition, bases[3]); /* bases[0]: only the test still has it */
    assert_int_equal(load_relaxed(&held->references), 1);
    assert_int_equal(held->log[BATCH_MAGIC], BATCH_MAGIC_V2);
    assert_true(peek(partition, bases[0]) != held);
    segment_drop(held);
    segment_cache_close(cache);
}

static void a_sealed_segment_is_mapped_anew(void **state)
{
    (void)state;
    struct partition *partition = make(5);
    struct segment *active, *sealed;
    assert_ok(segment_cache_open(10, &cache));
    assert_ok(segment_cache_get(cache, partition, 0, &active));
    assert_false(active->sealed);
    log_fill(partition, 30, 300, NOW);
    assert_ok(segment_cache_get(cache, partition, 0, &sealed));
    assert_ptr_not_equal(active, sealed);
    assert_true(sealed->sealed);
    struct segment_sizes sizes;
    assert_ok(segment_sealed(sealed, &sizes));
    assert_int_equal(sealed->end, sizes.log);
    assert_memory_equal(active->log, sealed->log, sizes.log);
    segment_drop(active);
    segment_drop(sealed);
    segment_cache_close(cache);
}

static void a_segment_that_grew_is_mapped_anew(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    assert_ok(segment_cache_open(10, &cache));
    unsigned mappings = 0;
    size_t bytes = 0;
    for (int i = 0; i < 100; i++) {
        log_fill(partition, 1, 10000, NOW);
        struct segment *segment;
        assert_ok(segment_cache_get(cache, partition, 0, &segment));
        assert_true(segment->log_bytes >= (size_t)(i + 1) * 10000);
        mappings += segment->log_bytes != bytes;
        bytes = segment->log_bytes;
        segment_drop(segment);
    }
    assert_true(mappings > 1 && mappings < 10);
    segment_cache_close(cache);
}

static void what_was_removed_can_be_forgotten(void **state)
{
    (void)state;
    struct partition *partition = make(60), *other = log_topic("u", NULL, NULL, NULL);
    int64_t bases[10];
    size_t count = log_segments(partition, bases);
    log_fill(other, 1, 100, NOW);
    assert_ok(segment_cache_open(10, &cache));
    struct segment *held[10], *missing;
    for (size_t i = 0; i < count; i++)
        assert_ok(segment_cache_get(cache, partition, bases[i], &held[i]));
    peek(other, 0);
    assert_ok(partition_delete_records(partition, bases[2]));
    segment_cache_forget(cache, partition);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(load_relaxed(&held[i]->references), i < 2 ? 1 : 2);
    assert_code(MAPLOG_NOT_FOUND, segment_cache_get(cache, partition, bases[0], &missing));
    assert_ok(directory_delete_topic(log_directory, "t"));
    segment_cache_forget(cache, NULL);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(load_relaxed(&held[i]->references), 1);
        segment_drop(held[i]);
    }
    assert_true(is_kept(other, 0));
    segment_cache_close(cache);
}

static void a_failure_keeps_nothing(void **state)
{
    (void)state;
    struct partition *partition = make(5);
    struct segment *segment;
    assert_ok(segment_cache_open(10, &cache));
    assert_code(MAPLOG_NOT_FOUND, segment_cache_get(cache, partition, 77, &segment));
    fault_set(FAULT_MAP, 1, ENOMEM, 1);
    assert_code(MAPLOG_NO_MEMORY, segment_cache_get(cache, partition, 0, &segment));
    fault_clear();
    assert_true(is_kept(partition, 0));
    segment_cache_close(cache);
    segment_cache_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_segment_is_mapped_once),          TEST(the_least_recently_used_one_goes),
        TEST(a_sealed_segment_is_mapped_anew),   TEST(a_segment_that_grew_is_mapped_anew),
        TEST(what_was_removed_can_be_forgotten), TEST(a_failure_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
