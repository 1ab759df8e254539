/* file_tree_test.c - replacing, renaming, removing and listing. */
#include "base/error.h"
#include "os/fault.h"
#include "os/file.h"
#include "scratch.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static void expect_text(const char *path, const char *wanted)
{
    char *text;
    size_t length;
    assert_int_equal(file_read_all(scratch_fd, path, 1 << 20, &text, &length), 0);
    assert_string_equal(text, wanted);
    free(text);
}

static void replace_writes_the_whole_text(void **state)
{
    (void)state;
    assert_int_equal(file_replace(scratch_fd, "r", "first, longer", 13, true), 0);
    expect_text("r", "first, longer");
    assert_int_equal(file_replace(scratch_fd, "r", "second", 6, false), 0);
    expect_text("r", "second");
    assert_int_equal(file_replace(scratch_fd, "r", "", 0, true), 0);
    expect_text("r", "");
    assert_false(file_exists(scratch_fd, "r.tmp"));

    char absolute[128];
    snprintf(absolute, sizeof absolute, "%s/absolute", scratch);
    assert_int_equal(file_replace(AT_FDCWD, absolute, "text", 4, true), 0);
    expect_text("absolute", "text");
    assert_int_equal(file_make_directory(scratch_fd, "sub", 0700), 0);
    assert_int_equal(file_replace(scratch_fd, "sub/r", "text", 4, true), 0);
    expect_text("sub/r", "text");
    assert_int_equal(file_replace(scratch_fd, "missing/r", "text", 4, true), MAPLOG_NOT_FOUND);
}

static void a_failed_replace_leaves_the_old_text(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME};
    assert_int_equal(file_replace(scratch_fd, "kept", "old", 3, true), 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fault_set(kinds[i], 1, ENOSPC, 0);
        assert_int_equal(file_replace(scratch_fd, "kept", "new", 3, true), MAPLOG_DISK_FULL);
        fault_clear();
        assert_non_null(strstr(error_text(), "kept"));
        expect_text("kept", "old");
        assert_false(file_exists(scratch_fd, "kept.tmp"));
    }
}

static void a_left_over_of_a_killed_process_is_no_hindrance(void **state)
{
    (void)state;
    int fd;
    assert_int_equal(file_open(scratch_fd, "again.tmp", O_WRONLY | O_CREAT, 0000, &fd), 0);
    assert_int_equal(file_write_at(fd, "again.tmp", "much longer rubbish", 19, 0), 0);
    file_close(fd);
    assert_int_equal(file_replace(scratch_fd, "again", "text", 4, false), 0);
    expect_text("again", "text");
    struct stat status;
    assert_int_equal(fstatat(scratch_fd, "again", &status, 0), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(status.st_mode & 0777, 0660 & ~mask);
}

#define TEXT_BYTES 20000

static int replace_often(void *context, struct child_ends ends)
{
    char text[TEXT_BYTES];
    (void)context;
    (void)ends;
    for (int i = 0; i < 300; i++) {
        size_t length = i % 2 ? TEXT_BYTES : TEXT_BYTES / 2;
        memset(text, 'a' + i % 26, length);
        if (file_replace(scratch_fd, "atomic", text, length, false) != 0)
            return 1;
    }
    return 0;
}

static void readers_see_one_text_or_the_other(void **state)
{
    (void)state;
    assert_int_equal(file_replace(scratch_fd, "atomic", "", 0, false), 0);
    struct child child = child_start(replace_often, NULL);
    int status;
    do {
        char *text;
        size_t length;
        assert_int_equal(file_read_all(scratch_fd, "atomic", TEXT_BYTES, &text, &length), 0);
        assert_true(length == 0 || length == TEXT_BYTES || length == TEXT_BYTES / 2);
        for (size_t i = 1; i < length; i++)
            if (text[i] != text[0])
                fail_msg("byte %zu of %zu belongs to another text", i, length);
        free(text);
    } while (waitpid(child.pid, &status, WNOHANG) == 0);
    assert_int_equal(status, 0);
    close(child.said);
    close(child.told);
}

static void making_a_directory_twice_is_fine_but_not_over_a_file(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(scratch_fd, "d", 0700), 0);
    assert_int_equal(file_make_directory(scratch_fd, "d", 0700), 0);
    assert_int_equal(file_replace(scratch_fd, "plain", "", 0, false), 0);
    assert_int_equal(file_make_directory(scratch_fd, "plain", 0700), MAPLOG_EXISTS);
    assert_int_equal(file_make_directory(scratch_fd, "no/d", 0700), MAPLOG_NOT_FOUND);
}

