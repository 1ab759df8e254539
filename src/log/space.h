/*
 * space.h - what a directory holds and how much room there is, for reports. Any thread; may wait
 * for the disk.
 */
#pragma once

#include "log/directory.h"

/* Bytes of the file system, and how many of them this user may still fill. */
int space_of_directory(const struct directory *directory, int64_t *total, int64_t *usable);
/* Bytes of a partition's records. One without records is not opened for that. MAPLOG_NOT_FOUND. */
int space_of_partition(struct directory *directory, const char *topic, int32_t number,
                       int64_t *bytes);
