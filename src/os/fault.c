/* fault.c - counts calls of each kind and says which must fail. */
#include "os/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct fault {
    atomic_uint calls; /* since it was set */
    unsigned nth;      /* 0: not set */
    int errnum;
    bool always;
};

static struct fault faults[FAULT_KINDS];
static atomic_bool armed; /* any of faults is set */

static const char *point_name; /* the caller's, or in the environment; NULL: none */
static size_t point_name_length;
static unsigned point_nth;
static int point_signal;
static atomic_uint point_calls;

static const char *const kind_names[FAULT_KINDS] = {
    [FAULT_OPEN] = "open", [FAULT_ALLOCATE] = "allocate", [FAULT_TRUNCATE] = "truncate",
    [FAULT_SYNC] = "sync", [FAULT_WRITE] = "write",       [FAULT_READ] = "read",
    [FAULT_MAP] = "map",   [FAULT_RENAME] = "rename",     [FAULT_THREAD] = "thread",
};

static const struct {
    const char *name;
    int errnum;
} errnum_names[] = {
    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO},       {"EACCES", EACCES},
    {"EPERM", EPERM},   {"EROFS", EROFS},   {"ENOENT", ENOENT}, {"EEXIST", EEXIST},
    {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EBUSY", EBUSY},
    {"EINVAL", EINVAL}, {"EFBIG", EFBIG},   {"EAGAIN", EAGAIN}, {"EOPNOTSUPP", EOPNOTSUPP},
};

void fault_set(enum fault_kind kind, unsigned nth, int errnum, int always)
{
    struct fault *fault = &faults[kind];
    fault->calls = 0;
    fault->nth = nth;
    fault->errnum = errnum;
    fault->always = always != 0;
    armed = true;
}

void fault_clear(void)
{
    armed = false;
    for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
        faults[kind].nth = 0;
}

int fault_check(enum fault_kind kind)
{
    if (!armed)
        return 0;
    struct fault *fault = &faults[kind];
    if (fault->nth == 0)
        return 0;
    unsigned call = ++fault->calls;
    return call == fault->nth || (fault->always && call > fault->nth) ? fault->errnum : 0;
}

void fault_point(const char *name)
{
    if (!point_name || strncmp(name, point_name, point_name_length) != 0 ||
        name[point_name_length] != '\0')
        return;
    if (++point_calls == point_nth)
        raise(point_signal);
}

static void set_point(const char *name, size_t length, unsigned nth, int signal_number)
{
    point_name = name;
    point_name_length = length;
    point_nth = nth;
    point_signal = signal_number;
    point_calls = 0;
}

void fault_signal_at(const char *name, unsigned nth, int signal_number)
{
    set_point(name, name ? strlen(name) : 0, nth, signal_number);
}

/* "kind:N[+]:ERRNO"; what does not read so is not a fault. */
static void read_fault(const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon)
        return;
    char *end;
    unsigned long nth = strtoul(colon + 1, &end, 10);
    bool always = *end == '+';
    end += always;
    if (nth == 0 || *end != ':')
        return;
    for (unsigned kind = 0; kind < FAULT_KINDS; kind++) {
        if (strncmp(text, kind_names[kind], (size_t)(colon - text)) != 0 ||
            kind_names[kind][colon - text] != '\0')
            continue;
        for (size_t i = 0; i < sizeof errnum_names / sizeof errnum_names[0]; i++)
            if (strcmp(end + 1, errnum_names[i].name) == 0)
                fault_set((enum fault_kind)kind, (unsigned)nth, errnum_names[i].errnum, always);
    }
}

/* "name:N" */
static void read_point(const char *text, int signal_number)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (colon)
        set_point(text, (size_t)(colon - text), (unsigned)strtoul(colon + 1, NULL, 10),
                  signal_number);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("MAPLOG_FAULT");
    if (text)
        read_fault(text);
    read_point(getenv("MAPLOG_CRASH"), SIGKILL);
    read_point(getenv("MAPLOG_STOP"), SIGSTOP);
}
