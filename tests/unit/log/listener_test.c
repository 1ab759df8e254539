/* listener_test.c - a server's one sleeper hears of appends by this process and by others, of rolls
 * and deletions, once after each mark. */
#include "log_fixture.h"

#include "log/listener.h"
#include "os/thread.h"

#define NOW 1700000000000ll
#define TOPICS 5

static struct {
    _Atomic uint32_t slots[TOPICS + 1]; /* how often each was heard of */
    _Atomic uint32_t total;
} heard;
static struct partition *partitions[TOPICS];
static struct listener *listener;

static void on_moved(void *context, uint32_t slot)
{
    assert_ptr_equal(context, &heard);
    assert_true(slot < TOPICS);
    add_full(&heard.slots[slot], 1);
    add_full(&heard.total, 1);
}

static int begin(void **state)
{
    memset(&heard, 0, sizeof heard);
    if (log_make(state))
        return -1;
    for (int i = 0; i < TOPICS; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        partitions[i] = log_topic(name, "segment.bytes=4096", NULL, NULL);
    }
    return listener_open(log_directory, on_moved, &heard, &listener);
}

static int end(void **state)
{
    listener_close(listener);
    return log_remove(state);
}

static uint32_t heard_of(int i)
{
    return load_acquire(&heard.slots[partitions[i]->slot]);
}

static void mark(int i)
{
    listener_mark(listener, partitions[i]);
    listener_barrier(listener);
}

static void an_append_is_heard_of_once_after_each_mark(void **state)
{
    (void)state;
    log_fill(partitions[0], 1, 100, NOW); /* nobody asked */
    mark(0);
    mark(1);
    log_fill(partitions[1], 3, 100, NOW);
    assert_soon(heard_of(1) == 1);
    log_fill(partitions[0], 1, 100, NOW);
    assert_soon(heard_of(0) == 1);
    log_fill(partitions[1], 1, 100, NOW);
    for (int i = 2; i < 40; i++) { /* over rolls */
        mark(0);
        log_fill(partitions[0], 1, 300, NOW);
        assert_soon(heard_of(0) == (uint32_t)i);
    }
    assert_int_equal(heard_of(1), 1);
}

static void a_deletion_is_heard_of(void **state)
{
    (void)state;
    mark(2);
    assert_ok(directory_delete_topic(log_directory, "c"));
    assert_soon(heard_of(2) == 1);
}

/* Appends one record to topic d as another process, when it is told. */
static int append_when_told(int told)
{
    struct directory *directory;
    struct writer writer;
    char go;
    if (read(told, &go, 1) != 1 || directory_open(log_path, NULL, &directory))
        return 1;
    writer_open(log_partition(directory, "d"), &writer);
    int64_t offset = writer_put(&writer, 100, NOW);
    writer_close(&writer);
    directory_drop(directory);
    return offset != 0;
}

static void other_processes_are_heard_too(void **state)
{
    (void)state;
    int ends[2], status;
    listener_close(listener); /* no thread beside fork */
    listener = NULL;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(append_when_told(ends[0]));
    assert_ok(listener_open(log_directory, on_moved, &heard, &listener));
    for (int i = 0; i < TOPICS; i++)
        mark(i);
    assert_int_equal(write(ends[1], "g", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_soon(heard_of(3) == 1);
    assert_int_equal(load_acquire(&heard.total), 1);
    close(ends[0]);
    close(ends[1]);
}

/* A read-only attacher may not mark the bell: it looks. */
static void a_read_only_one_hears_too(void **state)
{
    (void)state;
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *directory;
    listener_close(listener);
    listener = NULL;
    assert_ok(directory_open(log_path, &options, &directory));
    struct partition *there = log_partition(directory, "a");
    assert_ok(listener_open(directory, on_moved, &heard, &listener));
    listener_mark(listener, there);
    listener_barrier(listener);
    log_fill(partitions[0], 1, 100, NOW);
    assert_soon(heard_of(0) == 1);
    listener_close(listener);
    listener = NULL;
    directory_drop(directory);
}

struct loud {
    struct partition *partition;
    int index;
};

/* Waits to be heard before it goes on. */
static void *append_and_wait(void *context)
{
    struct loud *loud = context;
    struct writer writer;
    writer_open(loud->partition, &writer);
    for (uint32_t i = 0; i < 500; i++) {
        mark(loud->index);
        assert_true(writer_put(&writer, 50, NOW) >= 0);
        while (heard_of(loud->index) <= i)
            thread_yield();
    }
    writer_close(&writer);
    return NULL;
}

static void nothing_is_missed_beside_many_appends(void **state)
{
    (void)state;
    struct loud loud[TOPICS];
    pthread_t threads[TOPICS];
    for (int i = 0; i < TOPICS; i++) {
        loud[i] = (struct loud){partitions[i], i};
        assert_ok(thread_start(&threads[i], "loud", append_and_wait, &loud[i]));
    }
    for (int i = 0; i < TOPICS; i++)
        thread_join(threads[i]);
    for (int i = 0; i < TOPICS; i++)
        assert_int_equal(heard_of(i), 500);
}

static void it_ends_while_others_append(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        mark(0);
        log_fill(partitions[0], 1, 100, NOW);
        listener_close(listener);
        uint32_t total = load_acquire(&heard.total);
        listener = NULL;
        log_fill(partitions[0], 1, 100, NOW);
        assert_int_equal(load_acquire(&heard.total), total);
        assert_ok(listener_open(log_directory, on_moved, &heard, &listener));
    }
    listener_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_append_is_heard_of_once_after_each_mark),
        TEST(a_deletion_is_heard_of),
        TEST(other_processes_are_heard_too),
        TEST(a_read_only_one_hears_too),
        TEST(nothing_is_missed_beside_many_appends),
        TEST(it_ends_while_others_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
