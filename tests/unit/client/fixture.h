/* fixture.h - a log directory of its own for a test program, and short words for using it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"

#define LONG_MS 20000 /* a wait that ends long before, or the test fails */

static char fixture_path[64];
static struct maplog *fixture_log;

/* Ends a test with the library's text when a call did not give what it must. */
#define assert_code(expected, call)                                                                \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != (expected))                                                                   \
            fail_msg("%s: %s (%s)", #call, maplog_error_name(code_), maplog_error_text());         \
    } while (0)
#define assert_ok(call) assert_code(0, call)

static inline int fixture_make(void **state)
{
    (void)state;
    snprintf(fixture_path, sizeof fixture_path, "/tmp/maplog-test-XXXXXX");
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    return mkdtemp(fixture_path) ? maplog_open(fixture_path, &options, &fixture_log) : -1;
}

static inline int fixture_remove(void **state)
{
    (void)state;
    maplog_close(fixture_log);
    fixture_log = NULL;
    return file_remove_tree(AT_FDCWD, fixture_path);
}

/* Attaches the fixture's directory once more, as another process would. */
static inline struct maplog *attach_again(void)
{
    struct maplog *log;
    assert_ok(maplog_open(fixture_path, NULL, &log));
    return log;
}

static inline void make_topic(const char *topic, int32_t partitions, const char *config)
{
    const char *configs[] = {config, NULL};
    assert_ok(maplog_topic_create(fixture_log, topic, partitions, configs));
}

static inline struct maplog_producer *open_producer(const char *topic,
                                                    const struct maplog_producer_options *options)
{
    struct maplog_producer *producer;
    assert_ok(maplog_producer_open(fixture_log, topic, options, &producer));
    return producer;
}

static inline struct maplog_consumer *open_consumer(const char *topic,
                                                    const struct maplog_consumer_options *options)
{
    struct maplog_consumer *consumer;
    assert_ok(maplog_consumer_open(fixture_log, topic, options, &consumer));
    return consumer;
}

static inline struct maplog_record text_record(const char *text)
{
    return (struct maplog_record){.value = text, .value_size = strlen(text)};
}

/* Produces the text; its offset. */
static inline int64_t put(struct maplog_producer *producer, const char *text)
{
    struct maplog_record record = text_record(text);
    int64_t offset = -7;
    assert_ok(maplog_produce(producer, &record, &offset));
    return offset;
}

/* Produces count records "0", "1", ... from number first on. */
static inline void put_numbers(struct maplog_producer *producer, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        put(producer, text);
    }
}

static inline void fill_topic(const char *topic, int count)
{
    struct maplog_producer *producer = open_producer(topic, NULL);
    put_numbers(producer, 0, count);
    assert_ok(maplog_producer_close(producer));
}

static inline void assert_value(const struct maplog_message *message, const char *text)
{
    if (message->value_size != strlen(text) ||
        memcmp(message->value, text, message->value_size) != 0)
        fail_msg("got \"%.*s\" at offset %lld, not \"%s\"", (int)message->value_size,
                 (const char *)message->value, (long long)message->offset, text);
}

/* The next message must come at once, with this value. */
static inline struct maplog_message take(struct maplog_consumer *consumer, const char *text)
{
    struct maplog_message message;
    assert_code(1, maplog_consume(consumer, &message, 0));
    assert_value(&message, text);
    return message;
}

static inline void take_numbers(struct maplog_consumer *consumer, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        take(consumer, text);
    }
}

static inline void assert_nothing(struct maplog_consumer *consumer)
{
    struct maplog_message message;
    assert_code(0, maplog_consume(consumer, &message, 0));
}

static inline struct maplog_partition describe(const char *topic, int32_t partition)
{
    struct maplog_partition found;
    assert_ok(maplog_partition_describe(fixture_log, topic, partition, &found));
    return found;
}
