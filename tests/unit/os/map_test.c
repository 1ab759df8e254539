/* map_test.c - mappings of files, and the word that fork wipes. */
#include "os/map.h"

#include "base/error.h"
#include "scratch.h"

#include <string.h>
#include <sys/syscall.h>

static int open_pages(size_t pages)
{
    int fd;
    assert_int_equal(file_open(scratch_fd, "pages", O_RDWR | O_CREAT | O_TRUNC, 0600, &fd), 0);
    assert_int_equal(file_allocate(fd, "pages", 0, pages * MAP_PAGE_BYTES), 0);
    return fd;
}

static char *map(int fd, uint64_t position, size_t length, enum map_mode mode)
{
    void *address = NULL;
    assert_int_equal(map_file(fd, "pages", position, length, mode, &address), 0);
    return address;
}

static void a_written_mapping_is_the_file(void **state)
{
    (void)state;
    int fd = open_pages(2);
    char back[4];
    char *writer = map(fd, MAP_PAGE_BYTES, MAP_PAGE_BYTES, MAP_MODE_WRITE);
    char *reader = map(fd, 0, 2 * MAP_PAGE_BYTES, MAP_MODE_READ);
    memcpy(writer, "here", 4);
    assert_memory_equal(reader + MAP_PAGE_BYTES, "here", 4);
    assert_int_equal(file_read_at(fd, "pages", back, 4, MAP_PAGE_BYTES), 0);
    assert_memory_equal(back, "here", 4);
    assert_int_equal(map_sync(writer, MAP_PAGE_BYTES, "pages"), 0);
    map_remove(writer, MAP_PAGE_BYTES);
    map_remove(reader, 2 * MAP_PAGE_BYTES);
    file_close(fd);
}

static void a_private_mapping_is_not(void **state)
{
    (void)state;
    int fd = open_pages(1);
    char back[4];
    char *private = map(fd, 0, MAP_PAGE_BYTES, MAP_MODE_PRIVATE);
    memcpy(private, "mine", 4);
    assert_int_equal(file_read_at(fd, "pages", back, 4, 0), 0);
    assert_memory_equal(back, "\0\0\0\0", 4);
    map_remove(private, MAP_PAGE_BYTES);
    file_close(fd);
}

static void a_private_mapping_needs_no_right_to_write(void **state)
{
    (void)state;
    int fd = open_pages(1), reader;
    void *address = NULL;
    assert_int_equal(file_open(scratch_fd, "pages", O_RDONLY, 0, &reader), 0);
    assert_int_equal(map_file(reader, "pages", 0, MAP_PAGE_BYTES, MAP_MODE_WRITE, &address),
                     MAPLOG_DENIED);
    assert_non_null(strstr(error_text(), "pages"));
    assert_null(address);
    char *private = map(reader, 0, MAP_PAGE_BYTES, MAP_MODE_PRIVATE);
    private[0] = 'x';
    map_remove(private, MAP_PAGE_BYTES);
    file_close(fd);
    file_close(reader);
}

static void a_mapping_may_reach_past_the_end_of_the_file(void **state)
{
    (void)state;
    int fd = open_pages(1);
    char *writer = map(fd, 0, 64 * MAP_PAGE_BYTES, MAP_MODE_WRITE);
    writer[0] = 'a';
    assert_int_equal(file_allocate(fd, "pages", MAP_PAGE_BYTES, MAP_PAGE_BYTES), 0);
    writer[MAP_PAGE_BYTES] = 'b';
    map_remove(writer, 64 * MAP_PAGE_BYTES);
    file_close(fd);
}

static void mapped_twice_the_end_goes_on_at_the_beginning(void **state)
{
    (void)state;
    void *at;
    int fd;
    assert_int_equal(file_memory("ring", &fd), 0);
    assert_int_equal(ftruncate(fd, 3 * MAP_PAGE_BYTES), 0);
    assert_int_equal(pwrite(fd, "begin", 5, MAP_PAGE_BYTES), 5);
    assert_int_equal(pwrite(fd, "end", 3, 3 * MAP_PAGE_BYTES - 3), 3);
    assert_int_equal(map_file_twice(fd, "ring", MAP_PAGE_BYTES, 2 * MAP_PAGE_BYTES, &at), 0);
    assert_memory_equal((char *)at + 2 * MAP_PAGE_BYTES - 3, "endbegin", 8);
    map_remove(at, 4 * MAP_PAGE_BYTES);
    assert_int_equal(map_file_twice(fd, "ring", 1, MAP_PAGE_BYTES, &at), MAPLOG_IO);
    file_close(fd);
}

