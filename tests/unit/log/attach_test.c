/* attach_test.c - joining and leaving: who waits for whom, what is refused, what the last one out
 * leaves, and that looking changes nothing. */
#include "log_fixture.h"

#include <sys/stat.h>

#include "log/attach.h"
#include "os/lock.h"
#include "os/map.h"

#define NOW 0 /* the time of the append: old records would be removed by retention */

static uint64_t session(const struct directory *directory)
{
    return load_acquire(&directory->view.control->header.session);
}

static struct stat look(const char *name)
{
    char path[200];
    struct stat found;
    snprintf(path, sizeof path, "%s/%s", log_path, name);
    if (stat(path, &found) != 0)
        fail_msg("no %s", path);
    return found;
}

static struct directory *attach_reading(void)
{
    struct maplog_open_options options = {.flags = MAPLOG_READ_ONLY};
    struct directory *directory;
    assert_ok(directory_open(log_path, &options, &directory));
    return directory;
}

/* A number that changes with any byte, size or modification time of any file below the path. */
static uint64_t fingerprint(void)
{
    char command[400], line[64] = "";
    snprintf(command, sizeof command,
             "cd %s && { find . -type f -printf '%%p %%s %%T@\\n' | sort; "
             "find . -type f | sort | xargs cat; } | sha256sum",
             log_path);
    FILE *output = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, output));
    pclose(output);
    return strtoull(line, NULL, 16) ^ strtoull(line + 16, NULL, 16);
}

static void who_comes_later_joins(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, NULL, NULL);
    log_fill(partition, 3, 10, NOW);
    struct directory *others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = log_attach();
        assert_int_equal(session(others[i]), 2);
        assert_true(others[i]->view.process != log_directory->view.process);
        log_fill(log_partition(others[i], "t"), 1, 10, NOW);
    }
    assert_int_equal(log_walk(partition), 6);
    assert_int_equal(load_relaxed(&partition->control->leader_epoch), 0);
    for (int i = 0; i < 3; i++)
        directory_drop(others[i]);
}

static void the_last_one_out_leaves_exact_sizes(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", NULL, "index.interval.bytes=500", NULL);
    log_fill(partition, 20, 100, NOW);
    struct partition_end end;
    partition_end(partition, &end);
    uint32_t index = load_relaxed(&partition->control->index_bytes[end.rolls & 1]);
    struct directory *other = log_attach();
    directory_drop(log_directory);
    assert_int_equal(look("t-0/00000000000000000000.log").st_size, LIMIT_ALLOCATE_FIRST);
    log_fill(log_partition(other, "t"), 1, 100, NOW);
    partition_end(log_partition(other, "t"), &end);
    directory_drop(other);
    assert_int_equal(look("t-0/00000000000000000000.log").st_size, end.position);
    assert_int_equal(look("t-0/00000000000000000000.index").st_size, index);
    /* And it goes on from there, as if nothing had been. */
    log_directory = log_attach();
    partition = log_partition(log_directory, "t");
    assert_int_equal(load_relaxed(&partition->control->leader_epoch), 0);
    log_fill(partition, 5, 100, NOW);
    assert_int_equal(log_walk(partition), 26);
}

static void a_dead_process_does_not_count(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 3, 100, NOW);
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct directory *directory = log_attach();
            log_fill(log_partition(directory, "t"), 1, 100, NOW);
            raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    assert_int_equal(log_walk(log_partition(log_directory, "t")), 6);
    struct partition_end end;
    partition_end(log_partition(log_directory, "t"), &end);
    directory_drop(log_directory);
    assert_int_equal(look("t-0/00000000000000000000.log").st_size, end.position);
    log_directory = log_attach();
}

static void a_death_while_leaving_does_no_harm(void **state)
{
    (void)state;
    directory_drop(log_directory);
    for (unsigned nth = 1; nth <= 2; nth++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            log_directory = log_attach();
            if (nth == 1)
                log_topic("t", NULL, NULL, NULL);
            log_fill(log_partition(log_directory, "t"), 20, 100, NOW);
            fault_signal_at("trim-begun", 1, SIGKILL);
            directory_drop(log_directory);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
    }
    log_directory = log_attach();
    struct partition *partition = log_partition(log_directory, "t");
    assert_int_equal(log_walk(partition), 40);
    assert_int_equal(load_relaxed(&partition->control->leader_epoch), 0);
    /* What it left behind the end is gone, though nobody appended since. */
    struct partition_end end;
    partition_end(partition, &end);
    assert_int_equal(look("t-0/00000000000000000000.log").st_size, end.position);
}

static void one_who_attaches_is_waited_for(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s/%s", log_path, LOCK_FILE);
    int fd = open(path, O_RDWR);
    assert_ok(lock_try(fd, path, LOCK_SETUP, true));
    struct maplog_open_options options = {.timeout_ms = 50};
    struct directory *directory;
    assert_code(MAPLOG_TIMED_OUT, directory_open(log_path, &options, &directory));
    assert_non_null(strstr(error_text(), "another process is attaching"));
    assert_non_null(strstr(error_text(), log_path));
    options.flags = MAPLOG_READ_ONLY;
    assert_code(MAPLOG_TIMED_OUT, directory_open(log_path, &options, &directory));
    close(fd);
    assert_ok(directory_open(log_path, &options, &directory));
    directory_drop(directory);
}

