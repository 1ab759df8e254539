/*
 * writers.h - the broker's open appenders, and what it knows of each partition's idempotent
 * producers. Any thread; a writer is had by one at a time.
 */
#pragma once

#include "broker/broker.h"
#include "log/appender.h"
#include "log/producers.h"

struct writers;

/* One partition's. All of it is for who has taken it. */
struct writer {
    pthread_mutex_t lock;
    struct partition *partition;
    struct appender appender;    /* never waits: MAPLOG_BUSY */
    struct producers *producers; /* NULL: not read yet, see writers_load() */
    int64_t producers_base;      /* of the active segment at the last append with them */
    bool loading;                /* somebody reads them now */

    /* writers.c's, under its lock */
    uint32_t users;
    uint32_t seat;
    int64_t used_ms;
    struct writer *newer, *older;
};

int writers_open(struct directory *directory, const struct broker_host *host,
                 struct writers **writers);
void writers_close(struct writers *writers); /* accepts NULL */

/* Opens it if need be and locks it. MAPLOG_BUSY when all LIMIT_WRITERS are in use,
 * MAPLOG_TOPIC_DELETED, MAPLOG_LIMIT (seats), as appender_open. */
int writers_take(struct writers *writers, struct partition *partition, int64_t now_ms,
                 struct writer **writer);
void writers_give(struct writers *writers, struct writer *writer);

/* Reads the partition's producers unless they are there: may take long, for cold work. MAPLOG_BUSY
 * when another thread is reading them: try again soon. */
int writers_load(struct writers *writers, struct partition *partition, int64_t now_ms);

struct writers_verdict {
    enum producers_verdict verdict;
    struct appended appended; /* of PRODUCERS_APPEND and PRODUCERS_DUPLICATE */
};
/* Appends a batch that was found valid, unless its producer's state forbids it; a batch with a
 * producer id wants writer->producers. Errors as appender_append; then nothing was appended. */
int writers_append(struct writers *writers, struct writer *writer, const struct batch *batch,
                   struct writers_verdict *verdict);

/* Now and then: closes writers that are idle or whose topic was deleted, forgets producer ids that
 * were last used before expire_ms, a date and time. */
void writers_tidy(struct writers *writers, int64_t now_ms, int64_t expire_ms);
