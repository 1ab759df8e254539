/* attach_recover_test.c - the first to attach: what it believes, what it finds out for itself. */
#include "log_fixture.h"

#include <sys/stat.h>

#include "log/attach.h"
#include "os/map.h"

#define NOW 0 /* the time of the append: old records would be removed by retention */

static char control_path[100];

static int make(void **state)
{
    int result = log_make(state);
    snprintf(control_path, sizeof control_path, "%s/%s", log_path, CONTROL_FILE);
    return result;
}

static void detach(void)
{
    directory_drop(log_directory);
    log_directory = NULL;
}

static struct partition *attach(void)
{
    log_directory = log_attach();
    return log_partition(log_directory, "t");
}

static uint32_t epoch(const struct partition *partition)
{
    return load_relaxed(&partition->control->leader_epoch);
}

/* Somebody attaches, appends and is killed; nobody else is attached. */
static void fill_and_die(int count)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_fill(attach(), count, 300, NOW);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A topic of `records` records in a directory to which nobody is attached. */
static void prepare(int records)
{
    log_topic("t", "segment.bytes=8192", NULL, NULL);
    detach();
    if (records)
        fill_and_die(records);
}

/* Writes to the control file, as nobody ever does. */
static void scribble(uint64_t position, const void *bytes, size_t size)
{
    int fd = open(control_path, O_RDWR);
    assert_true(pwrite(fd, bytes, size, (off_t)position) == (ssize_t)size);
    close(fd);
}

static void everybody_dies_and_nothing_is_lost(void **state)
{
    (void)state;
    prepare(0);
    for (int i = 1; i <= 10; i++) {
        fill_and_die(7);
        struct partition *partition = attach();
        assert_int_equal(log_walk(partition), i * 7);
        assert_int_equal(epoch(partition), 0); /* the page cache is whole: no recovery */
        detach();
    }
}

/* Every word that says where and when the file was made. */
static void a_control_file_from_elsewhere_is_not_believed(void **state)
{
    (void)state;
    prepare(50);
    static const size_t words[] = {
        offsetof(struct control_header, magic),   offsetof(struct control_header, version),
        offsetof(struct control_header, boot_id), offsetof(struct control_header, device),
        offsetof(struct control_header, inode),   offsetof(struct control_header, mount),
        offsetof(struct control_header, born),    offsetof(struct control_header, mutex_abi),
        offsetof(struct control_header, session)};
    for (uint32_t i = 0; i < sizeof words / sizeof *words; i++) {
        uint8_t byte = 0x35;
        scribble(words[i], &byte, 1);
        struct partition *partition = attach();
        assert_int_equal(log_walk(partition), 50 + i);
        assert_int_equal(epoch(partition), i + 1);
        detach();
        fill_and_die(1);
    }
}

/* Whatever the file holds, attaching gives the log as it is, and everything works afterwards. */
static void assert_works(int records)
{
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), records);
    char name[32];
    static int made;
    snprintf(name, sizeof name, "new%d", made++);
    struct partition *fresh = log_topic(name, NULL, NULL, NULL);
    log_fill(fresh, 5, 10, NOW);
    assert_int_equal(log_walk(fresh), 5);
    assert_ok(partition_delete_records(fresh, 2));
    assert_ok(directory_delete_topic(log_directory, name));
    log_fill(partition, 1, 300, NOW);
    assert_int_equal(log_walk(partition), records + 1);
    detach();
}

static void a_control_file_of_any_bytes_is_made_anew(void **state)
{
    (void)state;
    prepare(50);
    size_t size = sizeof(struct control);
    uint8_t *bytes = malloc(size);
    unsigned seed = 1;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = round == 0 ? 0xff : round == 1 ? 0 : (uint8_t)(seed >> 16);
        }
        scribble(0, bytes, size);
        assert_works(50 + round);
    }
    free(bytes);
}

static void a_control_file_of_any_size_is_made_anew(void **state)
{
    (void)state;
    prepare(50);
    static const off_t sizes[] = {
        0, 1, 4095, 100000, sizeof(struct control) - 1, sizeof(struct control) * 2};
    int records = 50;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(truncate(control_path, sizes[i]), 0);
        assert_works(records++);
        struct stat found;
        assert_int_equal(stat(control_path, &found), 0);
        assert_int_equal(found.st_size, sizeof(struct control));
    }
    static const char *const files[] = {CONTROL_FILE, BELL_FILE, LOCK_FILE};
    for (int i = 0; i < 3; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", log_path, files[i]);
        assert_int_equal(unlink(path), 0);
        assert_works(records++);
    }
}

static void run(const char *format)
{
    char line[800];
    snprintf(line, sizeof line, format, log_path, log_path, log_path, log_path); /* up to four */
    if (system(line) != 0)
        fail_msg("%s", line);
}

