/* produce_test.c - Produce: every rule with its error, time limits, the disk, idempotence. */
#include "../broker_fixture.h"

#include <sys/prctl.h>

#include "broker/parts.h"
#define writer partition_writer /* log_fixture.h has another one */
#include "broker/writers.h"
#undef writer

static void a_batch_gets_its_offset(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    for (int16_t version = 3; version <= 12; version++) {
        produced found = produce_version("t", version, (struct sent){.records = 3});
        assert_int_equal(found.error_code, KAFKA_NONE);
        assert_int_equal(found.base_offset, (version - 3) * 3);
        assert_int_equal(found.log_append_time_ms, -1);
        assert_int_equal(found.log_start_offset, version < 5 ? -1 : 0);
    }
    assert_int_equal(log_walk(partition), 30);
}

static void a_topic_comes_by_its_id(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "", make_batch(&produce.arena, (struct sent){0}));
    produce.topic.topic_id = partition->topic_id;
    call_ask(&produce.call, PRODUCE, 13, &produce.body);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
    const struct produce_response *answer = produce.call.answer;
    assert_memory_equal(&answer->responses[0].topic_id, &partition->topic_id, 16);
    call_end(&produce.call);
    produce.topic.topic_id.bytes[3] ^= 1;
    call_ask(&produce.call, PRODUCE, 13, &produce.body);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    call_end(&produce.call);
    produce.topic.topic_id.bytes[3] ^= 1;
    produce.partition.index = 1;
    call_ask(&produce.call, PRODUCE, 13, &produce.body);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    produce_free(&produce);
}

/* The error of a request that a test prepared. */
static int16_t error_of(struct produce_call *produce, int16_t version)
{
    call_ask(&produce->call, PRODUCE, version, &produce->body);
    int16_t error = produce_answer(produce)->error_code;
    assert_int_equal(produce_answer(produce)->base_offset, error ? -1 : 0);
    call_end(&produce->call);
    return error;
}

static void what_is_not_there_is_not_made(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "u", make_batch(&produce.arena, (struct sent){0}));
    assert_int_equal(error_of(&produce, 9), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    produce.topic.name = wire_text("t");
    produce.partition.index = 1;
    assert_int_equal(error_of(&produce, 9), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    produce.partition.index = -1;
    assert_int_equal(error_of(&produce, 9), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    produce.topic.name = wire_text("");
    assert_int_equal(error_of(&produce, 9), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    struct partition *partition;
    assert_code(MAPLOG_NOT_FOUND, directory_partition(log_directory, "u", 0, &partition));
    arena_reset(&produce.arena);
}

static void each_rule_has_its_error(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "max.message.bytes=1000", NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", (struct wire_records){.size = -1});
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_RECORD);
    produce.partition.records = (struct wire_records){.at = (const uint8_t *)"", .size = 0};
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_RECORD);

    struct wire_records good = make_batch(&produce.arena, (struct sent){.records = 2});
    uint8_t *twice = arena_take(&produce.arena, (size_t)good.size * 2);
    memcpy(twice, good.at, (size_t)good.size);
    memcpy(twice + good.size, good.at, (size_t)good.size);
    produce.partition.records = (struct wire_records){.at = twice, .size = good.size * 2};
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_RECORD);

    produce.partition.records = make_batch(&produce.arena, (struct sent){.value = 1000});
    assert_int_equal(error_of(&produce, 9), KAFKA_MESSAGE_TOO_LARGE);

    uint8_t *bad = (uint8_t *)(uintptr_t)good.at;
    produce.partition.records = good;
    bad[good.size - 1] ^= 1;
    assert_int_equal(error_of(&produce, 9), KAFKA_CORRUPT_MESSAGE);
    bad[good.size - 1] ^= 1;
    bytes_store16(bad + BATCH_ATTRIBUTES, ATTRIBUTE_CONTROL);
    seal_batch(bad, (size_t)good.size);
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_RECORD);

    int64_t late = clock_wall_ms() + 7200000;
    produce.partition.records = make_batch(&produce.arena, (struct sent){.timestamp = late});
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_TIMESTAMP);

    produce.partition.records =
        make_batch(&produce.arena, (struct sent){.codec = MAPLOG_COMPRESSION_ZSTD});
    assert_int_equal(error_of(&produce, 6), KAFKA_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(log_end(partition), 0);
    assert_int_equal(error_of(&produce, 7), KAFKA_NONE);
    arena_reset(&produce.arena);
}

