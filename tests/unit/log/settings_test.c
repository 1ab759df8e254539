/* settings_test.c - Kafka's topic settings: defaults, what is allowed, and what an error says. */
#include "log/settings.h"

#include <maplog.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

static struct settings settings;

static int begin(void **state)
{
    (void)state;
    memset(&settings, 0x5a, sizeof settings);
    settings_default(&settings);
    return 0;
}

static void allow(const char *name, const char *value)
{
    int result = settings_apply(&settings, name, value);
    if (result)
        fail_msg("%s=%s: %s", name, value, error_text());
}

/* Refused with a text that names the setting and has `said` in it; nothing changes. */
static void refuse(const char *name, const char *value, const char *said)
{
    struct settings before = settings;
    if (settings_apply(&settings, name, value) != MAPLOG_INVALID)
        fail_msg("%s=%s was not refused", name, value);
    if (!strstr(error_text(), said) || !strstr(error_text(), name))
        fail_msg("%s=%s: \"%s\" does not say \"%s\"", name, value, error_text(), said);
    assert_memory_equal(&before, &settings, sizeof settings);
}

static void defaults_are_kafkas(void **state)
{
    (void)state;
    assert_int_equal(settings.segment_bytes, 1073741824);
    assert_int_equal(settings.segment_ms, 604800000);
    assert_int_equal(settings.retention_bytes, -1);
    assert_int_equal(settings.retention_ms, 604800000);
    assert_int_equal(settings.index_interval_bytes, 4096);
    assert_int_equal(settings.max_message_bytes, 1048588);
    assert_true(settings.flush_messages == INT64_MAX);
    assert_true(settings.flush_ms == INT64_MAX);
    assert_int_equal(settings.timestamp_type, TIMESTAMP_CREATE_TIME);
    assert_false(settings.compact);
    assert_true(settings.retain);
}

static void known_settings_are_sorted_and_have_valid_defaults(void **state)
{
    (void)state;
    const char *name, *value, *previous = "";
    size_t count = 0;
    struct settings before = settings;
    for (; settings_known(count, &name, &value); count++) {
        assert_true(strcmp(previous, name) < 0);
        assert_true(settings_is_known(name));
        allow(name, value);
        allow(name, "");
        previous = name;
    }
    assert_int_equal(count, 33);
    assert_memory_equal(&before, &settings, sizeof settings);
    assert_false(settings_known(count, &name, &value));
    assert_false(settings_known(SIZE_MAX, &name, &value));
    assert_false(settings_is_known("segment.byte"));
    assert_false(settings_is_known(""));
}

static void numbers_are_applied_within_their_range(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t field;
        int64_t min, max;
    } ranges[] = {
        {"segment.bytes", offsetof(struct settings, segment_bytes), LIMIT_SEGMENT_BYTES_MIN,
         LIMIT_SEGMENT_BYTES},
        {"segment.ms", offsetof(struct settings, segment_ms), 1, INT64_MAX},
        {"retention.bytes", offsetof(struct settings, retention_bytes), -1, INT64_MAX},
        {"retention.ms", offsetof(struct settings, retention_ms), -1, INT64_MAX},
        {"index.interval.bytes", offsetof(struct settings, index_interval_bytes), 0, INT32_MAX},
        {"max.message.bytes", offsetof(struct settings, max_message_bytes), 0, INT32_MAX},
        {"flush.messages", offsetof(struct settings, flush_messages), 1, INT64_MAX},
        {"flush.ms", offsetof(struct settings, flush_ms), 0, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        int64_t now;
        char text[32];
        const int64_t ends[] = {ranges[i].min, ranges[i].max, ranges[i].min + 1};
        for (int end = 0; end < 3; end++) {
            snprintf(text, sizeof text, "%lld", (long long)ends[end]);
            allow(ranges[i].name, text);
            memcpy(&now, (char *)&settings + ranges[i].field, sizeof now);
            assert_true(now == ends[end]);
        }
        snprintf(text, sizeof text, "%lld", (long long)ranges[i].min - 1);
        refuse(ranges[i].name, text, "a whole number from");
        snprintf(text, sizeof text, "%llu", (unsigned long long)ranges[i].max + 1);
        refuse(ranges[i].name, text, "a whole number from");
        refuse(ranges[i].name, "99999999999999999999999999", "a whole number from");
    }
}

