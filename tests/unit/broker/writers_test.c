/* writers_test.c - many open appenders: the limit, deleted topics, threads. */
#include "broker_fixture.h"

#include <pthread.h>

/* More partitions than may be open at a time: the oldest are closed, and opened again. */
static void more_partitions_than_writers(void **state)
{
    (void)state;
    int32_t count = LIMIT_WRITERS + 20;
    assert_ok(directory_create_topic(log_directory, "t", count,
                                     (const char *const[]){"segment.bytes=4096", NULL}));
    struct produce_call produce = {.arena.limit = 64u << 20};
    for (int round = 0; round < 2; round++) {
        for (int32_t p = 0; p < count; p++) {
            produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){.value = 10}));
            produce.partition.index = p;
            call_ask(&produce.call, PRODUCE, 9, &produce.body);
            assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
            assert_int_equal(produce_answer(&produce)->base_offset, round);
            call_end(&produce.call);
        }
    }
    arena_reset(&produce.arena);
}

#define THREADS 4
#define BATCHES 200

/* One producer of its own id; the state of all lies in one partition. */
static void *produce_many(void *argument)
{
    int64_t id = (int64_t)(intptr_t)argument;
    for (int32_t i = 0; i < BATCHES; i++) {
        struct sent sent = {.idempotent = true, .producer = id, .sequence = i, .value = 10};
        struct produce_call produce = {.arena.limit = 1 << 20};
        produce_to(&produce, "t", make_batch(&produce.arena, sent));
        call_begin(&produce.call, PRODUCE, 9, &produce.body);
        while (produce.call.outcome == BROKER_PARK)
            call_resume(&produce.call);
        intptr_t bad = produce.call.outcome != BROKER_ANSWER ||
                       produce_answer(&produce)->error_code != KAFKA_NONE;
        produce_free(&produce);
        if (bad)
            return (void *)1;
    }
    return NULL;
}

static void threads_append_to_one_partition(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=16384", NULL, NULL);
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce_many, (void *)i), 0);
    /* Meanwhile an idle look around. */
    for (int i = 0; i < 50; i++)
        broker_tick(broker, clock_wall_ms() + i * 20000);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(log_walk(partition), THREADS * BATCHES);
}

static void deleted_topics_are_let_go(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        log_topic("t", NULL, NULL, NULL);
        assert_int_equal(produce_ok("t", (struct sent){0}), 0);
        assert_ok(directory_delete_topic(log_directory, "t"));
        broker_tick(broker, clock_wall_ms() + (round + 1) * 20000);
        assert_int_equal(produce("t", (struct sent){0}).error_code,
                         KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_partitions_than_writers),
        TEST(threads_append_to_one_partition),
        TEST(deleted_topics_are_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
