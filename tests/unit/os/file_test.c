/* file_test.c - reading, writing, sizes, and what files and file systems are. */
#include "os/file.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/thread.h"
#include "scratch.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>

static int open_new(const char *name)
{
    int fd;
    assert_int_equal(file_open(scratch_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600, &fd), 0);
    return fd;
}

static void open_names_the_path_and_closes_on_exec(void **state)
{
    (void)state;
    int fd = 77;
    assert_int_equal(file_open(scratch_fd, "missing", O_RDONLY, 0, &fd), MAPLOG_NOT_FOUND);
    assert_non_null(strstr(error_text(), "missing"));
    assert_int_equal(fd, 77);
    fd = open_new("f");
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    file_close(fd);
    file_close(-1);
    assert_int_equal(file_memory("memory", &fd), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    file_close(fd);
}

static void reopening_reaches_the_same_file(void **state)
{
    (void)state;
    int fd = open_new("f"), again;
    char back[3];
    assert_int_equal(file_write_at(fd, "f", "abc", 3, 0), 0);
    assert_int_equal(file_remove(scratch_fd, "f"), 0);
    assert_int_equal(file_reopen(fd, O_RDONLY, &again), 0);
    assert_int_equal(file_read_at(again, "f", back, 3, 0), 0);
    assert_memory_equal(back, "abc", 3);
    file_close(fd);
    file_close(again);
}

static void reads_are_whole_or_an_error_that_says_where(void **state)
{
    (void)state;
    int fd = open_new("f");
    char back[8] = "";
    assert_int_equal(file_write_at(fd, "f", "abcdef", 6, 10), 0);
    assert_int_equal(file_read_at(fd, "f", back, 6, 10), 0);
    assert_memory_equal(back, "abcdef", 6);
    assert_int_equal(file_read_at(fd, "f", back, 7, 10), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "f ends at 16"));
    assert_int_equal(file_read_at(fd, "f", back, 0, 999), 0);
    file_close(fd);
}

static void read_all_gives_text_of_any_size_up_to_the_limit(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 100000};
    char *text = NULL, *whole = malloc(100000);
    size_t length = 0;
    assert_non_null(whole);
    memset(whole, 'x', 100000);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = open_new("f");
        assert_int_equal(file_write_at(fd, "f", whole, sizes[i], 0), 0);
        file_close(fd);
        assert_int_equal(file_read_all(scratch_fd, "f", sizes[i], &text, &length), 0);
        assert_int_equal(length, sizes[i]);
        assert_memory_equal(text, whole, length);
        assert_int_equal(text[length], '\0');
        free(text);
        if (sizes[i] > 0)
            assert_int_equal(file_read_all(scratch_fd, "f", sizes[i] - 1, &text, &length),
                             MAPLOG_LIMIT);
    }
    free(whole);
    assert_int_equal(file_read_all(scratch_fd, "missing", 10, &text, &length), MAPLOG_NOT_FOUND);
    /* Files of /proc say that they have no size. */
    assert_int_equal(file_read_all(AT_FDCWD, "/proc/self/status", 100000, &text, &length), 0);
    assert_true(length > 0);
    free(text);
}

static void sizes_are_set(void **state)
{
    (void)state;
    struct file_identity identity;
    int fd = open_new("f");
    assert_int_equal(file_allocate(fd, "f", 4096, 8192), 0);
    assert_int_equal(file_identify(fd, "f", &identity), 0);
    assert_int_equal(identity.size, 12288);
    assert_int_equal(file_truncate(fd, "f", 5000), 0);
    assert_int_equal(file_identify(fd, "f", &identity), 0);
    assert_int_equal(identity.size, 5000);
    assert_int_equal(file_sync(fd, "f"), 0);
    assert_int_equal(file_sync_data(fd, "f"), 0);
    file_close(fd);
}

static void a_punched_range_reads_as_zero(void **state)
{
    (void)state;
    char text[12288], back[12288];
    int fd = open_new("f");
    memset(text, 'x', sizeof text);
    assert_int_equal(file_write_at(fd, "f", text, sizeof text, 0), 0);
    assert_int_equal(file_punch(fd, "f", 4096, 4096), 0);
    assert_int_equal(file_read_at(fd, "f", back, sizeof back, 0), 0);
    memset(text + 4096, 0, 4096);
    assert_memory_equal(back, text, sizeof text);
    file_close(fd);
}

