/* progress_table_test.c - the latest record of each key, read on from a log. */
#include "log_fixture.h"

#include "log/progress_table.h"

/* Keys of committed offsets begin with their version; what follows counts only as bytes here. */
#define KEY(text) "\0\1" text
#define KEY_SIZE 3

static void put_keyed(struct writer *writer, const char *key, const char *value)
{
    struct maplog_record record = {.key = key,
                                   .key_size = key ? KEY_SIZE : 0,
                                   .value = value,
                                   .value_size = value ? strlen(value) : 0,
                                   .timestamp = 77};
    assert_ok(appender_append_record(&writer->appender, &record, 1, NULL));
}

static void assert_live(const struct progress_table *table, const char *key, const char *value)
{
    struct progress_record record;
    bool found = progress_table_find(table, (const uint8_t *)key, KEY_SIZE, &record);
    assert_int_equal(found, value != NULL);
    if (!found)
        return;
    assert_int_equal(record.value_size, strlen(value));
    assert_memory_equal(record.value, value, record.value_size);
    assert_int_equal(record.timestamp, 77);
}

static int list_keys(void *context, const struct progress_record *record)
{
    strncat(context, (const char *)record->key + 2, record->key_size - 2);
    return 0;
}

static void the_latest_value_of_a_key_counts(void **state)
{
    (void)state;
    struct partition *partition = log_topic("latest", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    struct progress_table table;
    progress_table_init(&table, partition);
    assert_ok(progress_table_refresh(&table));
    put_keyed(&writer, KEY("a"), "1");
    put_keyed(&writer, KEY("b"), "2");
    put_keyed(&writer, KEY("c"), "3");
    put_keyed(&writer, NULL, "nobody's");
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), "1");
    assert_live(&table, KEY("b"), "2");
    uint64_t bytes = table.live_bytes;
    put_keyed(&writer, KEY("a"), "4");
    put_keyed(&writer, KEY("b"), NULL);
    put_keyed(&writer, KEY("x"), NULL);
    assert_live(&table, KEY("a"), "1");
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), "4");
    assert_live(&table, KEY("b"), NULL);
    assert_live(&table, KEY("c"), "3");
    assert_true(table.live_bytes < bytes);
    assert_int_equal(table.reader.offset, 7);
    char keys[16] = "";
    assert_ok(progress_table_walk(&table, list_keys, keys));
    assert_string_equal(keys, "ca");
    progress_table_free(&table);
    writer_close(&writer);
}

static void only_keys_of_offsets_count_and_both_versions_are_one(void **state)
{
    (void)state;
    struct partition *partition = log_topic("kinds", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    struct progress_table table;
    progress_table_init(&table, partition);
    put_keyed(&writer, "\0\0a", "1");
    put_keyed(&writer, "\0\2b", "members");
    put_keyed(&writer, "\1\0c", "unknown");
    put_keyed(&writer, KEY("d"), "4");
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), "1");
    char keys[16] = "";
    assert_ok(progress_table_walk(&table, list_keys, keys));
    assert_string_equal(keys, "ad");
    put_keyed(&writer, KEY("a"), "5");
    put_keyed(&writer, "\0\0d", NULL);
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), "5");
    assert_live(&table, KEY("d"), NULL);
    progress_table_free(&table);
    writer_close(&writer);
}

static void what_was_cut_off_meanwhile_is_forgotten(void **state)
{
    (void)state;
    struct partition *partition = log_topic("moved", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    put_keyed(&writer, KEY("a"), "1");
    put_keyed(&writer, KEY("b"), "2");
    struct progress_table table;
    progress_table_init(&table, partition);
    assert_ok(progress_table_refresh(&table));
    put_keyed(&writer, KEY("a"), NULL);
    assert_ok(appender_roll(&writer.appender));
    put_keyed(&writer, KEY("b"), "3");
    /* Its reader is within the old segment, and that is gone. */
    reader_seek(&table.reader, 2);
    assert_ok(partition_delete_records(partition, 3));
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), NULL);
    assert_live(&table, KEY("b"), "3");
    progress_table_free(&table);
    writer_close(&writer);
}

static void damage_is_told_and_read_again(void **state)
{
    (void)state;
    struct partition *partition = log_topic("damaged", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    put_keyed(&writer, KEY("a"), "1");
    put_keyed(&writer, KEY("b"), "2");
    struct progress_table table;
    progress_table_init(&table, partition);
    writer.appender.log[BATCH_HEADER_BYTES] ^= 0x20; /* the first record's length */
    assert_code(MAPLOG_CORRUPT, progress_table_refresh(&table));
    assert_code(MAPLOG_CORRUPT, progress_table_refresh(&table));
    writer.appender.log[BATCH_HEADER_BYTES] ^= 0x20;
    assert_ok(progress_table_refresh(&table));
    assert_live(&table, KEY("a"), "1");
    assert_live(&table, KEY("b"), "2");
    progress_table_free(&table);
    writer_close(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_value_of_a_key_counts),
        cmocka_unit_test(only_keys_of_offsets_count_and_both_versions_are_one),
        cmocka_unit_test(what_was_cut_off_meanwhile_is_forgotten),
        cmocka_unit_test(damage_is_told_and_read_again),
    };
    return cmocka_run_group_tests(tests, log_make, log_remove);
}
