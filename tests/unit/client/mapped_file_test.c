/* mapped_file_test.c - a mapped file: growing in place, several processes, faults, strangers. */
#include "fixture.h"

#include <maplog_file.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../os/scratch.h"
#include "os/fault.h"

#define PAGE 4096u
#define PROCESSES 4
#define STEPS 200

static char path[80];

static int make_place(void **state)
{
    int result = scratch_make(state);
    snprintf(path, sizeof path, "%s/file", scratch);
    return result;
}

static int remove_place(void **state)
{
    fault_clear();
    return scratch_remove(state);
}

static maplog_file *open_with(unsigned flags, uint64_t size)
{
    const struct maplog_file_options options = {.flags = flags, .size = size};
    maplog_file *file = NULL;
    assert_ok(maplog_file_open(path, &options, &file));
    return file;
}

static maplog_file *make_sized(uint64_t size)
{
    return open_with(MAPLOG_FILE_CREATE, size);
}

static uint64_t size_on_disk(void)
{
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    return (uint64_t)found.st_size;
}

static void write_file(const void *bytes, size_t size)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

/* The exit codes of all children are 0. */
static void join_children(const pid_t *children, int count)
{
    for (int i = 0; i < count; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* ---- one process ----------------------------------------------------------------------------- */

static void it_grows_without_moving(void **state)
{
    (void)state;
    maplog_file *file = make_sized(1);
    char *at = maplog_file_address(file);
    at[0] = 'a';
    for (uint64_t size = 100; size < (8u << 20); size = size * 3 + 1) {
        assert_ok(maplog_file_grow(file, size));
        assert_ptr_equal(maplog_file_address(file), at);
        assert_int_equal(maplog_file_size(file), size);
        assert_int_equal(at[size - 1], 0);
        at[size - 1] = 'z';
    }
    assert_int_equal(at[0], 'a');
    assert_ok(maplog_file_grow(file, 1)); /* never shorter */
    assert_int_equal(maplog_file_size(file), size_on_disk());
    maplog_file_close(file);
}

static void what_was_stored_is_in_the_file(void **state)
{
    (void)state;
    char read_back[6] = "";
    maplog_file *file = make_sized(10000);
    memcpy((char *)maplog_file_address(file) + 9990, "hello", 5);
    assert_ok(maplog_file_sync(file, 9990, 5));
    maplog_file_close(file);
    file = open_with(MAPLOG_FILE_READ_ONLY, 0);
    memcpy(read_back, (char *)maplog_file_address(file) + 9990, 5);
    assert_string_equal(read_back, "hello");
    maplog_file_close(file);
}

static void every_byte_that_it_grows_by_has_its_place_on_the_disk(void **state)
{
    (void)state;
    maplog_file *file = make_sized(1 << 20);
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_in_range(found.st_blocks, (1 << 20) / 512, UINT32_MAX);
    assert_ok(maplog_file_punch(file, 0, 1 << 19));
    assert_int_equal(stat(path, &found), 0);
    assert_in_range(found.st_blocks, 0, (1 << 20) / 512 - 1);
    assert_int_equal(found.st_size, 1 << 20);
    assert_ok(maplog_file_fill(file, 0, 0));
    assert_int_equal(stat(path, &found), 0);
    assert_in_range(found.st_blocks, (1 << 20) / 512, UINT32_MAX);
    maplog_file_close(file);
}

static void filling_changes_no_byte(void **state)
{
    (void)state;
    maplog_file *file = make_sized(3 * PAGE);
    char *at = maplog_file_address(file);
    at[0] = 'a', at[3 * PAGE - 1] = 'z';
    assert_ok(maplog_file_punch(file, PAGE, PAGE));
    assert_ok(maplog_file_fill(file, 1, 3 * PAGE - 2));
    assert_int_equal(at[0], 'a');
    assert_int_equal(at[PAGE], 0);
    assert_int_equal(at[3 * PAGE - 1], 'z');
    assert_int_equal(maplog_file_size(file), 3 * PAGE);
    maplog_file_close(file);
}

static void private_stores_stay_here(void **state)
{
    (void)state;
    write_file("public", 6);
    maplog_file *file = open_with(MAPLOG_FILE_PRIVATE, 0), *other = open_with(0, 0);
    memcpy(maplog_file_address(file), "secret", 6);
    assert_memory_equal(maplog_file_address(other), "public", 6);
    /* It shows what others make the file grow by. */
    assert_ok(maplog_file_grow(other, 2 * PAGE));
    ((char *)maplog_file_address(other))[PAGE] = '!';
    assert_int_equal(maplog_file_size(file), 6);
    assert_ok(maplog_file_refresh(file, NULL));
    assert_int_equal(((char *)maplog_file_address(file))[PAGE], '!');
    /* And lets go of what was stored. */
    assert_ok(maplog_file_advise(file, 0, 0, MAPLOG_FILE_DONT_NEED));
    assert_memory_equal(maplog_file_address(file), "public", 6);
    maplog_file_close(file);
    maplog_file_close(other);
}

static void every_advice_is_taken(void **state)
{
    (void)state;
    maplog_file *file = make_sized(5 * PAGE + 7);
    ((char *)maplog_file_address(file))[PAGE] = 'x';
    for (int advice = MAPLOG_FILE_WILL_NEED; advice <= MAPLOG_FILE_SEQUENTIAL; advice++) {
        int result = maplog_file_advise(file, PAGE + 3, 2 * PAGE, (enum maplog_file_advice)advice);
        if (result != MAPLOG_UNSUPPORTED) /* by an older kernel */
            assert_ok(result);
        assert_int_equal(((char *)maplog_file_address(file))[PAGE], 'x');
    }
    maplog_file_close(file);
}

static void populated_pages_are_in_memory(void **state)
{
    (void)state;
    unsigned char pages[64] = {0};
    maplog_file *file = make_sized(sizeof pages * PAGE);
    int result = maplog_file_advise(file, 0, 0, MAPLOG_FILE_POPULATE);
    if (result == MAPLOG_UNSUPPORTED)
        skip();
    assert_ok(result);
    assert_int_equal(mincore(maplog_file_address(file), sizeof pages * PAGE, pages), 0);
    for (size_t i = 0; i < sizeof pages; i++)
        assert_true(pages[i] & 1);
    maplog_file_close(file);
}

static void the_reserve_is_the_largest_size(void **state)
{
    (void)state;
    const struct maplog_file_options small = {.flags = MAPLOG_FILE_CREATE, .reserve_bytes = 5000};
    maplog_file *file;
    assert_ok(maplog_file_open(path, &small, &file));
    assert_ok(maplog_file_grow(file, 5000));
    assert_code(MAPLOG_LIMIT, maplog_file_grow(file, 5001));
    /* What others add is not mapped here, and not counted. */
    maplog_file *other = open_with(0, 5 * PAGE);
    uint64_t size;
    assert_ok(maplog_file_refresh(file, &size));
    assert_int_equal(size, 5000);
    maplog_file_close(file);
    assert_code(MAPLOG_LIMIT, maplog_file_open(path, &small, &file));
    maplog_file_close(other);
}

/* ---- when the disk says no ------------------------------------------------------------------- */

static void a_full_disk_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    maplog_file *file = make_sized(5000);
    memset(maplog_file_address(file), 'a', 5000);
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, maplog_file_grow(file, 1 << 20));
    assert_non_null(strstr(maplog_error_text(), path));
    assert_int_equal(size_on_disk(), 5000);
    assert_int_equal(maplog_file_size(file), 5000);
    fault_set(FAULT_WRITE, 1, ENOSPC, 1);
    assert_code(MAPLOG_DISK_FULL, maplog_file_grow(file, 5001));
    assert_int_equal(size_on_disk(), 5000);
    fault_clear();
    assert_ok(maplog_file_grow(file, 1 << 20));
    assert_int_equal(((char *)maplog_file_address(file))[4999], 'a');
    assert_int_equal(((char *)maplog_file_address(file))[5000], 0);
    maplog_file_close(file);
}

