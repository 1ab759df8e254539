/* children.h - for tests whose children use the library: ends that the parent can judge. */
#pragma once

#include "../unit/client/fixture.h"

#include <sys/wait.h>

/* In a child: ends it with the line number as a sign of what went wrong. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition, maplog_error_text());      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static inline void assert_child_ends_well(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
