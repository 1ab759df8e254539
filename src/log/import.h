/*
 * import.h - takes over topics from a cleanly stopped Kafka broker's data directory, or a copy of
 * one. Offsets, timestamps, leader epochs and topic ids stay; the source is only read. One thread.
 */
#pragma once

#include "log/transfer.h"

struct import_options {
    const char *from;          /* a log.dir of Kafka */
    const char *const *topics; /* only these, NULL-terminated; NULL: all */
    struct transfer_listener listener;
};

/*
 * Checks everything first: when anything forbids it (format before v2, open transactions, unclean
 * ends, damage, topics that exist already), each reason is told and nothing is imported
 * (MAPLOG_INVALID). A topic becomes visible when all of it is there. Topics get retention.ms and
 * retention.bytes -1, because Kafka keeps their settings elsewhere. Internal topics are left out,
 * but for __consumer_offsets when the directory has none.
 */
int import_directory(struct directory *directory, const struct import_options *options,
                     struct transfer_counts *counts);
