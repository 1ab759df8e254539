/*
 * attach.h - joining and leaving a data directory: locks, the control mapping, trust and recovery.
 * Called by directory.c; under LOCK_SETUP where it changes anything.
 *
 * The control mapping is trusted while another process is attached. For the first to attach it is
 * trusted only when it was made in this boot, for this very file (device, inode, mount): then the
 * page cache holds every published byte, whoever died. Else each partition is recovered by a scan.
 */
#pragma once

#include "log/directory.h"

#define LOCK_FILE "maplog.lock"
#define CONTROL_FILE "maplog.control"
#define BELL_FILE "maplog.bell"
#define ATTACH_BELL_BYTES (LIMIT_PARTITIONS * sizeof(struct bell_word))

/* Fills directory->view and loads the catalog; directory->fd and kind are set. */
int attach_begin(struct directory *directory, int timeout_ms);
/* Leaves; the last one out trims the active segments to their published size. */
void attach_end(struct directory *directory);
/* Allocates the control slots so that they may be touched (a store into a hole of a full disk would
 * kill). The caller holds LOCK_CATALOG or LOCK_SETUP. */
int attach_allocate_slots(struct directory *directory, const uint32_t *slots, int32_t count);

/* Nobody else is attached: the active segment's files get exactly their published size. */
void attach_trim(struct partition *partition);

/* attach_recover.c, for attach.c */

/* Nobody else is attached: makes the mapped control area good. */
int attach_prepare(struct directory *directory);
/* A control area in private memory, filled by scanning: for a directory that nobody vouches for
 * and that we may not write to. It shows the log as it is now. */
int attach_recover_privately(struct directory *directory);
