/*
 * maplog.h - the public interface of libmaplog: a message log in a directory, shared by mapping.
 *
 * Processes attach a log directory and exchange records through shared memory; no server is needed.
 * Topics, partitions, offsets and record batches are Kafka's. See maplog(3) for a tour.
 *
 * Rules that hold everywhere
 * - Functions return 0 (or a count, where it says so) on success and a negative MAPLOG_* code on
 *   failure. maplog_error_text() then says what failed, and on which file. Outputs are untouched.
 * - Threads: a maplog handle may be used by any number of threads at once. A producer, a consumer
 *   and a batch belong to one thread at a time; open one for each thread, they are cheap.
 * - fork: handles do not survive into the child, they answer MAPLOG_FORKED there until the child
 *   opens its own; closing one in the child only frees its memory. The parent is not disturbed.
 *   Records that the parent obtained stay readable in the child.
 * - Strings are UTF-8 or plain bytes, NUL-terminated. Sizes are in bytes, times in milliseconds
 *   since 1970-01-01 UTC unless the name says otherwise.
 * - Option structs: zero means default; begin with `= {0}`. NULL stands for all defaults.
 * - Mistakes: NULL where something is wanted, sizes without bytes, and numbers out of their range
 *   are MAPLOG_INVALID, or the code that says it better. What would cost each call to find out is a
 *   contract: no handle is used after its close, or by two threads at once where it belongs to one;
 *   no hold is released twice; memory is as large as the size beside it says. A release does not
 *   look. A library that is built with BUILD=debug aborts with a sentence that says what was wrong.
 */
#ifndef MAPLOG_H
#define MAPLOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* maplog_hold is a struct's name and a function's */
#endif

#define MAPLOG_API __attribute__((visibility("default")))

/* ---- errors ---------------------------------------------------------------------------------- */

enum maplog_error {
    MAPLOG_INVALID = -1, /* an argument or a setting is not valid */
    MAPLOG_NO_MEMORY = -2,
    MAPLOG_IO = -3,        /* an input or output operation failed */
    MAPLOG_NOT_FOUND = -4, /* no such directory, topic, partition or group */
    MAPLOG_EXISTS = -5,
    MAPLOG_DENIED = -6,    /* permission, or a read-only directory */
    MAPLOG_DISK_FULL = -7, /* appends go on by themselves when there is space again */
    MAPLOG_BUSY = -8,      /* held by another process or thread */
    MAPLOG_TIMED_OUT = -9,
    MAPLOG_CORRUPT = -10,             /* damaged bytes; `maplog inspect` says where */
    MAPLOG_VERSION = -11,             /* another version or another C library's directory */
    MAPLOG_LIMIT = -12,               /* a limit was reached; the text names it */
    MAPLOG_TOO_LARGE = -13,           /* larger than the topic's max.message.bytes */
    MAPLOG_OFFSET_OUT_OF_RANGE = -14, /* below the log's start or above its end */
    MAPLOG_TOPIC_DELETED = -15,
    MAPLOG_NOT_PERSISTENT = -16, /* MAPLOG_ACKS_DISK on a log in memory */
    MAPLOG_FULL = -17,           /* every slot of the anonymous log is pinned by a reader */
    MAPLOG_FORKED = -18,         /* the handle was opened before fork() */
    MAPLOG_GROUP_BUSY = -19,     /* another consumer of the group has the partition */
    MAPLOG_GROUP_ACTIVE = -20,   /* the group has live members at a server */
    MAPLOG_UNSUPPORTED = -21,    /* this kernel, file system or placement cannot do it */
    MAPLOG_CLOSED = -22,
};

/* What failed last in the calling thread, as one sentence; "" if nothing did. Valid until this
 * thread's next failing call. */
MAPLOG_API const char *maplog_error_text(void);
/* "MAPLOG_IO" and the like; never NULL. */
MAPLOG_API const char *maplog_error_name(int code);
/* Of the library that runs: "0.2.0". */
MAPLOG_API const char *maplog_version(void);