static void a_full_file_system_is_an_error_and_not_a_crash(void **state)
{
    (void)state;
    assert_int_equal(file_make_directory(scratch_fd, "small", 0700), 0);
    char path[128];
    snprintf(path, sizeof path, "%s/small", scratch);
    if (mount("tmpfs", path, "tmpfs", 0, "size=128k") != 0)
        skip(); /* needs a privileged user */
    int fd;
    uint64_t before = 0, after = 0;
    char text[64] = "x";
    struct file_identity identity;
    assert_int_equal(file_open(scratch_fd, "small/f", O_RDWR | O_CREAT, 0600, &fd), 0);
    assert_int_equal(file_free_bytes(fd, "f", &before), 0);
    assert_int_equal(before, 128 * 1024);
    assert_int_equal(file_allocate(fd, "small/f", 0, 64 * 1024), 0);
    assert_int_equal(file_allocate(fd, "small/f", 64 * 1024, 1 << 20), MAPLOG_DISK_FULL);
    assert_non_null(strstr(error_text(), "small/f"));
    assert_int_equal(file_identify(fd, "f", &identity), 0);
    assert_int_equal(identity.size, 64 * 1024);
    assert_int_equal(file_allocate(fd, "small/f", 64 * 1024, 64 * 1024), 0);
    assert_int_equal(file_write_at(fd, "small/f", text, sizeof text, 128 * 1024), MAPLOG_DISK_FULL);
    assert_int_equal(file_free_bytes(fd, "f", &after), 0);
    assert_int_equal(after, 0);
    assert_int_equal(file_punch(fd, "small/f", 0, 64 * 1024), 0);
    assert_int_equal(file_write_at(fd, "small/f", text, sizeof text, 128 * 1024), 0);
    file_close(fd);
    assert_int_equal(umount(path), 0);
}

static void identities_tell_files_apart(void **state)
{
    (void)state;
    struct file_identity one, same, other;
    int fd = open_new("one");
    file_close(open_new("other"));
    int64_t now = clock_wall_ms();
    assert_int_equal(file_write_at(fd, "one", "abc", 3, 0), 0);
    assert_int_equal(file_identify(fd, "one", &one), 0);
    assert_int_equal(file_identify_at(scratch_fd, "one", &same), 0);
    assert_int_equal(file_identify_at(scratch_fd, "other", &other), 0);
    assert_true(one.inode == same.inode && one.device == same.device && one.mount == same.mount);
    assert_int_not_equal(one.inode, other.inode);
    assert_int_equal(one.device, other.device);
    assert_int_equal(one.mount, other.mount);
    assert_int_equal(one.size, 3);
    assert_false(one.is_directory);
    assert_true(one.modified_ms > now - 60000 && one.modified_ms < now + 60000);
    assert_int_equal(file_identify_at(scratch_fd, ".", &other), 0);
    assert_true(other.is_directory);
    assert_int_equal(file_identify_at(scratch_fd, "missing", &other), MAPLOG_NOT_FOUND);
    file_close(fd);
}

static void a_mount_is_told_from_a_later_one(void **state)
{
    (void)state;
    char path[128];
    struct file_identity first, second;
    assert_int_equal(file_make_directory(scratch_fd, "mounted", 0700), 0);
    snprintf(path, sizeof path, "%s/mounted", scratch);
    if (mount("tmpfs", path, "tmpfs", 0, "size=64k") != 0)
        skip(); /* needs a privileged user */
    assert_int_equal(file_identify_at(scratch_fd, "mounted", &first), 0);
    assert_int_equal(umount(path), 0);
    assert_int_equal(mount("tmpfs", path, "tmpfs", 0, "size=64k"), 0);
    assert_int_equal(file_identify_at(scratch_fd, "mounted", &second), 0);
    assert_int_equal(umount(path), 0);
    if (first.mount >> 31 == 0)
        skip(); /* before Linux 6.8 these numbers are given again */
    assert_true(first.mount != second.mount);
}

static void file_systems_are_told_by_what_they_promise(void **state)
{
    (void)state;
    enum file_system_kind kind = FILE_SYSTEM_NETWORK;
    int fd;
    assert_int_equal(file_memory("memory", &fd), 0);
    assert_int_equal(file_system(fd, "memory", &kind), 0);
    assert_int_equal(kind, FILE_SYSTEM_MEMORY);
    file_close(fd);
    assert_int_equal(file_open(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0, &fd), 0);
    assert_int_equal(file_system(fd, "/proc", &kind), 0);
    assert_int_equal(kind, FILE_SYSTEM_DISK); /* "all others" */
    file_close(fd);
    assert_int_equal(file_system(-1, "closed", &kind), MAPLOG_IO);
}

static void copies_are_exact_between_file_systems_too(void **state)
{
    (void)state;
    const size_t length = 700000;
    char *text = malloc(length), *back = malloc(length);
    int from = open_new("from"), memory;
    assert_non_null(text);
    assert_non_null(back);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(i * 7 + i / 256);
    assert_int_equal(file_write_at(from, "from", text, length, 0), 0);
    assert_int_equal(file_memory("memory", &memory), 0);
    int targets[] = {open_new("to"), memory};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(file_copy(from, targets[i], "to", 1000, length - 1000), 0);
        assert_int_equal(file_read_at(targets[i], "to", back, length, 0), 0);
        assert_memory_equal(back + 1000, text + 1000, length - 1000);
        assert_int_equal(back[999], 0);
        assert_int_equal(file_copy(from, targets[i], "to", 0, length + 1), MAPLOG_IO);
        file_close(targets[i]);
    }
    file_close(from);
    free(text);
    free(back);
}

