/* offset_commit_test.c - who may commit what. */
#include "../group_fixture.h"

#include "log/progress.h"
#include "os/lock.h"

/* Nobody in particular: an administrator, or a consumer that was assigned by hand. */
static struct client simple(const char *group)
{
    return client_of(group, "simple");
}

static void a_group_without_members_is_anybodys(void **state)
{
    (void)state;
    struct client one = simple("g");
    assert_int_equal(commit(&one, 0, 5), KAFKA_NONE);
    assert_int_equal(committed("g", 0), 5);
    one.generation = 1;
    assert_int_equal(commit(&one, 0, 6), KAFKA_ILLEGAL_GENERATION);
    snprintf(one.member, sizeof one.member, "stranger");
    assert_int_equal(commit(&one, 0, 6), KAFKA_UNKNOWN_MEMBER_ID);
    one.group = "";
    assert_int_equal(commit(&one, 0, 6), KAFKA_INVALID_GROUP_ID);
    assert_int_equal(committed("g", 0), 5);
}

static void with_members_only_they_commit(void **state)
{
    (void)state;
    struct client a = client_of("g", "a"), other = simple("g");
    form(&a, 1);
    assert_int_equal(commit(&a, 0, 1), KAFKA_NONE);
    assert_int_equal(commit(&other, 0, 2), KAFKA_UNKNOWN_MEMBER_ID);
    other = a;
    other.generation--;
    assert_int_equal(commit(&other, 0, 2), KAFKA_ILLEGAL_GENERATION);
    other.generation = -1;
    assert_int_equal(commit(&other, 0, 2), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(committed("g", 0), 1);
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_int_equal(commit(&a, 0, 3), KAFKA_UNKNOWN_MEMBER_ID);
    other = simple("g");
    assert_int_equal(commit(&other, 0, 4), KAFKA_NONE);
    assert_int_equal(committed("g", 0), 4);
}

/* Consumers without a server keep out of a group that has members at one. */
static void local_consumers_keep_out_meanwhile(void **state)
{
    (void)state;
    struct client a = client_of("g", "a");
    assert_ok(progress_check_inactive(log_directory, "g"));
    form(&a, 1);
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "g"));
    assert_ok(progress_check_inactive(log_directory, "h"));
    assert_int_equal(leave(&a), KAFKA_NONE);
    assert_ok(progress_check_inactive(log_directory, "g"));
    a.member[0] = 0;
    form(&a, 1);
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "g"));
    tick(SESSION_MS);
    assert_ok(progress_check_inactive(log_directory, "g"));
}