/* Both directions of a restore that does not fit, over the same files, in the same boot. */
static void an_older_control_file_hides_nothing(void **state)
{
    (void)state;
    prepare(50);
    run("cp -a %s/maplog.control %s/saved");
    fill_and_die(30);
    run("cat %s/saved > %s/maplog.control; rm %s/saved"); /* the same inode, no times set */
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), 80);
    assert_int_equal(epoch(partition), 1);
}

static void older_segments_are_found_out(void **state)
{
    (void)state;
    prepare(50);
    run("cp -a %s/t-0 %s/saved-0");
    fill_and_die(30);
    run("rm %s/t-0/* && cp -a %s/saved-0/* %s/t-0/ && rm -r %s/saved-0");
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), 50);
    assert_int_equal(epoch(partition), 1); /* offsets 50 to 79 are given once more */
}

static void a_copy_is_another_log(void **state)
{
    (void)state;
    prepare(50);
    char copy[100], line[400];
    snprintf(copy, sizeof copy, "%s-copy", log_path);
    snprintf(line, sizeof line, "cp -a %s %s", log_path, copy);
    assert_int_equal(system(line), 0);
    struct partition *here = attach();
    struct directory *other;
    assert_ok(directory_open(copy, NULL, &other));
    struct partition *there = log_partition(other, "t");
    assert_int_equal(epoch(here), 0);
    assert_int_equal(epoch(there), 1);
    log_fill(here, 5, 10, NOW);
    log_fill(there, 3, 10, NOW);
    assert_int_equal(log_walk(here), 55);
    assert_int_equal(log_walk(there), 53);
    directory_drop(other);
    assert_ok(file_remove_tree(AT_FDCWD, copy));
}

static void a_partition_whose_files_are_gone_is_empty(void **state)
{
    (void)state;
    prepare(50);
    char path[100];
    snprintf(path, sizeof path, "%s/t-0", log_path);
    assert_ok(file_remove_tree(AT_FDCWD, path));
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), 0);
    log_fill(partition, 3, 10, NOW);
    assert_int_equal(log_walk(partition), 3);
}

/* A death at any point of the recovery: the next one recovers again, with the same outcome. */
static void a_recovery_that_dies_is_done_again(void **state)
{
    (void)state;
    prepare(50);
    static const char *const points[] = {"prepare-begun", "recover-epoch", "recover-mended",
                                         "prepare-done"};
    char path[100];
    snprintf(path, sizeof path, "%s/t-0/00000000000000000044.log", log_path);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "\xff", 1, 900), 1); /* within the third batch */
    close(fd);
    uint8_t byte = 0x35;
    scribble(offsetof(struct control_header, boot_id), &byte, 1);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            fault_signal_at(points[i], 1, SIGKILL);
            log_attach();
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status))
            fail_msg("%s was not passed", points[i]);
    }
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), 46);
    assert_true(epoch(partition) >= 1);
}

/* Nothing was in doubt, so nothing is when the one dies who took it over. */
static void a_death_while_taking_over_leaves_no_doubt(void **state)
{
    (void)state;
    prepare(50);
    static const char *const points[] = {"prepare-begun", "prepare-done"};
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            fault_signal_at(points[i], 1, SIGKILL);
            log_attach();
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
    }
    struct partition *partition = attach();
    assert_int_equal(log_walk(partition), 50);
    assert_int_equal(epoch(partition), 0);
}

static void remnants_of_deleted_topics_go(void **state)
{
    (void)state;
    prepare(1);
    char path[150];
    snprintf(path, sizeof path, "%s/old-0.AAAAAAAAAAAAAAAAAAAAAA-delete", log_path);
    assert_int_equal(mkdir(path, 0700), 0);
    struct partition *partition = attach();
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(log_walk(partition), 1);
}

/* A slot whose last sync failed: what is on disk is not known, so it is looked at. */
static void a_failed_sync_is_not_forgotten(void **state)
{
    (void)state;
    prepare(0);
    struct partition *partition = attach();
    log_fill(partition, 3, 10, NOW);
    store_relaxed(&partition->control->flush_failed, EIO);
    detach();
    partition = attach();
    assert_int_equal(epoch(partition), 1);
    assert_int_equal(load_relaxed(&partition->control->flush_failed), 0);
    assert_int_equal(log_walk(partition), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_dies_and_nothing_is_lost),
        TEST(a_control_file_from_elsewhere_is_not_believed),
        TEST(a_control_file_of_any_bytes_is_made_anew),
        TEST(a_control_file_of_any_size_is_made_anew),
        TEST(an_older_control_file_hides_nothing),
        TEST(older_segments_are_found_out),
        TEST(a_copy_is_another_log),
        TEST(a_partition_whose_files_are_gone_is_empty),
        TEST(a_recovery_that_dies_is_done_again),
        TEST(a_death_while_taking_over_leaves_no_doubt),
        TEST(remnants_of_deleted_topics_go),
        TEST(a_failed_sync_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
