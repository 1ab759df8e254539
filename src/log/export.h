/*
 * export.h - writes topics into the data directory of a stopped Kafka broker: segments trimmed to
 * what is published, complete indexes, log starts. One thread.
 */
#pragma once

#include "log/transfer.h"

struct export_options {
    const char *to;            /* a log.dir of Kafka; made when it is missing */
    const char *const *topics; /* NULL-terminated; NULL: all but __consumer_offsets */
    struct transfer_listener listener;
};

/*
 * Kafka knows a partition by its topic id: make the topic there first, with as many partitions,
 * then stop the broker. A partition.metadata that is there is kept; without one the directory gets
 * the id that the topic has here, and that is told. Records that are there already are never
 * replaced (MAPLOG_EXISTS, before anything is written). Leader epochs become 0: the broker goes on
 * from its own. The attached directory may be live; each partition is exported up to what was
 * published when its turn came.
 */
int export_directory(struct directory *directory, const struct export_options *options,
                     struct transfer_counts *counts);
