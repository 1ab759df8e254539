/* offsets_test.c - waiting for a busy log, and what its codes mean to clients. */
#include "broker/offsets.h"

#include "group_fixture.h"

static void pauses_grow_and_end(void **state)
{
    (void)state;
    struct broker_request request = {0};
    struct offsets_retry retry = {0};
    int64_t begun = now_ms, at = now_ms;
    int64_t pauses = 0;
    while (offsets_wait(&request, &retry, at)) {
        assert_true(request.deadline_ms > at && request.deadline_ms <= at + 20);
        at = request.deadline_ms;
        pauses++;
    }
    assert_true(at - begun >= 5000 && at - begun < 5020);
    assert_true(pauses > 250 && pauses < 260);
}

static void codes_are_such_that_clients_do_the_right_thing(void **state)
{
    (void)state;
    assert_int_equal(offsets_error(broker, "g", 0), KAFKA_NONE);
    static const int passing[] = {MAPLOG_BUSY, MAPLOG_DISK_FULL, MAPLOG_IO, MAPLOG_NO_MEMORY,
                                  MAPLOG_TOPIC_DELETED};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        assert_true(kafka_error_retriable(offsets_error(broker, "g", passing[i])));
    assert_false(kafka_error_retriable(offsets_error(broker, "g", MAPLOG_TOO_LARGE)));
    assert_false(kafka_error_retriable(offsets_error(broker, "g", MAPLOG_INVALID)));
}

static void a_batch_copies_what_it_takes_away(void **state)
{
    (void)state;
    struct arena arena = {.limit = 1 << 20};
    static struct offsets_batch batch;
    batch = (struct offsets_batch){.arena = &arena};
    char group[] = "g", topic[] = "t";
    struct progress_entry entry = {group, topic, 0, 5, 1, "m", 1, 2, 3};
    for (int32_t i = 0; i < OFFSETS_BATCH; i++) {
        entry.partition = i;
        assert_int_equal(offsets_batch_add(&batch, &entry), i == OFFSETS_BATCH - 1);
    }
    group[0] = topic[0] = 'x';
    for (int32_t i = 0; i < OFFSETS_BATCH; i++) {
        assert_string_equal(batch.entries[i].group, "g");
        assert_string_equal(batch.entries[i].topic, "t");
        assert_int_equal(batch.entries[i].partition, i);
        assert_int_equal(batch.entries[i].offset, -1);
    }
    arena_reset(&arena);
}

static void topics_are_looked_up(void **state)
{
    (void)state;
    const char *name = NULL;
    struct client simple = client_of("g", "a");
    assert_int_equal(offsets_topic(broker, wire_text("t"), NULL, 3, &name), KAFKA_NONE);
    assert_string_equal(name, "t");
    assert_int_equal(offsets_topic(broker, wire_text("t"), NULL, 4, &name),
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(offsets_any(broker, "g"), 0);
    assert_int_equal(commit(&simple, 0, 1), KAFKA_NONE);
    assert_int_equal(offsets_any(broker, "g"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(pauses_grow_and_end),
        TEST(codes_are_such_that_clients_do_the_right_thing),
        TEST(a_batch_copies_what_it_takes_away),
        TEST(topics_are_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
