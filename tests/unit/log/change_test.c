/* change_test.c - changes of the catalog, one at a time, and whom they hold up. */
#include "log_fixture.h"

#include <pthread.h>

#include "log/change.h"
#include "os/lock.h"

static const char *const no_configs[] = {NULL};

static bool exists(struct directory *directory, const char *topic)
{
    struct maplog_topic found;
    return directory_topic(directory, topic, &found) == 0;
}

static int add(struct change *change, const char *topic)
{
    const struct uuid id = {.bytes = {(uint8_t)topic[0]}};
    return catalog_add(&change->catalog, topic, 1, NULL, &id);
}

static void a_change_is_seen_when_it_is_stored(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct change change;
    assert_ok(change_begin(log_directory, &change));
    assert_ok(add(&change, "t"));
    assert_false(exists(other, "t"));
    assert_false(change_is_there(log_directory, "t", 1));
    assert_ok(change_store(&change));
    assert_true(change_is_there(log_directory, "t", 1));
    assert_false(change_is_there(log_directory, "t", 2));
    assert_ok(change_leave(&change, 0));
    assert_true(exists(other, "t"));
    directory_drop(other);
}

static void a_change_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct change change;
    assert_ok(change_begin(log_directory, &change));
    assert_ok(add(&change, "t"));
    assert_code(MAPLOG_INVALID, change_give_up(&change, MAPLOG_INVALID));
    assert_false(exists(log_directory, "t"));
    assert_ok(change_begin(log_directory, &change));
    assert_ok(add(&change, "t"));
    assert_code(MAPLOG_LIMIT, change_end(&change, MAPLOG_LIMIT));
    assert_false(exists(log_directory, "t"));
    assert_ok(change_begin(log_directory, &change)); /* the lock is free again */
    assert_ok(change_end(&change, 0));
}

struct changer {
    struct directory *directory;
    char prefix;
    const char *failure;
};

static void *change(void *argument)
{
    struct changer *changer = argument;
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%c%d", changer->prefix, i);
        if (directory_create_topic(changer->directory, name, 1, no_configs))
            changer->failure = "not created";
        if (i % 2 && directory_delete_topic(changer->directory, name))
            changer->failure = "not deleted";
    }
    return NULL;
}

static void changes_take_turns(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct changer changers[] = {{log_directory, 'a', NULL},
                                 {log_directory, 'b', NULL},
                                 {other, 'c', NULL},
                                 {other, 'd', NULL}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, &changers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (changers[i].failure)
            fail_msg("%s", changers[i].failure);
    }
    for (int i = 0; i < 80; i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%d", "abcd"[i % 4], i / 4);
        assert_int_equal(exists(log_directory, name), i / 4 % 2 == 0);
        assert_int_equal(exists(other, name), i / 4 % 2 == 0);
    }
    directory_drop(other);
}

/* ---- who asks meanwhile ---------------------------------------------------------------------- */

static volatile sig_atomic_t passages, found_free;

static void look(int signal_number)
{
    (void)signal_number;
    passages++;
    if (pthread_mutex_trylock(&log_directory->lock) == 0) {
        found_free++;
        pthread_mutex_unlock(&log_directory->lock);
    }
}

/* What the disk and other processes hold up is the change alone: whoever asks for a topic at that
 * moment is answered. */
static void a_change_holds_up_nobody_who_asks(void **state)
{
    (void)state;
    static const char *const points[] = {"topics-slots", "topics-stored", "delete-noted",
                                         "delete-told", "delete-renamed"};
    signal(SIGUSR1, look);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        passages = found_free = 0;
        fault_signal_at(points[i], 1, SIGUSR1);
        log_fill(log_topic("orders", NULL, NULL, NULL), 1, 10, 1);
        assert_ok(directory_delete_topic(log_directory, "orders"));
        fault_signal_at(NULL, 0, 0);
        assert_int_equal(passages, 1);
        assert_int_equal(found_free, 1);
    }
    signal(SIGUSR1, SIG_DFL);
}

/* Behind one that waited in vain nobody waits again, until the lock can be had. */
static void a_held_catalog_is_not_waited_for_again(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    assert_ok(lock_try(other->view.lock_fd, log_path, LOCK_CATALOG, true));
    log_directory->catalog_held = true;
    for (int i = 0; i < 100; i++)
        assert_code(MAPLOG_TIMED_OUT, directory_create_topic(log_directory, "t", 1, NULL));
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_ok(directory_create_topic(log_directory, "t", 1, NULL));
    assert_false(log_directory->catalog_held);
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_change_is_seen_when_it_is_stored),
        TEST(a_change_that_is_given_up_leaves_nothing),
        TEST(changes_take_turns),
        TEST(a_change_holds_up_nobody_who_asks),
        TEST(a_held_catalog_is_not_waited_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
