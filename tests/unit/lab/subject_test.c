/* subject_test.c - a process that is measured: it begins, is counted, refuses in words, and ends.
 */
#include "lab/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"
#include "../os/scratch.h"

static const struct pins anywhere; /* not pinned */

static void assert_no_child_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* A program that says something and ends: what `maplog serve` does when it refuses. */
static void write_program(const char *path, const char *script)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, script, strlen(script)), strlen(script));
    close(fd);
}

static int start_script(const char *script, struct subject **subject)
{
    char directory[] = "/tmp/maplog-subject-XXXXXX", program[64];
    assert_non_null(mkdtemp(directory));
    snprintf(program, sizeof program, "%s/program", directory);
    write_program(program, script);
    const struct subject_options options = {
        .pins = &anywhere, .directory = directory, .program = program, .data = "data"};
    int result = subject_start(&options, subject);
    assert_int_equal(file_remove_tree(AT_FDCWD, directory), 0);
    return result;
}

static void a_refusal_is_the_servers_own(void **state)
{
    (void)state;
    struct subject *subject;
    int result = start_script("#!/bin/sh\n"
                              "echo 'maplog: no engine is called x' >&2\n"
                              "echo 'maplog: a hint' >&2\nexit 1\n",
                              &subject);
    assert_int_equal(result, MAPLOG_UNSUPPORTED);
    assert_string_equal(error_text(), "no engine is called x");
    assert_int_equal(start_script("#!/bin/sh\n", &subject), MAPLOG_CLOSED);
    assert_string_equal(error_text(), "the server ended without a word");
    assert_no_child_is_left();
}

static void a_program_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct subject *subject;
    const struct subject_options options = {
        .pins = &anywhere, .directory = scratch, .program = "/none/maplog", .data = "data"};
    assert_true(subject_start(&options, &subject) < 0);
    assert_string_equal(error_text(), "cannot execute /none/maplog: No such file or directory");
    assert_no_child_is_left();
}

static void address_and_complaint_are_read_from_its_notes(void **state)
{
    (void)state;
    struct subject *subject;
    int result = start_script("#!/bin/sh\n"
                              "echo 'T I serving data=d listeners=127.0.0.1:77,unix:///s w=1' >&2\n"
                              "echo 'T W a connection was closed: too many' >&2\n"
                              "echo 'T E later' >&2\nexec sleep 60\n",
                              &subject);
    assert_int_equal(result, 0);
    assert_string_equal(subject_address(subject, false), "127.0.0.1:77");
    for (int i = 0; i < 1000 && !subject_complaint(subject)[0]; i++)
        clock_sleep_ns(1000000);
    assert_string_equal(subject_complaint(subject), "a connection was closed: too many");
    assert_int_equal(subject_stop(subject), 0);
    assert_no_child_is_left();
}

/* A roof: answers each connection by the time it needs. */
static void burn(int listener, void *context)
{
    (void)context;
    fcntl(listener, F_SETFL, 0);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, 0);
        int64_t end = clock_monotonic_ns() + 20000000;
        while (clock_monotonic_ns() < end)
            ;
        if (write(fd, "x", 1) != 1)
            _exit(1);
        close(fd);
    }
}

static void use_grows_with_work(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        const struct subject_options options = {.pins = &anywhere,
                                                .directory = scratch,
                                                .counted = true,
                                                .serve = burn,
                                                .local = local};
        struct subject *subject;
        struct subject_use before, after;
        struct subject_size size;
        uint8_t byte;
        int fd;
        assert_int_equal(subject_start(&options, &subject), 0);
        assert_int_equal(subject_use(subject, &before), 0);
        assert_int_equal(socket_connect(subject_address(subject, local), 5000, &fd), 0);
        assert_int_equal(socket_receive_all(fd, &byte, 1, SOCKET_NO_DEADLINE), 0);
        socket_close(fd);
        assert_int_equal(subject_use(subject, &after), 0);
        assert_true(after.cpu_seconds > before.cpu_seconds);
        for (int i = 0; i < COUNTERS; i++)
            assert_int_equal(after.counted[i], !subject_refusal(subject, (enum counter)i));
        if (after.counted[COUNTER_CALLS]) /* accept, fcntl, write, close, or some of them */
            assert_true(after.counts[COUNTER_CALLS] > before.counts[COUNTER_CALLS]);
        assert_int_equal(subject_size(subject, &size), 0);
        assert_int_equal(size.threads, 1);
        assert_true(size.private_bytes > 0);
        assert_int_equal(subject_stop(subject), 0);
    }
    assert_no_child_is_left();
    assert_int_equal(subject_stop(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_the_servers_own),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(address_and_complaint_are_read_from_its_notes),
        cmocka_unit_test(use_grows_with_work),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
