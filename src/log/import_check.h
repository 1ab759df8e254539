/*
 * import_check.h - may a partition of a Kafka data directory be taken over? Reads every batch. One
 * thread.
 */
#pragma once

#include "log/transfer.h"

struct import_checked {
    uint64_t records;
    uint64_t bytes;
    uint64_t aborted;  /* transactions; their records will be readable */
    int64_t producer;  /* highest id of one, in batches and snapshots; -1: none */
    uint32_t refusals; /* told to the listener: old format, open transaction, unclean end, damage */
};

/* files: a partition of an unattached directory whose store is store_files. */
int import_check(struct partition *files, const struct transfer_listener *listener,
                 struct import_checked *checked);
