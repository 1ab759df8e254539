/* crowd_test.c - 256 processes attached at once: all of them append, read and leave. */
#include "children.h"

#include "base/limits.h"

#define PROCESSES 256
#define RECORDS 20

/* Attaches, appends, waits until all are there, reads everything, leaves. */
static void attend(int number, int ready, int go)
{
    struct maplog *log;
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    struct maplog_producer_options patient = {.timeout_ms = LONG_MS};
    struct maplog_open_options options = {.timeout_ms = 6 * LONG_MS};
    char text[16], word;
    snprintf(text, sizeof text, "%d", number);
    struct maplog_record record = text_record(text);
    must(maplog_open(fixture_path, &options, &log) == 0);
    must(maplog_producer_open(log, "crowd", &patient, &producer) == 0);
    must(maplog_consumer_open(log, "crowd", NULL, &consumer) == 0);
    for (int i = 0; i < RECORDS; i++)
        must(maplog_produce(producer, &record, NULL) == 0);
    must(write(ready, "", 1) == 1);
    must(read(go, &word, 1) == 0); /* the parent closes its end */
    for (int i = 0; i < PROCESSES * RECORDS; i++) {
        struct maplog_message message;
        must(maplog_consume(consumer, &message, 0) == 1 && message.offset == i);
    }
    must(maplog_producer_close(producer) == 0);
    maplog_consumer_close(consumer);
    maplog_close(log);
    _exit(0);
}

static void a_crowd_shares_one_partition(void **state)
{
    (void)state;
    make_topic("crowd", 1, NULL);
    int ready[2], go[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(go[1]);
            close(ready[0]);
            attend(i, ready[1], go[0]);
        }
    }
    close(ready[1]);
    char word;
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(read(ready[0], &word, 1), 1);
    assert_int_equal(describe("crowd", 0).end_offset, PROCESSES * RECORDS);
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++)
        assert_child_ends_well(children[i]);
    int count[PROCESSES] = {0};
    struct maplog_consumer *consumer = open_consumer("crowd", NULL);
    struct maplog_message message;
    while (maplog_consume(consumer, &message, 0) == 1) {
        char text[16] = "";
        memcpy(text, message.value, message.value_size);
        count[strtol(text, NULL, 10)]++;
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(count[i], RECORDS);
    maplog_consumer_close(consumer);
    close(ready[0]);
    close(go[0]);
}

/* Seats are taken and given back one by one; when none is left, the error names the limit. */
static void a_producer_too_many_is_told_so(void **state)
{
    (void)state;
    make_topic("seats", 1, NULL);
    struct maplog_producer *producers[LIMIT_SEATS], *another;
    for (int i = 0; i < LIMIT_SEATS; i++)
        producers[i] = open_producer("seats", NULL);
    assert_code(MAPLOG_LIMIT, maplog_producer_open(fixture_log, "seats", NULL, &another));
    assert_ok(maplog_producer_close(producers[7]));
    producers[7] = open_producer("seats", NULL);
    put(producers[7], "x");
    for (int i = 0; i < LIMIT_SEATS; i++)
        assert_ok(maplog_producer_close(producers[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_shares_one_partition),
        cmocka_unit_test(a_producer_too_many_is_told_so),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
