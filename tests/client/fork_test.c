/* fork_test.c - handles across fork and exec, threads, and processes of two pid namespaces.
 * not under asan: a fork beside other threads may leave the sanitizer's own locks taken for ever */
#include "children.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

static const struct maplog_consumer_options in_group = {.group = "g"};
static const struct maplog_producer_options lingering = {.batch_bytes = 1 << 20, .linger_ms = 3};

/* Everything that a process can have open. */
struct open_handles {
    struct maplog_producer *producer, *lingerer;
    struct maplog_consumer *consumer;
    struct maplog_message message;
    struct maplog_hold *hold;
    int poll_fd;
};

static void open_everything(const char *topic, struct open_handles *handles)
{
    make_topic(topic, 1, NULL);
    handles->producer = open_producer(topic, NULL);
    handles->lingerer = open_producer(topic, &lingering);
    put_numbers(handles->producer, 0, 1000);
    handles->consumer = open_consumer(topic, &in_group);
    take_numbers(handles->consumer, 0, 10);
    handles->message = take(handles->consumer, "10");
    assert_ok(maplog_commit(handles->consumer));
    assert_ok(maplog_hold(handles->consumer, &handles->hold));
    assert_ok(maplog_consumer_descriptor(handles->consumer, &handles->poll_fd));
}

static void close_everything(struct open_handles *handles)
{
    maplog_release(handles->hold);
    maplog_consumer_close(handles->consumer);
    maplog_producer_close(handles->lingerer);
    maplog_producer_close(handles->producer);
}

static int visit_topic(void *context, const struct maplog_topic *topic)
{
    (void)context;
    (void)topic;
    return 0;
}

static int visit_config(void *context, const char *name, const char *value, int is_default)
{
    (void)context;
    (void)name;
    (void)value;
    return is_default < 0;
}

static void must_be_forked_log(struct maplog *log)
{
    struct maplog_topic topic;
    struct maplog_partition partition;
    struct maplog_producer *producer;
    struct maplog_consumer *consumer;
    int64_t offset;
    const char *none[] = {NULL};
    must(maplog_descriptor(log) == MAPLOG_FORKED);
    must(maplog_sync(log) == MAPLOG_FORKED);
    must(maplog_topic_create(log, "t", 1, NULL) == MAPLOG_FORKED);
    must(maplog_topic_delete(log, "t") == MAPLOG_FORKED);
    must(maplog_topic_alter(log, "t", none) == MAPLOG_FORKED);
    must(maplog_topic_grow(log, "t", 2) == MAPLOG_FORKED);
    must(maplog_topic_describe(log, "t", &topic) == MAPLOG_FORKED);
    must(maplog_topic_list(log, visit_topic, NULL) == MAPLOG_FORKED);
    must(maplog_topic_configs(log, "t", visit_config, NULL) == MAPLOG_FORKED);
    must(maplog_partition_describe(log, "t", 0, &partition) == MAPLOG_FORKED);
    must(maplog_delete_records(log, "t", 0, 0) == MAPLOG_FORKED);
    must(maplog_producer_open(log, "t", NULL, &producer) == MAPLOG_FORKED);
    must(maplog_consumer_open(log, "t", NULL, &consumer) == MAPLOG_FORKED);
    must(maplog_group_commit(log, "g", "t", 0, 0, NULL) == MAPLOG_FORKED);
    must(maplog_group_committed(log, "g", "t", 0, &offset) == MAPLOG_FORKED);
}

static void must_be_forked(struct maplog *log, struct open_handles *handles)
{
    struct maplog_record record = text_record("x");
    struct maplog_message message;
    struct maplog_hold *hold;
    int64_t offset;
    int fd;
    must_be_forked_log(log);
    must(maplog_produce(handles->producer, &record, NULL) == MAPLOG_FORKED);
    must(maplog_produce(handles->lingerer, &record, NULL) == MAPLOG_FORKED);
    must(maplog_produce_to(handles->producer, 0, &record, NULL) == MAPLOG_FORKED);
    must(maplog_flush(handles->producer) == MAPLOG_FORKED);
    must(maplog_flush(handles->lingerer) == MAPLOG_FORKED);
    must(maplog_consume(handles->consumer, &message, -1) == MAPLOG_FORKED);
    must(maplog_seek(handles->consumer, 0, 0) == MAPLOG_FORKED);
    must(maplog_seek_time(handles->consumer, 0, 0) == MAPLOG_FORKED);
    must(maplog_position(handles->consumer, 0, &offset) == MAPLOG_FORKED);
    must(maplog_consumer_descriptor(handles->consumer, &fd) == MAPLOG_FORKED);
    must(maplog_hold(handles->consumer, &hold) == MAPLOG_FORKED);
    must(maplog_commit(handles->consumer) == MAPLOG_FORKED);
    must(handles->message.value_size == 2 && memcmp(handles->message.value, "10", 2) == 0);
}