static int say_in_parts(void *context, struct child_ends ends)
{
    int fd = *(int *)context;
    child_wait(ends);
    for (int i = 0; i < 3; i++) {
        clock_sleep_ns(2000000);
        if (file_write_stream(fd, "pipe", "part", 4) != 0)
            return 1;
    }
    return 0;
}

static void a_stream_is_read_to_its_end_also_when_non_blocking(void **state)
{
    (void)state;
    int ends[2];
    char text[16] = "";
    size_t filled = 0, got = 1;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    struct child child = child_start(say_in_parts, &ends[1]);
    close(ends[1]);
    child_tell(&child);
    while (got) {
        assert_int_equal(
            file_read_stream(ends[0], "pipe", text + filled, sizeof text - filled, &got), 0);
        filled += got;
    }
    assert_string_equal(text, "partpartpart");
    assert_int_equal(child_end(&child), 0);
    close(ends[0]);
}

static int drain_slowly(void *context, struct child_ends ends)
{
    char part[4096];
    size_t got = 1, sum = 0;
    int *pair = context;
    (void)ends;
    close(pair[1]);
    while (got) {
        if (file_read_stream(pair[0], "pipe", part, sizeof part, &got) != 0)
            return 1;
        sum += got;
    }
    return sum == 300000 ? 0 : 2;
}

static void a_full_non_blocking_pipe_is_waited_for(void **state)
{
    (void)state;
    int ends[2];
    char *text = calloc(1, 300000);
    assert_non_null(text);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    struct child child = child_start(drain_slowly, ends);
    close(ends[0]);
    assert_int_equal(file_write_stream(ends[1], "pipe", text, 300000), 0);
    close(ends[1]);
    assert_int_equal(child_end(&child), 0);
    free(text);
}

static void a_pipe_without_a_reader_is_closed(void **state)
{
    (void)state;
    int ends[2];
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(file_write_stream(ends[1], "pipe", "x", 1), MAPLOG_CLOSED);
    close(ends[1]);
    signal(SIGPIPE, before);
}

static void nothing(int signal)
{
    (void)signal;
}

static void a_signal_interrupts_reading_a_stream(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    size_t got = 42;
    struct sigaction action = {.sa_handler = nothing}, before;
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_int_equal(file_read_stream(ends[0], "pipe", &byte, 1, &got), MAPLOG_BUSY);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_int_equal(got, 42);
    close(ends[0]);
    close(ends[1]);
}

static volatile sig_atomic_t alarmed;

static void note_alarm(int number)
{
    (void)number;
    alarmed = 1;
}

static int was_alarmed(void)
{
    return alarmed;
}

static void waiting_for_input_ends_with_input_a_signal_or_an_error(void **state)
{
    (void)state;
    int ends[2];
    struct sigaction action = {.sa_handler = note_alarm}, before;
    const struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(file_write_stream(ends[1], "pipe", "x", 1), 0);
    assert_int_equal(file_await_input(ends[0], "pipe", was_alarmed), 0);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    alarmed = 0;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(file_await_input(ends[0], "pipe", was_alarmed), 0);
    assert_true(alarmed);
    assert_int_equal(file_await_input(ends[0], "pipe", was_alarmed), 0); /* does not wait at all */
    alarmed = 0;
    sigaction(SIGALRM, &before, NULL);
    close(ends[0]);
    assert_int_equal(file_await_input(ends[1], "pipe", was_alarmed), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "pipe"));
    close(ends[1]);
}

static void a_character_device_is_known_as_one(void **state)
{
    (void)state;
    struct file_identity device, directory;
    assert_int_equal(file_identify_at(AT_FDCWD, "/dev/null", &device), 0);
    assert_true(device.is_character && !device.is_regular && !device.is_directory);
    assert_int_equal(file_identify_at(AT_FDCWD, "/dev", &directory), 0);
    assert_false(directory.is_character);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_names_the_path_and_closes_on_exec),
        cmocka_unit_test(reopening_reaches_the_same_file),
        cmocka_unit_test(reads_are_whole_or_an_error_that_says_where),
        cmocka_unit_test(read_all_gives_text_of_any_size_up_to_the_limit),
        cmocka_unit_test(sizes_are_set),
        cmocka_unit_test(a_punched_range_reads_as_zero),
        cmocka_unit_test(a_full_file_system_is_an_error_and_not_a_crash),
        cmocka_unit_test(identities_tell_files_apart),
        cmocka_unit_test(a_mount_is_told_from_a_later_one),
        cmocka_unit_test(file_systems_are_told_by_what_they_promise),
        cmocka_unit_test(copies_are_exact_between_file_systems_too),
        cmocka_unit_test(a_stream_is_read_to_its_end_also_when_non_blocking),
        cmocka_unit_test(a_full_non_blocking_pipe_is_waited_for),
        cmocka_unit_test(a_pipe_without_a_reader_is_closed),
        cmocka_unit_test(a_signal_interrupts_reading_a_stream),
        cmocka_unit_test(waiting_for_input_ends_with_input_a_signal_or_an_error),
        cmocka_unit_test(a_character_device_is_known_as_one),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