/* ---- the log --------------------------------------------------------------------------------- */

typedef struct maplog maplog;

enum maplog_open_flags {
    MAPLOG_CREATE = 1,    /* make the directory when it is missing or empty */
    MAPLOG_READ_ONLY = 2, /* never write to it; enough permission to read is enough */
};

struct maplog_open_options {
    unsigned flags;       /* maplog_open_flags */
    int timeout_ms;       /* longest wait for another process that is attaching; default 10000 */
    uint64_t reserved[4]; /* zero */
};

/*
 * Attaches a log directory on a local disk or on tmpfs (/dev/shm). The first process to attach
 * checks and, when the last writer did not end well, recovers it. Network file systems are refused
 * (MAPLOG_UNSUPPORTED). *log is closed with maplog_close().
 */
MAPLOG_API int maplog_open(const char *directory, const struct maplog_open_options *options,
                           maplog **log);

struct maplog_anonymous_options {
    const char *topic;      /* name of its only topic; default "anonymous" */
    uint64_t segment_bytes; /* size of a segment slot; default 16 MiB, 64 KiB to 1 GiB */
    unsigned segments;      /* number of slots, 2 to 64; default 8 */
    uint64_t reserved[4];
};

/*
 * Makes a log in anonymous shared memory (memfd): one topic, one partition, a ring of fixed
 * segments. The oldest segment is recycled when the newest is full and no consumer reads it; while
 * one does, appends answer MAPLOG_FULL. Memory goes when the last process lets go.
 */
MAPLOG_API int maplog_open_anonymous(const struct maplog_anonymous_options *options, maplog **log);

/* The descriptor behind an anonymous log, to be inherited by a child or passed over a Unix socket;
 * a child that is forked needs the number from before. It belongs to the log and is not
 * close-on-exec. MAPLOG_UNSUPPORTED for a directory. */
MAPLOG_API int maplog_descriptor(const maplog *log);

/* Attaches the anonymous log behind fd (inherited or received). fd stays the caller's and may be
 * closed at once. */
MAPLOG_API int maplog_attach(int fd, maplog **log);

/* Lets go of the log. Open producers, consumers and holds keep what they need until they are closed
 * themselves. The last process out leaves every file at exactly its published size. NULL is fine.
 */
MAPLOG_API void maplog_close(maplog *log);

/* Makes everything published so far durable (fdatasync). MAPLOG_NOT_PERSISTENT on tmpfs or memfd.
 */
MAPLOG_API int maplog_sync(maplog *log);

/* ---- topics ---------------------------------------------------------------------------------- */

#define MAPLOG_TOPIC_NAME_MAX 249 /* bytes; letters, digits, '.', '_', '-' */
#define MAPLOG_TOPIC_ID_SIZE 23   /* Kafka's text form of the UUID, with the NUL */

struct maplog_topic {
    const char *name; /* the caller's string; of a listed topic valid during the visit */
    char id[MAPLOG_TOPIC_ID_SIZE];
    int32_t partitions;
};

struct maplog_partition {
    int64_t start_offset;   /* first offset that can be read */
    int64_t end_offset;     /* offset of the next record: published end = high watermark */
    int64_t durable_offset; /* everything below is on disk; -1 for a log in memory */
    int64_t bytes;          /* in all segments */
    int32_t segments;
    int32_t leader_epoch;
};

/* Creates a topic. configs: NULL, or "name=value" strings under Kafka's names, NULL-terminated
 * (segment.bytes, segment.ms, retention.bytes, retention.ms, index.interval.bytes,
 * max.message.bytes, message.timestamp.type, flush.messages, flush.ms, compression.type,
 * cleanup.policy, ...). partitions 0: one. MAPLOG_EXISTS, MAPLOG_INVALID, MAPLOG_LIMIT. */
