/*
 * offsets.h - committing offsets from requests: what the log's codes mean to clients, waiting for a
 * log that another process is writing, commits that take offsets away. Any thread.
 */
#pragma once

#include "broker/groups.h"
#include "broker/parts.h"
#include "log/progress.h"

#define OFFSETS_BATCH 256 /* entries that are taken away at once */

/* Of a request whose commit was answered MAPLOG_BUSY; begin with {0}. */
struct offsets_retry {
    int64_t begun_ms; /* 0: not yet */
    int64_t pause_ms;
};
/* true: park the request, its deadline is set. false: it took too long. */
bool offsets_wait(struct broker_request *request, struct offsets_retry *retry, int64_t now_ms);

/* Kafka's code for that of progress_commit(); a line for the operator where he has to know. */
int16_t offsets_error(struct broker *broker, const char *group, int code);

/* 1: the group has committed offsets; 0: none; or a code. */
int offsets_any(struct broker *broker, const char *group);

/* Tombstones of one group that are collected while its entries are listed. */
struct offsets_batch {
    struct arena *arena;
    struct progress_entry entries[OFFSETS_BATCH];
    size_t count;
};
/* MAPLOG_NO_MEMORY; 1 when it is full. */
int offsets_batch_add(struct offsets_batch *batch, const struct progress_entry *entry);

/* A topic of a request: its name, if there is such a partition. *name lives as long as the
 * directory. Kafka's code as topics_find(). */
int16_t offsets_topic(struct broker *broker, struct wire_string asked, const struct uuid *id,
                      int32_t number, const char **name);
