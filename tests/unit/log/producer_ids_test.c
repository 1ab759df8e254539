/* producer_ids_test.c - no id is handed out twice: not after a crash, not beside an import, not
 * from a log that came without the file. */
#include "producer_batches.h"

#include <pthread.h>

#include "log/attach.h"
#include "log/producer_ids.h"
#include "os/lock.h"

static struct producer_ids *open_ids(void)
{
    struct producer_ids *ids;
    assert_ok(producer_ids_open(log_directory, &ids));
    return ids;
}

static int64_t take(struct producer_ids *ids)
{
    int64_t id = -1;
    assert_ok(producer_ids_take(ids, &id));
    return id;
}

static void write_file(const char *text)
{
    assert_ok(file_replace(log_directory->fd, PRODUCER_IDS_FILE, text, strlen(text), false));
}

static void assert_file(const char *expected)
{
    char *text;
    size_t length;
    assert_ok(file_read_all(log_directory->fd, PRODUCER_IDS_FILE, 4096, &text, &length));
    assert_string_equal(text, expected);
    free(text);
}

static void ids_count_up(void **state)
{
    (void)state;
    struct producer_ids *ids = open_ids();
    for (int64_t i = 0; i < 2 * PRODUCER_IDS_BLOCK + 1; i++)
        assert_int_equal(take(ids), i);
    assert_file("next=3000\n");
    producer_ids_close(ids);
    ids = open_ids();
    assert_int_equal(take(ids), 3000);
    assert_file("next=4000\n");
    producer_ids_close(ids);
    producer_ids_close(NULL);
}

static void a_missing_file_is_made_from_the_log(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    append_sent(&writer, (struct sent){.producer = 4711, .records = 1, .value = 3000});
    append_sent(&writer, (struct sent){.producer = 12, .records = 1, .value = 3000});
    writer_close(&writer);
    producer_ids_close(open_ids());
    assert_file("next=5712\n");
    /* A producer whose batches are gone. */
    const struct producers_entry entry = {9000, 0, 0, 0, 0, BATCH_NOW};
    const struct producer_place place = place_of(partition);
    uint8_t *bytes;
    size_t size;
    assert_ok(producer_snapshot_encode(&entry, 1, &bytes, &size));
    assert_ok(producer_snapshot_store(&place, 1, bytes, size, false));
    assert_ok(producer_snapshot_store(&place, 2, bytes, size - 1, false)); /* damaged */
    free(bytes);
    assert_ok(file_remove(log_directory->fd, PRODUCER_IDS_FILE));
    struct producer_ids *ids = open_ids();
    assert_int_equal(take(ids), 9001);
    /* Removed beside us: we know what it said. */
    assert_ok(file_remove(log_directory->fd, PRODUCER_IDS_FILE));
    assert_int_equal(take(ids), 10001);
    assert_file("next=11001\n");
    producer_ids_close(ids);
}

static void a_damaged_file_is_an_error_that_helps(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n",
                                        "next\n",
                                        "next=\n",
                                        "next=-1\n",
                                        "next=1x\n",
                                        "prev=1\n",
                                        "next=1\nnext=2\n",
                                        "next=1.5\n",
                                        "1000\n",
                                        "next=9223372036854775808\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct producer_ids *ids;
        write_file(texts[i]);
        assert_code(MAPLOG_CORRUPT, producer_ids_open(log_directory, &ids));
        assert_non_null(strstr(error_text(), log_path));
        assert_non_null(strstr(error_text(), PRODUCER_IDS_FILE));
        assert_non_null(strstr(error_text(), "remove the file"));
        assert_code(MAPLOG_CORRUPT, producer_ids_raise(log_directory, 5));
        assert_file(texts[i]);
    }
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text - 1);
    struct producer_ids *ids;
    write_file(long_text);
    assert_code(MAPLOG_CORRUPT, producer_ids_open(log_directory, &ids));
    write_file("# of a later version\nlast=7\nnext=40\n");
    ids = open_ids();
    assert_int_equal(take(ids), 40);
    write_file("rubbish\n"); /* beside us */
    int64_t id;
    assert_code(MAPLOG_CORRUPT, producer_ids_take(ids, &id));
    producer_ids_close(ids);
}

static void an_import_raises_the_counter(void **state)
{
    (void)state;
    assert_ok(producer_ids_raise(log_directory, 41));
    assert_file("next=42\n");
    assert_ok(producer_ids_raise(log_directory, 7));
    assert_file("next=42\n");
    struct producer_ids *ids = open_ids();
    assert_int_equal(take(ids), 42);
    /* Beside us: the rest of our block is not given out. */
    assert_ok(producer_ids_raise(log_directory, 500));
    assert_int_equal(take(ids), 43);
    assert_ok(producer_ids_raise(log_directory, 5000));
    assert_int_equal(take(ids), 5001);
    assert_int_equal(take(ids), 5002);
    assert_file("next=6001\n");
    producer_ids_close(ids);
}