static void a_limit_of_files_is_no_signal(void **state)
{
    (void)state;
    maplog_file *file = make_sized(PAGE);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 2 * PAGE, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int allowed = maplog_file_grow(file, 2 * PAGE), refused = maplog_file_grow(file, 2 * PAGE + 1);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_ok(allowed);
    assert_int_equal(refused, MAPLOG_LIMIT);
    assert_int_equal(size_on_disk(), 2 * PAGE);
    maplog_file_close(file);
}

static void a_failing_disk_is_an_error_of_sync(void **state)
{
    (void)state;
    maplog_file *file = make_sized(5000);
    fault_set(FAULT_SYNC, 1, EIO, 0);
    assert_code(MAPLOG_IO, maplog_file_sync(file, 0, 0));
    assert_ok(maplog_file_sync(file, 0, 0));
    maplog_file_close(file);
}

static void a_file_that_does_not_come_about_is_closed_again(void **state)
{
    (void)state;
    maplog_file *file = NULL;
    const struct maplog_file_options options = {.flags = MAPLOG_FILE_CREATE, .size = PAGE};
    fault_set(FAULT_MAP, 1, ENOMEM, 0);
    assert_code(MAPLOG_LIMIT, maplog_file_open(path, &options, &file));
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 0);
    assert_code(MAPLOG_DISK_FULL, maplog_file_open(path, &options, &file));
    assert_null(file);
    /* Nobody has it open: it can be made shorter. */
    file = make_sized(PAGE);
    assert_ok(maplog_file_shrink(file, 1));
    maplog_file_close(file);
}