/* Words of the header that other versions would have there. */
static void other_versions_are_refused_while_somebody_is_attached(void **state)
{
    (void)state;
    struct control_header *header = &log_directory->view.control->header;
    struct directory *directory;
    uint32_t *words[] = {&header->version, &header->mutex_abi, (uint32_t *)&header->magic,
                         &header->writers};
    static const int results[] = {MAPLOG_VERSION, MAPLOG_VERSION, MAPLOG_CORRUPT, MAPLOG_CORRUPT};
    for (int i = 0; i < 4; i++) {
        uint32_t was = *words[i];
        *words[i] = was + 77;
        assert_code(results[i], directory_open(log_path, NULL, &directory));
        *words[i] = was;
    }
    char path[200];
    snprintf(path, sizeof path, "%s/%s", log_path, CONTROL_FILE);
    assert_int_equal(truncate(path, sizeof(struct control) + 4096), 0);
    assert_code(MAPLOG_VERSION, directory_open(log_path, NULL, &directory));
    assert_non_null(strstr(error_text(), "stop it first"));
    assert_int_equal(truncate(path, sizeof(struct control)), 0);
    directory_drop(log_attach());
}

static void a_reader_leaves_no_trace(void **state)
{
    (void)state;
    log_fill(log_topic("t", "segment.bytes=4096", NULL, NULL), 20, 300, NOW);
    directory_drop(log_directory);
    log_directory = NULL;
    uint64_t before = fingerprint();
    struct directory *reading = attach_reading();
    assert_false(reading->recovered_privately);
    assert_int_equal(log_walk(log_partition(reading, "t")), 20);
    directory_drop(reading);
    assert_true(fingerprint() == before);
    /* Without a control file that could be believed; and without any. */
    char path[200];
    snprintf(path, sizeof path, "%s/%s", log_path, CONTROL_FILE);
    struct stat found = look(CONTROL_FILE);
    assert_int_equal(chmod(path, 0600), 0);
    for (int i = 0; i < 2; i++) {
        before = fingerprint();
        reading = attach_reading();
        assert_true(reading->recovered_privately);
        assert_int_equal(log_walk(log_partition(reading, "t")), 20);
        directory_drop(reading);
        assert_true(fingerprint() == before);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s", log_path, LOCK_FILE);
    }
    assert_true(found.st_size > 0);
    log_directory = log_attach();
    assert_int_equal(log_walk(log_partition(log_directory, "t")), 20);
}

static void a_reader_sees_what_others_do(void **state)
{
    (void)state;
    struct partition *partition = log_topic("t", "segment.bytes=4096", NULL, NULL);
    struct directory *reading = attach_reading();
    struct partition *seen = log_partition(reading, "t");
    for (int i = 1; i <= 50; i++) {
        log_fill(partition, 1, 300, NOW);
        assert_int_equal(log_walk(seen), i);
    }
    log_topic("later", NULL, NULL, NULL);
    log_partition(reading, "later");
    /* It keeps the directory's word good while the writers come and go. */
    directory_drop(log_directory);
    log_directory = log_attach();
    assert_int_equal(session(log_directory), 2);
    log_fill(log_partition(log_directory, "t"), 1, 300, NOW);
    assert_int_equal(log_walk(seen), 51);
    directory_drop(reading);
}

/* Somebody who only looks must not make another one believe a control file of before. */
static void a_reader_that_is_deciding_vouches_for_nothing(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 3, 10, NOW);
    log_directory->view.control->header.boot_id[3] ^= 1; /* the machine was restarted */
    directory_drop(log_directory);
    log_directory = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fault_signal_at("read-deciding", 1, SIGSTOP);
        struct directory *reading = attach_reading();
        _exit(log_walk(log_partition(reading, "t")) == 3 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    struct maplog_open_options options = {.timeout_ms = 50};
    assert_code(MAPLOG_TIMED_OUT, directory_open(log_path, &options, &log_directory));
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    log_directory = log_attach();
    struct partition *partition = log_partition(log_directory, "t");
    assert_int_equal(load_relaxed(&partition->control->leader_epoch), 1);
}

static void every_step_of_attaching_may_fail(void **state)
{
    (void)state;
    log_fill(log_topic("t", NULL, NULL, NULL), 3, 10, NOW);
    int before = dup(0);
    close(before);
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_ALLOCATE, FAULT_TRUNCATE,
                                            FAULT_MAP,  FAULT_READ,     FAULT_WRITE,
                                            FAULT_SYNC, FAULT_RENAME};
    for (int alone = 0; alone < 2; alone++) {
        if (alone) {
            directory_drop(log_directory);
            log_directory = NULL;
            before = dup(0);
            close(before);
        }
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            for (unsigned nth = 1; nth < 12; nth++) {
                struct directory *directory = NULL;
                fault_set(kinds[k], nth, kinds[k] == FAULT_ALLOCATE ? ENOSPC : EIO, 0);
                int result = directory_open(log_path, NULL, &directory);
                fault_clear();
                if (result == 0)
                    directory_drop(directory);
                int after = dup(0);
                close(after);
                assert_int_equal(after, before);
            }
        }
    }
    log_directory = log_attach();
    assert_int_equal(log_walk(log_partition(log_directory, "t")), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_comes_later_joins),
        TEST(the_last_one_out_leaves_exact_sizes),
        TEST(a_dead_process_does_not_count),
        TEST(a_death_while_leaving_does_no_harm),
        TEST(one_who_attaches_is_waited_for),
        TEST(other_versions_are_refused_while_somebody_is_attached),
        TEST(a_reader_leaves_no_trace),
        TEST(a_reader_sees_what_others_do),
        TEST(a_reader_that_is_deciding_vouches_for_nothing),
        TEST(every_step_of_attaching_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
