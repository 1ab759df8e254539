/*
 * workers.h - processes that use one log directory and may be killed at any moment: producers,
 * consumers, consumers of a group, and those that attach, change topics and detach. What happens to
 * them and what they find wrong goes into a ledger (ledger.h), which they share by fork.
 */
#pragma once

#include "ledger.h"

/* A test's kinds of processes, how they append, and what befalls them. */
struct round {
    const char *name;
    const char *place; /* parent of the directory */
    const char *configs[4];
    int32_t partitions;
    unsigned producers, consumers, group_consumers, changers;
    size_t batch_bytes; /* 0: a record is a batch */
    enum maplog_compression compression;
    enum maplog_acks acks;
    unsigned kill_us;   /* average time between two kills */
    const char *writer; /* MAPLOG_WRITER */
    bool all_die;       /* also while one of them recovers: then the epoch rises */
};

/* Where they work; set before they begin. */
struct workplace {
    const char *path; /* of the directory; its topic is "t" */
    struct ledger *ledger;
    const struct round *round;
};

/* Attaches; a failure ends the process. */
maplog *workers_open(const struct workplace *place, unsigned flags);
/* Is worker number `kind` of the round until it is killed or told to stop; never returns. */
void workers_run(const struct workplace *place, unsigned kind, uint32_t life)
    __attribute__((noreturn));