static void inherited_handles_are_dead_and_closing_them_disturbs_nobody(void **state)
{
    (void)state;
    struct open_handles handles;
    open_everything("inherited", &handles);
    put(handles.lingerer, "1000"); /* may be on its way while we fork */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        must_be_forked(fixture_log, &handles);
        maplog_release(handles.hold);
        maplog_consumer_close(handles.consumer);
        must(maplog_producer_close(handles.lingerer) == MAPLOG_FORKED);
        must(maplog_producer_close(handles.producer) == MAPLOG_FORKED);
        maplog_close(fixture_log);
        _exit(0);
    }
    assert_child_ends_well(pid);
    /* The parent goes on with all of them; its claim, seats and slot are its own. */
    assert_ok(maplog_flush(handles.lingerer));
    put_numbers(handles.producer, 1001, 1000);
    take_numbers(handles.consumer, 11, 1990);
    assert_nothing(handles.consumer);
    assert_ok(maplog_commit(handles.consumer));
    struct maplog_consumer *second;
    struct maplog *again = attach_again();
    assert_code(MAPLOG_GROUP_BUSY, maplog_consumer_open(again, "inherited", &in_group, &second));
    maplog_close(again);
    assert_value(&handles.message, "10");
    close_everything(&handles);
}

static void a_child_opens_its_own(void **state)
{
    (void)state;
    struct open_handles handles;
    open_everything("own", &handles);
    for (int round = 0; round < 5; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct maplog *log;
            struct maplog_producer *producer;
            struct maplog_record record = text_record("child");
            must(maplog_open(fixture_path, NULL, &log) == 0);
            must(maplog_producer_open(log, "own", NULL, &producer) == 0);
            for (int i = 0; i < 1000; i++)
                must(maplog_produce(producer, &record, NULL) == 0);
            must(maplog_producer_close(producer) == 0);
            must_be_forked(fixture_log, &handles); /* still */
            maplog_close(log);
            _exit(0);
        }
        for (int i = 0; i < 1000; i++)
            put(handles.producer, "parent");
        assert_child_ends_well(pid);
    }
    assert_int_equal(describe("own", 0).end_offset, 1000 + 5 * 2000);
    int seen[2] = {0};
    assert_ok(maplog_seek(handles.consumer, 0, 1000));
    for (int i = 0; i < 10000; i++) {
        struct maplog_message message;
        assert_code(1, maplog_consume(handles.consumer, &message, 0));
        assert_int_equal(message.offset, 1000 + i);
        seen[memcmp(message.value, "child", 5) == 0]++;
    }
    assert_int_equal(seen[0], 5000);
    assert_int_equal(seen[1], 5000);
    close_everything(&handles);
}

/* Names a descriptor of this process that is open on something below path; NULL: none. */
static const char *descriptor_below(const char *path)
{
    static char target[512];
    DIR *list = opendir("/proc/self/fd");
    must(list != NULL);
    struct dirent *entry;
    while ((entry = readdir(list))) {
        ssize_t length = readlinkat(dirfd(list), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        if (strncmp(target, path, strlen(path)) == 0)
            return target;
    }
    closedir(list);
    return NULL;
}

static void exec_takes_nothing_along(void **state)
{
    (void)state;
    struct open_handles handles;
    open_everything("exec", &handles);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "fork_test", "--no-descriptor-below", fixture_path, NULL);
        _exit(2);
    }
    assert_child_ends_well(pid);
    close_everything(&handles);
}

static void a_living_child_does_not_keep_its_dead_parent_alive(void **state)
{
    (void)state;
    make_topic("orphan", 1, NULL);
    int up[2], down[2];
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(down[1]);
        struct maplog *log;
        struct maplog_producer *producer;
        struct maplog_consumer *consumer;
        struct maplog_record record = text_record("parent");
        must(maplog_open(fixture_path, NULL, &log) == 0);
        must(maplog_producer_open(log, "orphan", NULL, &producer) == 0);
        must(maplog_consumer_open(log, "orphan", &in_group, &consumer) == 0);
        must(maplog_produce(producer, &record, NULL) == 0);
        if (fork() == 0) {
            char word;
            must(write(up[1], "", 1) == 1);     /* it is out of fork() */
            _exit(read(down[0], &word, 1) < 0); /* lives on until the test is over */
        }
        pause();
        _exit(1);
    }
    char word;
    assert_int_equal(read(up[0], &word, 1), 1);
    struct maplog_consumer *consumer;
    assert_code(MAPLOG_GROUP_BUSY,
                maplog_consumer_open(fixture_log, "orphan", &in_group, &consumer));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* Its lease and its claim are free at once. */
    struct maplog_producer_options options = {.timeout_ms = LONG_MS};
    struct maplog_producer *producer = open_producer("orphan", &options);
    assert_int_equal(put(producer, "heir"), 1);
    consumer = open_consumer("orphan", &in_group);
    take(consumer, "parent");
    take(consumer, "heir");
    maplog_consumer_close(consumer);
    assert_ok(maplog_producer_close(producer));
    close(up[0]), close(up[1]), close(down[0]), close(down[1]);
}

