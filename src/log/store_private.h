/*
 * store_private.h - the segments of a directory as copies in private memory: whatever is done to
 * them, the files stay as they are. For trying out recovery. One thread.
 */
#pragma once

#include "log/partition.h"

struct private_segment {
    int64_t base;
    struct segment *segment; /* owned; NULL before it was opened */
    struct segment_sizes sizes;
    bool removed;
    bool reindexed; /* room was made for new indexes */
};

struct private_partition {
    struct partition partition; /* first: the store finds the rest from it */
    struct control_partition control;
    struct private_segment *segments; /* ascending */
    size_t count;
};

extern const struct store store_private;

/* Lists the files of partition->name in directory; partition.settings, number and topic are the
 * caller's to fill. */
int private_open(struct private_partition *opened, struct directory *directory, const char *name);
void private_close(struct private_partition *opened);
