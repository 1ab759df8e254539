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

static const char *crash_name; /* points into the environment; NULL: none */
static size_t crash_name_length;
static unsigned crash_nth;
static atomic_uint crash_calls;

static const char *const kind_names[FAULT_KINDS] = {
    [FAULT_OPEN] = "open", [FAULT_ALLOCATE] = "allocate", [FAULT_TRUNCATE] = "truncate",
    [FAULT_SYNC] = "sync", [FAULT_WRITE] = "write",       [FAULT_READ] = "read",
    [FAULT_MAP] = "map",   [FAULT_RENAME] = "rename",
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
    if (!crash_name || strncmp(name, crash_name, crash_name_length) != 0 ||
        name[crash_name_length] != '\0')
        return;
    if (++crash_calls == crash_nth)
        raise(SIGKILL);
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

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("MAPLOG_FAULT");
    if (text)
        read_fault(text);
    text = getenv("MAPLOG_CRASH");
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (colon) {
        crash_name = text;
        crash_name_length = (size_t)(colon - text);
        crash_nth = (unsigned)strtoul(colon + 1, NULL, 10);
    }
}
