/* smaps.c - /proc/self/smaps. */
#include "os/smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PAGE_KB 4

/* "Rss:                  64 kB" */
static void add_count(const char *line, struct smaps *smaps)
{
    char name[32];
    uint64_t kilobytes;
    if (sscanf(line, "%31[A-Za-z_]: %" SCNu64 " kB", name, &kilobytes) != 2)
        return;
    uint64_t pages = kilobytes / PAGE_KB;
    if (strcmp(name, "Rss") == 0)
        smaps->mapped = pages;
    else if (strcmp(name, "Shared_Dirty") == 0 || strcmp(name, "Private_Dirty") == 0)
        smaps->dirty += pages;
    else if (strcmp(name, "Anonymous") == 0)
        smaps->anonymous = pages;
}

int smaps_read(const void *address, struct smaps *smaps)
{
    struct smaps found = {0}, next;
    char *line = NULL;
    size_t size = 0;
    bool inside = false, past = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    if (!file)
        return error_errno(errno, "cannot open /proc/self/smaps");
    while (!past && getline(&line, &size, file) > 0) {
        next = (struct smaps){0};
        bool begins = sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64, &next.begin, &next.end,
                             next.mode, &next.position) == 4;
        past = begins && inside;
        if (begins && !past && (uintptr_t)address >= next.begin && (uintptr_t)address < next.end) {
            inside = true;
            found = next;
        } else if (inside && !past) {
            add_count(line, &found);
        }
    }
    free(line);
    fclose(file);
    if (!inside)
        return error_set(MAPLOG_NOT_FOUND, "nothing is mapped at %p", address);
    *smaps = found;
    return 0;
}
