/*
 * attached.h - who is attached to a directory and what each holds, without attaching oneself: a
 * look at the control file that changes nothing, waits for nobody and recovers nothing. One thread.
 *
 * It is a snapshot of words that others change meanwhile; good for people, no base for decisions.
 * Read-only attachers have no slot: they cannot be listed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/catalog.h"
#include "shm/control.h"

#define ATTACHED_NAMED 8 /* partitions that are told by name; the others are only counted */

/* Partition slots that a process has something of. */
struct attached_partitions {
    uint32_t slots[ATTACHED_NAMED];
    uint32_t count;
};

struct attached_process {
    struct control_process_info info;
    bool keeper;
    bool stopped;       /* by SIGSTOP or a debugger, as far as it can be seen from here */
    uint32_t producers; /* open ones */
    struct attached_partitions leases;    /* of which it is the writer; idle ones are handed over */
    struct attached_partitions appending; /* where it is within an append: nobody else can append */
};

struct attached {
    struct control_view view;
    struct catalog catalog;
    int fd;
    struct attached_process *processes; /* the living ones, by slot */
    size_t count;
};

/* Looks at the directory. MAPLOG_NOT_FOUND, MAPLOG_VERSION, MAPLOG_CORRUPT. */
int attached_open(const char *path, struct attached *attached);
void attached_close(struct attached *attached);
/* "orders-0"; "?" for a slot that no topic has. */
void attached_partition_name(const struct attached *attached, uint32_t slot, char *name,
                             size_t size);
