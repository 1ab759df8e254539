/* fetch_session_test.c - Fetch by sessions: only what is new, in turns, and its errors. */
#include "fetch_fixture.h"

static const struct fetch_response *answer_of(const struct fetch_call *fetch)
{
    return fetch->call.answer;
}

/* A full fetch that gets a session; its id. */
static int32_t begin_session(struct fetch_call *fetch, int16_t version)
{
    fetch->body.session_epoch = 0;
    ask(fetch, version);
    int32_t id = answer_of(fetch)->session_id;
    assert_true(id > 0);
    call_end(&fetch->call);
    fetch->body.session_id = id;
    fetch->body.session_epoch = 1;
    fetch->body.topics_count = 0;
    return id;
}

static void a_session_tells_what_is_new(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 10)->topic.partitions_count = PARTITIONS;
    int32_t id = begin_session(&fetch, 11);

    ask(&fetch, 11); /* nothing happened */
    assert_int_equal(answer_of(&fetch)->error_code, KAFKA_NONE);
    assert_int_equal(answer_of(&fetch)->session_id, id);
    assert_int_equal(answer_of(&fetch)->responses_count, 0);
    call_end(&fetch.call);

    struct partition *partition;
    assert_ok(directory_partition(log_directory, "t", 2, &partition));
    log_fill(partition, 1, 100, clock_wall_ms());
    fetch.body.session_epoch = 2;
    const fetched *first = ask(&fetch, 11);
    assert_int_equal(first->partition_index, 2);
    assert_int_equal(read_batches(first, 10), 11);
    assert_null(found(&fetch, 1));
    call_end(&fetch.call);

    /* What moved is said by naming the partition; the rest stays. */
    fetch.body.topics_count = 1;
    fetch.topic.partitions_count = 1;
    fetch.partitions[0].partition = 2;
    fetch.partitions[0].fetch_offset = 11;
    fetch.body.session_epoch = 3;
    ask(&fetch, 11);
    assert_int_equal(answer_of(&fetch)->responses_count, 0);
    call_end(&fetch.call);

    /* A log start that moved is news. */
    assert_ok(partition_delete_records(partition, 5));
    fetch.body.topics_count = 0;
    fetch.body.session_epoch = 4;
    assert_int_equal(ask(&fetch, 11)->log_start_offset, 5);
    assert_null(found(&fetch, 1));
    call_end(&fetch.call);
}

static void an_error_is_told_again(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 10)->topic.partitions_count = 2;
    fetch.partitions[1].partition = 9;
    begin_session(&fetch, 11);
    for (int32_t epoch = 1; epoch < 4; epoch++) {
        fetch.body.session_epoch = epoch;
        const fetched *error = ask(&fetch, 11);
        assert_int_equal(error->partition_index, 9);
        assert_int_equal(error->error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        call_end(&fetch.call);
    }
}

static void a_session_waits_for_all_of_its_partitions(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 10)->topic.partitions_count = PARTITIONS;
    begin_session(&fetch, 11);
    begin_waiting(&fetch, 1); /* an empty list of topics is no empty request */
    struct partition *partition;
    assert_ok(directory_partition(log_directory, "t", 3, &partition));
    log_fill(partition, 1, 100, clock_wall_ms());
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_int_equal(found(&fetch, 0)->partition_index, 3);
    call_end(&fetch.call);
}

static void what_was_served_comes_last(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0)->topic.partitions_count = PARTITIONS;
    fetch.body.max_bytes = 1;
    begin_session(&fetch, 11);
    for (int32_t epoch = 1; epoch <= 2 * PARTITIONS; epoch++) {
        fetch.body.session_epoch = epoch;
        const fetched *first = ask(&fetch, 11);
        assert_int_equal(first->partition_index, (epoch - 1) % PARTITIONS);
        assert_true(first->records.size > 0);
        assert_null(found(&fetch, 1));
        call_end(&fetch.call);
    }
}

static int16_t session_error(struct fetch_call *fetch, int16_t version)
{
    ask(fetch, version);
    int16_t error = answer_of(fetch)->error_code;
    if (error) {
        assert_int_equal(answer_of(fetch)->responses_count, 0);
        assert_int_equal(answer_of(fetch)->session_id, 0);
    }
    call_end(&fetch->call);
    return error;
}

