#include "log/space.h"

#include "log_fixture.h"

static void the_file_system_is_told(void **state)
{
    (void)state;
    int64_t total, usable;
    assert_ok(space_of_directory(log_directory, &total, &usable));
    assert_true(total > 0);
    assert_in_range(usable, 0, total);
}

static void records_have_bytes(void **state)
{
    (void)state;
    int64_t bytes = -1;
    assert_ok(directory_create_topic(log_directory, "orders", 2, NULL));
    assert_ok(space_of_partition(log_directory, "orders", 1, &bytes));
    assert_int_equal(bytes, 0);
    struct partition *partition = NULL;
    pthread_mutex_lock(&log_directory->lock);
    for (uint32_t slot = 0; slot < LIMIT_PARTITIONS; slot++)
        assert_null(log_directory->partitions[slot]); /* asking opened nothing */
    pthread_mutex_unlock(&log_directory->lock);
    assert_ok(directory_partition(log_directory, "orders", 1, &partition));
    log_fill(partition, 1, 5, 1);
    assert_ok(space_of_partition(log_directory, "orders", 1, &bytes));
    struct partition_end end;
    partition_end(partition, &end);
    assert_true(end.position > 0);
    assert_int_equal(bytes, end.position);
}

static void what_is_not_there_has_none(void **state)
{
    (void)state;
    int64_t bytes;
    assert_code(MAPLOG_NOT_FOUND, space_of_partition(log_directory, "orders", 0, &bytes));
    assert_ok(directory_create_topic(log_directory, "orders", 1, NULL));
    assert_code(MAPLOG_NOT_FOUND, space_of_partition(log_directory, "orders", 1, &bytes));
    assert_code(MAPLOG_NOT_FOUND, space_of_partition(log_directory, "orders", -1, &bytes));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_file_system_is_told),
        TEST(records_have_bytes),
        TEST(what_is_not_there_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
