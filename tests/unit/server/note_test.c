/* Lines for the operator, as they arrive at standard error. */
#include "server/note.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static int file_bytes(int fd)
{
    int bytes = 0;
    ioctl(fd, FIONREAD, &bytes);
    return bytes;
}

/* What note() writes while `say` runs. */
static void hear(void (*say)(void), char *line, size_t size)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    int before = dup(2);
    dup2(pipe_fds[1], 2);
    say();
    dup2(before, 2);
    close(before);
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], line, size - 1);
    line[got < 0 ? 0 : got] = '\0';
    close(pipe_fds[0]);
}

static void say_plainly(void)
{
    note('W', "peer=%s closed", "10.0.0.7:1");
}

static void say_with_control_characters(void)
{
    note('I', "client=%s", "a\nb\033[2J");
}

static void say_much(void)
{
    char much[3 * NOTE_SIZE];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    note('I', "%s", much);
}

static void say_often(void)
{
    note('D', "connected");
}

static void line_is_time_level_text(void **state)
{
    (void)state;
    char line[256];
    int year, month, day, hour, minute, second, ms, end = 0;
    hear(say_plainly, line, sizeof line);
    assert_int_equal(sscanf(line, "%d-%d-%dT%d:%d:%d.%dZ%n", &year, &month, &day, &hour, &minute,
                            &second, &ms, &end),
                     7);
    assert_string_equal(line + end, " W peer=10.0.0.7:1 closed\n");
}

/* Whoever names himself with a newline writes no line of his own. */
static void it_is_one_line_whatever_it_holds(void **state)
{
    (void)state;
    char line[256];
    hear(say_with_control_characters, line, sizeof line);
    assert_non_null(strstr(line, "client=a?b?[2J\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void long_line_is_cut(void **state)
{
    (void)state;
    static char line[4 * NOTE_SIZE];
    hear(say_much, line, sizeof line);
    assert_int_equal(strlen(line), NOTE_SIZE - 1);
    assert_int_equal(line[NOTE_SIZE - 2], '\n');
}

/* Once a stopped reader of the log stopped the server. */
static void a_reader_that_stopped_holds_nobody_up(void **state)
{
    (void)state;
    int pipe_fds[2];
    char page[4096] = {0};
    assert_int_equal(pipe(pipe_fds), 0);
    fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_fds[1], page, sizeof page) > 0)
        ;
    fcntl(pipe_fds[1], F_SETFL, 0); /* from here on a write would wait */
    int before = dup(2);
    dup2(pipe_fds[1], 2);
    note('I', "lost");
    note('I', "lost");
    while (read(pipe_fds[0], page, sizeof page) == sizeof page && page[0] == 0 &&
           file_bytes(pipe_fds[0]) > 0)
        ;
    note('I', "heard");
    dup2(before, 2);
    close(before);
    close(pipe_fds[1]);
    ssize_t got = read(pipe_fds[0], page, sizeof page - 1);
    page[got < 0 ? 0 : got] = '\0';
    assert_non_null(strstr(page, " W 2 lines were lost\n"));
    assert_non_null(strstr(page, " I heard\n"));
    close(pipe_fds[0]);
}

static void debug_is_said_when_asked_for(void **state)
{
    (void)state;
    char line[256];
    hear(say_often, line, sizeof line);
    assert_string_equal(line, "");
    note_debug();
    hear(say_often, line, sizeof line);
    assert_non_null(strstr(line, " D connected\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_time_level_text),
        cmocka_unit_test(it_is_one_line_whatever_it_holds),
        cmocka_unit_test(long_line_is_cut),
        cmocka_unit_test(a_reader_that_stopped_holds_nobody_up),
        cmocka_unit_test(debug_is_said_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
