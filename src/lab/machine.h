/*
 * machine.h - what was measured on: texts for the head of a report, and whether it was busy with
 * something else. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_TEXT 256

struct machine_fact {
    const char *name; /* "CPU": static */
    char text[MACHINE_TEXT];
};

#define MACHINE_FACTS 10
struct machine {
    struct machine_fact facts[MACHINE_FACTS];
    size_t count;
    double load;                    /* the load average of the last minute, at the beginning */
    double others_percent;          /* of all CPUs, used by others while it ran; < 0: unknown */
    uint64_t busy_ticks, all_ticks; /* at the beginning */
};

/* Looks at the machine. scratch: the directory of scratch files. */
void machine_look(struct machine *machine, const char *scratch);
/* At the end of all measuring, when all children have been waited for. */
void machine_finish(struct machine *machine);
/* A sentence when something else was busy; NULL when it was quiet, or that is unknown. */
const char *machine_complaint(const struct machine *machine, char text[static MACHINE_TEXT]);
