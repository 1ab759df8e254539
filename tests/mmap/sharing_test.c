/* sharing_test.c - MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS; fork, exec, close and the end. */
#include "mapping.h"

/* ---- shared ---------------------------------------------------------------------------------- */

struct stranger {
    int fd;
    int asked[2], answered[2]; /* pipes */
};

/* Maps the file by itself, as a stranger would, and says what it sees when asked. */
static int look_when_asked(void *context)
{
    struct stranger *stranger = context;
    int fd = open_again(stranger->fd, O_RDWR);
    volatile char *at = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, fd, 0);
    char word;
    if (at == MAP_FAILED || read(stranger->asked[0], &word, 1) != 1)
        return 1;
    if (at[100] != 'p')
        return 2;
    at[200] = 'c';
    return write(stranger->answered[1], "", 1) == 1 ? 0 : 3;
}

static void another_process_sees_stores_at_once_without_msync(void **state)
{
    (void)state;
    struct stranger stranger = {.fd = file_of(PAGE)};
    char word;
    int status;
    assert_int_equal(pipe(stranger.asked), 0);
    assert_int_equal(pipe(stranger.answered), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(look_when_asked(&stranger));
    volatile char *at = map_shared(stranger.fd, PAGE);
    at[100] = 'p';
    assert_int_equal(write(stranger.asked[1], "", 1), 1);
    assert_int_equal(read(stranger.answered[0], &word, 1), 1);
    assert_int_equal(at[200], 'c');
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        close(stranger.asked[i]);
        close(stranger.answered[i]);
    }
    munmap((char *)at, PAGE);
    close(stranger.fd);
}

static void read_and_write_see_the_same_bytes(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    volatile char *at = map_shared(fd, PAGE);
    at[5] = 'm';
    assert_int_equal(byte_of_file(fd, 5), 'm');
    assert_int_equal(pwrite(fd, "w", 1, 6), 1);
    assert_int_equal(at[6], 'w');
    munmap((char *)at, PAGE);
    close(fd);
}

static int store_and_be_killed(void *context)
{
    *(volatile char *)context = 'k';
    kill(getpid(), SIGKILL);
    return 0;
}

static void what_a_killed_process_stored_is_in_the_file(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(in_child(store_and_be_killed, at + 9), 1000 + SIGKILL);
    assert_int_equal(byte_of_file(fd, 9), 'k');
    munmap(at, PAGE);
    close(fd);
}

static void validate_refuses_flags_that_shared_ignores(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    const int unknown = 1 << 25;
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED | unknown, fd), 0);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED_VALIDATE | unknown, fd), EOPNOTSUPP);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd), 0);
    /* The type is a number and no set of bits: both of the old ones together are the new one. */
    assert_int_equal(MAP_SHARED | MAP_PRIVATE, MAP_SHARED_VALIDATE);
    assert_int_equal(refusal(PAGE, PROT_READ, 0, fd), EINVAL);
    close(fd);
}

static void sync_wants_memory_that_is_the_disk(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd), EOPNOTSUPP);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED | MAP_SYNC, fd), 0);
    close(fd);
}

/* ---- private --------------------------------------------------------------------------------- */

static void private_stores_are_seen_by_nobody(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *mine = map_private(fd, PAGE), *shared = map_shared(fd, PAGE);
    mine[3] = 'm';
    assert_int_equal(mine[3], 'm');
    assert_int_equal(shared[3], 0);
    assert_int_equal(byte_of_file(fd, 3), 0);
    assert_int_equal(msync(mine, PAGE, MS_SYNC), 0); /* nothing to write: no error, no effect */
    assert_int_equal(byte_of_file(fd, 3), 0);
    munmap(mine, PAGE);
    munmap(shared, PAGE);
    close(fd);
}

static void a_private_mapping_is_no_snapshot(void **state)
{
    (void)state;
    int fd = memory_of(2 * PAGE);
    volatile char *mine = map_private(fd, 2 * PAGE);
    mine[0] = 'm'; /* from here on the first page is a copy of its own */
    assert_int_equal(pwrite(fd, "new", 3, 1), 3);
    assert_int_equal(pwrite(fd, "new", 3, (off_t)PAGE + 1), 3);
    assert_int_equal(mine[1], 0);
    assert_int_equal(mine[PAGE + 1], 'n'); /* the second one still is the file's */
    munmap((char *)mine, 2 * PAGE);
    close(fd);
}

