/* unfinished_test.c - the note of a topic that is being removed or brought, and who believes it. */
#include "log_fixture.h"

#include <sys/stat.h>

#include "log/names.h"
#include "log/unfinished.h"

static const struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void write_note(const char *text)
{
    assert_ok(file_replace(log_directory->fd, UNFINISHED_FILE, text, strlen(text), false));
}

static void make_directory(const char *name)
{
    char path[LIMIT_PATH];
    assert_ok(file_make_directory(log_directory->fd, name, 0770));
    snprintf(path, sizeof path, "%s/%s/00000000000000000000.log", log_path, name);
    close(open(path, O_CREAT | O_WRONLY, 0600));
}

static bool there(const char *name)
{
    return file_exists(log_directory->fd, name);
}

static void directories_of_no_topic_are_removed(void **state)
{
    (void)state;
    char aside[NAMES_ASIDE_SIZE], other[NAMES_ASIDE_SIZE];
    names_aside(aside, "gone", 1, &id, NAMES_DELETE);
    names_aside(other, "other", 1, &id, NAMES_DELETE); /* somebody's import under way */
    make_directory("gone-0");
    make_directory(aside);
    make_directory("gone-3");
    make_directory("gone-12-0");
    make_directory(other);
    assert_ok(unfinished_note(log_directory, "gone", 3, &id));
    assert_ok(unfinished_end(log_directory, &log_directory->catalog));
    assert_false(there("gone-0"));
    assert_false(there(aside));
    assert_true(there("gone-3"));
    assert_true(there("gone-12-0"));
    assert_true(there(other));
    assert_false(there(UNFINISHED_FILE));
    assert_ok(unfinished_end(log_directory, &log_directory->catalog));
}

static void a_topic_in_the_catalog_is_not_touched(void **state)
{
    (void)state;
    struct partition *partition = log_topic("kept", NULL, NULL, NULL);
    log_fill(partition, 3, 10, 0);
    assert_ok(unfinished_note(log_directory, "kept", 1, &id)); /* of a former topic of that name */
    log_topic("another", NULL, NULL, NULL);
    assert_false(there(UNFINISHED_FILE));
    assert_ok(unfinished_note(log_directory, "kept", 1, &id));
    directory_drop(log_directory);
    log_directory = log_attach();
    assert_false(there(UNFINISHED_FILE));
    assert_int_equal(log_walk(log_partition(log_directory, "kept")), 3);
}

static void a_note_without_sense_removes_nothing(void **state)
{
    (void)state;
    static const char *const notes[] = {"",
                                        "\n",
                                        "x",
                                        "x 1\n",
                                        "x 1 AAAAAAAAAAAAAAAAAAAAAA",
                                        "x 0 AAAAAAAAAAAAAAAAAAAAAA\n",
                                        "x -1 AAAAAAAAAAAAAAAAAAAAAA\n",
                                        "x 99999 AAAAAAAAAAAAAAAAAAAAAA\n",
                                        "../x 1 AAAAAAAAAAAAAAAAAAAAAA\n",
                                        "x 1 AAAAAAAAAAAAAAAAAAAAAA\nmore",
                                        "x 1 not-an-id\n"};
    make_directory("x-0");
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        write_note(notes[i]);
        assert_ok(unfinished_end(log_directory, &log_directory->catalog));
        assert_true(there("x-0"));
        assert_false(there(UNFINISHED_FILE));
    }
    char large[2000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    write_note(large);
    assert_ok(unfinished_end(log_directory, &log_directory->catalog));
    assert_false(there(UNFINISHED_FILE));
    write_note("x 1 AAAAAAAAAAAAAAAAAAAAAA\n");
    assert_ok(unfinished_end(log_directory, &log_directory->catalog));
    assert_false(there("x-0"));
}

static void who_still_has_the_topic_is_told(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    struct partition *kept = log_topic("kept", NULL, NULL, NULL);
    log_fill(partition, 3, 10, 0);
    assert_ok(unfinished_note(log_directory, "t", 1, &id));
    /* It died right after it stored the catalog. */
    pthread_mutex_lock(&log_directory->lock);
    catalog_remove(&log_directory->catalog, catalog_find(&log_directory->catalog, "t"));
    assert_ok(catalog_store(&log_directory->catalog, log_directory->fd, false));
    pthread_mutex_unlock(&log_directory->lock);
    struct directory *other = log_attach();
    const char *configs[] = {NULL};
    assert_ok(directory_create_topic(other, "next", 1, configs));
    assert_code(MAPLOG_TOPIC_DELETED, partition_check_live(partition));
    assert_ok(partition_check_live(kept));
    assert_false(there("t-0"));
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(directories_of_no_topic_are_removed),
        TEST(a_topic_in_the_catalog_is_not_touched),
        TEST(a_note_without_sense_removes_nothing),
        TEST(who_still_has_the_topic_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