MAPLOG_API int maplog_topic_create(maplog *log, const char *topic, int32_t partitions,
                                   const char *const *configs);
/* Deletes it while others may be attached: their calls answer MAPLOG_TOPIC_DELETED, also when a
 * topic of that name is made anew. What groups committed in it is forgotten. */
MAPLOG_API int maplog_topic_delete(maplog *log, const char *topic);
/* Changes settings at once, for all attached processes; "name=" goes back to the default. */
MAPLOG_API int maplog_topic_alter(maplog *log, const char *topic, const char *const *configs);
/* Grows the topic to `partitions` in all. */
MAPLOG_API int maplog_topic_grow(maplog *log, const char *topic, int32_t partitions);
MAPLOG_API int maplog_topic_describe(maplog *log, const char *topic, struct maplog_topic *found);
/* Calls visit for each topic in name order; a non-zero answer ends the walk and is returned. */
MAPLOG_API int maplog_topic_list(maplog *log,
                                 int (*visit)(void *context, const struct maplog_topic *topic),
                                 void *context);
/* Calls visit for every setting of the topic. is_default: nobody set it. */
MAPLOG_API int maplog_topic_configs(maplog *log, const char *topic,
                                    int (*visit)(void *context, const char *name, const char *value,
                                                 int is_default),
                                    void *context);
MAPLOG_API int maplog_partition_describe(maplog *log, const char *topic, int32_t partition,
                                         struct maplog_partition *found);
/* Moves the start to `before` (-1: the end); whole segments below it go. */
MAPLOG_API int maplog_delete_records(maplog *log, const char *topic, int32_t partition,
                                     int64_t before);

/* ---- producing ------------------------------------------------------------------------------- */

typedef struct maplog_producer maplog_producer;

enum maplog_acks {
    MAPLOG_ACKS_MEMORY = 0, /* return when published: survives the death of every process */
    MAPLOG_ACKS_NONE = 1,   /* the same on this door; kept for symmetry with Kafka's acks=0 */
    MAPLOG_ACKS_DISK = 2,   /* return when on disk: survives a power cut */
};

enum maplog_compression {
    MAPLOG_COMPRESSION_NONE = 0,
    MAPLOG_COMPRESSION_GZIP = 1,
    MAPLOG_COMPRESSION_SNAPPY = 2,
    MAPLOG_COMPRESSION_LZ4 = 3,
    MAPLOG_COMPRESSION_ZSTD = 4,
};

struct maplog_producer_options {
    enum maplog_acks acks;
    enum maplog_compression compression; /* of batches; MAPLOG_INVALID without batch_bytes */
    size_t batch_bytes; /* 0: every record is a batch and visible when maplog_produce() returns;
                           else records gather, and the batch is published when the next record
                           would make it larger than this, max.message.bytes or segment.bytes (all
                           before compression); a record that is larger by itself goes alone */
    int linger_ms;      /* with batch_bytes: publish at the latest this long after the first record,
                           also without a further call; 0: only when full or flushed */
    int timeout_ms;     /* longest wait for another writer of the partition; default 10000 */
    uint64_t reserved[4];
};

struct maplog_header {
    const char *name;  /* NUL-terminated */
    const void *value; /* NULL: a null value */
    size_t value_size;
};

struct maplog_record {
    const void *key; /* NULL: no key */
    size_t key_size;
    const void *value; /* NULL: a null value (tombstone) */
    size_t value_size;
    const struct maplog_header *headers;
    size_t header_count;
    int64_t timestamp; /* 0: now */
};

/* Opens a producer on a topic, for one thread. MAPLOG_NOT_FOUND, MAPLOG_LIMIT,
 * MAPLOG_NOT_PERSISTENT (acks disk on a log in memory), MAPLOG_DENIED. */
MAPLOG_API int maplog_producer_open(maplog *log, const char *topic,
                                    const struct maplog_producer_options *options,
                                    maplog_producer **producer);

