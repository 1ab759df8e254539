/*
 * producing.h - what the commands that append have alike: options of the producer, and a topic that
 * is made when it is missing. Main thread.
 */
#pragma once

#include "cmd/door.h"
#include "cmd/options.h"

/* What the options say. */
struct producing {
    const char *compression;
    const char *acks;
    int64_t batch;
    int64_t timeout;
};
#define PRODUCING_BATCH_BYTES (64u << 10) /* default of --batch */
#define PRODUCING_DEFAULT                                                                          \
    {                                                                                              \
        .compression = "none", .acks = "memory", .batch = PRODUCING_BATCH_BYTES                    \
    }

/* OPTIONS_GO or EXIT_USAGE. */
int producing_options(const struct usage *usage, const struct producing *producing,
                      struct maplog_producer_options *options);
/* A topic whose records are not durable is no place for acks disk; it is not made for that. */
int producing_topic(struct door *door, const char *topic, enum maplog_acks acks);
