/* threads_test.c - threads of one process and of two attachments on one partition: producers of
 * their own, consumers, changes of topics, retention. For the thread sanitizer, and for the order
 * of every thread's records. */
#include "log_fixture.h"

#include <pthread.h>

#include "log/durable.h"

#define THREADS 8
#ifdef __SANITIZE_THREAD__
#define RECORDS 1500
#else
#define RECORDS 20000
#endif

/* Threads say what failed, the main thread judges. */
struct worker {
    maplog *log;
    const char *topic;
    int number;
    int records; /* to produce, or to read */
    _Atomic int *stop;
    char failure[200];
};

static void fail_worker(struct worker *worker, const char *what)
{
    if (!worker->failure[0])
        snprintf(worker->failure, sizeof worker->failure, "%s: %s", what, maplog_error_text());
}

/* Values "THREAD NUMBER". */
static void *produce(void *argument)
{
    struct worker *worker = argument;
    struct maplog_producer *producer;
    struct maplog_producer_options options = {.batch_bytes = worker->number % 4 == 3 ? 1000 : 0,
                                              .linger_ms = worker->number % 4 == 3 ? 1 : 0,
                                              .timeout_ms = 60000};
    if (maplog_producer_open(worker->log, worker->topic, &options, &producer)) {
        fail_worker(worker, "open");
        return NULL;
    }
    for (int i = 0; i < worker->records && !worker->failure[0]; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%d %d", worker->number, i);
        struct maplog_record record = {.key = i % 2 ? "k" : NULL,
                                       .key_size = i % 2,
                                       .value = text,
                                       .value_size = (size_t)size};
        if (maplog_produce_to(producer, 0, &record, NULL))
            fail_worker(worker, "produce");
    }
    if (maplog_producer_close(producer))
        fail_worker(worker, "close");
    return NULL;
}

/* Every thread's records in their order, once. */
static void *consume(void *argument)
{
    struct worker *worker = argument;
    struct maplog_consumer *consumer;
    int next[THREADS] = {0};
    if (maplog_consumer_open(worker->log, worker->topic, NULL, &consumer)) {
        fail_worker(worker, "open");
        return NULL;
    }
    for (int i = 0; i < worker->records && !worker->failure[0]; i++) {
        struct maplog_message message;
        char text[32] = "";
        int thread, number;
        if (maplog_consume(consumer, &message, 60000) != 1) {
            fail_worker(worker, "consume");
            break;
        }
        memcpy(text, message.value, message.value_size < 31 ? message.value_size : 31);
        if (sscanf(text, "%d %d", &thread, &number) != 2 || thread < 0 || thread >= THREADS ||
            number != next[thread]++ || message.offset != i)
            snprintf(worker->failure, sizeof worker->failure, "\"%s\" at offset %lld", text,
                     (long long)message.offset);
    }
    maplog_consumer_close(consumer);
    return NULL;
}

/* What goes on besides. */
static void *disturb(void *argument)
{
    struct worker *worker = argument;
    for (int i = 0; !*worker->stop && !worker->failure[0]; i++) {
        const char *configs[] = {i % 2 ? "segment.bytes=20000" : "segment.bytes=50000", NULL};
        struct maplog_partition found;
        if (maplog_topic_alter(worker->log, worker->topic, configs))
            fail_worker(worker, "alter");
        if (maplog_partition_describe(worker->log, worker->topic, 0, &found))
            fail_worker(worker, "describe");
        if (i % 8 == 0 && maplog_sync(worker->log))
            fail_worker(worker, "sync");
        if (maplog_topic_create(worker->log, "besides", 2, NULL) ||
            maplog_topic_delete(worker->log, "besides"))
            fail_worker(worker, "besides");
    }
    return NULL;
}

/* Half of the threads use one attachment, half another one: in the end two processes' worth. */
static void run(int producers, int consumers)
{
    maplog *logs[2];
    for (int i = 0; i < 2; i++)
        assert_ok(maplog_open(log_path, NULL, &logs[i]));
    const char *configs[] = {"segment.bytes=50000", NULL};
    assert_ok(maplog_topic_create(logs[0], "t", 1, configs));
    static struct worker workers[THREADS + 1];
    pthread_t threads[THREADS + 1];
    _Atomic int stop = 0;
    int count = producers + consumers;
    memset(workers, 0, sizeof workers);
    for (int i = 0; i <= count; i++) {
        bool reads = i >= producers;
        workers[i] = (struct worker){.log = logs[i % 2],
                                     .topic = "t",
                                     .number = i,
                                     .records = reads ? RECORDS * producers : RECORDS,
                                     .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i == count ? disturb
                                        : reads    ? consume
                                                   : produce,
                                        &workers[i]),
                         0);
    }
    for (int i = 0; i <= count; i++) {
        if (i == count)
            stop = 1;
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i <= count; i++)
        if (workers[i].failure[0])
            fail_msg("thread %d: %s", i, workers[i].failure);
    assert_int_equal(log_walk(log_partition(log_directory, "t")), RECORDS * producers);
    for (int i = 0; i < 2; i++)
        maplog_close(logs[i]);
}

static void eight_producers_on_one_partition(void **state)
{
    (void)state;
    run(8, 0);
}

static void producers_and_consumers(void **state)
{
    (void)state;
    run(4, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(eight_producers_on_one_partition),
        TEST(producers_and_consumers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
