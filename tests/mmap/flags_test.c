/* flags_test.c - flags of mmap() about when pages come, what they are, and those that are ignored.
 * not under tsan: its own memory for what is mapped would be counted among the faults. */
#include "mapping.h"

#define PAGES 64

static void mapping_brings_no_page(void **state)
{
    (void)state;
    const size_t length = (size_t)1 << 30;
    int fd = file_of(length);
    munmap(map_shared(fd, PAGE), PAGE); /* now the calls themselves are in memory */
    long before = faults();
    char *file = map_shared(fd, length), *memory = map_private(-1, length);
    assert_int_equal(faults(), before);
    assert_int_equal(present_pages(file, PAGES) + present_pages(memory, PAGES), 0);
    assert_int_equal(memory[5 * PAGE], 0);
    assert_true(is_present(memory + 5 * PAGE));
    munmap(file, length);
    munmap(memory, length);
    close(fd);
}

static void populate_brings_all_pages(void **state)
{
    (void)state;
    int fd = memory_of(PAGES * PAGE);
    char *file = map(fd, PAGES * PAGE, READ_WRITE, MAP_SHARED | MAP_POPULATE);
    char *memory = map(-1, PAGES * PAGE, READ_WRITE, MAP_PRIVATE | MAP_POPULATE);
    assert_int_equal(present_pages(file, PAGES), PAGES);
    assert_int_equal(present_pages(memory, PAGES), PAGES);
    munmap(file, PAGES * PAGE);
    munmap(memory, PAGES * PAGE);
    close(fd);
}

/* They are there, but read-only: the kernel wants to hear of the first store to each of them, since
 * from then on it has something to write back. */
static void populate_of_a_file_leaves_the_first_store_a_fault(void **state)
{
    (void)state;
    int fd = file_of(PAGES * PAGE);
    if (!is_written_back(fd))
        skip();
    assert_int_equal(posix_fallocate(fd, 0, PAGES * PAGE), 0);
    char *at = map(fd, PAGES * PAGE, READ_WRITE, MAP_SHARED | MAP_POPULATE);
    assert_int_equal(present_pages(at, PAGES), PAGES);
    assert_true(faults_of_store(at + 9 * PAGE) > 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static void populate_of_private_memory_spares_it(void **state)
{
    (void)state;
    int fd = memory_of(PAGES * PAGE);
    char *memory = map(-1, PAGES * PAGE, READ_WRITE, MAP_PRIVATE | MAP_POPULATE);
    char *copy = map(fd, PAGES * PAGE, READ_WRITE, MAP_PRIVATE | MAP_POPULATE);
    assert_int_equal(faults_of_store(memory + 9 * PAGE), 0);
    assert_int_equal(faults_of_store(copy + 9 * PAGE), 0); /* each page has been copied already */
    munmap(memory, PAGES * PAGE);
    munmap(copy, PAGES * PAGE);
    close(fd);
}

static void populate_keeps_quiet_about_what_it_cannot(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    char *at = map(fd, 3 * PAGE, READ_WRITE, MAP_SHARED | MAP_POPULATE);
    assert_true(is_present(at));
    assert_load(at + PAGE, "SIGBUS BUS_ADRERR");
    munmap(at, 3 * PAGE);
    close(fd);
}

static void nonblock_makes_populate_do_nothing(void **state)
{
    (void)state;
    int fd = memory_of(PAGES * PAGE);
    fill_file(fd, PAGES); /* all of them in memory: none would have to be waited for */
    char *at = map(fd, PAGES * PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE | MAP_NONBLOCK);
    assert_int_equal(present_pages(at, PAGES), 0);
    munmap(at, PAGES * PAGE);
    close(fd);
}

static int overcommit_mode(void)
{
    int mode = -1;
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &mode), 1);
    fclose(file);
    return mode;
}

static void noreserve_is_not_counted_unless_everything_is(void **state)
{
    (void)state;
    char *at = map(-1, PAGE, READ_WRITE, MAP_PRIVATE | MAP_NORESERVE);
    char *counted = map(-1, PAGE, READ_WRITE, MAP_PRIVATE);
    assert_int_equal(has_flag(at, "nr"), overcommit_mode() != 2);
    assert_false(has_flag(counted, "nr"));
    assert_true(has_flag(counted, "ac"));
    munmap(at, PAGE);
    munmap(counted, PAGE);
}

static void growsdown_grows_when_the_page_below_is_touched(void **state)
{
    (void)state;
    const size_t room = 4096 * PAGE; /* stacks keep 256 pages away from what lies below them */
    char *free = free_space(room), *top = free + room - 2 * PAGE;
    assert_ptr_equal(mmap(top, PAGE, READ_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0),
                     top);
    assert_store(top - 1, "ok");
    assert_store(top - 10 * PAGE, "ok");
    assert_load(top + PAGE, "SIGSEGV SEGV_MAPERR"); /* upwards it does not */
    assert_true(has_flag(top, "gd"));
    assert_int_equal(mappings_in(top - 10 * PAGE, 11 * PAGE), 1);
    munmap(top - 10 * PAGE, 11 * PAGE);
}