static void acks_are_looked_at(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "min.insync.replicas=2", NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    assert_int_equal(error_of(&produce, 9), KAFKA_NOT_ENOUGH_REPLICAS);
    produce.body.acks = 2;
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_REQUIRED_ACKS);
    produce.body.acks = 1;
    assert_int_equal(error_of(&produce, 9), KAFKA_NONE);
    assert_int_equal(log_end(partition), 1);
    arena_reset(&produce.arena);
}

static void without_acks_nothing_is_said(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    produce.body.acks = 0;
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_SILENT);
    call_end(&produce.call);
    assert_int_equal(log_end(partition), 1);
    produce.topic.name = wire_text("u");
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_CLOSE);
    assert_non_null(strstr(error_text(), "UNKNOWN_TOPIC_OR_PARTITION"));
    produce_free(&produce);
}

static void only_kafkas_tools_write_to_internal_topics(void **state)
{
    (void)state;
    log_topic("__transaction_state", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "__transaction_state", make_batch(&produce.arena, (struct sent){0}));
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(call_begin_as(&produce.call, "__admin_client", PRODUCE, 9, &produce.body),
                     BROKER_ANSWER);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
    produce_free(&produce);
}

static void transactions_are_refused(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct produce_call produce = {.arena.limit = 1 << 20};
    struct wire_records batch = make_batch(&produce.arena, (struct sent){.idempotent = true});
    produce_to(&produce, "t", batch);
    produce.body.transactional_id = wire_text("mine");
    assert_int_equal(error_of(&produce, 9), KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    produce.body.transactional_id = wire_text(NULL);
    bytes_store16((uint8_t *)(uintptr_t)batch.at + BATCH_ATTRIBUTES, ATTRIBUTE_TRANSACTIONAL);
    seal_batch((uint8_t *)(uintptr_t)batch.at, (size_t)batch.size);
    assert_int_equal(error_of(&produce, 9), KAFKA_INVALID_RECORD);
    arena_reset(&produce.arena);
}

static void the_log_stamps_where_it_shall(void **state)
{
    (void)state;
    log_topic("t", "message.timestamp.type=LogAppendTime", NULL, NULL);
    int64_t before = clock_wall_ms();
    produced found = produce("t", (struct sent){.timestamp = 1000});
    assert_int_equal(found.error_code, KAFKA_NONE);
    assert_true(found.log_append_time_ms >= before - 1000);
}

/* ---- the time limit -------------------------------------------------------------------------- */

/* Another process, stopped within an append. */
static pid_t stopped_writer(const char *topic)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        struct directory *directory;
        struct partition *partition;
        uint32_t seat;
        struct appender appender;
        int result = directory_open(log_path, NULL, &directory);
        if (!result)
            result = directory_partition(directory, topic, 0, &partition);
        if (!result)
            result = directory_take_seat(directory, &seat);
        if (!result)
            result = appender_open(partition, seat, LONG_NS, &appender);
        if (!result)
            result = lease_enter(&appender.lease, LONG_NS) < 0;
        if (write(ready[1], &result, sizeof result) != sizeof result || result)
            _exit(1);
        raise(SIGSTOP);
        _exit(0); /* inside: the kernel gives its lease away */
    }
    int result = -1;
    assert_int_equal(read(ready[0], &result, sizeof result), sizeof result);
    assert_int_equal(result, 0);
    close(ready[0]);
    close(ready[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static void end_writer(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void a_stopped_writer_holds_up_its_partition_alone(void **state)
{
    (void)state;
    struct partition *held = log_topic("held", NULL, NULL, NULL);
    log_topic("free", NULL, NULL, NULL);
    pid_t pid = stopped_writer("held");
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "held", make_batch(&produce.arena, (struct sent){0}));
    int64_t now = clock_wall_ms();
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_PARK);
    assert_true(produce.call.request.deadline_ms <= now + LATER_MS);
    assert_int_equal(produce_ok("free", (struct sent){0}), 0);
    assert_int_equal(call_resume(&produce.call), BROKER_PARK);
    end_writer(pid);
    assert_int_equal(call_wait(&produce.call), BROKER_ANSWER);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
    assert_int_equal(log_end(held), 1);
    produce_free(&produce);
}

static void the_limit_of_the_client_ends_the_wait(void **state)
{
    (void)state;
    log_topic("held", NULL, NULL, NULL);
    struct partition *other = log_topic("free", NULL, NULL, NULL);
    pid_t pid = stopped_writer("held");
    struct produce_call produce = {.arena.limit = 1 << 20};
    struct wire_records batch = make_batch(&produce.arena, (struct sent){0});
    produce_to(&produce, "held", batch);
    struct produce_request_topic_data topics[2];
    topics[0] = topics[1] = produce.topic;
    topics[1].name = wire_text("free");
    produce.body.topic_data = topics;
    produce.body.topic_data_count = 2;
    produce.body.timeout_ms = 30;
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_PARK);
    assert_int_equal(call_wait(&produce.call), BROKER_ANSWER);
    const struct produce_response *answer = produce.call.answer;
    assert_int_equal(answer->responses[0].partition_responses[0].error_code,
                     KAFKA_REQUEST_TIMED_OUT);
    assert_int_equal(answer->responses[1].partition_responses[0].error_code, KAFKA_NONE);
    assert_int_equal(log_end(other), 1); /* once, however often the request was resumed */
    produce_free(&produce);
    end_writer(pid);
}

