/* offset_fetch_test.c - what groups committed, in every form of asking. */
#include "../group_fixture.h"

static void commit_bytes(const char *group, int32_t partition, int64_t offset,
                         struct wire_string metadata)
{
    struct client one = client_of(group, "simple");
    struct commit_call made;
    commit_of(&made, &one, partition, offset);
    made.partition.committed_metadata = metadata;
    made.partition.committed_leader_epoch = 3;
    ask(&made.call, OFFSET_COMMIT, 9, &made.body);
    assert_int_equal(commit_take(&made), KAFKA_NONE);
}

static void commit_text(const char *group, int32_t partition, int64_t offset, const char *text)
{
    commit_bytes(group, partition, offset, wire_text(text));
}

static void a_commit_comes_back_whole(void **state)
{
    (void)state;
    struct call call;
    int32_t numbers[] = {1, 0, 77};
    struct offset_fetch_request body;
    struct offset_fetch_request_topics topics[] = {{wire_text("t"), numbers, 3},
                                                   {wire_text("no such/topic"), numbers, 1}};
    commit_text("g", 1, 42, "what I know");
    wire_init(&wire_offset_fetch_request, &body);
    body.group_id = wire_text("g");
    body.topics = topics;
    body.topics_count = 2;
    for (int16_t version = 1; version < 8; version++) {
        struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, version, &body);
        assert_int_equal(answer->error_code, KAFKA_NONE);
        assert_int_equal(answer->topics_count, 2);
        const struct offset_fetch_response_topics_partitions *found = answer->topics[0].partitions;
        assert_true(wire_equal(answer->topics[0].name, "t"));
        assert_int_equal(answer->topics[0].partitions_count, 3);
        assert_int_equal(found[0].partition_index, 1);
        assert_int_equal(found[0].committed_offset, 42);
        assert_int_equal(found[0].committed_leader_epoch, version >= 5 ? 3 : -1);
        assert_true(wire_equal(found[0].metadata, "what I know"));
        for (int i = 1; i < 3; i++) { /* nothing is no error */
            assert_int_equal(found[i].partition_index, numbers[i]);
            assert_int_equal(found[i].committed_offset, -1);
            assert_true(wire_equal(found[i].metadata, ""));
            assert_int_equal(found[i].error_code, KAFKA_NONE);
        }
        assert_int_equal(answer->topics[1].partitions[0].committed_offset, -1);
        assert_int_equal(answer->topics[1].partitions[0].error_code, KAFKA_NONE);
        call_end(&call);
    }
}

static void metadata_may_be_any_bytes(void **state)
{
    (void)state;
    static const struct wire_string cases[] = {
        {"Hello\0Wor\x94ld", 12}, {"\0", 1}, {"\xff\xfe\0\0", 4}, {"", 0}};
    int32_t number = 0;
    struct offset_fetch_request body;
    struct offset_fetch_request_topics topic = {wire_text("t"), &number, 1};
    wire_init(&wire_offset_fetch_request, &body);
    body.group_id = wire_text("g");
    body.topics = &topic;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        commit_bytes("g", 0, 42, cases[i]);
        for (body.topics_count = -1; body.topics_count <= 1; body.topics_count += 2) {
            struct call call; /* for all, and for this one */
            struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, 7, &body);
            assert_int_equal(answer->topics_count, 1);
            const struct wire_string found = answer->topics[0].partitions[0].metadata;
            assert_int_equal(found.size, cases[i].size);
            assert_memory_equal(found.at, cases[i].at, cases[i].size);
            call_end(&call);
        }
    }
}

static void null_topics_are_all(void **state)
{
    (void)state;
    struct call call;
    struct offset_fetch_request body;
    assert_ok(directory_create_topic(log_directory, "s", 1, NULL));
    for (int32_t i = 0; i < 4; i++)
        commit_text("g", i, 10 + i, "");
    commit_text("other", 0, 5, "");
    struct client one = client_of("g", "simple");
    struct commit_call made;
    commit_of(&made, &one, 0, 99);
    made.topic.name = wire_text("s");
    ask(&made.call, OFFSET_COMMIT, 9, &made.body);
    assert_int_equal(commit_take(&made), KAFKA_NONE);
    wire_init(&wire_offset_fetch_request, &body);
    body.group_id = wire_text("g");
    body.topics_count = -1;
    for (int16_t version = 2; version < 8; version++) {
        struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, version, &body);
        assert_int_equal(answer->topics_count, 2);
        assert_true(wire_equal(answer->topics[0].name, "s"));
        assert_int_equal(answer->topics[0].partitions[0].committed_offset, 99);
        assert_int_equal(answer->topics[1].partitions_count, 4);
        for (int32_t i = 0; i < 4; i++)
            assert_int_equal(answer->topics[1].partitions[i].committed_offset, 10 + i);
        call_end(&call);
    }
}

