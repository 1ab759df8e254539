/*
 * unfinished.h - a note about the one topic whose directories are being removed or brought, so that
 * whoever comes after a process that died in between knows that they belong to nobody.
 *
 * It is written before the first step and removed after the last. If the catalog knows no topic of
 * that name, the directories are removed, and whoever still has the topic open is told; if it does,
 * the change did not happen, or is complete. So a note that comes back after a power cut does no
 * harm. Under LOCK_CATALOG; or, by the first process to attach, under LOCK_SETUP.
 */
#pragma once

#include "log/directory.h"

#define UNFINISHED_FILE "maplog.unfinished"

int unfinished_note(struct directory *directory, const char *topic, int32_t partitions,
                    const struct uuid *id);
void unfinished_done(struct directory *directory);
/* Ends what a dead process began; nothing when there is no note. catalog: as the file is. */
int unfinished_end(struct directory *directory, const struct catalog *catalog);