static void populating_works_up_to_the_end_of_the_file(void **state)
{
    (void)state;
    int fd = open_pages(4);
    char *writer = map(fd, 0, 8 * MAP_PAGE_BYTES, MAP_MODE_WRITE);
    int result = map_populate(writer, 4 * MAP_PAGE_BYTES, true);
    if (result == MAPLOG_UNSUPPORTED) {
        map_remove(writer, 8 * MAP_PAGE_BYTES);
        file_close(fd);
        skip();
    }
    assert_int_equal(result, 0);
    assert_int_equal(map_populate(writer, 4 * MAP_PAGE_BYTES, false), 0);
    assert_int_equal(map_populate(writer, 8 * MAP_PAGE_BYTES, true), MAPLOG_IO);
    map_remove(writer, 8 * MAP_PAGE_BYTES);
    file_close(fd);
}

static void what_was_just_touched_is_cached(void **state)
{
    (void)state;
    int fd = open_pages(300);
    char *at = map(fd, 0, 300 * MAP_PAGE_BYTES, MAP_MODE_WRITE);
    memset(at, 'x', 300 * MAP_PAGE_BYTES);
    assert_int_equal(map_sync(at, 300 * MAP_PAGE_BYTES, "pages"), 0);
    assert_true(map_cached(at, 300 * MAP_PAGE_BYTES, fd, 0));
    assert_true(map_cached(at + 5000, 10, fd, 5000));
    assert_true(map_cached(at + 4095, 2, fd, 4095));
    assert_true(map_cached(at, 0, fd, 0));
    /* By the pages of the mapping where the kernel cannot tell by the descriptor. */
    assert_true(map_cached(at + 5000, 290 * MAP_PAGE_BYTES, -1, 5000));
    map_remove(at, 300 * MAP_PAGE_BYTES);
    file_close(fd);
}

static void anonymous_memory_is_zero(void **state)
{
    (void)state;
    void *address;
    const char zero[64] = {0};
    assert_int_equal(map_anonymous(1 << 20, &address), 0);
    assert_memory_equal((char *)address + (1 << 20) - 64, zero, 64);
    map_remove(address, 1 << 20);
    map_remove(NULL, 5);
}

/* The word's value as a new process sees it, made by fork() or by a bare clone system call. */
static uint32_t value_in_child(const volatile uint32_t *word, bool bare)
{
    int status;
    pid_t pid = bare ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit((int)*word);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (uint32_t)WEXITSTATUS(status);
}

static void fork_and_clone_wipe_the_word(void **state)
{
    (void)state;
    const volatile uint32_t *word = map_wiped_on_fork();
    assert_non_null(word);
    assert_int_not_equal(*word, 0);
    assert_ptr_equal(map_wiped_on_fork(), word);
    assert_int_equal(value_in_child(word, false), 0);
    assert_int_equal(value_in_child(word, true), 0);
    assert_int_not_equal(*word, 0);
}

static int renew_twice(void *context, struct child_ends ends)
{
    uint32_t parent = *(uint32_t *)context;
    const volatile uint32_t *word = map_wiped_on_fork();
    uint32_t mine = *word;
    (void)ends;
    if (mine == 0 || mine == parent)
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        bool wiped = *word == 0;
        uint32_t grandchild = *map_wiped_on_fork();
        _exit(!wiped || grandchild == 0 || grandchild == mine || grandchild == parent);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return 2;
    return *word == mine ? 0 : 3;
}

static void each_generation_gets_a_number_of_its_own(void **state)
{
    (void)state;
    uint32_t mine = *map_wiped_on_fork();
    struct child child = child_start(renew_twice, &mine);
    assert_int_equal(child_end(&child), 0);
    assert_int_equal(*map_wiped_on_fork(), mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_mapping_is_the_file),
        cmocka_unit_test(a_private_mapping_is_not),
        cmocka_unit_test(a_private_mapping_needs_no_right_to_write),
        cmocka_unit_test(a_mapping_may_reach_past_the_end_of_the_file),
        cmocka_unit_test(mapped_twice_the_end_goes_on_at_the_beginning),
        cmocka_unit_test(populating_works_up_to_the_end_of_the_file),
        cmocka_unit_test(what_was_just_touched_is_cached),
        cmocka_unit_test(anonymous_memory_is_zero),
        cmocka_unit_test(fork_and_clone_wipe_the_word),
        cmocka_unit_test(each_generation_gets_a_number_of_its_own),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