static void they_may_be_used_up(void **state)
{
    (void)state;
    int64_t id;
    assert_ok(producer_ids_raise(log_directory, INT64_MAX));
    struct producer_ids *ids = open_ids();
    assert_code(MAPLOG_LIMIT, producer_ids_take(ids, &id));
    producer_ids_close(ids);
}

static void a_full_disk_gives_no_id(void **state)
{
    (void)state;
    int64_t id;
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    struct producer_ids *ids = open_ids();
    assert_code(MAPLOG_DISK_FULL, producer_ids_take(ids, &id));
    fault_clear();
    for (int64_t i = 0; i < PRODUCER_IDS_BLOCK; i++)
        assert_int_equal(take(ids), i);
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, producer_ids_take(ids, &id));
    fault_clear();
    assert_int_equal(take(ids), PRODUCER_IDS_BLOCK);
    producer_ids_close(ids);
}

static void an_unsure_write_gives_no_id_twice(void **state)
{
    (void)state;
    int64_t id, last = -1;
    struct producer_ids *ids = open_ids();
    for (int i = 0; i < PRODUCER_IDS_BLOCK; i++)
        last = take(ids);
    for (unsigned nth = 1; nth <= 2; nth++) { /* the file's sync, then the directory's */
        fault_set(FAULT_SYNC, nth, EIO, 0);
        int result = producer_ids_take(ids, &id);
        fault_clear();
        if (log_directory->kind == FILE_SYSTEM_DISK)
            assert_int_equal(result, MAPLOG_IO);
    }
    assert_true(take(ids) > last);
    producer_ids_close(ids);
}

static void a_change_of_topics_elsewhere_is_not_waited_for(void **state)
{
    (void)state;
    int64_t id;
    struct directory *other = log_attach();
    assert_ok(lock_wait(other->view.lock_fd, LOCK_FILE, LOCK_CATALOG, true, 1000));
    struct producer_ids *ids = open_ids();
    assert_code(MAPLOG_BUSY, producer_ids_take(ids, &id));
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_int_equal(take(ids), 0);
    assert_ok(lock_wait(other->view.lock_fd, LOCK_FILE, LOCK_CATALOG, true, 1000));
    assert_int_equal(take(ids), 1); /* within the block nothing is written */
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    producer_ids_close(ids);
    directory_drop(other);
}

static void a_killed_process_takes_its_block_along(void **state)
{
    (void)state;
    int64_t last = -1;
    for (unsigned nth = 1; nth <= 3; nth++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct producer_ids *ids;
            struct directory *mine = log_attach();
            fault_signal_at("producer-ids-stored", nth, SIGKILL);
            if (producer_ids_open(mine, &ids) != 0)
                _exit(1);
            for (int64_t id; producer_ids_take(ids, &id) == 0;)
                if (write(pipes[1], &id, sizeof id) != sizeof id)
                    _exit(2);
            _exit(3);
        }
        close(pipes[1]);
        for (int64_t id; read(pipes[0], &id, sizeof id) == sizeof id;) {
            assert_true(id > last);
            last = id;
        }
        close(pipes[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    assert_true(last >= 0);
    struct producer_ids *ids = open_ids();
    assert_true(take(ids) > last);
    producer_ids_close(ids);
}

#define THREADS 4
#define EACH 1500

static int64_t taken[THREADS][EACH];
static struct producer_ids *shared;

static void *take_many(void *context)
{
    int64_t *ids = context;
    for (int i = 0; i < EACH; i++)
        if (producer_ids_take(shared, &ids[i]) != 0)
            ids[i] = -1;
    return NULL;
}

static void threads_get_different_ones(void **state)
{
    (void)state;
    static uint8_t seen[THREADS * EACH];
    pthread_t threads[THREADS];
    shared = open_ids();
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, take_many, taken[t]), 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    producer_ids_close(shared);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++) {
            assert_in_range(taken[t][i], 0, THREADS * EACH - 1);
            assert_int_equal(seen[taken[t][i]]++, 0);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)
    const struct CMUnitTest tests[] = {
        TEST(ids_count_up),
        TEST(a_missing_file_is_made_from_the_log),
        TEST(a_damaged_file_is_an_error_that_helps),
        TEST(an_import_raises_the_counter),
        TEST(they_may_be_used_up),
        TEST(a_full_disk_gives_no_id),
        TEST(an_unsure_write_gives_no_id_twice),
        TEST(a_change_of_topics_elsewhere_is_not_waited_for),
        TEST(a_killed_process_takes_its_block_along),
        TEST(threads_get_different_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
