/* misuse_test.c - every public call with arguments that are wrong: an error by name, with a text,
 * that leaves outputs alone. Calls on handles that are closed or used by two threads at once break
 * a contract: handle_test.c. */
#include "misuse.h"

static struct maplog_producer *producer, *gatherer;
static struct maplog_consumer *consumer, *member;
static struct maplog_message message;
static struct maplog_hold *hold;

static int open_all(void **state)
{
    if (fixture_make(state))
        return -1;
    make_topic("t", 2, NULL);
    const struct maplog_producer_options gathering = {.batch_bytes = 4096};
    const struct maplog_consumer_options in_group = {.group = "g"};
    producer = open_producer("t", NULL);
    gatherer = open_producer("t", &gathering);
    consumer = open_consumer("t", NULL);
    member = open_consumer("t", &in_group);
    put(producer, "x");
    assert_code(1, maplog_consume(consumer, &message, 0));
    assert_ok(maplog_hold(consumer, &hold));
    return 0;
}

static int close_all(void **state)
{
    maplog_release(hold);
    maplog_consumer_close(consumer);
    maplog_consumer_close(member);
    maplog_producer_close(gatherer);
    maplog_producer_close(producer);
    return fixture_remove(state);
}

static void errors(void **state)
{
    (void)state;
    for (int code = -1000; code < 1000; code += 7)
        assert_true(strlen(accepted(maplog_error_name(code))) > 0);
    assert_string_equal(maplog_error_name(INT32_MIN), maplog_error_name(INT32_MAX));
    assert_non_null(accepted(maplog_error_text()));
    assert_non_null(accepted(maplog_version()));
}

static void logs(void **state)
{
    (void)state;
    struct maplog *log = UNTOUCHED;
    const struct maplog_open_options flags = {.flags = 0x80}, both = {.flags = 3},
                                     late = {.timeout_ms = -1}, newer = {.reserved = {0, 0, 0, 1}};
    refused(MAPLOG_INVALID, maplog_open(NULL, NULL, &log));
    refused(MAPLOG_INVALID, maplog_open(fixture_path, NULL, NULL));
    refused(MAPLOG_INVALID, maplog_open(fixture_path, &flags, &log));
    refused(MAPLOG_INVALID, maplog_open(fixture_path, &both, &log));
    refused(MAPLOG_INVALID, maplog_open(fixture_path, &late, &log));
    refused(MAPLOG_INVALID, maplog_open(fixture_path, &newer, &log));
    refused(MAPLOG_NOT_FOUND, maplog_open("", NULL, &log));
    refused(MAPLOG_IO, maplog_open("/dev/null", NULL, &log));
    const struct maplog_anonymous_options small = {.segment_bytes = 1}, many = {.segments = 65},
                                          huge = {.segment_bytes = UINT64_MAX},
                                          odd = {.topic = "no/topic"}, late_too = {.reserved = {1}};
    refused(MAPLOG_INVALID, maplog_open_anonymous(NULL, NULL));
    refused(MAPLOG_INVALID, maplog_open_anonymous(&small, &log));
    refused(MAPLOG_INVALID, maplog_open_anonymous(&huge, &log));
    refused(MAPLOG_INVALID, maplog_open_anonymous(&many, &log));
    refused(MAPLOG_INVALID, maplog_open_anonymous(&odd, &log));
    refused(MAPLOG_INVALID, maplog_open_anonymous(&late_too, &log));
    int null = open("/dev/null", O_RDWR);
    refused(MAPLOG_INVALID, maplog_attach(-1, &log));
    refused(MAPLOG_INVALID, maplog_attach(null, NULL));
    refused(MAPLOG_INVALID, maplog_attach(null, &log));
    close(null);
    refused(MAPLOG_INVALID, maplog_attach(null, &log));
    refused(MAPLOG_INVALID, maplog_descriptor(NULL));
    refused(MAPLOG_UNSUPPORTED, maplog_descriptor(fixture_log));
    refused(MAPLOG_INVALID, maplog_sync(NULL));
    accepted(maplog_close(NULL));
    assert_ptr_equal(log, UNTOUCHED);
}

static int visit_topic(void *context, const struct maplog_topic *topic)
{
    (void)topic;
    return context ? 7 : 0;
}

static int visit_config(void *context, const char *name, const char *value, int is_default)
{
    (void)name;
    (void)value;
    (void)is_default;
    return context ? 7 : 0;
}

