/* names_test.c - names of partitions and segments. */
#include "segment_files.h"

#include "log/names.h"

static void partition_names_are_split_at_the_last_dash(void **state)
{
    (void)state;
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t number;
    assert_true(names_split("a-b-12", topic, &number));
    assert_string_equal(topic, "a-b");
    assert_int_equal(number, 12);
    assert_true(names_split("x-0", topic, &number));
    static const char *const others[] = {"",      "x",         "-1",   "x-",         "x-01",
                                         "x-1a",  "x-+1",      "x- 1", "x-1.delete", "x-1234567890",
                                         "x-1-a", "lost+found"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(names_split(others[i], topic, &number));
    char longest[LIMIT_TOPIC_NAME + 16];
    memset(longest, 't', sizeof longest);
    memcpy(longest + LIMIT_TOPIC_NAME, "-3", 3);
    assert_true(names_split(longest, topic, &number));
    assert_int_equal(strlen(topic), LIMIT_TOPIC_NAME);
    memcpy(longest + LIMIT_TOPIC_NAME + 1, "-3", 3);
    assert_false(names_split(longest, topic, &number));
}

static void segment_names_have_20_digits(void **state)
{
    (void)state;
    int64_t base;
    assert_true(names_segment("00000000000000000042.log", ".log", &base));
    assert_int_equal(base, 42);
    assert_true(names_segment("09223372036854775807.index", ".index", &base));
    assert_int_equal(base, INT64_MAX);
    assert_false(names_segment("09223372036854775808.log", ".log", &base));
    assert_false(names_segment("99999999999999999999.log", ".log", &base));
    assert_false(names_segment("0000000000000000042.log", ".log", &base));
    assert_false(names_segment("00000000000000000042.logs", ".log", &base));
    assert_false(names_segment("00000000000000000042.index", ".log", &base));
    assert_false(names_segment("-0000000000000000042.log", ".log", &base));
}

static void names_out_of_use_fit_a_file_name(void **state)
{
    (void)state;
    char topic[LIMIT_TOPIC_NAME + 1], name[NAMES_ASIDE_SIZE];
    struct uuid id = {{1, 2, 3}};
    names_aside(name, "orders", 7, &id, NAMES_DELETE);
    assert_string_equal(name, "orders-7.AQIDAAAAAAAAAAAAAAAAAA-delete");
    memset(topic, 't', LIMIT_TOPIC_NAME);
    topic[LIMIT_TOPIC_NAME] = 0;
    names_aside(name, topic, 32767, &id, NAMES_STRAY);
    assert_int_equal(strlen(name), 255);
    assert_string_equal(name + 255 - 6, "-stray");
}

static void partitions_are_sorted_by_topic_and_number(void **state)
{
    (void)state;
    struct names names = {0};
    static const char *const given[] = {"b-0", "a-10", "a-9", "a-b-1", "a-0"};
    static const char *const sorted[] = {"a-0", "a-9", "a-10", "a-b-1", "b-0"};
    for (int i = 0; i < 5; i++)
        assert_ok(names_add(&names, given[i]));
    names_sort(&names);
    for (int i = 0; i < 5; i++)
        assert_string_equal(names.items[i], sorted[i]);
    names_free(&names);
    assert_int_equal(names.count, 0);
}

static void only_directories_are_listed(void **state)
{
    (void)state;
    char path[] = "/tmp/maplog-test-XXXXXX", inner[64];
    assert_non_null(mkdtemp(path));
    static const char *const directories[] = {"a-0", "a-1", "other", "a-0.x-delete"};
    for (int i = 0; i < 4; i++) {
        snprintf(inner, sizeof inner, "%s/%s", path, directories[i]);
        mkdir(inner, 0700);
    }
    snprintf(inner, sizeof inner, "%s/b-0", path);
    files_write(inner, "", 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names = {0};
    assert_ok(names_list(&names, fd));
    close(fd);
    assert_int_equal(names.count, 2);
    names_free(&names);
    assert_ok(file_remove_tree(AT_FDCWD, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_names_are_split_at_the_last_dash),
        cmocka_unit_test(segment_names_have_20_digits),
        cmocka_unit_test(names_out_of_use_fit_a_file_name),
        cmocka_unit_test(partitions_are_sorted_by_topic_and_number),
        cmocka_unit_test(only_directories_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