static void only_plain_integers_are_numbers(void **state)
{
    (void)state;
    static const char *const wrong[] = {"8m", "7d", "1e9", "0x10", "1.0",
                                        "-",  "+",  "--1", "1 2",  "abc"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse("retention.ms", wrong[i], "a whole number from -1 to 9223372036854775807");
    refuse("segment.bytes", "8m", "without suffix");
    refuse("segment.bytes", "1_000_000", "without suffix or separator");
    refuse("retention.ms", "-18446744073709551615", "a whole number from"); /* not 1 */
    allow("segment.bytes", " 8388608\t");
    assert_int_equal(settings.segment_bytes, 8388608);
    allow("retention.bytes", "+0042");
    assert_int_equal(settings.retention_bytes, 42);
}

static void an_empty_value_is_the_default(void **state)
{
    (void)state;
    allow("segment.bytes", "100000");
    allow("cleanup.policy", "compact");
    allow("message.timestamp.type", "LogAppendTime");
    allow("segment.bytes", "");
    allow("cleanup.policy", " ");
    allow("message.timestamp.type", "");
    defaults_are_kafkas(state);
}

static void cleanup_policies_may_be_joined(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool compact, retain;
    } cases[] = {
        {"compact", true, false},       {"delete", false, true},
        {"compact,delete", true, true}, {" delete , compact", true, true},
        {"delete,delete", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        allow("cleanup.policy", cases[i].value);
        assert_int_equal(settings.compact, cases[i].compact);
        assert_int_equal(settings.retain, cases[i].retain);
    }
    static const char *const wrong[] = {"keep",     "compact delete",  ",",
                                        "compact,", "compact,,delete", "Compact"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse("cleanup.policy", wrong[i], "compact, delete, or both");
}

static void words_are_taken_from_a_list(void **state)
{
    (void)state;
    allow("message.timestamp.type", "LogAppendTime");
    assert_int_equal(settings.timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
    refuse("message.timestamp.type", "logappendtime", "one of CreateTime LogAppendTime");
    static const char *const types[] = {"producer", "uncompressed", "gzip",
                                        "snappy",   "lz4",          "zstd"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        allow("compression.type", types[i]);
    refuse("compression.type", "none", "one of uncompressed zstd lz4 snappy gzip producer");
    refuse("compression.type", "gzip snappy", "one of");
    allow("remote.storage.enable", "false");
    refuse("remote.storage.enable", "true", "only false");
}

static void other_kinds_are_checked_and_kept(void **state)
{
    (void)state;
    static const char *const ratios[] = {"0", "1", "0.5", ".25", "1.0", "0.", "00.100"};
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++)
        allow("min.cleanable.dirty.ratio", ratios[i]);
    static const char *const wrong[] = {"1.1", "2", "-0.1", ".", "0,5", "11", "nan", "10"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse("min.cleanable.dirty.ratio", wrong[i], "a number from 0 to 1");
    allow("preallocate", "TRUE");
    allow("unclean.leader.election.enable", "False");
    refuse("preallocate", "yes", "true or false");
    refuse("preallocate", "1", "true or false");
    allow("leader.replication.throttled.replicas", "*");
    allow("leader.replication.throttled.replicas", "0:101, 1:102");
    refuse("leader.replication.throttled.replicas", "0", "partition:broker");
    refuse("leader.replication.throttled.replicas", "0:1,", "partition:broker");
    refuse("follower.replication.throttled.replicas", "a:b", "partition:broker");
    refuse("follower.replication.throttled.replicas", "0:-1", "partition:broker");
    allow("min.insync.replicas", "2");
    refuse("min.insync.replicas", "0", "from 1 to");
    allow("local.retention.ms", "-2");
    refuse("local.retention.ms", "-3", "from -2 to");
}

static void an_unknown_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    refuse("segment.byte", "1", "did you mean segment.bytes?");
    refuse("retention.msec", "1", "did you mean retention.ms?");
    refuse("retention_ms", "1", "did you mean retention.ms?");
    refuse("cleanup.polices", "1", "did you mean cleanup.policy?");
    refuse("max.message.size.bytes", "1", "did you mean max.message.bytes?");
    refuse("log.retention.ms", "1", "did you mean local.retention.ms?");
    refuse("colour", "red", "there is no setting colour");
    assert_null(strstr(error_text(), "did you mean"));
    char endless[1000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    assert_int_equal(settings_apply(&settings, endless, "1"), MAPLOG_INVALID);
    assert_int_equal(settings_apply(&settings, "", "1"), MAPLOG_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_kafkas, begin),
        cmocka_unit_test_setup(known_settings_are_sorted_and_have_valid_defaults, begin),
        cmocka_unit_test_setup(numbers_are_applied_within_their_range, begin),
        cmocka_unit_test_setup(only_plain_integers_are_numbers, begin),
        cmocka_unit_test_setup(an_empty_value_is_the_default, begin),
        cmocka_unit_test_setup(cleanup_policies_may_be_joined, begin),
        cmocka_unit_test_setup(words_are_taken_from_a_list, begin),
        cmocka_unit_test_setup(other_kinds_are_checked_and_kept, begin),
        cmocka_unit_test_setup(an_unknown_name_is_answered_with_the_nearest, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