/* ---- anonymous, and fork --------------------------------------------------------------------- */

static int store_in_child(void *context)
{
    volatile char *at = context;
    int before = at[0];
    at[0] = 'c';
    return before;
}

static void a_child_shares_shared_memory(void **state)
{
    (void)state;
    volatile char *at = map_shared(-1, PAGE);
    assert_int_equal(at[0], 0);
    at[0] = 'p';
    assert_int_equal(in_child(store_in_child, (char *)at), 'p');
    assert_int_equal(at[0], 'c');
    munmap((char *)at, PAGE);
}

static void a_child_has_a_copy_of_private_memory(void **state)
{
    (void)state;
    volatile char *at = map_private(-1, PAGE);
    assert_int_equal(at[0], 0);
    at[0] = 'p';
    assert_int_equal(in_child(store_in_child, (char *)at), 'p');
    assert_int_equal(at[0], 'p');
    munmap((char *)at, PAGE);
}

static int wait_and_look(void *context)
{
    struct stranger *both = context;
    volatile char *at = (volatile char *)(both + 1);
    char word;
    return read(both->asked[0], &word, 1) == 1 ? at[0] : 255;
}

static void what_a_parent_stores_after_fork_is_its_own(void **state)
{
    (void)state;
    int status;
    struct stranger *both = (struct stranger *)map_private(-1, PAGE);
    volatile char *at = (volatile char *)(both + 1);
    assert_int_equal(pipe(both->asked), 0);
    at[0] = 'b';
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(wait_and_look(both));
    at[0] = 'a';
    assert_int_equal(write(both->asked[1], "", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 'b');
    close(both->asked[0]);
    close(both->asked[1]);
    munmap(both, PAGE);
}

/* ---- close, unlink, exec --------------------------------------------------------------------- */

static void a_mapping_outlives_descriptor_and_name(void **state)
{
    (void)state;
    int fd = file_of(PAGE); /* its name is gone already */
    char *at = map_shared(fd, PAGE);
    int again = open_again(fd, O_RDWR);
    close(fd);
    at[0] = 'x';
    assert_int_equal(msync(at, PAGE, MS_SYNC), 0);
    assert_int_equal(byte_of_file(again, 0), 'x');
    close(again);
    assert_int_equal(at[0], 'x');
    munmap(at, PAGE);
}

/* Searches the mappings of the program that it becomes; grep says 0 when it finds the name. */
static int look_after_exec(void *context)
{
    (void)context;
    execlp("grep", "grep", "-q", "memfd:mmap-test", "/proc/self/maps", NULL);
    return 100;
}

static int look_before_exec(void *context)
{
    (void)context;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "memfd:mmap-test"))
            return 0;
    return 1;
}

static void fork_inherits_mappings_and_exec_drops_them(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(in_child(look_before_exec, NULL), 0);
    assert_int_equal(in_child(look_after_exec, NULL), 1);
    munmap(at, PAGE);
    close(fd);
}

static void no_length_and_no_file_are_errors(void **state)
{
    (void)state;
    int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(refusal(0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1), EINVAL);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED, -1), EBADF);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED, directory), ENODEV);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED, ends[0]), ENODEV);
    assert_ptr_equal(MAP_FAILED, (void *)-1); /* an error is not NULL */
    close(ends[0]);
    close(ends[1]);
    close(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_process_sees_stores_at_once_without_msync),
        cmocka_unit_test(read_and_write_see_the_same_bytes),
        cmocka_unit_test(what_a_killed_process_stored_is_in_the_file),
        cmocka_unit_test(validate_refuses_flags_that_shared_ignores),
        cmocka_unit_test(sync_wants_memory_that_is_the_disk),
        cmocka_unit_test(private_stores_are_seen_by_nobody),
        cmocka_unit_test(a_private_mapping_is_no_snapshot),
        cmocka_unit_test(a_child_shares_shared_memory),
        cmocka_unit_test(a_child_has_a_copy_of_private_memory),
        cmocka_unit_test(what_a_parent_stores_after_fork_is_its_own),
        cmocka_unit_test(a_mapping_outlives_descriptor_and_name),
        cmocka_unit_test(fork_inherits_mappings_and_exec_drops_them),
        cmocka_unit_test(no_length_and_no_file_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
