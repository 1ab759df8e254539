/* validate_records_test.c - which records of a refused batch are told to be to blame. */
#include "validate_fixture.h"

#include <stdio.h>

struct blamed {
    unsigned records; /* bits */
    unsigned most;    /* are wanted */
    unsigned count;
    char texts[1000];
};

static bool note(void *context, int32_t record, const char *text)
{
    struct blamed *blamed = context;
    size_t length = strlen(blamed->texts);
    snprintf(blamed->texts + length, sizeof blamed->texts - length, "%s\n", text);
    blamed->records |= 1u << record;
    return ++blamed->count != blamed->most;
}

/* Validates with all that are to blame told. */
static struct blamed check_blamed(unsigned most, enum validate_reason reason, const char *text)
{
    struct blamed blamed = {.most = most};
    rules.blame = note;
    rules.context = &blamed;
    struct validated validated = check(reason, text);
    assert_int_equal(validated.record, blamed.records ? __builtin_ctz(blamed.records) : -1);
    assert_int_equal(__builtin_popcount(blamed.records), blamed.count);
    rules.blame = NULL;
    return blamed;
}

static void every_record_without_key_is_blamed(void **state)
{
    (void)state;
    settings.compact = true;
    for (int codec = 0; codec < GOLDEN_CODECS; codec++) {
        struct plan plan = {
            .records = 25, .codec = codec, .key = "k", .last_key = "k", .keyless = 0x1500421};
        build(&plan);
        assert_int_equal(check_blamed(0, VALIDATE_INVALID_RECORD, "without key").records,
                         plan.keyless);
        assert_int_equal(check_blamed(1, VALIDATE_INVALID_RECORD, "without key").records, 1);
        assert_int_equal(check_blamed(3, VALIDATE_INVALID_RECORD, "without key").records, 0x421);
        plan.keyless = 0;
        build(&plan);
        assert_int_equal(check_blamed(0, VALIDATE_GOOD, "").records, 0);
    }
}

/* One wrong time makes it an error of times; each record has its own text. */
static void different_records_have_different_faults(void **state)
{
    (void)state;
    settings.compact = true;
    rules.timestamp_after_max_ms = 2;
    struct plan plan = {.records = 6, .key = "k", .last_key = "k", .timestamp = GOLDEN_TIME};
    plan.keyless = 1 << 1 | 1 << 4;
    build(&plan);
    struct blamed blamed = check_blamed(0, VALIDATE_TIMESTAMP, "timestamp 1700000000003");
    assert_int_equal(blamed.records, 0x3a);
    const char *first = strstr(blamed.texts, "timestamp 1700000000003");
    assert_non_null(first);
    assert_non_null(strstr(first, "timestamp 1700000000005"));
    assert_null(strstr(blamed.texts, "timestamp 1700000000004")); /* the key comes first */
}

static void what_cannot_be_read_ends_the_search(void **state)
{
    (void)state;
    settings.compact = true;
    struct plan plan = {.records = 4, .key = "k", .last_key = "k", .keyless = 1 << 0 | 1 << 3};
    build(&plan);
    put32(BATCH_RECORD_COUNT, 5);
    put32(BATCH_LAST_OFFSET_DELTA, 4);
    struct blamed blamed = check_blamed(0, VALIDATE_INVALID_RECORD, "without key");
    assert_int_equal(blamed.records, 1 << 0 | 1 << 3 | 1 << 4);
    assert_non_null(strstr(blamed.texts, "reaches past the end"));
    rules.context = NULL; /* without a visitor the first is the end */
    check(VALIDATE_INVALID_RECORD, "without key");
}

static void a_record_is_blamed_once(void **state)
{
    (void)state;
    settings.compact = true;
    struct builder builder;
    uint8_t *batch;
    const struct maplog_header header = {.name = "h"};
    const struct maplog_record record = {.headers = &header, .header_count = 1};
    builder_init(&builder, MAPLOG_COMPRESSION_NONE);
    assert_int_equal(builder_add(&builder, &record, GOLDEN_TIME), 0);
    assert_int_equal(builder_finish(&builder, &batch, &size), 0);
    bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, batch, size);
    builder_free(&builder);
    assert_int_equal(check_blamed(0, VALIDATE_INVALID_RECORD, "without key").records, 1);
    bytes[size - 1] = 2; /* the header's value: a byte that is not there */
    golden_sign(bytes, size);
    assert_int_equal(check_blamed(0, VALIDATE_INVALID_RECORD, "header's value").records, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_record_without_key_is_blamed, make, drop),
        cmocka_unit_test_setup_teardown(different_records_have_different_faults, make, drop),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_ends_the_search, make, drop),
        cmocka_unit_test_setup_teardown(a_record_is_blamed_once, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
