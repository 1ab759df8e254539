/* file_end_test.c - mappings and the end of the file: the three cases that articles tell, and what
 * a full disk does to them. */
#include "mapping.h"

#include <sched.h>
#include <sys/mount.h>

/* Maps so that nothing lies behind the mapping. */
static char *map_alone(int fd, size_t length)
{
    char *at = free_space(2048 * PAGE);
    assert_ptr_equal(mmap(at, length, READ_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0), at);
    return at;
}

/* ---- 5000 bytes, mapped by 5000 -------------------------------------------------------------- */

static void five_thousand_bytes_by_five_thousand(void **state)
{
    (void)state;
    int fd = file_of(5000);
    char *at = map_alone(fd, 5000);
    assert_store(at, "ok");
    assert_store(at + 4999, "ok");
    assert_int_equal(at[5000], 0); /* the rest of the page is there, and zero */
    assert_store(at + 5000, "ok");
    assert_store(at + 8191, "ok");
    assert_load(at + 8192, "SIGSEGV SEGV_MAPERR"); /* here ends the mapping */
    munmap(at, 5000);
    close(fd);
}

static void bytes_behind_the_end_never_reach_the_file(void **state)
{
    (void)state;
    int fd = file_of(5000);
    char *at = map_alone(fd, 5000);
    at[4999] = 'i';
    at[5000] = 'o';
    assert_int_equal(msync(at, 5000, MS_SYNC), 0);
    assert_int_equal(size_of_file(fd), 5000);
    assert_int_equal(byte_of_file(fd, 4999), 'i');
    assert_int_equal(byte_of_file(fd, 5000), -1);
    munmap(at, 5000);
    close(fd);
}

static void bytes_behind_the_end_are_seen_by_who_maps_the_page(void **state)
{
    (void)state;
    int fd = memory_of(5000);
    char *at = map_alone(fd, 5000), *other = map_shared(fd, 5000);
    at[5000] = 'o';
    assert_int_equal(other[5000], 'o'); /* one page in memory, whatever the file's size */
    munmap(at, 5000);
    munmap(other, 5000);
    close(fd);
}

static void write_back_clears_bytes_behind_the_end(void **state)
{
    (void)state;
    int fd = file_of(5000);
    if (!is_written_back(fd))
        skip();
    volatile char *at = map_alone(fd, 5000);
    at[5000] = 'o';
    assert_int_equal(msync((char *)at, 5000, MS_SYNC), 0);
    assert_int_equal(at[5000], 0);
    munmap((char *)at, 5000);
    close(fd);
}

/* File systems on disks clear them before they count; memory keeps them on many kernels, Linux 6.18
 * among them. So nothing may be stored there that is not zero. */
static void bytes_behind_the_end_may_turn_up_when_the_file_grows(void **state)
{
    (void)state;
    const int files[] = {memory_of(5000), file_of(5000)};
    for (int i = 0; i < 2; i++) {
        volatile char *at = map_shared(files[i], 2 * PAGE);
        at[5000] = 'o';
        assert_int_equal(ftruncate(files[i], 2 * PAGE), 0);
        assert_true(at[5000] == 'o' || at[5000] == 0);
        assert_int_equal(byte_of_file(files[i], 5000), at[5000]);
        munmap((char *)at, 2 * PAGE);
        close(files[i]);
    }
}

static void a_file_that_was_cut_and_grows_again_has_zeros(void **state)
{
    (void)state;
    int fd = file_of(2 * PAGE);
    volatile char *at = map_alone(fd, 2 * PAGE);
    at[5000] = 'o';
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_int_equal(at[5000], 0);
    assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
    assert_int_equal(byte_of_file(fd, 5000), 0);
    munmap((char *)at, 2 * PAGE);
    close(fd);
}

/* ---- 5000 bytes, mapped by 15000 ------------------------------------------------------------- */

static void five_thousand_bytes_by_fifteen_thousand(void **state)
{
    (void)state;
    int fd = file_of(5000);
    char *at = map_alone(fd, 15000);
    assert_store(at + 4999, "ok");
    assert_store(at + 8191, "ok"); /* the last page of the file */
    const size_t behind[] = {8192, 12287, 12288, 14999, 15000, 16383};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        assert_load(at + behind[i], "SIGBUS BUS_ADRERR"); /* mapped, but no file behind it */
        assert_store(at + behind[i], "SIGBUS BUS_ADRERR");
    }
    assert_load(at + 16384, "SIGSEGV SEGV_MAPERR"); /* not mapped */
    munmap(at, 15000);
    close(fd);
}

static void a_system_call_past_the_end_gets_an_error(void **state)
{
    (void)state;
    int fd = file_of(5000), ends[2];
    char *at = map_alone(fd, 15000);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "word", 4), 4);
    assert_int_equal(write(ends[1], at + 8192, 1), -1);
    assert_int_equal(errno, EFAULT);
    assert_int_equal(read(ends[0], at + 8192, 4), -1);
    assert_int_equal(errno, EFAULT);
    close(ends[0]);
    close(ends[1]);
    munmap(at, 15000);
    close(fd);
}

/* ---- an empty file, mapped by 1000 pages, that grows ----------------------------------------- */

