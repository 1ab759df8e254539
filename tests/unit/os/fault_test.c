/* fault_test.c - the Nth call fails, by function and by environment. */
#include "os/fault.h"

#include "base/error.h"
#include "os/map.h"
#include "scratch.h"

#include <errno.h>
#include <string.h>

static int clear(void **state)
{
    (void)state;
    fault_clear();
    return 0;
}

static void nothing_is_set_at_first(void **state)
{
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        assert_int_equal(fault_check((enum fault_kind)kind), 0);
}

static void only_the_nth_call_fails(void **state)
{
    (void)state;
    fault_set(FAULT_SYNC, 3, EIO, 0);
    const int wanted[] = {0, 0, EIO, 0, 0};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(fault_check(FAULT_WRITE), 0);
        assert_int_equal(fault_check(FAULT_SYNC), wanted[i]);
    }
}

static void every_later_call_fails_too_when_asked(void **state)
{
    (void)state;
    fault_set(FAULT_ALLOCATE, 2, ENOSPC, 1);
    assert_int_equal(fault_check(FAULT_ALLOCATE), 0);
    assert_int_equal(fault_check(FAULT_ALLOCATE), ENOSPC);
    assert_int_equal(fault_check(FAULT_ALLOCATE), ENOSPC);
    fault_clear();
    assert_int_equal(fault_check(FAULT_ALLOCATE), 0);
}

static void setting_again_counts_from_the_start(void **state)
{
    (void)state;
    fault_set(FAULT_OPEN, 2, EMFILE, 0);
    assert_int_equal(fault_check(FAULT_OPEN), 0);
    fault_set(FAULT_OPEN, 2, ENFILE, 0);
    assert_int_equal(fault_check(FAULT_OPEN), 0);
    assert_int_equal(fault_check(FAULT_OPEN), ENFILE);
}

static void every_kind_reaches_its_calls(void **state)
{
    (void)state;
    int fd, other = -1;
    char byte = 'x';
    size_t got;
    void *address = NULL;
    assert_int_equal(file_open(scratch_fd, "f", O_RDWR | O_CREAT, 0600, &fd), 0);
    assert_int_equal(file_write_at(fd, "f", "abcd", 4, 0), 0);

    fault_set(FAULT_OPEN, 1, EMFILE, 1);
    assert_int_equal(file_open(scratch_fd, "f", O_RDONLY, 0, &other), MAPLOG_LIMIT);
    assert_int_equal(file_reopen(fd, O_RDONLY, &other), MAPLOG_LIMIT);
    assert_int_equal(file_memory("f", &other), MAPLOG_LIMIT);
    assert_int_equal(file_make_directory(scratch_fd, "d", 0700), MAPLOG_LIMIT);
    assert_int_equal(other, -1);
    fault_clear();

    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_int_equal(file_allocate(fd, "f", 0, 4096), MAPLOG_DISK_FULL);
    fault_set(FAULT_TRUNCATE, 1, EIO, 1);
    assert_int_equal(file_truncate(fd, "f", 0), MAPLOG_IO);
    assert_int_equal(file_punch(fd, "f", 0, 4096), MAPLOG_IO);
    fault_set(FAULT_SYNC, 1, EIO, 1);
    assert_int_equal(file_sync(fd, "f"), MAPLOG_IO);
    assert_int_equal(file_sync_data(fd, "f"), MAPLOG_IO);
    fault_set(FAULT_WRITE, 1, EDQUOT, 1);
    assert_int_equal(file_write_at(fd, "f", "zzzz", 4, 0), MAPLOG_DISK_FULL);
    assert_int_equal(file_write_stream(fd, "f", "zzzz", 4), MAPLOG_DISK_FULL);
    assert_int_equal(file_copy(fd, fd, "f", 0, 1), MAPLOG_DISK_FULL);
    fault_set(FAULT_READ, 1, EIO, 1);
    assert_int_equal(file_read_at(fd, "f", &byte, 1, 0), MAPLOG_IO);
    assert_int_equal(file_read_stream(fd, "f", &byte, 1, &got), MAPLOG_IO);
    fault_set(FAULT_MAP, 1, ENOMEM, 1);
    assert_int_equal(map_file(fd, "f", 0, 4096, MAP_MODE_READ, &address), MAPLOG_NO_MEMORY);
    assert_int_equal(map_anonymous(4096, &address), MAPLOG_NO_MEMORY);
    assert_null(address);
    fault_set(FAULT_RENAME, 1, EACCES, 1);
    assert_int_equal(file_rename(scratch_fd, "f", "g"), MAPLOG_DENIED);
    fault_clear();

    /* None of it was done. */
    assert_int_equal(file_read_at(fd, "f", &byte, 1, 0), 0);
    assert_int_equal(byte, 'a');
    assert_true(file_exists(scratch_fd, "f"));
    assert_false(file_exists(scratch_fd, "d"));
    file_close(fd);
}

/* What this program does when it is started anew with an argument. */
static int answer_the_environment(const char *argument)
{
    if (strcmp(argument, "fault") == 0) {
        int result = 0;
        for (int i = 0; i < 4; i++)
            result |= (fault_check(FAULT_ALLOCATE) == ENOSPC) << i;
        return fault_check(FAULT_WRITE) ? 100 : result;
    }
    fault_point("append");
    fault_point("append-copied-more");
    for (int i = 0; i < 2; i++)
        fault_point("append-copied");
    return 7;
}

static int run_with(const char *variable, const char *value, const char *argument)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv(variable, value, 1);
        execl("/proc/self/exe", "fault_test", argument, (char *)NULL);
        _exit(111);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void environment_sets_a_fault(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int failing; /* a bit a call */
    } cases[] = {
        {"allocate:3:ENOSPC", 1 << 2},
        {"allocate:3+:ENOSPC", 1 << 2 | 1 << 3},
        {"allocate:1:ENOSPC", 1},
        {"sync:1:ENOSPC", 0},
        {"alloc:1:ENOSPC", 0},
        {"allocate:1", 0},
        {"allocate:0:ENOSPC", 0},
        {"allocate:1:ENONSENSE", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = run_with("MAPLOG_FAULT", cases[i].value, "fault");
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[i].failing);
    }
}

static void environment_names_a_point_of_death(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        char value[32];
        snprintf(value, sizeof value, "append-copied:%d", nth);
        int status = run_with("MAPLOG_CRASH", value, "crash");
        if (nth <= 2) {
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), SIGKILL);
        } else {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 7);
        }
    }
}

static void a_child_is_stopped_at_its_point_and_goes_on(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fault_signal_at("append-copied", 2, SIGSTOP);
        _exit(answer_the_environment("crash"));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    /* By the environment too. */
    pid = fork();
    if (pid == 0) {
        setenv("MAPLOG_STOP", "append:1", 1);
        execl("/proc/self/exe", "fault_test", "crash", (char *)NULL);
        _exit(111);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

int main(int count, char **arguments)
{
    if (count > 1)
        return answer_the_environment(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_is_set_at_first, clear),
        cmocka_unit_test_teardown(only_the_nth_call_fails, clear),
        cmocka_unit_test_teardown(every_later_call_fails_too_when_asked, clear),
        cmocka_unit_test_teardown(setting_again_counts_from_the_start, clear),
        cmocka_unit_test_teardown(every_kind_reaches_its_calls, clear),
        cmocka_unit_test(environment_sets_a_fault),
        cmocka_unit_test(environment_names_a_point_of_death),
        cmocka_unit_test(a_child_is_stopped_at_its_point_and_goes_on),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
