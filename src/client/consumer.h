/*
 * consumer.h - what a consumer holds: a source for each of its partitions, and the batch whose
 * records it hands out. One thread; the notifier's helper thread has its own copy of what it needs.
 */
#pragma once

#include <maplog.h>

#include "client/client.h"
#include "log/codec.h"
#include "log/reader.h"
#include "log/record_plain.h"

/* One partition. */
struct source {
    struct reader reader;
    struct partition *partition; /* the directory's */
    int64_t position;            /* offset of the record to be handed out next */
    int64_t committed;           /* position in the group's progress; -1: none */
    int32_t number;
    bool from_begin; /* nothing was read yet, and the start may move: follow it */
};

/* Decompressed records, counted: a hold may keep them. */
struct unpacked {
    _Atomic uint32_t references;
    struct codec_buffer buffer;
};

struct notifier;

struct maplog_consumer {
    struct handle handle;
    struct directory *directory;
    struct source *source;       /* whose batch is being handed out; NULL: none */
    struct record_cursor cursor; /* in that batch */
    struct source *last;         /* of the message handed out last; NULL: none since a seek */
    bool last_unpacked;          /* that message lies in unpacked, not in the segment */
    struct batch batch;
    struct unpacked *unpacked;
    struct source **sources;
    size_t count;
    size_t turn;                  /* source that is asked next */
    uint32_t patience;            /* how much it may still give before the next one is asked */
    struct source **by_number;    /* of each partition of the topic; NULL: not ours */
    struct bell_watch *watches;   /* one a source */
    _Atomic uint64_t *generation; /* of the directory's settings */
    uint64_t generation_seen;
    struct maplog *log;        /* a reference */
    struct notifier *notifier; /* behind maplog_consumer_descriptor() */
    uint64_t batches;
    uint64_t eased_ticks; /* when it had nothing to read the last time, and `batches` then */
    uint64_t eased_batches;
    int32_t partitions; /* of the topic, as far as known */
    bool all;           /* takes new partitions too */
    bool at_end;
    bool check_crcs;
    bool deleted;
    char *group;  /* NULL: none */
    int claim_fd; /* proof of its claims; -1: none */
    char topic[LIMIT_TOPIC_NAME + 1];
    char id[MAPLOG_TOPIC_ID_SIZE];
};

/* 0 when the consumer may be used; MAPLOG_INVALID for NULL, MAPLOG_FORKED. */
#define consumer_check(consumer) consumer_check_at(CONTRACT_HERE, consumer)
static inline int consumer_check_at(const struct contract *at,
                                    const struct maplog_consumer *consumer)
{
    if (__builtin_expect(!consumer, 0))
        return client_missing("consumer");
    handle_check_at(at, &consumer->handle, HANDLE_CONSUMER);
    return directory_forked(consumer->directory) ? client_inherited("consumer") : 0;
}

/* sources.c: which partitions a consumer reads. */
/* Adds the partition; 1, or 0 when another consumer of the group has it; MAPLOG_GROUP_ACTIVE.
 * fresh: it was made after the consumer, so none of its records is passed over. */
int sources_add(struct maplog_consumer *consumer, int32_t partition, bool fresh);
void sources_free(struct source *source);
/* Makes room for so many partitions of the topic; never fewer than before. */
int sources_know(struct maplog_consumer *consumer, int32_t partitions);
/* Takes partitions that are new, or that no consumer of the group has any more. 1 when there are
 * more sources now, else 0. */
int sources_refresh(struct maplog_consumer *consumer);
int sources_claim_free(struct maplog_consumer *consumer);
/* MAPLOG_NOT_FOUND when the consumer does not read it. */
int sources_find(const struct maplog_consumer *consumer, int32_t partition, struct source **source);
/* Next record of the source: an offset, MAPLOG_BEGIN or MAPLOG_END. */
void sources_seek(struct maplog_consumer *consumer, struct source *source, int64_t offset);

/* held.c */
void unpacked_drop(struct unpacked *unpacked);

/* notifier.c: the pollable descriptor. */
int notifier_begin(struct maplog_consumer *consumer, struct notifier **notifier);
void notifier_end(struct notifier *notifier);
int notifier_descriptor(const struct notifier *notifier);
/* The consumer found nothing: clears the descriptor until something comes. */
void notifier_arm(struct notifier *notifier, const struct maplog_consumer *consumer);
