/* protection_test.c - PROT_*, what a descriptor allows, and mprotect(). */
#include "mapping.h"

/* x86-64 with protection keys can make memory that is executed and not read. */
static bool has_protection_keys(void)
{
    char line[8192];
    bool found = false;
    FILE *about = fopen("/proc/cpuinfo", "re");
    assert_non_null(about);
    while (!found && fgets(line, sizeof line, about))
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " ospke");
    fclose(about);
    return found;
}

/* One page that holds the code of a function which returns at once. */
static char *map_code(int protection)
{
    char *at = map_private(-1, PAGE);
    at[0] = (char)0xc3;
    assert_int_equal(mprotect(at, PAGE, protection), 0);
    return at;
}

static void eight_combinations_on_x86_64(void **state)
{
    (void)state;
    const char *no = "SIGSEGV SEGV_ACCERR", *ok = "ok";
    const char *hidden = has_protection_keys() ? "SIGSEGV SEGV_PKUERR" : "ok";
    const struct {
        int protection;
        const char *load, *call, *store;
    } table[] = {
        {PROT_NONE, no, no, no},
        {PROT_READ, ok, no, no},
        {PROT_WRITE, ok, no, ok},
        {PROT_READ | PROT_WRITE, ok, no, ok},
        {PROT_EXEC, hidden, ok, "SIGSEGV"},
        {PROT_READ | PROT_EXEC, ok, ok, no},
        {PROT_WRITE | PROT_EXEC, ok, ok, ok},
        {PROT_READ | PROT_WRITE | PROT_EXEC, ok, ok, ok},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *at = map_code(table[i].protection);
        assert_string_equal(touch(at, LOAD), table[i].load);
        assert_string_equal(touch(at, CALL), table[i].call);
        assert_memory_equal(touch(at, STORE), table[i].store, strlen(table[i].store));
        munmap(at, PAGE);
    }
}

static void a_system_call_gets_an_error_and_no_signal(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *none = map(-1, PAGE, PROT_NONE, MAP_PRIVATE);
    char *constant = map(-1, PAGE, PROT_READ, MAP_PRIVATE);
    assert_int_equal(pread(fd, none, 1, 0), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(pwrite(fd, none, 1, 0), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(pread(fd, constant, 1, 0), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(pwrite(fd, constant, 1, 0), 1);
    munmap(none, PAGE);
    munmap(constant, PAGE);
    close(fd);
}

static void the_descriptor_limits_the_protection(void **state)
{
    (void)state;
    int fd = memory_of(PAGE), reader = open_again(fd, O_RDONLY), writer = open_again(fd, O_WRONLY);
    assert_int_equal(refusal(PAGE, PROT_READ, MAP_SHARED, reader), 0);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_SHARED, reader), EACCES);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_PRIVATE, reader), 0);
    /* Every mapping of a file reads it, also one that asks for PROT_WRITE or nothing at all. */
    assert_int_equal(refusal(PAGE, PROT_WRITE, MAP_SHARED, writer), EACCES);
    assert_int_equal(refusal(PAGE, PROT_NONE, MAP_SHARED, writer), EACCES);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_SHARED, fd), 0);
    close(writer);
    close(reader);
    close(fd);
}

static void mprotect_cannot_give_more_than_the_descriptor(void **state)
{
    (void)state;
    int fd = memory_of(PAGE), reader = open_again(fd, O_RDONLY);
    char *at = map(reader, PAGE, PROT_READ, MAP_SHARED);
    assert_int_equal(error_of(mprotect(at, PAGE, READ_WRITE)), EACCES);
    char *own = map(reader, PAGE, PROT_READ, MAP_PRIVATE);
    assert_int_equal(error_of(mprotect(own, PAGE, READ_WRITE)), 0);
    assert_store(own, "ok");
    munmap(at, PAGE);
    munmap(own, PAGE);
    close(reader);
    close(fd);
}

static void append_only_descriptors_do_not_append(void **state)
{
    (void)state;
    int fd = memory_of(PAGE), appender = open_again(fd, O_RDWR | O_APPEND);
    char *at = map_shared(appender, PAGE);
    at[10] = 'x';
    assert_int_equal(byte_of_file(fd, 10), 'x');
    assert_int_equal(size_of_file(fd), PAGE);
    munmap(at, PAGE);
    close(appender);
    close(fd);
}

static void a_seal_refuses_writers_and_writers_refuse_a_seal(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map_shared(fd, PAGE);
    assert_int_equal(error_of(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), EBUSY);
    munmap(at, PAGE);
    assert_int_equal(error_of(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)), 0);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_SHARED, fd), EPERM);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_PRIVATE, fd), 0);
    close(fd);
}

static void mprotect_keeps_contents(void **state)
{
    (void)state;
    char *at = map_private(-1, PAGE);
    at[7] = '7';
    assert_int_equal(mprotect(at, PAGE, PROT_NONE), 0);
    assert_load(at + 7, "SIGSEGV SEGV_ACCERR");
    assert_int_equal(mprotect(at, PAGE, PROT_READ), 0);
    assert_int_equal(at[7], '7');
    assert_store(at, "SIGSEGV SEGV_ACCERR");
    munmap(at, PAGE);
}

static void mprotect_splits_a_mapping_and_joins_it_again(void **state)
{
    (void)state;
    char *at = map(-1, 3 * PAGE, PROT_NONE, MAP_PRIVATE);
    char *end = at + 3 * PAGE;
    assert_int_equal(mappings_in(at, 3 * PAGE), 1);
    assert_int_equal(mprotect(at + PAGE, PAGE, PROT_READ), 0);
    assert_int_equal(mappings_in(at, 3 * PAGE), 3);
    assert_load(at + PAGE - 1, "SIGSEGV SEGV_ACCERR");
    assert_load(at + PAGE, "ok");
    assert_load(at + 2 * PAGE, "SIGSEGV SEGV_ACCERR");
    assert_int_equal(mprotect(at + PAGE, PAGE, PROT_NONE), 0);
    assert_int_equal(mappings_in(at, (size_t)(end - at)), 1);
    munmap(at, 3 * PAGE);
}

static void mprotect_says_what_is_wrong(void **state)
{
    (void)state;
    char *at = free_space(3 * PAGE);
    assert_ptr_equal(mmap(at, PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), at);
    assert_int_equal(error_of(mprotect(at + 1, PAGE, PROT_READ)), EINVAL);
    assert_int_equal(error_of(mprotect(at, PAGE, 0x4000)), EINVAL);
    assert_store(at, "ok");
    /* The range has a hole: what lies before it is changed all the same. */
    assert_int_equal(error_of(mprotect(at, 2 * PAGE, PROT_READ)), ENOMEM);
    assert_store(at, "SIGSEGV SEGV_ACCERR");
    munmap(at, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_combinations_on_x86_64),
        cmocka_unit_test(a_system_call_gets_an_error_and_no_signal),
        cmocka_unit_test(the_descriptor_limits_the_protection),
        cmocka_unit_test(mprotect_cannot_give_more_than_the_descriptor),
        cmocka_unit_test(append_only_descriptors_do_not_append),
        cmocka_unit_test(a_seal_refuses_writers_and_writers_refuse_a_seal),
        cmocka_unit_test(mprotect_keeps_contents),
        cmocka_unit_test(mprotect_splits_a_mapping_and_joins_it_again),
        cmocka_unit_test(mprotect_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
