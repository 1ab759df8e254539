/* topics_create_test.c - many topics by one change. Others: topics_test.c. */
#include "log_fixture.h"

#define MANY 300

static bool exists(struct directory *directory, const char *topic)
{
    struct maplog_topic found;
    return directory_topic(directory, topic, &found) == 0;
}

static uint64_t changes(void)
{
    return load_relaxed(&log_directory->view.control->header.settings_generation);
}

static uint32_t slots_in_use(void)
{
    const struct control *control = log_directory->view.control;
    uint32_t used = 0;
    for (uint64_t i = 0; i < load_relaxed(&control->header.partition_limit); i++)
        used += load_relaxed(&control->partitions[i].state) != PARTITION_FREE;
    return used;
}

static void many_topics_are_one_change(void **state)
{
    (void)state;
    static char names[MANY][16];
    static struct topic_creation wanted[MANY];
    struct directory *other = log_attach();
    uint64_t before = changes();
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "t%d", (i * 7) % MANY); /* in no order */
        wanted[i] = (struct topic_creation){.topic = names[i], .partitions = i % 3};
    }
    directory_create_topics(log_directory, wanted, MANY);
    assert_int_equal(changes(), before + 1);
    for (int i = 0; i < MANY; i++) {
        struct maplog_topic found;
        char id[UUID_TEXT_SIZE];
        assert_ok(wanted[i].result);
        assert_null(wanted[i].error);
        assert_ok(directory_topic(other, names[i], &found));
        assert_int_equal(found.partitions, i % 3 ? i % 3 : 1);
        uuid_format(&wanted[i].id, id);
        assert_string_equal(found.id, id);
        log_fill(log_partition(other, names[i]), 1, 10, i);
    }
    for (int i = 0; i < MANY; i++) /* no two have the same slot */
        assert_int_equal(log_walk(log_partition(log_directory, names[i])), 1);
    directory_drop(other);
}

static void who_is_refused_does_not_keep_the_others_out(void **state)
{
    (void)state;
    const char *bad[] = {"segment.bytes=12", NULL};
    log_topic("there", NULL, NULL, NULL);
    struct {
        struct topic_creation topic;
        int result;
    } table[] = {
        {{.topic = "a.b"}, 0},
        {{.topic = "a/b"}, MAPLOG_INVALID},
        {{.topic = "there"}, MAPLOG_EXISTS},
        {{.topic = "a_b"}, MAPLOG_INVALID}, /* Kafka's rule: too like one of the same request */
        {{.topic = "a.b"}, MAPLOG_EXISTS},
        {{.topic = "sized", .configs = bad}, MAPLOG_INVALID},
        {{.topic = "huge", .partitions = LIMIT_PARTITIONS}, MAPLOG_LIMIT},
        {{.topic = "negative", .partitions = -1}, MAPLOG_INVALID},
        {{.topic = "last", .partitions = 2}, 0},
    };
    enum { COUNT = sizeof table / sizeof *table };
    struct topic_creation wanted[COUNT];
    uint32_t used = slots_in_use();
    for (int i = 0; i < COUNT; i++)
        wanted[i] = table[i].topic;
    directory_create_topics(log_directory, wanted, COUNT);
    for (int i = 0; i < COUNT; i++) {
        if (wanted[i].result != table[i].result)
            fail_msg("%s: %d instead of %d (%s)", wanted[i].topic, wanted[i].result,
                     table[i].result, wanted[i].error);
        assert_int_equal(wanted[i].error != NULL, table[i].result != 0);
        free(wanted[i].error);
    }
    assert_int_equal(slots_in_use(), used + 3);
    log_fill(log_partition(log_directory, "a.b"), 2, 10, 0);
    assert_false(exists(log_directory, "huge"));
    assert_false(exists(log_directory, "sized"));
}

static void a_single_topic_leaves_its_reason_in_the_thread(void **state)
{
    (void)state;
    log_topic("there", NULL, NULL, NULL);
    assert_code(MAPLOG_EXISTS, directory_create_topic(log_directory, "there", 1, NULL));
    assert_non_null(strstr(error_text(), "there"));
}

static void with_nobody_left_nothing_is_stored(void **state)
{
    (void)state;
    uint64_t before = changes();
    struct topic_creation wanted[] = {{.topic = "a/b"}, {.topic = ".."}};
    directory_create_topics(log_directory, wanted, 2);
    for (int i = 0; i < 2; i++) {
        assert_code(MAPLOG_INVALID, wanted[i].result);
        free(wanted[i].error);
    }
    directory_create_topics(log_directory, NULL, 0);
    assert_int_equal(changes(), before);
}

/* Whatever fails, a topic is there for all or for nobody, and what the others had is free again. */
static void what_cannot_be_stored_did_not_happen(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    uint32_t used = slots_in_use();
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME,
                                            FAULT_ALLOCATE};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        /* It may be there, but not be known to be durable. */
        bool doubtful = kinds[k] == FAULT_SYNC || kinds[k] == FAULT_OPEN;
        for (unsigned nth = 1; nth < 6; nth++) {
            char names[3][32];
            struct topic_creation wanted[3] = {0};
            for (int i = 0; i < 3; i++) {
                snprintf(names[i], sizeof names[i], "n-%zu-%u-%d", k, nth, i);
                wanted[i].topic = names[i];
            }
            fault_set(kinds[k], nth, kinds[k] == FAULT_ALLOCATE ? ENOSPC : EIO, 1);
            directory_create_topics(log_directory, wanted, 3);
            fault_clear();
            for (int i = 0; i < 3; i++) {
                bool there = exists(log_directory, names[i]);
                assert_int_equal(exists(other, names[i]), there);
                if (!doubtful)
                    assert_int_equal(there, wanted[i].result == 0);
                if (there)
                    log_fill(log_partition(other, names[i]), 2, 10, 0);
                assert_int_equal(wanted[i].error != NULL, wanted[i].result != 0);
                free(wanted[i].error);
                used += there;
            }
            assert_int_equal(slots_in_use(), used);
        }
    }
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(many_topics_are_one_change),
        TEST(who_is_refused_does_not_keep_the_others_out),
        TEST(a_single_topic_leaves_its_reason_in_the_thread),
        TEST(with_nobody_left_nothing_is_stored),
        TEST(what_cannot_be_stored_did_not_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
