/* directory_test.c - opening, sharing and closing an attachment; topics and partitions by name. */
#include "log_fixture.h"

#include <pthread.h>
#include <sys/stat.h>

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    struct directory *directory = NULL;
    struct maplog_open_options create = {.flags = MAPLOG_CREATE};
    struct maplog_open_options reading = {.flags = MAPLOG_READ_ONLY};
    struct maplog_open_options both = {.flags = MAPLOG_READ_ONLY | MAPLOG_CREATE};
    assert_code(MAPLOG_NOT_FOUND, directory_open("/tmp/maplog-no-such", NULL, &directory));
    assert_non_null(strstr(error_text(), "/tmp/maplog-no-such"));
    assert_code(MAPLOG_NOT_FOUND, directory_open("/tmp/maplog-no/such", &create, &directory));
    char path[LIMIT_PATH + 10];
    snprintf(path, sizeof path, "%s/file", log_path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_true(directory_open(path, &create, &directory) < 0);
    assert_non_null(strstr(error_text(), path));
    snprintf(path, sizeof path, "%s/empty", log_path);
    mkdir(path, 0700);
    assert_code(MAPLOG_NOT_FOUND, directory_open(path, NULL, &directory));
    assert_code(MAPLOG_NOT_FOUND, directory_open(path, &reading, &directory));
    assert_code(MAPLOG_NOT_FOUND, directory_open(path, &both, &directory)); /* makes nothing */
    assert_int_equal(rmdir(path), 0);
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_code(MAPLOG_LIMIT, directory_open(path, &create, &directory));
    assert_null(directory);
}

static void a_directory_is_made_when_asked(void **state)
{
    (void)state;
    char path[100];
    snprintf(path, sizeof path, "%s/new", log_path);
    struct maplog_open_options create = {.flags = MAPLOG_CREATE};
    struct directory *directory;
    mode_t mask = umask(002);
    assert_ok(directory_open(path, &create, &directory));
    umask(mask);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0770);
    static const char *const files[] = {"maplog.lock", "maplog.control", "maplog.bell"};
    for (int i = 0; i < 3; i++) {
        char file[150];
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        assert_int_equal(stat(file, &found), 0);
        assert_int_equal(found.st_mode & 0777, 0660); /* a group may share it */
    }
    directory_drop(directory);
    assert_ok(directory_open(path, &create, &directory));
    directory_drop(directory);
}

static void the_last_reference_detaches(void **state)
{
    (void)state;
    struct directory *directory = log_attach();
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 1, 10, 0);
    assert_ptr_equal(directory_keep(directory), directory);
    uint32_t process = directory->view.process;
    directory_drop(directory);
    assert_false(control_process_dead(&log_directory->view, process));
    assert_int_equal(log_end(log_partition(directory, "t")), 1);
    directory_drop(directory);
    assert_true(control_process_dead(&log_directory->view, process));
    directory_drop(NULL);
}

static void topics_are_found_by_name_and_number(void **state)
{
    (void)state;
    const char *configs[] = {NULL};
    assert_ok(directory_create_topic(log_directory, "orders", 3, configs));
    struct maplog_topic topic;
    assert_ok(directory_topic(log_directory, "orders", &topic));
    assert_int_equal(topic.partitions, 3);
    assert_int_equal(strlen(topic.id), 22);
    struct partition *partitions[3], *again;
    for (int32_t i = 0; i < 3; i++) {
        assert_ok(directory_partition(log_directory, "orders", i, &partitions[i]));
        assert_int_equal(partitions[i]->number, i);
        assert_ok(directory_partition(log_directory, "orders", i, &again));
        assert_ptr_equal(again, partitions[i]);
        assert_ptr_equal(directory_opened(log_directory, again->slot), again);
    }
    assert_true(partitions[0]->slot != partitions[1]->slot);
    assert_code(MAPLOG_NOT_FOUND, directory_partition(log_directory, "orders", 3, &again));
    assert_non_null(strstr(error_text(), "0 to 2"));
    assert_code(MAPLOG_NOT_FOUND, directory_partition(log_directory, "orders", -1, &again));
    assert_code(MAPLOG_NOT_FOUND, directory_partition(log_directory, "order", 0, &again));
    assert_code(MAPLOG_NOT_FOUND, directory_topic(log_directory, "order", &topic));
    assert_non_null(strstr(error_text(), "order"));
}

static void a_topic_made_anew_is_another_one(void **state)
{
    (void)state;
    struct partition *old = log_topic("t", NULL, NULL, NULL);
    log_fill(old, 5, 10, 0);
    assert_ok(directory_delete_topic(log_directory, "t"));
    struct partition *fresh = log_topic("t", NULL, NULL, NULL);
    assert_ptr_not_equal(old, fresh);
    assert_memory_not_equal(&old->topic_id, &fresh->topic_id, 16);
    assert_int_equal(log_end(fresh), 0);
    log_fill(fresh, 2, 10, 0);
    assert_int_equal(log_walk(fresh), 2);
    assert_code(MAPLOG_TOPIC_DELETED, partition_check_live(old));
}

/* The slot of a deleted topic is given to another one by others while this process still has it. */
static void a_slot_that_is_used_again_does_not_revive_what_it_had(void **state)
{
    (void)state;
    struct partition *old = log_topic("old", NULL, NULL, NULL);
    struct writer writer;
    writer_open(old, &writer);
    assert_int_equal(writer_put(&writer, 10, 0), 0);
    assert_ok(directory_delete_topic(log_directory, "old"));
    struct partition *other = log_topic("other", NULL, NULL, NULL);
    log_fill(other, 3, 10, 0);
    assert_int_equal(writer_put(&writer, 10, 0), MAPLOG_TOPIC_DELETED);
    assert_int_equal(log_walk(other), 3);
    writer_close(&writer);
}

static void *open_partitions(void *argument)
{
    struct directory *directory = argument;
    for (int round = 0; round < 200; round++) {
        char name[16];
        struct partition *partition;
        snprintf(name, sizeof name, "t%d", round % 8);
        if (directory_partition(directory, name, 0, &partition) ||
            strcmp(partition->topic, name) != 0)
            return "a partition was not found";
    }
    return NULL;
}

static void threads_share_an_attachment(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        log_topic(name, NULL, NULL, NULL);
    }
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_partitions, log_directory), 0);
    for (int i = 0; i < 30; i++)
        log_alter("t0", i % 2 ? "retention.ms=1000000" : "retention.ms=2000000");
    for (int i = 0; i < 4; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_opened_is_named),
        TEST(a_directory_is_made_when_asked),
        TEST(the_last_reference_detaches),
        TEST(topics_are_found_by_name_and_number),
        TEST(a_topic_made_anew_is_another_one),
        TEST(a_slot_that_is_used_again_does_not_revive_what_it_had),
        TEST(threads_share_an_attachment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