/* ---- several processes ----------------------------------------------------------------------- */

/* Appends to the file, which begins with a word that says where the next record goes. */
static int append_records(int name)
{
    maplog_file *file;
    if (maplog_file_open(path, NULL, &file) != 0)
        return 1;
    _Atomic uint64_t *end = maplog_file_address(file);
    for (int i = 0; i < STEPS; i++) {
        uint64_t at = atomic_fetch_add(end, PAGE / 3);
        if (maplog_file_size(file) < at + PAGE / 3 && maplog_file_grow(file, at + PAGE / 3) != 0)
            return 2;
        memset((char *)maplog_file_address(file) + at, name, PAGE / 3);
    }
    maplog_file_close(file);
    return 0;
}

static void processes_that_grow_it_at_once_lose_nothing(void **state)
{
    (void)state;
    maplog_file *file = make_sized(8);
    *(_Atomic uint64_t *)maplog_file_address(file) = 8;
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        if ((children[i] = fork()) == 0)
            _exit(append_records('a' + i));
    join_children(children, PROCESSES);
    uint64_t size, counts[PROCESSES] = {0};
    assert_ok(maplog_file_refresh(file, &size));
    assert_int_equal(size, 8 + (uint64_t)PROCESSES * STEPS * (PAGE / 3));
    const char *at = (char *)maplog_file_address(file) + 8;
    for (uint64_t i = 0; i < size - 8; i++) {
        assert_in_range(at[i], 'a', 'a' + PROCESSES - 1);
        counts[at[i] - 'a']++;
    }
    for (int i = 0; i < PROCESSES; i++)
        assert_int_equal(counts[i], STEPS * (PAGE / 3));
    maplog_file_close(file);
}

static void it_is_not_made_shorter_while_another_process_has_it(void **state)
{
    (void)state;
    maplog_file *file = make_sized(3 * PAGE);
    int go[2], there[2];
    char byte;
    assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(there, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        maplog_file *own;
        const struct maplog_file_options reader = {.flags = MAPLOG_FILE_READ_ONLY};
        int result = maplog_file_open(path, &reader, &own);
        close(go[1]);
        if (write(there[1], "x", 1) == 1 && read(go[0], &byte, 1) == 0) /* until the other end */
            _exit(result != 0);
        _exit(3);
    }
    assert_int_equal(read(there[0], &byte, 1), 1);
    assert_code(MAPLOG_BUSY, maplog_file_shrink(file, PAGE));
    assert_int_equal(size_on_disk(), 3 * PAGE);
    assert_int_equal(kill(child, SIGKILL), 0); /* who is dead has nothing open */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_ok(maplog_file_shrink(file, PAGE));
    assert_int_equal(size_on_disk(), PAGE);
    assert_int_equal(maplog_file_size(file), PAGE);
    close(go[0]), close(go[1]), close(there[0]), close(there[1]);
    maplog_file_close(file);
}