static void each_partition_has_its_code(void **state)
{
    (void)state;
    static char text[PROGRESS_METADATA_MAX + 2];
    struct client one = simple("g");
    struct call call;
    struct commit_call made;
    struct offset_commit_request_topics topics[2];
    struct offset_commit_request_topics_partitions partitions[6], strange;
    memset(text, 'm', sizeof text - 1);
    commit_of(&made, &one, 0, 10);
    for (int32_t i = 0; i < 6; i++) {
        partitions[i] = made.partition;
        partitions[i].partition_index = i;
        partitions[i].committed_offset = 10 + i;
    }
    partitions[0].committed_metadata = (struct wire_string){text, PROGRESS_METADATA_MAX};
    partitions[1].committed_metadata = (struct wire_string){text, PROGRESS_METADATA_MAX + 1};
    partitions[2].committed_metadata = (struct wire_string){"a\0b", 3};
    partitions[3].committed_offset = -2;
    partitions[5].partition_index = 3;
    partitions[5].committed_metadata = (struct wire_string){NULL, -1};
    strange = partitions[0];
    topics[0] = topics[1] = made.topic;
    topics[0].partitions = partitions;
    topics[0].partitions_count = 6;
    topics[1].name = wire_text("not there");
    topics[1].partitions = &strange;
    made.body.topics = topics;
    made.body.topics_count = 2;
    const struct offset_commit_response *answer = ask(&call, OFFSET_COMMIT, 8, &made.body);
    const int16_t expected[] = {KAFKA_NONE,
                                KAFKA_OFFSET_METADATA_TOO_LARGE,
                                KAFKA_NONE,
                                KAFKA_INVALID_REQUEST,
                                KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                KAFKA_NONE};
    for (int i = 0; i < 6; i++)
        assert_int_equal(answer->topics[0].partitions[i].error_code, expected[i]);
    assert_true(wire_equal(answer->topics[1].name, "not there"));
    assert_int_equal(answer->topics[1].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    call_end(&call);
    assert_int_equal(committed("g", 0), 10);
    assert_int_equal(committed("g", 1), -1);
    assert_int_equal(committed("g", 2), 12);
    assert_int_equal(committed("g", 3), 15);
    /* A smaller limit is the server's to set. */
    settings.offset_metadata_max_bytes = 2;
    broker_configure(broker, &settings);
    commit_of(&made, &one, 1, 7);
    made.partition.committed_metadata = wire_text("abc");
    ask(&made.call, OFFSET_COMMIT, 8, &made.body);
    assert_int_equal(commit_take(&made), KAFKA_OFFSET_METADATA_TOO_LARGE);
}

static void minus_one_takes_it_away(void **state)
{
    (void)state;
    struct client one = simple("g");
    assert_int_equal(commit(&one, 0, 5), KAFKA_NONE);
    assert_int_equal(commit(&one, 0, -1), KAFKA_NONE);
    assert_int_equal(committed("g", 0), -1);
}

static void topics_by_id(void **state)
{
    (void)state;
    struct client one = simple("g");
    struct commit_call made;
    struct maplog_topic found;
    assert_ok(directory_topic(log_directory, "t", &found));
    commit_of(&made, &one, 2, 9);
    assert_true(uuid_parse(found.id, &made.topic.topic_id));
    const struct offset_commit_response *answer = ask(&made.call, OFFSET_COMMIT, 10, &made.body);
    assert_memory_equal(&answer->topics[0].topic_id, &made.topic.topic_id, sizeof(struct uuid));
    assert_int_equal(commit_take(&made), KAFKA_NONE);
    assert_int_equal(committed("g", 2), 9);
    made.topic.topic_id.bytes[3] ^= 1;
    ask(&made.call, OFFSET_COMMIT, 10, &made.body);
    assert_int_equal(commit_take(&made), KAFKA_UNKNOWN_TOPIC_ID);
}

/* Another process has the topics under its hands, and __consumer_offsets has to be made anew. */
static int make_busy(struct directory **other)
{
    assert_ok(directory_delete_topic(log_directory, PROGRESS_TOPIC));
    *other = log_attach();
    return lock_try((*other)->view.lock_fd, log_path, LOCK_CATALOG, true);
}

static void it_waits_for_a_busy_log_and_blocks_nobody(void **state)
{
    (void)state;
    struct directory *other;
    struct client a = client_of("g", "a");
    struct commit_call made;
    form(&a, 1);
    assert_ok(make_busy(&other));
    commit_of(&made, &a, 0, 5);
    assert_int_equal(begin_as(&made.call, "a", OFFSET_COMMIT, 9, &made.body), BROKER_PARK);
    assert_int_equal(made.call.request.deadline_ms, now_ms + 1);
    for (int64_t pause = 2; pause <= 32; pause *= 2) {
        now_ms = made.call.request.deadline_ms;
        assert_int_equal(resume(&made.call), BROKER_PARK);
        assert_int_equal(made.call.request.deadline_ms, now_ms + (pause < 20 ? pause : 20));
    }
    assert_int_equal(heartbeat(&a), KAFKA_NONE);
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_int_equal(resume(&made.call), BROKER_ANSWER);
    assert_int_equal(commit_take(&made), KAFKA_NONE);
    assert_int_equal(committed("g", 0), 5);
    directory_drop(other);
}

static void it_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct directory *other;
    struct client one = simple("g");
    struct commit_call made;
    assert_ok(make_busy(&other));
    commit_of(&made, &one, 0, 5);
    assert_int_equal(begin_as(&made.call, "a", OFFSET_COMMIT, 9, &made.body), BROKER_PARK);
    now_ms += 4999;
    assert_int_equal(resume(&made.call), BROKER_PARK);
    now_ms += 1;
    assert_int_equal(resume(&made.call), BROKER_ANSWER);
    assert_int_equal(commit_take(&made), KAFKA_COORDINATOR_NOT_AVAILABLE);
    directory_drop(other);
}

/* While it waited, its member lost its partitions: too late. */
static void a_commit_that_waited_is_checked_again(void **state)
{
    (void)state;
    struct directory *other;
    struct client a = client_of("g", "a");
    struct commit_call made;
    form(&a, 1);
    assert_ok(make_busy(&other));
    commit_of(&made, &a, 0, 5);
    assert_int_equal(begin_as(&made.call, "a", OFFSET_COMMIT, 9, &made.body), BROKER_PARK);
    assert_int_equal(leave(&a), KAFKA_NONE);
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_int_equal(resume(&made.call), BROKER_ANSWER);
    assert_int_equal(commit_take(&made), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(committed("g", 0), -1);
    directory_drop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(a_group_without_members_is_anybodys),
        TEST(with_members_only_they_commit),
        TEST(local_consumers_keep_out_meanwhile),
        TEST(each_partition_has_its_code),
        TEST(minus_one_takes_it_away),
        TEST(topics_by_id),
        TEST(it_waits_for_a_busy_log_and_blocks_nobody),
        TEST(it_does_not_wait_for_ever),
        TEST(a_commit_that_waited_is_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