static void a_full_disk_is_an_error_that_passes(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    assert_int_equal(produce_ok("t", (struct sent){0}), 0);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    produced found = produce("t", (struct sent){.value = 500000});
    assert_int_equal(found.error_code, KAFKA_KAFKA_STORAGE_ERROR);
    assert_true(kafka_error_retriable(found.error_code));
    fault_clear();
    assert_int_equal(produce_ok("t", (struct sent){.value = 500000}), 1);
    assert_int_equal(log_end(partition), 2);
}

static void an_answer_waits_for_the_disk(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "flush.messages=1", NULL, NULL);
    assert_int_equal(produce_ok("t", (struct sent){.records = 5}), 0);
    struct maplog_partition found;
    assert_ok(partition_describe(partition, &found));
    if (log_directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    assert_int_equal(found.durable_offset, 5);
}

/* Another process, stopped within a flush. */
static pid_t stopped_flusher(const struct partition *partition)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct directory *directory;
        bool died;
        int result = directory_open(log_path, NULL, &directory);
        if (!result)
            result = thread_mutex_lock(
                &directory->view.control->partitions[partition->slot].flusher, 0, &died);
        if (write(ready[1], &result, sizeof result) != sizeof result || result)
            _exit(1);
        for (;;)
            pause();
    }
    int result = -1;
    assert_int_equal(read(ready[0], &result, sizeof result), sizeof result);
    assert_int_equal(result, 0);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

/* No helper thread waits for it as long as the client would: others need them. */
static void a_stopped_flusher_keeps_no_helper(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "flush.messages=1", NULL, NULL);
    if (log_directory->kind == FILE_SYSTEM_MEMORY)
        skip();
    pid_t pid = stopped_flusher(partition);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_PARK);
    assert_int_equal(produce.call.cold, 1);
    assert_int_equal(call_resume(&produce.call), BROKER_PARK);
    end_writer(pid);
    assert_int_equal(call_wait(&produce.call), BROKER_ANSWER);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
    produce_free(&produce);

    pid = stopped_flusher(partition);
    produce_to(&produce, "t", make_batch(&produce.arena, (struct sent){0}));
    produce.body.timeout_ms = 30;
    call_ask(&produce.call, PRODUCE, 9, &produce.body);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_REQUEST_TIMED_OUT);
    assert_int_equal(log_end(partition), 2); /* once each */
    produce_free(&produce);
    end_writer(pid);
}

