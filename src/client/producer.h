/*
 * producer.h - what a producer holds: one seat, and a lane for each partition that it wrote to.
 *
 * One thread, but for a lingering producer: the directory's helper thread publishes its batches
 * too, so that every call takes its mutex. Without linger no lock is in the way.
 */
#pragma once

#include <maplog.h>
#include <pthread.h>

#include "client/client.h"
#include "log/appender.h"
#include "log/keeper.h"

/* Appends of one producer that make the helper thread worth its price. */
#define LANE_KEEPER_AFTER 256

/* One partition. */
struct lane {
    struct appender appender;
    struct partition *partition; /* the directory's */
    struct builder builder;      /* open batch */
    size_t limit;                /* largest batch: batch_bytes, or what the topic takes; 0: none */
    int64_t due_ms;              /* when the open batch goes by itself; 0: it does not linger */
    int64_t end;                 /* behind the last record that was published here; 0: none */
};

struct maplog_producer {
    struct handle handle;
    struct directory *directory;
    struct lane *fast;            /* set while a record needs nothing but this lane */
    _Atomic uint64_t *generation; /* of the directory's settings */
    uint64_t generation_seen;
    struct maplog *log; /* a reference */
    struct maplog_producer_options options;
    int64_t timeout_ns;
    struct lane **lanes; /* by partition; NULL until used */
    int32_t partitions;
    uint32_t seat;
    int32_t sticky;          /* partition of records without a key */
    uint32_t sticky_records; /* since it changed */
    size_t sticky_bytes;
    uint32_t appends; /* until the helper thread is worth beginning */
    bool deleted;     /* the topic, maybe made anew under its name since */
    bool lingers;
    pthread_mutex_t lock; /* of a lingering producer */
    struct keeper_timer timer;
    char topic[LIMIT_TOPIC_NAME + 1];
    char id[MAPLOG_TOPIC_ID_SIZE];
};

/* 0 when the producer may be used; MAPLOG_INVALID for NULL, MAPLOG_FORKED. */
#define producer_check(producer) producer_check_at(CONTRACT_HERE, producer)
static inline int producer_check_at(const struct contract *at,
                                    const struct maplog_producer *producer)
{
    if (__builtin_expect(!producer, 0))
        return client_missing("producer");
    handle_check_at(at, &producer->handle, HANDLE_PRODUCER);
    return directory_forked(producer->directory) ? client_inherited("producer") : 0;
}

/* lane.c */
int lane_open(struct maplog_producer *producer, int32_t partition, struct lane **lane);
void lane_close(struct maplog_producer *producer, struct lane *lane);
/* Takes changed settings over. */
int lane_refresh(struct maplog_producer *producer, struct lane *lane);
/* Does the record fit into the open batch? */
bool lane_fits(const struct lane *lane, const struct maplog_record *record);
/* Appends the record as a batch of its own and acknowledges it. */
int lane_append(struct maplog_producer *producer, struct lane *lane,
                const struct maplog_record *record, int64_t *offset);
/* Puts the record into the open batch, which is published first when it does not fit. */
int lane_gather(struct maplog_producer *producer, struct lane *lane,
                const struct maplog_record *record, int64_t *offset);
/* Publishes the open batch; after an error it is still open. */
int lane_publish(struct lane *lane);
/* Waits until what was published is durable, when acks or the topic ask for it. */
int lane_acknowledge(const struct maplog_producer *producer, struct lane *lane);

/* linger.c */
int linger_begin(struct maplog_producer *producer);
void linger_end(struct maplog_producer *producer);
/* A batch was begun in lane. */
void linger_arm(struct maplog_producer *producer, struct lane *lane, int64_t now_ms);