static void growsdown_stops_before_its_neighbour(void **state)
{
    (void)state;
    const size_t room = 1024 * PAGE;
    char *low = map_private(-1, room), *top = low + room - PAGE;
    assert_int_equal(munmap(low + PAGE, room - PAGE), 0);
    assert_ptr_equal(mmap(top, PAGE, READ_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0),
                     top);
    assert_store(low + 2 * PAGE, "SIGSEGV SEGV_MAPERR");
    munmap(low, PAGE);
    munmap(top, PAGE);
}

static void growsdown_is_for_private_anonymous_memory(void **state)
{
    (void)state;
    int fd = memory_of(PAGE);
    const int shared = MAP_SHARED | MAP_ANONYMOUS;
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_SHARED | MAP_GROWSDOWN, fd), EINVAL);
    assert_int_equal(refusal(PAGE, READ_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, fd), EINVAL);
    assert_int_equal(refusal(PAGE, READ_WRITE, shared | MAP_GROWSDOWN, -1), EINVAL);
    close(fd);
}

static long huge_pages(const char *word)
{
    char line[256];
    long count = -1;
    FILE *about = fopen("/proc/meminfo", "re");
    assert_non_null(about);
    while (count < 0 && fgets(line, sizeof line, about))
        if (strncmp(line, word, strlen(word)) == 0)
            count = strtol(line + strlen(word), NULL, 10);
    fclose(about);
    return count;
}

static void hugetlb_takes_pages_that_were_set_aside(void **state)
{
    (void)state;
    const size_t huge = (size_t)2 << 20;
    if (huge_pages("HugePages_Total:") < 0 || huge_pages("Hugepagesize:") != 2048)
        skip();
    char *at = mmap(NULL, huge, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (at == MAP_FAILED) { /* nobody did: see /proc/sys/vm/nr_hugepages */
        assert_int_equal(errno, ENOMEM);
        return;
    }
    assert_int_equal((uintptr_t)at % huge, 0);
    assert_true(has_flag(at, "ht"));
    assert_int_equal(error_of(munmap(at, PAGE)), EINVAL); /* whole huge pages, or none */
    assert_int_equal(error_of(munmap(at, huge)), 0);
}

static void hugetlb_of_an_ordinary_file_is_refused(void **state)
{
    (void)state;
    int fd = memory_of((size_t)2 << 20);
    assert_int_equal(refusal((size_t)2 << 20, PROT_READ, MAP_SHARED | MAP_HUGETLB, fd), EINVAL);
    close(fd);
}

static void denywrite_denies_nobody(void **state)
{
    (void)state;
    int fd = file_of(PAGE);
    char *at = map(fd, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_DENYWRITE);
    int writer = open_again(fd, O_RDWR);
    assert_int_equal(pwrite(writer, "x", 1, 0), 1);
    assert_int_equal(at[0], 'x');
    close(writer);
    munmap(at, PAGE);
    close(fd);
}

static void ignored_flags_leave_no_trace(void **state)
{
    (void)state;
    const int ignored[] = {MAP_DENYWRITE, MAP_EXECUTABLE, MAP_FILE, MAP_STACK};
    char plain[512], line[512];
    char *at = map_private(-1, PAGE);
    smaps_line(at, "VmFlags:", plain);
    munmap(at, PAGE);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        at = map(-1, PAGE, READ_WRITE, MAP_PRIVATE | ignored[i]);
        smaps_line(at, "VmFlags:", line);
        char *small = strstr(line, "nh "); /* since Linux 6.7 a stack gets no huge pages */
        if (ignored[i] == MAP_STACK && small && !strstr(plain, "nh "))
            memmove(small, small + 3, strlen(small + 3) + 1);
        assert_string_equal(line, plain);
        munmap(at, PAGE);
    }
    assert_int_equal(MAP_FILE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapping_brings_no_page),
        cmocka_unit_test(populate_brings_all_pages),
        cmocka_unit_test(populate_of_a_file_leaves_the_first_store_a_fault),
        cmocka_unit_test(populate_of_private_memory_spares_it),
        cmocka_unit_test(populate_keeps_quiet_about_what_it_cannot),
        cmocka_unit_test(nonblock_makes_populate_do_nothing),
        cmocka_unit_test(noreserve_is_not_counted_unless_everything_is),
        cmocka_unit_test(growsdown_grows_when_the_page_below_is_touched),
        cmocka_unit_test(growsdown_stops_before_its_neighbour),
        cmocka_unit_test(growsdown_is_for_private_anonymous_memory),
        cmocka_unit_test(hugetlb_takes_pages_that_were_set_aside),
        cmocka_unit_test(hugetlb_of_an_ordinary_file_is_refused),
        cmocka_unit_test(denywrite_denies_nobody),
        cmocka_unit_test(ignored_flags_leave_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
