/*
 * backup.h - copies a data directory while processes append to it. Each partition is copied up to
 * what was published when its turn came; group progress first, so that it never points behind the
 * records of the copy. One thread.
 */
#pragma once

#include "log/transfer.h"

/* Copies the attached directory (read-only is enough) into `to`, which is made and must be missing
 * or empty. The copy is durable and opens like any directory; it gets its meta.properties last, so
 * an interrupted one opens not at all. */
int backup_directory(struct directory *directory, const char *to,
                     const struct transfer_listener *listener, struct transfer_counts *counts);