static void sessions_have_their_errors(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0);
    int32_t id = begin_session(&fetch, 11);
    fetch.body.session_epoch = 2;
    assert_int_equal(session_error(&fetch, 11), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    fetch.body.session_epoch = 1;
    fetch.body.session_id = id ^ 1;
    assert_int_equal(session_error(&fetch, 11), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    fetch.body.session_id = id;
    assert_int_equal(session_error(&fetch, 13), KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    assert_int_equal(session_error(&fetch, 11), KAFKA_NONE);
    /* A full request ends it. */
    fetch.body.session_epoch = -1;
    fetch.body.topics_count = 1;
    assert_int_equal(session_error(&fetch, 11), KAFKA_NONE);
    fetch.body.session_epoch = 2;
    assert_int_equal(session_error(&fetch, 11), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    /* By id, and the other way round. */
    fetch_from(&fetch, "", 0)->topic.topic_id = partition->topic_id;
    begin_session(&fetch, 13);
    assert_int_equal(session_error(&fetch, 12), KAFKA_FETCH_SESSION_TOPIC_ID_ERROR);
    assert_int_equal(session_error(&fetch, 13), KAFKA_NONE);
}

static void what_is_forgotten_is_not_fetched(void **state)
{
    (void)state;
    make_partitions("t");
    struct fetch_call fetch;
    fetch_from(&fetch, "t", 0)->topic.partitions_count = 2;
    begin_session(&fetch, 11);
    fetch.body.forgotten_topics_data = &fetch.forgotten;
    fetch.body.forgotten_topics_data_count = 1;
    fetch.forgotten_number = 0;
    assert_int_equal(ask(&fetch, 11)->partition_index, 1);
    assert_null(found(&fetch, 1));
    call_end(&fetch.call);
    /* The last one ends the session. */
    fetch.body.session_epoch = 2;
    fetch.forgotten_number = 1;
    ask(&fetch, 11);
    assert_int_equal(answer_of(&fetch)->error_code, KAFKA_NONE);
    assert_int_equal(answer_of(&fetch)->session_id, 0);
    call_end(&fetch.call);
    fetch.body.session_epoch = 3;
    assert_int_equal(session_error(&fetch, 11), KAFKA_FETCH_SESSION_ID_NOT_FOUND);
}

static void a_session_that_is_in_use_is_not_shared(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct fetch_call fetch, other;
    fetch_from(&fetch, "t", 0);
    int32_t id = begin_session(&fetch, 11);
    begin_waiting(&fetch, 1);
    fetch_from(&other, "t", 0)->body.session_id = id;
    other.body.session_epoch = 2;
    other.body.topics_count = 0;
    assert_int_equal(session_error(&other, 11), KAFKA_INVALID_FETCH_SESSION_EPOCH);
    /* Its client came back by another connection, and begins anew. */
    other.body.session_epoch = 0;
    other.body.topics_count = 1;
    assert_int_equal(session_error(&other, 11), KAFKA_NONE);
    produce_ok("t", (struct sent){0});
    assert_int_equal(call_wait(&fetch.call), BROKER_ANSWER);
    assert_int_equal(read_batches(found(&fetch, 0), 0), 1);
    call_end(&fetch.call);
}

static void a_topic_made_again_is_another_one(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    produce_ok("t", (struct sent){.records = 5});
    struct fetch_call by_name, by_id;
    fetch_from(&by_name, "t", 5);
    begin_session(&by_name, 12);
    fetch_from(&by_id, "", 5)->topic.topic_id = partition->topic_id;
    begin_session(&by_id, 13);
    assert_ok(directory_delete_topic(log_directory, "t"));
    log_topic("t", NULL, NULL, NULL);
    assert_int_equal(ask(&by_name, 12)->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    call_end(&by_name.call);
    assert_int_equal(ask(&by_id, 13)->error_code, KAFKA_UNKNOWN_TOPIC_ID);
    call_end(&by_id.call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_tells_what_is_new),
        TEST(an_error_is_told_again),
        TEST(a_session_waits_for_all_of_its_partitions),
        TEST(what_was_served_comes_last),
        TEST(sessions_have_their_errors),
        TEST(what_is_forgotten_is_not_fetched),
        TEST(a_session_that_is_in_use_is_not_shared),
        TEST(a_topic_made_again_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
