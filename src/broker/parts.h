/*
 * parts.h - what a broker is made of; for src/broker alone. Every part locks itself, and none calls
 * another while it holds its lock, but for the order of this list. settings_lock and notes_lock may
 * be taken under any of them, and nothing under these two.
 */
#pragma once

#include <pthread.h>

#include "broker/broker.h"
#include "broker/settings.h"
#include "log/meta.h"
#include "log/serve.h"
#include "wire/errors.h"

struct groups;        /* groups.h: members and generations */
struct sessions;      /* sessions.h: incremental fetches */
struct writers;       /* writers.h: open appenders, and the producer state that goes with them */
struct waiters;       /* waiters.h: parked requests by the partitions they wait for */
struct progress;      /* log/progress.h: committed offsets */
struct producer_ids;  /* log/producer_ids.h */
struct segment_cache; /* log/segment_cache.h */
struct listener;      /* log/listener.h: calls broker_moved() */

#define BROKER_NOTES 16 /* lines that broker_note_seldom() remembers */

struct broker {
    struct directory *directory;
    const struct broker_host *host;
    char cluster_id[META_CLUSTER_ID_SIZE]; /* as in meta.properties */
    int32_t node_id;
    struct serve serve;
    int64_t tidied_ms; /* of broker_tick()'s one thread, as the next */
    int64_t forgot_ms;

    pthread_mutex_t configs_lock;    /* one change of settings at a time (configs.h) */
    pthread_mutex_t settings_lock;   /* guards what follows, for the moment of reading it */
    struct broker_settings stated;   /* as the configuration file says */
    struct broker_settings settings; /* in force: with what clients changed */
    int64_t wall_ahead_ms;           /* of broker_set_wall() */
    bool changing;                   /* a request changes the catalog (admin.h) */

    pthread_mutex_t notes_lock;   /* guards notes */
    uint64_t notes[BROKER_NOTES]; /* hashes of lines that were told since the last tidying */
    unsigned next_note;

    struct groups *groups;
    struct sessions *sessions;
    struct writers *writers;
    struct waiters *waiters;
    struct progress *progress;
    struct producer_ids *producer_ids;
    struct segment_cache *segments;
    struct listener *listener;
};

#define BROKER_LEADER_EPOCH_NONE (-1)

/* A number of the settings as of now: BROKER_SETTING(broker, fetch_max_bytes). */
#define BROKER_SETTING(broker, field)                                                              \
    ({                                                                                             \
        pthread_mutex_lock(&(broker)->settings_lock);                                              \
        __typeof__((broker)->settings.field) value_ = (broker)->settings.field;                    \
        pthread_mutex_unlock(&(broker)->settings_lock);                                            \
        value_;                                                                                    \
    })

/* The date and time of a moment: for what is kept, or compared with what clients say. */
int64_t broker_wall_ms(struct broker *broker, int64_t now_ms);
/* errors.c: Kafka's code for a MAPLOG_* code. */
int16_t broker_error(int code);
/* A line for the operator (printf). */
void broker_note(struct broker *broker, char level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what every request may say again, as on a full disk: each line once in ten seconds.
 */
void broker_note_seldom(struct broker *broker, char level, const char *text);