static void an_empty_file_by_a_thousand_pages_that_grows(void **state)
{
    (void)state;
    int fd = file_of(0);
    char *at = map_alone(fd, 1000 * PAGE);
    assert_load(at, "SIGBUS BUS_ADRERR");
    for (size_t page = 0; page < 1000; page += 111) {
        assert_int_equal(ftruncate(fd, (off_t)(page * PAGE + 1)), 0); /* by one byte into it */
        assert_store(at + page * PAGE, "ok");
        assert_store(at + page * PAGE + PAGE - 1, "ok");
        assert_load(at + (page + 1) * PAGE,
                    page + 1 < 1000 ? "SIGBUS BUS_ADRERR" : "SIGSEGV SEGV_MAPERR");
        assert_int_equal(byte_of_file(fd, page * PAGE), 's');
    }
    munmap(at, 1000 * PAGE);
    close(fd);
}

static void a_file_that_grows_past_its_mapping_is_not_followed(void **state)
{
    (void)state;
    int fd = file_of(0);
    char *at = map_alone(fd, 1000 * PAGE);
    assert_int_equal(ftruncate(fd, 2000 * (off_t)PAGE), 0);
    assert_store(at + 999 * PAGE, "ok");
    assert_store(at + 1000 * PAGE, "SIGSEGV SEGV_MAPERR");
    munmap(at, 1000 * PAGE);
    close(fd);
}

static void a_file_that_is_cut_short_takes_its_pages_along(void **state)
{
    (void)state;
    int fd = file_of(3 * PAGE), stranger = open_again(fd, O_RDWR);
    char *at = map_alone(fd, 3 * PAGE), *mine = map_private(fd, 3 * PAGE);
    memset(at, 'x', 3 * PAGE);
    mine[2 * PAGE] = 'm';
    assert_int_equal(ftruncate(stranger, 1), 0);
    assert_load(at, "ok");
    assert_load(at + PAGE, "SIGBUS BUS_ADRERR");
    assert_load(mine + 2 * PAGE, "SIGBUS BUS_ADRERR"); /* own copies go, too */
    munmap(at, 3 * PAGE);
    munmap(mine, 3 * PAGE);
    close(stranger);
    close(fd);
}

/* ---- a hole, and a full disk ----------------------------------------------------------------- */

struct full_disk {
    int sparse, allocated; /* descriptors of two files */
};

/* A file system of 16 pages in this process's own mount namespace; false: not allowed. */
static bool mount_small(struct full_disk *disk)
{
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "size=65536") != 0)
        return false;
    disk->sparse = open("/tmp/sparse", O_RDWR | O_CREAT, 0600);
    disk->allocated = open("/tmp/allocated", O_RDWR | O_CREAT, 0600);
    return disk->sparse >= 0 && disk->allocated >= 0;
}

#define NOT_ALLOWED 77

static int touch_a_full_disk(void *context)
{
    struct full_disk disk;
    char block[PAGE];
    (void)context;
    if (!mount_small(&disk))
        return NOT_ALLOWED;
    memset(block, 'f', sizeof block);
    if (ftruncate(disk.sparse, PAGE) != 0 || posix_fallocate(disk.allocated, 0, PAGE) != 0)
        return 1;
    int filler = open("/tmp/filler", O_RDWR | O_CREAT, 0600);
    while (write(filler, block, sizeof block) == (ssize_t)sizeof block)
        ;
    if (errno != ENOSPC)
        return 2;
    char *hole = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, disk.sparse, 0);
    char *there = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, disk.allocated, 0);
    if (strcmp(touch(there, STORE), "ok") != 0)
        return 3;
    if (strcmp(touch(hole, STORE), "SIGBUS BUS_ADRERR") != 0)
        return 4;
    if (pread(filler, hole, 1, 0) != -1 || errno != EFAULT)
        return 5;
    if (pread(filler, there, 1, 0) != 1)
        return 6;
    return 0;
}

static void a_store_into_a_hole_of_a_full_disk_is_sigbus(void **state)
{
    (void)state;
    int answer = in_child(touch_a_full_disk, NULL);
    if (answer == NOT_ALLOWED)
        skip();
    assert_int_equal(answer, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_thousand_bytes_by_five_thousand),
        cmocka_unit_test(bytes_behind_the_end_never_reach_the_file),
        cmocka_unit_test(bytes_behind_the_end_are_seen_by_who_maps_the_page),
        cmocka_unit_test(write_back_clears_bytes_behind_the_end),
        cmocka_unit_test(bytes_behind_the_end_may_turn_up_when_the_file_grows),
        cmocka_unit_test(a_file_that_was_cut_and_grows_again_has_zeros),
        cmocka_unit_test(five_thousand_bytes_by_fifteen_thousand),
        cmocka_unit_test(a_system_call_past_the_end_gets_an_error),
        cmocka_unit_test(an_empty_file_by_a_thousand_pages_that_grows),
        cmocka_unit_test(a_file_that_grows_past_its_mapping_is_not_followed),
        cmocka_unit_test(a_file_that_is_cut_short_takes_its_pages_along),
        cmocka_unit_test(a_store_into_a_hole_of_a_full_disk_is_sigbus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
