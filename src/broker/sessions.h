/*
 * sessions.h - incremental fetches (KIP-227): what each fetch session asks for, and what it was
 * told last. Any thread; a session is had by one request at a time, from sessions_take() or
 * sessions_create() on until sessions_give().
 */
#pragma once

#include "broker/broker.h"

struct sessions;
struct session;

/* A partition that a fetch asks for: of a session, or of one request alone. */
struct fetch_item {
    struct wire_string topic; /* at NULL: by id */
    struct uuid topic_id;
    int32_t number;
    int32_t leader_epoch;       /* that the client believes in; -1: none */
    int32_t last_fetched_epoch; /* -1: none */
    int32_t max_bytes;
    int64_t offset;

    /* Found, as long as directory_generation() is what it was. */
    struct partition *partition; /* NULL: not yet */
    uint64_t generation;

    /* What the client was told last; -1: nothing. */
    int64_t high_watermark;
    int64_t log_start;
};

int sessions_open(const struct broker_host *host, struct sessions **sessions);
void sessions_close(struct sessions *sessions); /* nobody has one any more; accepts NULL */
/* At most so many from now on. */
void sessions_limit(struct sessions *sessions, int32_t slots);

/* What a request says of the session that it belongs to. */
struct sessions_ask {
    int32_t id;
    int32_t epoch;
    bool by_id; /* topics come by their ids */
    int64_t now_ms;
};
/* The session of an incremental request, whose next epoch is then awaited. Answers Kafka's code:
 * FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR. */
int16_t sessions_take(struct sessions *sessions, const struct sessions_ask *ask,
                      struct session **session);
void sessions_give(struct sessions *sessions, struct session *session); /* accepts NULL */
/* A new one, empty; NULL when there is no slot: the younger and smaller give way, and those that
 * were not used for two minutes. count: of partitions that will be added. */
struct session *sessions_create(struct sessions *sessions, const struct sessions_ask *ask,
                                int32_t count);
/* Ends it; one that somebody has ends when it is given back. Fine when there is none. */
void sessions_remove(struct sessions *sessions, int32_t id);
int32_t sessions_id(const struct session *session);
int32_t sessions_count(const struct session *session); /* of partitions */

/* Adds the partition, or changes what is asked of it. The item is copied, its topic too.
 * MAPLOG_LIMIT: LIMIT_SESSION_PARTITIONS in all. */
int sessions_put(struct sessions *sessions, struct session *session, const struct fetch_item *item);
void sessions_forget(struct sessions *sessions, struct session *session,
                     const struct fetch_item *item);
/* In the order of service: the one behind `previous`, which is NULL at first. */
struct fetch_item *sessions_next(struct session *session, struct fetch_item *previous);
/* It was served: the others come first next time. */
void sessions_served(struct session *session, struct fetch_item *item);
