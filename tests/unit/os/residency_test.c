/* residency_test.c - pages in memory, and the mappings of a process. */
#include "os/residency.h"

#include "base/error.h"
#include "scratch.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGES 64

static char directory[RESIDENCY_PATH];

/* A file of PAGES pages that are all on the disk; its descriptor. */
static int make(const char *name)
{
    static const char page[RESIDENCY_PAGE] = "page";
    int fd;
    assert_int_equal(file_open(scratch_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600, &fd), 0);
    for (uint64_t i = 0; i < PAGES; i++)
        assert_int_equal(file_write_at(fd, name, page, sizeof page, i * sizeof page), 0);
    assert_int_equal(file_sync_data(fd, name), 0);
    return fd;
}

static volatile char *map(int fd)
{
    void *at = mmap(NULL, PAGES * RESIDENCY_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(at != MAP_FAILED);
    assert_int_equal(madvise(at, PAGES * RESIDENCY_PAGE, MADV_RANDOM), 0);
    return at;
}

static struct residency look(int fd, uint64_t first, uint64_t pages)
{
    struct residency found;
    assert_int_equal(
        residency_read(fd, "f", first * RESIDENCY_PAGE, pages * RESIDENCY_PAGE, &found), 0);
    assert_int_equal(found.pages, pages);
    return found;
}

static void pages_in_memory_are_counted(void **state)
{
    (void)state;
    int fd = make("f");
    assert_int_equal(look(fd, 0, PAGES).cached, PAGES);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(look(fd, 0, PAGES).cached, 0);
    volatile char *mapped = map(fd);
    (void)mapped[3 * RESIDENCY_PAGE];
    (void)mapped[5 * RESIDENCY_PAGE];
    assert_int_equal(look(fd, 0, PAGES).cached, 2);
    assert_int_equal(look(fd, 4, 2).cached, 1);
    assert_int_equal(look(fd, 6, PAGES - 6).cached, 0);
    munmap((void *)(uintptr_t)mapped, PAGES * RESIDENCY_PAGE);
    file_close(fd);
}

static void an_empty_range_has_no_pages(void **state)
{
    (void)state;
    int fd = make("f");
    struct residency found;
    assert_int_equal(residency_read(fd, "f", 0, 0, &found), 0);
    assert_int_equal(found.pages, 0);
    assert_int_equal(found.cached, 0);
    file_close(fd);
}

static void part_of_a_page_counts_as_one(void **state)
{
    (void)state;
    int fd = make("f");
    struct residency found;
    assert_int_equal(residency_read(fd, "f", 0, RESIDENCY_PAGE + 1, &found), 0);
    assert_int_equal(found.pages, 2);
    assert_int_equal(found.cached, 2);
    file_close(fd);
}

static void written_pages_are_dirty(void **state)
{
    (void)state;
    int fd = make("f");
    if (look(fd, 0, PAGES).source != RESIDENCY_CACHESTAT)
        skip();
    assert_int_equal(file_write_at(fd, "f", "x", 1, 0), 0);
    struct residency found = look(fd, 0, PAGES);
    assert_true(found.dirty + found.writeback > 0);
    assert_int_equal(file_sync_data(fd, "f"), 0);
    found = look(fd, 0, PAGES);
    assert_int_equal(found.dirty + found.writeback, 0);
    file_close(fd);
}

static void who_may_not_look_is_told(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    int fd = make("f");
    file_close(fd);
    assert_int_equal(chmod(scratch, 0755), 0);
    assert_int_equal(fchmodat(scratch_fd, "f", 0644, 0), 0);
    assert_int_equal(file_open(scratch_fd, "f", O_RDONLY, 0, &fd), 0);
    assert_int_equal(seteuid(65534), 0);
    struct residency found;
    int result = residency_read(fd, "f", 0, RESIDENCY_PAGE, &found);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(result, MAPLOG_DENIED);
    assert_non_null(strstr(error_text(), "owner"));
    file_close(fd);
}

struct seen {
    unsigned mappings;
    struct residency_mapping last;
    uint8_t bits[PAGES / 8];
    struct residency_folios folios;
    int result;
};

static int see(void *context, const struct residency_mapping *mapping)
{
    struct seen *seen = context;
    if (mapping->pid != getpid())
        return 0;
    assert_int_equal(strncmp(mapping->path, directory, strlen(directory)), 0);
    assert_string_equal(mapping->path + strlen(directory), "/f");
    seen->mappings++;
    seen->last = *mapping;
    seen->folios.seen = seen->bits;
    seen->folios.pages = PAGES;
    seen->result = residency_folios(mapping, &seen->folios);
    return seen->mappings == 2;
}

static void own_mappings_are_listed(void **state)
{
    (void)state;
    struct seen seen = {0};
    unsigned hidden;
    int fd = make("f");
    volatile char *mapped = map(fd);
    (void)mapped[0];
    assert_int_equal(residency_mappings(directory, see, &seen, &hidden), 0);
    assert_int_equal(seen.mappings, 1);
    assert_int_equal(seen.last.address, (uintptr_t)mapped);
    assert_int_equal(seen.last.length, PAGES * RESIDENCY_PAGE);
    assert_int_equal(seen.last.position, 0);
    assert_false(seen.last.writable);
    assert_true(seen.last.rss >= RESIDENCY_PAGE && seen.last.pss <= seen.last.rss);
    assert_true(seen.last.minor > 0);
    assert_string_equal(seen.last.name, "residency_test");
    if (seen.result == 0) {
        assert_true(seen.folios.mapped >= 1 && seen.folios.mapped <= PAGES);
        assert_true(seen.folios.large <= seen.folios.mapped);
        assert_true(seen.bits[0] & 1);
    } else {
        assert_true(geteuid() != 0 || seen.result == MAPLOG_DENIED ||
                    seen.result == MAPLOG_NOT_FOUND);
    }
    munmap((void *)(uintptr_t)mapped, PAGES * RESIDENCY_PAGE);
    file_close(fd);
}

static void a_page_counts_once_and_a_visitor_ends_the_walk(void **state)
{
    (void)state;
    struct seen seen = {0};
    unsigned hidden;
    int fd = make("f");
    volatile char *first = map(fd), *second = map(fd);
    for (size_t i = 0; i < PAGES; i++)
        (void)first[i * RESIDENCY_PAGE], (void)second[i * RESIDENCY_PAGE];
    /* Neighbours with other rights do not become one line of the list. */
    assert_int_equal(
        mprotect((void *)(uintptr_t)second, PAGES * RESIDENCY_PAGE, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(residency_mappings(directory, see, &seen, &hidden), 1);
    assert_int_equal(seen.mappings, 2);
    if (seen.result == 0)
        assert_int_equal(seen.folios.mapped, PAGES);
    munmap((void *)(uintptr_t)first, PAGES * RESIDENCY_PAGE);
    munmap((void *)(uintptr_t)second, PAGES * RESIDENCY_PAGE);
    file_close(fd);
}

static void files_elsewhere_are_left_out(void **state)
{
    (void)state;
    struct seen seen = {0};
    unsigned hidden;
    int fd = make("f");
    volatile char *mapped = map(fd);
    char shorter[RESIDENCY_PATH];
    memcpy(shorter, directory, sizeof shorter);
    shorter[strlen(shorter) - 1] = '\0'; /* a name that merely begins alike */
    assert_int_equal(residency_mappings(shorter, see, &seen, &hidden), 0);
    assert_int_equal(seen.mappings, 0);
    munmap((void *)(uintptr_t)mapped, PAGES * RESIDENCY_PAGE);
    file_close(fd);
}

static int make_directory(void **state)
{
    return scratch_make(state) || residency_resolve(scratch_fd, scratch, directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_in_memory_are_counted),
        cmocka_unit_test(an_empty_range_has_no_pages),
        cmocka_unit_test(part_of_a_page_counts_as_one),
        cmocka_unit_test(written_pages_are_dirty),
        cmocka_unit_test(who_may_not_look_is_told),
        cmocka_unit_test(own_mappings_are_listed),
        cmocka_unit_test(a_page_counts_once_and_a_visitor_ends_the_walk),
        cmocka_unit_test(files_elsewhere_are_left_out),
    };
    return cmocka_run_group_tests(tests, make_directory, scratch_remove);
}