#define THREADS 6
#define RECORDS 5000

/* Both give NULL when all went well: asserts are for the main thread. */
static void *produce_own(void *argument)
{
    struct maplog_producer *producer;
    struct maplog_record record = text_record("x");
    bool well = maplog_producer_open(fixture_log, "threads", NULL, &producer) == 0;
    for (int i = 0; well && i < RECORDS; i++)
        well = maplog_produce(producer, &record, NULL) == 0;
    return well && maplog_producer_close(producer) == 0 ? NULL : argument;
}

static void *consume_own(void *argument)
{
    struct maplog_consumer *consumer;
    bool well = maplog_consumer_open(fixture_log, "threads", NULL, &consumer) == 0;
    for (int64_t i = 0; well && i < (int64_t)THREADS * RECORDS; i++) {
        struct maplog_message message;
        well = maplog_consume(consumer, &message, LONG_MS) == 1 && message.offset == i;
    }
    maplog_consumer_close(consumer);
    return well ? NULL : argument;
}

static void threads_share_a_log_and_fork_in_between(void **state)
{
    (void)state;
    make_topic("threads", 1, NULL);
    make_topic("children", 1, NULL);
    pthread_t producers[THREADS], consumers[2];
    char bad; /* what a thread gives that failed */
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&consumers[i], NULL, consume_own, &bad), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, produce_own, &bad), 0);
    for (int round = 0; round < 10; round++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct maplog *log;
            struct maplog_producer *producer;
            struct maplog_record record = text_record("x");
            maplog_close(fixture_log);
            must(maplog_open(fixture_path, NULL, &log) == 0);
            must(maplog_producer_open(log, "children", NULL, &producer) == 0);
            must(maplog_produce(producer, &record, NULL) == 0);
            must(maplog_producer_close(producer) == 0);
            maplog_close(log);
            _exit(0);
        }
        assert_child_ends_well(pid);
    }
    void *failed;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(producers[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(consumers[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(describe("children", 0).end_offset, 10);
}

/* Produces without end in a process that is number 1 of a pid namespace of its own. */
static void produce_in_namespace(int up)
{
    must(unshare(CLONE_NEWPID) == 0);
    pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        must(getpid() == 1);
        struct maplog *log;
        struct maplog_producer *producer;
        struct maplog_record record = text_record("inside");
        must(maplog_open(fixture_path, NULL, &log) == 0);
        must(maplog_producer_open(log, "namespaces", NULL, &producer) == 0);
        for (int i = 0;; i++) {
            must(maplog_produce(producer, &record, NULL) == 0);
            if (i == 1000)
                must(write(up, "", 1) == 1);
        }
    }
    int status;
    must(waitpid(pid, &status, 0) == pid);
    _exit(!WIFSIGNALED(status));
}

static void processes_of_two_pid_namespaces_share_a_partition(void **state)
{
    (void)state;
    make_topic("namespaces", 1, NULL);
    struct maplog_producer_options options = {.timeout_ms = LONG_MS};
    struct maplog_producer *producer = open_producer("namespaces", &options);
    for (int round = 0; round < 3; round++) {
        int up[2];
        assert_int_equal(pipe(up), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            setpgid(0, 0);
            if (geteuid() != 0)
                _exit(77);
            produce_in_namespace(up[1]);
        }
        close(up[1]);
        char word;
        if (read(up[0], &word, 1) != 1) {
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            close(up[0]);
            assert_ok(maplog_producer_close(producer));
            if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip(); /* needs root */
            fail();
        }
        put_numbers(producer, 0, 1000);
        kill(-pid, SIGKILL); /* in the middle of an append, and with the lease as often as not */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        put_numbers(producer, 0, 1000);
        close(up[0]);
    }
    assert_ok(maplog_producer_close(producer));
    struct maplog_consumer_options checked = {.check_crcs = 1};
    struct maplog_consumer *consumer = open_consumer("namespaces", &checked);
    struct maplog_message message;
    int64_t next = 0;
    while (maplog_consume(consumer, &message, 0) == 1)
        assert_int_equal(message.offset, next++);
    assert_int_equal(next, describe("namespaces", 0).end_offset);
    maplog_consumer_close(consumer);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--no-descriptor-below") == 0)
        return descriptor_below(argv[2]) != NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inherited_handles_are_dead_and_closing_them_disturbs_nobody),
        cmocka_unit_test(a_child_opens_its_own),
        cmocka_unit_test(exec_takes_nothing_along),
        cmocka_unit_test(a_living_child_does_not_keep_its_dead_parent_alive),
        cmocka_unit_test(threads_share_a_log_and_fork_in_between),
        cmocka_unit_test(processes_of_two_pid_namespaces_share_a_partition),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