static void an_empty_group_id_is_refused(void **state)
{
    (void)state;
    struct call call;
    int32_t number = 0;
    struct offset_fetch_request body;
    struct offset_fetch_request_topics topic = {wire_text("t"), &number, 1};
    wire_init(&wire_offset_fetch_request, &body);
    body.topics = &topic;
    body.topics_count = 1;
    struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, 1, &body);
    assert_int_equal(answer->topics[0].partitions[0].error_code, KAFKA_INVALID_GROUP_ID);
    call_end(&call);
    answer = ask(&call, OFFSET_FETCH, 2, &body);
    assert_int_equal(answer->error_code, KAFKA_INVALID_GROUP_ID);
    assert_int_equal(answer->topics_count, 0);
    call_end(&call);
}

static void several_groups_at_once(void **state)
{
    (void)state;
    struct call call;
    int32_t number = 2;
    struct maplog_topic found;
    struct uuid id, unknown = {{1, 2, 3}};
    struct offset_fetch_request body;
    struct offset_fetch_request_groups groups[3];
    struct offset_fetch_request_groups_topics topics[2];
    commit_text("g", 2, 42, "text");
    commit_text("h", 3, 43, "");
    assert_ok(directory_topic(log_directory, "t", &found));
    assert_true(uuid_parse(found.id, &id));
    wire_init(&wire_offset_fetch_request, &body);
    for (int i = 0; i < 3; i++)
        wire_init(&wire_offset_fetch_request_groups, &groups[i]);
    topics[0] = (struct offset_fetch_request_groups_topics){wire_text("t"), id, &number, 1};
    topics[1] = (struct offset_fetch_request_groups_topics){wire_text("u"), unknown, &number, 1};
    groups[0].group_id = wire_text("g");
    groups[0].topics = topics;
    groups[0].topics_count = 2;
    groups[1].group_id = wire_text("h");
    groups[1].topics_count = -1;
    body.groups = groups;
    body.groups_count = 3; /* the last has no name */
    for (int16_t version = 8; version <= 10; version++) {
        struct offset_fetch_response *answer = ask(&call, OFFSET_FETCH, version, &body);
        assert_int_equal(answer->groups_count, 3);
        assert_true(wire_equal(answer->groups[0].group_id, "g"));
        const struct offset_fetch_response_groups_topics *told = answer->groups[0].topics;
        assert_int_equal(told[0].partitions[0].partition_index, 2);
        assert_int_equal(told[0].partitions[0].committed_offset, 42);
        assert_int_equal(told[0].partitions[0].committed_leader_epoch, 3);
        assert_true(wire_equal(told[0].partitions[0].metadata, "text"));
        assert_int_equal(told[1].partitions[0].committed_offset, -1);
        assert_int_equal(told[1].partitions[0].error_code,
                         version < 10 ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_ID);
        told = answer->groups[1].topics;
        assert_int_equal(answer->groups[1].topics_count, 1);
        assert_int_equal(told->partitions_count, 1);
        assert_int_equal(told->partitions[0].committed_offset, 43);
        if (version < 10)
            assert_true(wire_equal(told->name, "t"));
        else
            assert_memory_equal(&told->topic_id, &id, sizeof id);
        assert_int_equal(answer->groups[2].error_code, KAFKA_INVALID_GROUP_ID);
        assert_int_equal(answer->groups[2].topics_count, 0);
        call_end(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(a_commit_comes_back_whole), TEST(metadata_may_be_any_bytes),
        TEST(null_topics_are_all),       TEST(an_empty_group_id_is_refused),
        TEST(several_groups_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
