/* scratch.h - a directory of its own for a test program, and children that talk through pipes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"

static char scratch[64]; /* its path */
static int scratch_fd = -1;

static inline int scratch_make(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/maplog-test-XXXXXX");
    return mkdtemp(scratch) &&
                   file_open(AT_FDCWD, scratch, O_RDONLY | O_DIRECTORY, 0, &scratch_fd) == 0
               ? 0
               : -1;
}

static inline int scratch_remove(void **state)
{
    (void)state;
    file_close(scratch_fd);
    return file_remove_tree(AT_FDCWD, scratch);
}

/* A forked child that runs body, and a way for it to say "I am there". */
struct child {
    pid_t pid;
    int said; /* parent reads what the child says */
    int told; /* parent writes, child waits for it */
};

struct child_ends {
    int say;
    int wait;
};

static inline void child_say(struct child_ends ends, char word)
{
    if (write(ends.say, &word, 1) != 1)
        _exit(99);
}

static inline void child_wait(struct child_ends ends)
{
    char word;
    if (read(ends.wait, &word, 1) != 1)
        _exit(98);
}

/* The child exits with what body returns. */
static inline struct child child_start(int (*body)(void *context, struct child_ends ends),
                                       void *context)
{
    int up[2], down[2];
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(up[0]);
        close(down[1]);
        _exit(body(context, (struct child_ends){.say = up[1], .wait = down[0]}));
    }
    close(up[1]);
    close(down[0]);
    return (struct child){.pid = pid, .said = up[0], .told = down[1]};
}

static inline char child_hear(struct child *child)
{
    char word = 0;
    assert_int_equal(read(child->said, &word, 1), 1);
    return word;
}

static inline void child_tell(struct child *child)
{
    assert_int_equal(write(child->told, "", 1), 1);
}

/* Waits for its end; the wait status. */
static inline int child_end(struct child *child)
{
    int status = 0;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    close(child->said);
    close(child->told);
    return status;
}

static inline int child_kill(struct child *child)
{
    kill(child->pid, SIGKILL);
    return child_end(child);
}