static void rename_and_remove(void **state)
{
    (void)state;
    assert_int_equal(file_replace(scratch_fd, "from", "x", 1, false), 0);
    assert_int_equal(file_rename(scratch_fd, "from", "to"), 0);
    assert_false(file_exists(scratch_fd, "from"));
    assert_true(file_exists(scratch_fd, "to"));
    assert_int_equal(file_rename(scratch_fd, "from", "to"), MAPLOG_NOT_FOUND);
    assert_int_equal(file_remove(scratch_fd, "to"), 0);
    assert_int_equal(file_remove(scratch_fd, "to"), 0);
    assert_false(file_exists(scratch_fd, "to"));
}

static void a_tree_goes_but_not_what_its_links_point_to(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(scratch_fd, "outside", 0700), 0);
    assert_int_equal(file_replace(scratch_fd, "outside/kept", "x", 1, false), 0);
    assert_int_equal(file_make_directory(scratch_fd, "tree", 0700), 0);
    assert_int_equal(file_make_directory(scratch_fd, "tree/a", 0700), 0);
    assert_int_equal(file_make_directory(scratch_fd, "tree/a/b", 0700), 0);
    assert_int_equal(file_replace(scratch_fd, "tree/a/b/f", "x", 1, false), 0);
    assert_int_equal(symlinkat("../outside", scratch_fd, "tree/link"), 0);
    assert_int_equal(symlinkat("nowhere", scratch_fd, "tree/dangling"), 0);
    assert_int_equal(file_remove_tree(scratch_fd, "tree"), 0);
    assert_false(file_exists(scratch_fd, "tree"));
    assert_true(file_exists(scratch_fd, "outside/kept"));
    assert_int_equal(file_remove_tree(scratch_fd, "tree"), 0);
    assert_int_equal(file_remove_tree(scratch_fd, "outside/kept"), 0);
    assert_false(file_exists(scratch_fd, "outside/kept"));
}

struct seen {
    int files;
    int directories;
    int stop_after;
};

static int count_entry(void *context, const char *name, bool is_directory)
{
    struct seen *seen = context;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    seen->files += !is_directory;
    seen->directories += is_directory;
    return seen->stop_after && seen->files + seen->directories == seen->stop_after ? 7 : 0;
}

static void list_visits_all_or_stops_when_told(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(scratch_fd, "list", 0700), 0);
    assert_int_equal(file_make_directory(scratch_fd, "list/d", 0700), 0);
    assert_int_equal(symlinkat("d", scratch_fd, "list/link"), 0);
    assert_int_equal(symlinkat("nowhere", scratch_fd, "list/dangling"), 0);
    assert_int_equal(file_replace(scratch_fd, "list/f", "", 0, false), 0);
    assert_int_equal(file_replace(scratch_fd, "list/.hidden", "", 0, false), 0);
    struct seen all = {0, 0, 0}, some = {0, 0, 2};
    assert_int_equal(file_list(scratch_fd, "list", count_entry, &all), 0);
    assert_int_equal(all.files, 3);
    assert_int_equal(all.directories, 2);
    assert_int_equal(file_list(scratch_fd, "list", count_entry, &some), 7);
    assert_int_equal(some.files + some.directories, 2);
    assert_int_equal(file_list(scratch_fd, "missing", count_entry, &all), MAPLOG_NOT_FOUND);
    assert_int_equal(file_list(scratch_fd, "list/f", count_entry, &all), MAPLOG_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace_writes_the_whole_text),
        cmocka_unit_test(a_failed_replace_leaves_the_old_text),
        cmocka_unit_test(a_left_over_of_a_killed_process_is_no_hindrance),
        cmocka_unit_test(readers_see_one_text_or_the_other),
        cmocka_unit_test(making_a_directory_twice_is_fine_but_not_over_a_file),
        cmocka_unit_test(rename_and_remove),
        cmocka_unit_test(a_tree_goes_but_not_what_its_links_point_to),
        cmocka_unit_test(list_visits_all_or_stops_when_told),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
