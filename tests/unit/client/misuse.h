/* misuse.h - words for calls that must be refused, and a list of the calls that were made with
 * them. */
#pragma once

#include "fixture.h"

#include <stdbool.h>
#include <sys/wait.h>

#define MAP "src/client/maplog.map"
#define UNTOUCHED ((void *)0x5a5a)
#define NAMES_MAX 128

static char called[NAMES_MAX][64]; /* names of the calls that were made by the macros below */
static size_t called_count;

static inline void note(const char *call)
{
    size_t length = strcspn(call, "(");
    assert_true(called_count < NAMES_MAX && length < sizeof called[0]);
    for (size_t i = 0; i < called_count; i++)
        if (strlen(called[i]) == length && memcmp(called[i], call, length) == 0)
            return;
    memcpy(called[called_count++], call, length);
}

/* The call must answer this code, and say why. */
static inline void judge(const char *call, int expected, int code)
{
    note(call);
    if (code != expected || maplog_error_text()[0] == 0)
        fail_msg("%s: %s (%s), not %s", call, maplog_error_name(code), maplog_error_text(),
                 maplog_error_name(expected));
}

#define refused(expected, call) judge(#call, expected, call)
#define accepted(call) (note(#call), (call))

/* Calls on an inherited handle, and what they answered. */
struct answer {
    const char *call;
    int code;
};
#define asked(call)                                                                                \
    {                                                                                              \
#call, call                                                                                \
    }

static inline bool all_forked(const struct answer *answers, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        if (answers[i].code == MAPLOG_FORKED)
            continue;
        fprintf(stderr, "%s: %s\n", answers[i].call, maplog_error_name(answers[i].code));
        all = false;
    }
    return all;
}

/* Asks in a forked child. */
static inline void assert_child_agrees(bool (*question)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(question() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Every exported maplog_file_ call, or every other one, was made by now. */
static inline void misuse_is_complete(bool of_files)
{
    FILE *map = fopen(MAP, "r");
    assert_non_null(map);
    char line[128], name[64];
    size_t exported = 0;
    while (fgets(line, sizeof line, map)) {
        if (sscanf(line, " maplog_%48[a-z_];", name) != 1 ||
            (strncmp(name, "file_", 5) == 0) != of_files)
            continue;
        exported++;
        bool found = false;
        for (size_t i = 0; i < called_count; i++)
            found |= strcmp(called[i] + strlen("maplog_"), name) == 0;
        if (!found)
            fail_msg("maplog_%s() is exported, and no test here calls it", name);
    }
    fclose(map);
    assert_true(exported > 10);
    assert_int_equal(exported, called_count);
}