/*
 * Appends one record to the partition that its key gives (murmur2, as Kafka's clients do); without
 * a key to a partition that changes now and then, so that all fill evenly. Its bytes are copied
 * before the call returns. *offset (may be NULL) is the record's offset, or -1 while it only lies
 * in an open batch.
 * With MAPLOG_ACKS_DISK the call that publishes a batch returns when it is durable.
 * MAPLOG_TOO_LARGE, MAPLOG_DISK_FULL, MAPLOG_FULL, MAPLOG_TOPIC_DELETED, MAPLOG_TIMED_OUT (the text
 * names the process that holds the partition), MAPLOG_IO, MAPLOG_FORKED. After an error the record
 * was not appended, unless a durable acknowledgement failed: the text then says up to which offset
 * records are published. A batch that could not be published stays open with the records it has.
 */
MAPLOG_API int maplog_produce(maplog_producer *producer, const struct maplog_record *record,
                              int64_t *offset);

/* The same, to a partition of the caller's choice. */
MAPLOG_API int maplog_produce_to(maplog_producer *producer, int32_t partition,
                                 const struct maplog_record *record, int64_t *offset);

/* Allocates and populates memory for `bytes` more in the partition, at most to the end of its
 * active segment, so that the next appends of this process meet neither allocation nor page fault.
 */
MAPLOG_API int maplog_prepare(maplog_producer *producer, int32_t partition, uint64_t bytes);

/* Publishes the open batches; with MAPLOG_ACKS_DISK returns when all that this producer published
 * is durable. A batch that could not be published (a full disk, a stopped writer) is kept, and a
 * later flush tries again: nothing is lost, nothing comes twice. */
MAPLOG_API int maplog_flush(maplog_producer *producer);

/* Flushes and closes; returns what the flush returned. Closed it is in any case: after an error
 * the records of unpublished batches are gone. NULL is fine. */
MAPLOG_API int maplog_producer_close(maplog_producer *producer);

/* ---- consuming ------------------------------------------------------------------------------- */

typedef struct maplog_consumer maplog_consumer;
struct maplog_hold; /* no typedef: maplog_hold() has the name */

#define MAPLOG_END (-1)   /* as an offset: behind the last record */
#define MAPLOG_BEGIN (-2) /* as an offset: the first record there is */

struct maplog_consumer_options {
    const char *group; /* NULL: none; else begin at its progress and claim partitions in it */
    const int32_t *partitions; /* NULL: all, new ones too as they are made; in a group: all that no
                                  other consumer has, and later those that others let go of */
    size_t partition_count;
    int at_end;     /* 1: begin behind the last record, not at the first; progress wins, and
                       partitions made later are read from their beginning */
    int check_crcs; /* 1: verify each batch's CRC-32C before its records are handed out */
    uint64_t reserved[4];
};

/* One record, lying in the log's own mapping (or, of a compressed batch, in the consumer's memory):
 * valid until the consumer's next call, or until maplog_release() after maplog_hold(). */
struct maplog_message {
    const void *key;   /* NULL: no key */
    const void *value; /* NULL: a null value */
    size_t key_size;
    size_t value_size;
    int64_t offset;
    int64_t timestamp;
    int32_t partition;
    int32_t leader_epoch;
    int32_t header_count;
    int32_t timestamp_type; /* 0: create time, 1: log append time */
    const void *headers;    /* for maplog_message_header() */
    size_t headers_size;
};

/* Opens a consumer, for one thread. MAPLOG_NOT_FOUND, MAPLOG_LIMIT; with a group also
 * MAPLOG_GROUP_BUSY (another consumer has all partitions, or one that is listed),
 * MAPLOG_GROUP_ACTIVE (a server has members of it), MAPLOG_DENIED on a read-only log,
 * MAPLOG_UNSUPPORTED on an anonymous one. */
MAPLOG_API int maplog_consumer_open(maplog *log, const char *topic,
                                    const struct maplog_consumer_options *options,
                                    maplog_consumer **consumer);