/* ---- idempotence ----------------------------------------------------------------------------- */

static struct sent from(int64_t producer, int16_t epoch, int32_t sequence)
{
    return (struct sent){.idempotent = true,
                         .producer = producer,
                         .epoch = epoch,
                         .sequence = sequence,
                         .records = 2};
}

static void a_batch_that_is_sent_again_is_found_again(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    for (int32_t i = 0; i < 5; i++)
        assert_int_equal(produce_ok("t", from(7, 0, i * 2)), i * 2);
    for (int32_t i = 0; i < 5; i++)
        assert_int_equal(produce_ok("t", from(7, 0, i * 2)), i * 2);
    assert_int_equal(log_end(partition), 10);
    assert_int_equal(produce("t", from(7, 0, 12)).error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_ok("t", from(7, 1, 0)), 10);
    assert_int_equal(produce("t", from(7, 0, 10)).error_code, KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(produce("t", from(7, 2, 4)).error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_ok("t", from(8, 0, 40)), 12); /* an id without a past */
    assert_int_equal(log_walk(partition), 14);
}

/* A helper thread that would only be told so is not asked, over and over. */
static void producers_that_are_being_read_are_waited_for(void **state)
{
    (void)state;
    struct partition_writer *writer;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    assert_ok(writers_take(broker->writers, partition, 0, &writer));
    writer->loading = true;
    writers_give(broker->writers, writer);
    struct produce_call produce = {.arena.limit = 1 << 20};
    produce_to(&produce, "t", make_batch(&produce.arena, from(7, 0, 0)));
    assert_int_equal(call_begin(&produce.call, PRODUCE, 9, &produce.body), BROKER_PARK);
    assert_int_equal(produce.call.cold, 0);
    assert_ok(writers_take(broker->writers, partition, 0, &writer));
    writer->loading = false;
    writers_give(broker->writers, writer);
    assert_int_equal(call_wait(&produce.call), BROKER_ANSWER);
    assert_int_equal(produce.call.cold, 1);
    assert_int_equal(produce_answer(&produce)->error_code, KAFKA_NONE);
    produce_free(&produce);
}

static void it_is_known_after_a_restart(void **state)
{
    (void)state;
    log_topic("t", "segment.bytes=4096", NULL, NULL);
    for (int32_t i = 0; i < 60; i++) /* several segments */
        assert_int_equal(produce_ok("t", from(7, 3, i * 2)), i * 2);
    broker_restart();
    for (int32_t i = 55; i < 60; i++)
        assert_int_equal(produce_ok("t", from(7, 3, i * 2)), i * 2);
    assert_int_equal(produce("t", from(7, 3, 122)).error_code, KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(produce_ok("t", from(7, 3, 120)), 120);
}

static void a_topic_made_again_knows_nobody(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    assert_int_equal(produce_ok("t", from(7, 0, 0)), 0);
    assert_ok(directory_delete_topic(log_directory, "t"));
    assert_int_equal(produce("t", from(7, 0, 2)).error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    log_topic("t", NULL, NULL, NULL);
    assert_int_equal(produce_ok("t", from(7, 0, 2)), 0);
    assert_int_equal(produce_ok("t", from(7, 0, 4)), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_gets_its_offset, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(a_topic_comes_by_its_id, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_made, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(each_rule_has_its_error, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(acks_are_looked_at, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(without_acks_nothing_is_said, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(only_kafkas_tools_write_to_internal_topics, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(transactions_are_refused, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(the_log_stamps_where_it_shall, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(a_stopped_writer_holds_up_its_partition_alone, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(the_limit_of_the_client_ends_the_wait, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(a_full_disk_is_an_error_that_passes, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(an_answer_waits_for_the_disk, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(a_batch_that_is_sent_again_is_found_again, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(a_stopped_flusher_keeps_no_helper, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(producers_that_are_being_read_are_waited_for, broker_make,
                                        broker_remove),
        cmocka_unit_test_setup_teardown(it_is_known_after_a_restart, broker_make, broker_remove),
        cmocka_unit_test_setup_teardown(a_topic_made_again_knows_nobody, broker_make,
                                        broker_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