static void after_shrinking_it_is_open_for_others_as_before(void **state)
{
    (void)state;
    maplog_file *file = make_sized(3 * PAGE);
    assert_ok(maplog_file_shrink(file, 1));
    maplog_file *other = open_with(0, 0);
    assert_code(MAPLOG_BUSY, maplog_file_shrink(other, 0));
    maplog_file_close(file);
    assert_ok(maplog_file_shrink(other, 0));
    assert_ok(maplog_file_grow(other, PAGE));
    assert_int_equal(((char *)maplog_file_address(other))[0], 0);
    maplog_file_close(other);
}

static void a_child_shares_the_memory_and_opens_its_own(void **state)
{
    (void)state;
    maplog_file *file = make_sized(PAGE);
    pid_t child = fork();
    if (child == 0) {
        memcpy(maplog_file_address(file), "from the child", sizeof "from the child");
        int bad = maplog_file_grow(file, 2 * PAGE) != MAPLOG_FORKED ||
                  maplog_file_refresh(file, NULL) != MAPLOG_FORKED ||
                  maplog_file_size(file) != PAGE;
        maplog_file_close(file);
        _exit(bad);
    }
    join_children(&child, 1);
    assert_string_equal(maplog_file_address(file), "from the child");
    assert_ok(maplog_file_grow(file, 2 * PAGE));
    maplog_file_close(file);
}

/* ---- strangers ------------------------------------------------------------------------------- */

static int load_last(void *context)
{
    maplog_file *file = context;
    volatile char *at = maplog_file_address(file);
    return at[maplog_file_size(file) - 1];
}

static void a_stranger_who_cuts_it_is_an_error(void **state)
{
    (void)state;
    maplog_file *file = make_sized(3 * PAGE);
    ((char *)maplog_file_address(file))[3 * PAGE - 1] = 5;
    assert_int_equal(maplog_file_guard(file, load_last, file), 5);
    assert_int_equal(truncate(path, PAGE), 0);
    assert_code(MAPLOG_IO, maplog_file_guard(file, load_last, file));
    assert_non_null(strstr(maplog_error_text(), path));
    uint64_t size;
    assert_code(MAPLOG_INVALID, maplog_file_fill(file, 0, 0)); /* which must not make it longer */
    assert_int_equal(size_on_disk(), PAGE);
    assert_ok(maplog_file_refresh(file, &size));
    assert_int_equal(size, PAGE);
    assert_ok(maplog_file_fill(file, 0, 0));
    assert_int_equal(maplog_file_guard(file, load_last, file), 0);
    maplog_file_close(file);
}

struct watched {
    maplog_file *file;
    int errors;
};

static void *load_until_it_fails(void *context)
{
    struct watched *watched = context;
    for (int i = 0; i < 100; i++)
        watched->errors += maplog_file_guard(watched->file, load_last, watched->file) == MAPLOG_IO;
    return NULL;
}

static void threads_are_guarded_each_for_itself(void **state)
{
    (void)state;
    struct watched watched[4];
    pthread_t threads[4];
    maplog_file *file = make_sized(3 * PAGE);
    assert_int_equal(truncate(path, 1), 0);
    for (int i = 0; i < 4; i++) {
        watched[i] = (struct watched){file, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, load_until_it_fails, &watched[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(watched[i].errors, 100);
    }
    maplog_file_close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_grows_without_moving),
        TEST(what_was_stored_is_in_the_file),
        TEST(every_byte_that_it_grows_by_has_its_place_on_the_disk),
        TEST(filling_changes_no_byte),
        TEST(private_stores_stay_here),
        TEST(every_advice_is_taken),
        TEST(populated_pages_are_in_memory),
        TEST(the_reserve_is_the_largest_size),
        TEST(a_full_disk_leaves_the_file_as_it_was),
        TEST(a_limit_of_files_is_no_signal),
        TEST(a_failing_disk_is_an_error_of_sync),
        TEST(a_file_that_does_not_come_about_is_closed_again),
        TEST(processes_that_grow_it_at_once_lose_nothing),
        TEST(it_is_not_made_shorter_while_another_process_has_it),
        TEST(after_shrinking_it_is_open_for_others_as_before),
        TEST(a_child_shares_the_memory_and_opens_its_own),
        TEST(a_stranger_who_cuts_it_is_an_error),
        TEST(threads_are_guarded_each_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
