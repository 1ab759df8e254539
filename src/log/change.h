/*
 * change.h - a change of the catalog under way: one over all processes (LOCK_CATALOG). For the
 * files of src/log that change topics.
 *
 * Nobody sees it before it is stored, and the directory's lock is not held meanwhile: the disk and
 * other processes may take their time. change_begin() ... change_end(), on one thread.
 */
#pragma once

#include "log/catalog.h"
#include "log/directory.h"

struct change {
    struct directory *directory;
    struct catalog catalog; /* as the file has it, then as it shall be */
};

/* Begins: this thread alone, over all processes, with the catalog as it is now; what a process that
 * died left undone is ended first. MAPLOG_DENIED (read-only), MAPLOG_UNSUPPORTED (no directory),
 * MAPLOG_TIMED_OUT (another process is at it), MAPLOG_IO, MAPLOG_CORRUPT; no change is under way
 * then. */
int change_begin(struct directory *directory, struct change *change);
/* Stores the changed catalog and tells everybody; the catalog then is the directory's, and
 * change->catalog is empty. On failure it stays with the change, and the directory's copy is as the
 * file is: as before, or, when only its durability is in doubt, with the change. */
int change_store(struct change *change);
/* Whether this process's catalog has the topic with so many partitions: it may in spite of an error
 * of change_store(), see there. */
bool change_is_there(struct directory *directory, const char *name, int32_t partitions);
/* Each ends the change and returns result: change_leave() after it was stored; change_give_up()
 * without it; change_end() stores it unless result is an error, and returns what comes of that. */
int change_leave(struct change *change, int result);
int change_give_up(struct change *change, int result);
int change_end(struct change *change, int result);
