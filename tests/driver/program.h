/*
 * program.h - `maplog` as its users start it, in the test machine: its exit code, what it says, its
 * end.
 */
#pragma once

#include "device.h"

#define SAID "/tmp/said" /* what the last program printed to standard error */
#define WORDS_MAX 16
#define TICK_US 2000
#define PATIENCE (60 * 1000 * 1000 / TICK_US) /* ticks; more than any machine needs */

static pid_t children[64]; /* of this test, to be killed after it */
static size_t children_count;

/* Starts `maplog WORDS...`; its output goes to the descriptor, or nowhere when that is negative. */
static inline pid_t start(const char *const *words, int output)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0) {
        assert_true(children_count < sizeof children / sizeof *children);
        return children[children_count++] = child;
    }
    const char *all[WORDS_MAX + 2] = {"maplog"};
    for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
        all[i + 1] = words[i];
    int said = open(SAID, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(output < 0 ? open("/dev/null", O_WRONLY) : output, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    execv("/bin/maplog", (char **)(uintptr_t)all);
    _exit(127);
}

#define START(...) start((const char *const[WORDS_MAX]){__VA_ARGS__}, -1)

/* Its exit code, or minus the signal that it died of. */
static inline int end_of(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What was printed to standard error. */
static inline const char *said(void)
{
    static char text[4096];
    int fd = open(SAID, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t length = read(fd, text, sizeof text - 1);
    assert_true(length >= 0);
    text[length] = 0;
    close(fd);
    return text;
}

#define assert_exit(child, expected)                                                               \
    do {                                                                                           \
        int ended_with = end_of(child);                                                            \
        if (ended_with != (expected))                                                              \
            fail_msg("it ended with %d: %s", ended_with, said());                                  \
    } while (0)

static inline void assert_said(const char *words)
{
    if (!strstr(said(), words))
        fail_msg("\"%s\" is not in: %s", words, said());
}

/* Waits until the program has mapped the device. (Who tries to open it takes the seat himself.) */
static inline void wait_until_mapped(pid_t child)
{
    char path[32], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    for (int ticks = 0; ticks < PATIENCE; ticks++) {
        FILE *maps = fopen(path, "re");
        bool mapped = false;
        while (maps && !mapped && fgets(line, sizeof line, maps))
            mapped = strstr(line, DEVICE) != NULL;
        if (maps)
            fclose(maps);
        if (mapped)
            return;
        usleep(TICK_US);
    }
    fail_msg("it does not map the device: %s", said());
}

/* After a test. */
static inline void kill_children(void)
{
    while (children_count > 0)
        if (waitpid(children[--children_count], NULL, WNOHANG) == 0) {
            kill(children[children_count], SIGKILL);
            waitpid(children[children_count], NULL, 0);
        }
}