/*
 * Takes the next record. Returns 1 with a message, 0 when none came within timeout_ms (0: do not
 * wait, negative: wait for ever), or an error: MAPLOG_OFFSET_OUT_OF_RANGE (retention overtook the
 * reader; seek), MAPLOG_TOPIC_DELETED (all that is readable was read), MAPLOG_CORRUPT (file and
 * position are named; it comes again until a seek passes the place), MAPLOG_FORKED. Records of one
 * partition come in order; partitions take turns. Waiting spins briefly, then sleeps without using
 * the CPU.
 */
MAPLOG_API int maplog_consume(maplog_consumer *consumer, struct maplog_message *message,
                              int timeout_ms);

/* Header number index (from 0) of a message: 0, or MAPLOG_NOT_FOUND. name is not NUL-terminated. */
MAPLOG_API int maplog_message_header(const struct maplog_message *message, int32_t index,
                                     const char **name, size_t *name_size, const void **value,
                                     size_t *value_size);

/* Next offset to be read: an offset, MAPLOG_BEGIN or MAPLOG_END; partition -1 means all. */
MAPLOG_API int maplog_seek(maplog_consumer *consumer, int32_t partition, int64_t offset);
/* To the first record whose timestamp is at least `time`; the end when there is none. */
MAPLOG_API int maplog_seek_time(maplog_consumer *consumer, int32_t partition, int64_t time);
/* Offset of the record that would be read next from the partition. */
MAPLOG_API int maplog_position(maplog_consumer *consumer, int32_t partition, int64_t *offset);

/* A descriptor that polls readable when there may be records; read them with timeout 0 until 0
 * comes. It belongs to the consumer. Costs a helper thread. */
MAPLOG_API int maplog_consumer_descriptor(maplog_consumer *consumer, int *fd);

/* Keeps the memory of the message that the consumer's last call took, also past the closing of
 * consumer and log. MAPLOG_NOT_FOUND when that call took none. */
MAPLOG_API int maplog_hold(maplog_consumer *consumer, struct maplog_hold **hold);
/* 1 when the hold keeps the message that the consumer's last call took, too, else 0: messages of
 * one segment, or of one compressed batch, need only one. */
MAPLOG_API int maplog_hold_covers(const struct maplog_hold *hold, const maplog_consumer *consumer);
MAPLOG_API void maplog_release(struct maplog_hold *hold); /* any thread; NULL is fine */

MAPLOG_API void
maplog_consumer_close(maplog_consumer *consumer); /* commits nothing; NULL is fine */

/* ---- groups ---------------------------------------------------------------------------------- */

/*
 * A group's progress is one thing for local consumers and for those of a server. While a server has
 * live members of the group, commits here and the opening of consumers in it answer
 * MAPLOG_GROUP_ACTIVE, until the members or the server are gone. A local consumer that was there
 * before goes on reading what it has.
 */

/* Commits the consumer's positions in its group (all partitions that moved). MAPLOG_INVALID when it
 * has no group, MAPLOG_GROUP_ACTIVE. */
MAPLOG_API int maplog_commit(maplog_consumer *consumer);
/* Commits an offset for a group by hand; metadata may be NULL (at most 4096 bytes, MAPLOG_LIMIT).
 * The offset may lie outside the partition, as in Kafka: who goes on from it is told then.
 * MAPLOG_NOT_FOUND when there is no such partition, MAPLOG_GROUP_ACTIVE. */
MAPLOG_API int maplog_group_commit(maplog *log, const char *group, const char *topic,
                                   int32_t partition, int64_t offset, const char *metadata);
/* The group's committed offset; -1 when it has none. */
MAPLOG_API int maplog_group_committed(maplog *log, const char *group, const char *topic,
                                      int32_t partition, int64_t *offset);

#ifdef __cplusplus
#pragma GCC diagnostic pop
}
#endif

#endif
