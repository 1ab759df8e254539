/*
 * sessions.h - incremental fetches (KIP-227): what each fetch session asks for, and what it was
 * told last. Any thread; a session is had by one request at a time.
 */
#pragma once

#include "broker/broker.h"

struct sessions;

/* A partition that a fetch asks for: of a session, or of one request alone. */
struct fetch_item {
    const char *topic; /* NULL: by id */
    int32_t topic_size;
    struct uuid topic_id;
    int32_t number;
    int32_t leader_epoch;       /* that the client believes in; -1: none */
    int32_t last_fetched_epoch; /* -1: none */
    int32_t max_bytes;
    int64_t offset;

    /* Found, as long as directory_generation() is what it was. */
    struct partition *partition;
    uint64_t generation;

    /* What the client was told last; -1: nothing. */
    int64_t high_watermark;
    int64_t log_start;
};

struct session;

int sessions_open(const struct broker_host *host, struct sessions **sessions);
void sessions_close(struct sessions *sessions); /* accepts NULL */
/* At most so many from now on. */
void sessions_limit(struct sessions *sessions, int32_t slots);
