/*
 * transfer.h - what import, export and backup have in common: copying segments whole batch by whole
 * batch, with indexes made anew, and keeping a Kafka broker out of its directory. One thread.
 */
#pragma once

#include <stdbool.h>

#include "log/directory.h"
#include "log/indexer.h"

/* Who is told how the work goes. Functions may be NULL. */
struct transfer_listener {
    void *context;
    /* Something that a person should know; no error. */
    void (*note)(void *context, const char *text);
    /* Something that forbids the whole; told for each before it fails. */
    void (*refusal)(void *context, const char *text);
    /* So much more was transferred. Not 0: end with this code. */
    int (*progress)(void *context, uint64_t records, uint64_t bytes);
};

struct transfer_counts {
    uint32_t topics;
    uint32_t partitions;
    uint64_t segments;
    uint64_t records;
    uint64_t bytes;
};

/* One segment on its way into the directory to_fd/name. */
struct transfer {
    const struct segment *from;
    uint64_t bytes; /* of its log that are to be copied */
    int to_fd;
    const char *name;
    uint32_t index_interval;
    bool epoch_zero; /* batches get leader epoch 0 in the copy */
    bool durable;    /* the copies are synced */
};

/* Copies the log and makes complete indexes beside it, replacing what is there. MAPLOG_CORRUPT
 * names the position when the bytes are not whole batches up to the end. */
int transfer_segment(const struct transfer *transfer, const struct transfer_listener *listener,
                     struct transfer_counts *counts);
/* Copies a small file of a partition when it is there. */
int transfer_file(int from_fd, int to_fd, const char *from, const char *to, bool durable);
/* fsync of a directory below directory_fd ("." for itself). */
int transfer_sync_directory(int directory_fd, const char *path);

#define TRANSFER_KAFKA_LOCK ".lock"

/* Takes the lock that a Kafka broker holds on its log directory, so that none runs meanwhile;
 * MAPLOG_BUSY. *lock_fd is to be closed; -1 when there is no lock file. */
int transfer_lock_kafka(int directory_fd, const char *path, int *lock_fd);

/* printf to listener->note or ->refusal. */
void transfer_note(const struct transfer_listener *listener, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void transfer_refuse(const struct transfer_listener *listener, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
