/* handle_test.c - handles that are used against the rules: builds with contracts say which rule. */
#include "fixture.h"

#include <pthread.h>

#include "../../support/death.h"
#include "client/handle.h"

#ifdef MAPLOG_CONTRACTS

/* A log in memory with everything open on it; the process that has it is about to end. */
static struct {
    struct maplog *log;
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    struct maplog_hold *hold;
    struct maplog_message message;
} all;

static void need(int result)
{
    if (result < 0) {
        fprintf(stderr, "%s\n", maplog_error_text());
        _exit(3);
    }
}

static void open_all(void)
{
    struct maplog_record record = text_record("x");
    need(maplog_open_anonymous(NULL, &all.log));
    need(maplog_producer_open(all.log, "anonymous", NULL, &all.producer));
    need(maplog_consumer_open(all.log, "anonymous", NULL, &all.consumer));
    need(maplog_produce(all.producer, &record, NULL));
    need(maplog_consume(all.consumer, &all.message, 0));
    need(maplog_hold(all.consumer, &all.hold));
}

static void sync_a_closed_log(void)
{
    open_all(); /* the producer keeps its memory */
    maplog_close(all.log);
    maplog_sync(all.log);
}

static void close_a_log_twice(void)
{
    need(maplog_open_anonymous(NULL, &all.log));
    maplog_close(all.log);
    maplog_close(all.log);
}

static void produce_to_a_closed_producer(void)
{
    open_all();
    struct maplog_record record = text_record("x");
    maplog_producer_close(all.producer);
    maplog_produce(all.producer, &record, NULL);
}

static void close_a_producer_twice(void)
{
    open_all();
    maplog_producer_close(all.producer);
    maplog_producer_close(all.producer);
}

static void consume_from_a_closed_consumer(void)
{
    open_all();
    maplog_consumer_close(all.consumer);
    maplog_consume(all.consumer, &all.message, 0);
}

static void close_a_consumer_twice(void)
{
    open_all();
    maplog_consumer_close(all.consumer);
    maplog_consumer_close(all.consumer);
}

static void release_a_hold_twice(void)
{
    open_all();
    maplog_release(all.hold);
    maplog_release(all.hold);
}

static void take_one_for_the_other(void)
{
    open_all();
    maplog_flush((struct maplog_producer *)all.consumer);
}

static void *flush_for_ever(void *producer)
{
    for (;;)
        maplog_flush(producer);
    return NULL;
}

static void produce_in_two_threads(void)
{
    open_all();
    pthread_t other;
    need(-pthread_create(&other, NULL, flush_for_ever, all.producer));
    flush_for_ever(all.producer);
}

static void *wait_for_ever(void *consumer)
{
    struct maplog_message message;
    maplog_consume(consumer, &message, -1);
    return NULL;
}

static void start_waiting(void)
{
    open_all();
    pthread_t other;
    need(-pthread_create(&other, NULL, wait_for_ever, all.consumer));
    while (load_acquire(&((struct handle *)all.consumer)->thread) == 0)
        clock_sleep_ns(1000000);
}

static void consume_in_two_threads(void)
{
    start_waiting();
    maplog_consume(all.consumer, &all.message, 0);
}

static void close_a_consumer_that_another_thread_waits_at(void)
{
    start_waiting();
    maplog_consumer_close(all.consumer);
}

static const struct {
    void (*breach)(void);
    const char *sentence;
} breaches[] = {
    {sync_a_closed_log, "maplog_sync: contract broken: this log was closed already"},
    {close_a_log_twice, "maplog_close: contract broken: this log was closed already"},
    {produce_to_a_closed_producer,
     "maplog_produce: contract broken: this producer was closed already"},
    {close_a_producer_twice,
     "maplog_producer_close: contract broken: this producer was closed already"},
    {consume_from_a_closed_consumer,
     "maplog_consume: contract broken: this consumer was closed already"},
    {close_a_consumer_twice,
     "maplog_consumer_close: contract broken: this consumer was closed already"},
    {release_a_hold_twice, "maplog_release: contract broken: this hold was closed already"},
    {take_one_for_the_other, "maplog_flush: contract broken: this is no producer"},
    {produce_in_two_threads, "two threads use this producer at once; it belongs to one at a time"},
    {consume_in_two_threads,
     "maplog_consume: contract broken: two threads use this consumer at once"},
    {close_a_consumer_that_another_thread_waits_at,
     "maplog_consumer_close: contract broken: two threads use this consumer at once"},
};

static void a_breach_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++)
        assert_true(death_by_contract(breaches[i].breach, breaches[i].sentence));
}

static void threads_may_take_turns(void **state)
{
    (void)state;
    open_all();
    struct maplog_record record = text_record("x");
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, wait_for_ever, all.consumer), 0);
    put(all.producer, "y");
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_ok(maplog_produce(all.producer, &record, NULL));
    assert_code(1, maplog_consume(all.consumer, &all.message, 0));
    maplog_release(all.hold);
    maplog_consumer_close(all.consumer);
    assert_ok(maplog_producer_close(all.producer));
    maplog_close(all.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_is_told),
        cmocka_unit_test(threads_may_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void a_release_pays_nothing(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct handle), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_release_pays_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