static void topics(void **state)
{
    (void)state;
    struct maplog *log = fixture_log;
    const char *odd[] = {"no.such.setting=1", NULL}, *bare[] = {"retention.ms", NULL},
               *empty[] = {"", NULL}, *huge[] = {"retention.ms=99999999999999999999", NULL};
    char name[600];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    refused(MAPLOG_INVALID, maplog_topic_create(NULL, "a", 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, NULL, 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "", 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "../a", 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, name, 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "a", -1, NULL));
    refused(MAPLOG_LIMIT, maplog_topic_create(log, "a", INT32_MAX, NULL));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "a", 1, odd));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "a", 1, bare));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "a", 1, empty));
    refused(MAPLOG_INVALID, maplog_topic_create(log, "a", 1, huge));
    refused(MAPLOG_EXISTS, maplog_topic_create(log, "t", 1, NULL));
    refused(MAPLOG_INVALID, maplog_topic_delete(NULL, "t"));
    refused(MAPLOG_INVALID, maplog_topic_delete(log, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_topic_delete(log, name));
    refused(MAPLOG_INVALID, maplog_topic_alter(NULL, "t", odd));
    refused(MAPLOG_INVALID, maplog_topic_alter(log, NULL, odd));
    refused(MAPLOG_INVALID, maplog_topic_alter(log, "t", NULL));
    refused(MAPLOG_INVALID, maplog_topic_alter(log, "t", odd));
    refused(MAPLOG_INVALID, maplog_topic_alter(log, "t", bare));
    refused(MAPLOG_INVALID, maplog_topic_grow(NULL, "t", 3));
    refused(MAPLOG_INVALID, maplog_topic_grow(log, NULL, 3));
    refused(MAPLOG_INVALID, maplog_topic_grow(log, "t", -1));
    refused(MAPLOG_INVALID, maplog_topic_grow(log, "t", 1));
    refused(MAPLOG_LIMIT, maplog_topic_grow(log, "t", INT32_MAX));
    refused(MAPLOG_INVALID, maplog_topic_list(NULL, visit_topic, NULL));
    refused(MAPLOG_INVALID, maplog_topic_list(log, NULL, NULL));
    assert_int_equal(maplog_topic_list(log, visit_topic, log), 7);
    refused(MAPLOG_INVALID, maplog_topic_configs(NULL, "t", visit_config, NULL));
    refused(MAPLOG_INVALID, maplog_topic_configs(log, NULL, visit_config, NULL));
    refused(MAPLOG_INVALID, maplog_topic_configs(log, "t", NULL, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_topic_configs(log, name, visit_config, NULL));
    assert_int_equal(maplog_topic_configs(log, "t", visit_config, log), 7);
}

static void partitions(void **state)
{
    (void)state;
    struct maplog *log = fixture_log;
    struct maplog_topic topic = {.name = UNTOUCHED, .partitions = -77};
    struct maplog_partition partition = {.end_offset = -77};
    refused(MAPLOG_INVALID, maplog_topic_describe(NULL, "t", &topic));
    refused(MAPLOG_INVALID, maplog_topic_describe(log, NULL, &topic));
    refused(MAPLOG_INVALID, maplog_topic_describe(log, "t", NULL));
    refused(MAPLOG_NOT_FOUND, maplog_topic_describe(log, "", &topic));
    refused(MAPLOG_INVALID, maplog_partition_describe(NULL, "t", 0, &partition));
    refused(MAPLOG_INVALID, maplog_partition_describe(log, NULL, 0, &partition));
    refused(MAPLOG_INVALID, maplog_partition_describe(log, "t", 0, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_partition_describe(log, "t", -1, &partition));
    refused(MAPLOG_NOT_FOUND, maplog_partition_describe(log, "t", INT32_MAX, &partition));
    refused(MAPLOG_NOT_FOUND, maplog_partition_describe(log, "none", 0, &partition));
    refused(MAPLOG_INVALID, maplog_delete_records(NULL, "t", 0, 0));
    refused(MAPLOG_INVALID, maplog_delete_records(log, NULL, 0, 0));
    refused(MAPLOG_NOT_FOUND, maplog_delete_records(log, "t", 2, 0));
    refused(MAPLOG_INVALID, maplog_delete_records(log, "t", 0, INT64_MIN));
    refused(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_delete_records(log, "t", 0, INT64_MAX));
    assert_ptr_equal(topic.name, UNTOUCHED);
    assert_int_equal(topic.partitions, -77);
    assert_int_equal(partition.end_offset, -77);
}

static void producers(void **state)
{
    (void)state;
    struct maplog *log = fixture_log;
    struct maplog_producer *made = UNTOUCHED;
    const struct maplog_producer_options acks = {.acks = (enum maplog_acks)3},
                                         codec = {.compression = (enum maplog_compression)5,
                                                  .batch_bytes = 1},
                                         no_batch = {.compression = MAPLOG_COMPRESSION_LZ4},
                                         no_linger = {.linger_ms = 1},
                                         before = {.linger_ms = -1, .batch_bytes = 1},
                                         late = {.timeout_ms = -1}, newer = {.reserved = {1}};
    refused(MAPLOG_INVALID, maplog_producer_open(NULL, "t", NULL, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, NULL, NULL, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", NULL, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_producer_open(log, "", NULL, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &acks, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &codec, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &no_batch, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &no_linger, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &before, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &late, &made));
    refused(MAPLOG_INVALID, maplog_producer_open(log, "t", &newer, &made));
    assert_ptr_equal(made, UNTOUCHED);
    refused(MAPLOG_INVALID, maplog_prepare(NULL, 0, 1));
    refused(MAPLOG_NOT_FOUND, maplog_prepare(producer, -1, 1));
    refused(MAPLOG_NOT_FOUND, maplog_prepare(producer, 2, 1));
    assert_ok(maplog_prepare(producer, 0, UINT64_MAX)); /* to the end of the segment */
    refused(MAPLOG_INVALID, maplog_flush(NULL));
    assert_int_equal(accepted(maplog_producer_close(NULL)), 0);
}

static void records(void **state)
{
    (void)state;
    const struct maplog_header nameless = {.value = "v", .value_size = 1},
                               valueless = {.name = "n", .value_size = 1};
    static const struct maplog_header headers[1];
    const struct maplog_record wrong[] = {
        {.key_size = 1},
        {.value_size = 1},
        {.value_size = SIZE_MAX},
        {.header_count = 1},
        {.headers = &nameless, .header_count = 1},
        {.headers = &valueless, .header_count = 1},
    };
    const struct maplog_record too_large = {.value = "", .value_size = SIZE_MAX},
                               together = {.key = "",
                                           .key_size = SIZE_MAX / 2,
                                           .value = "",
                                           .value_size = SIZE_MAX / 2},
                               crowded = {.headers = headers, .header_count = SIZE_MAX},
                               right = {.value = "x", .value_size = 1};
    struct maplog_producer *both[] = {producer, gatherer};
    int64_t offset = -77;
    assert_ok(maplog_produce(gatherer, &right, NULL)); /* opens a batch */
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            refused(MAPLOG_INVALID, maplog_produce(both[p], &wrong[i], &offset));
            refused(MAPLOG_INVALID, maplog_produce_to(both[p], 1, &wrong[i], &offset));
        }
        refused(MAPLOG_TOO_LARGE, maplog_produce(both[p], &too_large, &offset));
        refused(MAPLOG_TOO_LARGE, maplog_produce(both[p], &together, &offset));
        refused(MAPLOG_LIMIT, maplog_produce(both[p], &crowded, &offset));
        refused(MAPLOG_INVALID, maplog_produce(both[p], NULL, &offset));
        refused(MAPLOG_INVALID, maplog_produce_to(both[p], 0, NULL, &offset));
        refused(MAPLOG_INVALID, maplog_produce_to(both[p], -1, &right, &offset));
        refused(MAPLOG_NOT_FOUND, maplog_produce_to(both[p], INT32_MAX, &right, &offset));
        assert_ok(maplog_flush(both[p]));
    }
    refused(MAPLOG_INVALID, maplog_produce(NULL, &right, &offset));
    refused(MAPLOG_INVALID, maplog_produce_to(NULL, 0, &right, &offset));
    assert_int_equal(offset, -77);
    assert_int_equal(describe("t", 0).end_offset + describe("t", 1).end_offset, 2);
}

static void consumers(void **state)
{
    (void)state;
    struct maplog *log = fixture_log;
    struct maplog_consumer *made = UNTOUCHED;
    const int32_t before[] = {-1}, behind[] = {2}, twice[] = {1, 1};
    char name[300];
    memset(name, 'g', sizeof name);
    name[sizeof name - 1] = 0;
    const struct maplog_consumer_options empty = {.partitions = before},
                                         listless = {.partition_count = 1},
                                         low = {.partitions = before, .partition_count = 1},
                                         high = {.partitions = behind, .partition_count = 1},
                                         doubled = {.partitions = twice, .partition_count = 2},
                                         nobody = {.group = ""}, long_group = {.group = name},
                                         taken = {.group = "g"}, newer = {.reserved = {0, 1}};
    refused(MAPLOG_INVALID, maplog_consumer_open(NULL, "t", NULL, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, NULL, NULL, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", NULL, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_consumer_open(log, "none", NULL, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &empty, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &listless, &made));
    refused(MAPLOG_NOT_FOUND, maplog_consumer_open(log, "t", &low, &made));
    refused(MAPLOG_NOT_FOUND, maplog_consumer_open(log, "t", &high, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &doubled, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &nobody, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &long_group, &made));
    refused(MAPLOG_GROUP_BUSY, maplog_consumer_open(log, "t", &taken, &made));
    refused(MAPLOG_INVALID, maplog_consumer_open(log, "t", &newer, &made));
    accepted(maplog_consumer_close(NULL));
    assert_ptr_equal(made, UNTOUCHED);
}

static void consuming(void **state)
{
    (void)state;
    struct maplog_message none = {.offset = -77};
    struct maplog_hold *kept = UNTOUCHED;
    const char *name;
    const void *value;
    size_t size;
    int64_t offset = -77;
    int fd = -77;
    refused(MAPLOG_INVALID, maplog_consume(NULL, &none, 0));
    refused(MAPLOG_INVALID, maplog_consume(consumer, NULL, 0));
    refused(MAPLOG_INVALID, maplog_message_header(NULL, 0, &name, &size, &value, &size));
    refused(MAPLOG_INVALID, maplog_message_header(&message, 0, NULL, &size, &value, &size));
    refused(MAPLOG_INVALID, maplog_message_header(&message, 0, &name, &size, &value, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_message_header(&message, 0, &name, &size, &value, &size));
    refused(MAPLOG_NOT_FOUND, maplog_message_header(&message, -1, &name, &size, &value, &size));
    refused(MAPLOG_INVALID, maplog_hold(NULL, &kept));
    refused(MAPLOG_INVALID, maplog_hold(consumer, NULL));
    refused(MAPLOG_INVALID, maplog_hold_covers(NULL, consumer));
    refused(MAPLOG_INVALID, maplog_hold_covers(hold, NULL));
    accepted(maplog_release(NULL));
    refused(MAPLOG_INVALID, maplog_position(NULL, 0, &offset));
    refused(MAPLOG_INVALID, maplog_position(consumer, 0, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_position(consumer, -1, &offset));
    refused(MAPLOG_NOT_FOUND, maplog_position(consumer, 2, &offset));
    refused(MAPLOG_INVALID, maplog_seek(NULL, 0, 0));
    refused(MAPLOG_NOT_FOUND, maplog_seek(consumer, -2, 0));
    refused(MAPLOG_NOT_FOUND, maplog_seek(consumer, INT32_MAX, 0));
    refused(MAPLOG_INVALID, maplog_seek(consumer, 0, INT64_MIN));
    refused(MAPLOG_INVALID, maplog_seek_time(NULL, 0, 0));
    refused(MAPLOG_NOT_FOUND, maplog_seek_time(consumer, 9, 0));
    refused(MAPLOG_NOT_FOUND, maplog_hold(consumer, &kept)); /* the last call took none */
    refused(MAPLOG_INVALID, maplog_consumer_descriptor(NULL, &fd));
    refused(MAPLOG_INVALID, maplog_consumer_descriptor(consumer, NULL));
    assert_ok(maplog_seek(consumer, -1, INT64_MAX)); /* it is told when it reads */
    refused(MAPLOG_OFFSET_OUT_OF_RANGE, maplog_consume(consumer, &none, 0));
    for (int64_t time = INT64_MIN; time < INT64_MAX - 1; time = time < 0 ? 0 : INT64_MAX - 1)
        assert_ok(maplog_seek_time(consumer, -1, time));
    assert_ptr_equal(kept, UNTOUCHED);
    assert_true(offset == -77 && fd == -77 && none.offset == -77);
}

static void groups(void **state)
{
    (void)state;
    struct maplog *log = fixture_log;
    int64_t offset = -77;
    char text[5000];
    memset(text, 'm', sizeof text);
    text[sizeof text - 1] = 0;
    refused(MAPLOG_INVALID, maplog_commit(NULL));
    refused(MAPLOG_INVALID, maplog_commit(consumer));
    refused(MAPLOG_INVALID, maplog_group_commit(NULL, "h", "t", 0, 0, NULL));
    refused(MAPLOG_INVALID, maplog_group_commit(log, NULL, "t", 0, 0, NULL));
    refused(MAPLOG_INVALID, maplog_group_commit(log, "h", NULL, 0, 0, NULL));
    refused(MAPLOG_INVALID, maplog_group_commit(log, "", "t", 0, 0, NULL));
    refused(MAPLOG_INVALID, maplog_group_commit(log, text, "t", 0, 0, NULL));
    refused(MAPLOG_INVALID, maplog_group_commit(log, "h", "t", 0, -1, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_group_commit(log, "h", "t", -1, 0, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_group_commit(log, "h", "t", 2, 0, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_group_commit(log, "h", "none", 0, 0, NULL));
    refused(MAPLOG_LIMIT, maplog_group_commit(log, "h", "t", 0, 0, text));
    refused(MAPLOG_INVALID, maplog_group_committed(NULL, "h", "t", 0, &offset));
    refused(MAPLOG_INVALID, maplog_group_committed(log, NULL, "t", 0, &offset));
    refused(MAPLOG_INVALID, maplog_group_committed(log, "h", NULL, 0, &offset));
    refused(MAPLOG_INVALID, maplog_group_committed(log, "h", "t", 0, NULL));
    assert_int_equal(offset, -77);
}

/* In a child: every call on an inherited handle. */
static bool all_answer_forked(void)
{
    struct maplog *log = fixture_log;
    struct maplog_record record = text_record("x");
    struct maplog_message none;
    struct maplog_topic topic;
    struct maplog_partition partition;
    struct maplog_producer *new_producer;
    struct maplog_consumer *new_consumer;
    struct maplog_hold *kept;
    const char *configs[] = {NULL};
    int64_t offset;
    int fd;
    const struct answer answers[] = {
        asked(maplog_descriptor(log)),
        asked(maplog_sync(log)),
        asked(maplog_topic_create(log, "a", 1, NULL)),
        asked(maplog_topic_delete(log, "t")),
        asked(maplog_topic_alter(log, "t", configs)),
        asked(maplog_topic_grow(log, "t", 3)),
        asked(maplog_topic_describe(log, "t", &topic)),
        asked(maplog_topic_list(log, visit_topic, NULL)),
        asked(maplog_topic_configs(log, "t", visit_config, NULL)),
        asked(maplog_partition_describe(log, "t", 0, &partition)),
        asked(maplog_delete_records(log, "t", 0, 0)),
        asked(maplog_producer_open(log, "t", NULL, &new_producer)),
        asked(maplog_produce(producer, &record, NULL)),
        asked(maplog_produce(gatherer, &record, NULL)),
        asked(maplog_produce_to(producer, 0, &record, NULL)),
        asked(maplog_prepare(producer, 0, 1)),
        asked(maplog_flush(producer)),
        asked(maplog_consumer_open(log, "t", NULL, &new_consumer)),
        asked(maplog_consume(consumer, &none, -1)),
        asked(maplog_seek(consumer, 0, 0)),
        asked(maplog_seek_time(consumer, 0, 0)),
        asked(maplog_position(consumer, 0, &offset)),
        asked(maplog_consumer_descriptor(consumer, &fd)),
        asked(maplog_hold(consumer, &kept)),
        asked(maplog_hold_covers(hold, consumer)),
        asked(maplog_commit(member)),
        asked(maplog_group_commit(log, "h", "t", 0, 0, NULL)),
        asked(maplog_group_committed(log, "h", "t", 0, &offset)),
        asked(maplog_producer_close(producer)),
        asked(maplog_producer_close(gatherer)),
    };
    return all_forked(answers, sizeof answers / sizeof *answers);
}

static void handles_from_before_a_fork(void **state)
{
    (void)state;
    assert_child_agrees(all_answer_forked);
    put(producer, "the parent goes on");
}

static void no_exported_call_is_missing(void **state)
{
    (void)state;
    misuse_is_complete(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(logs),
        cmocka_unit_test(topics),
        cmocka_unit_test(partitions),
        cmocka_unit_test(producers),
        cmocka_unit_test(records),
        cmocka_unit_test(consumers),
        cmocka_unit_test(consuming),
        cmocka_unit_test(groups),
        cmocka_unit_test(handles_from_before_a_fork),
        cmocka_unit_test(no_exported_call_is_missing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
