#include "broker/writers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NOTE_BYTES 256                /* of producers_load() */
#define IDLE_MS 60000                 /* a writer that knows no producers is closed after so long */
#define IDLE_WITH_PRODUCERS_MS 900000 /* one that does: reading them again takes a while */

struct writers {
    struct directory *directory;
    const struct broker_host *host;
    pthread_mutex_t lock; /* guards what follows */
    uint32_t count;
    struct writer *newest, *oldest;           /* by their last use */
    struct writer *by_slot[LIMIT_PARTITIONS]; /* pages that are never touched cost nothing */
};

int writers_open(struct directory *directory, const struct broker_host *host,
                 struct writers **writers)
{
    struct writers *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for writers");
    made->directory = directory;
    made->host = host;
    pthread_mutex_init(&made->lock, NULL);
    *writers = made;
    return 0;
}

/* ---- the open ones --------------------------------------------------------------------------- */

static void unlink_use(struct writers *writers, struct writer *writer)
{
    *(writer->newer ? &writer->newer->older : &writers->newest) = writer->older;
    *(writer->older ? &writer->older->newer : &writers->oldest) = writer->newer;
}

static void link_newest(struct writers *writers, struct writer *writer)
{
    writer->newer = NULL;
    writer->older = writers->newest;
    *(writers->newest ? &writers->newest->newer : &writers->oldest) = writer;
    writers->newest = writer;
}

/* Takes one that nobody uses out, and puts it before *gone: to close it takes a while. */
static void take_out(struct writers *writers, struct writer *writer, struct writer **gone)
{
    writers->by_slot[writer->partition->slot] = NULL;
    writers->count--;
    unlink_use(writers, writer);
    writer->older = *gone;
    *gone = writer;
}

static void close_all(struct directory *directory, struct writer *gone)
{
    while (gone) {
        struct writer *next = gone->older;
        appender_close(&gone->appender);
        directory_leave_seat(directory, gone->seat);
        producers_free(gone->producers);
        pthread_mutex_destroy(&gone->lock);
        free(gone);
        gone = next;
    }
}

void writers_close(struct writers *writers)
{
    if (!writers)
        return;
    struct writer *gone = NULL;
    while (writers->oldest)
        take_out(writers, writers->oldest, &gone);
    close_all(writers->directory, gone);
    pthread_mutex_destroy(&writers->lock);
    free(writers);
}

static bool is_current(const struct writers *writers, const struct partition *partition)
{
    return partition_check_live(partition) == 0 &&
           directory_opened(writers->directory, partition->slot) == partition;
}

/* Takes the writer out that was unused longest; false when all are in use. */
static bool make_room(struct writers *writers, struct writer **gone)
{
    struct writer *writer = writers->oldest;
    while (writer && writer->users)
        writer = writer->newer;
    if (writer)
        take_out(writers, writer, gone);
    return writer;
}

static int open_writer(struct writers *writers, struct partition *partition, struct writer **writer)
{
    /* The slot may have been given to a new topic since the partition was looked up. */
    if (!is_current(writers, partition))
        return error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", partition->topic);
    struct writer *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a writer of %s", partition->name);
    int result = directory_take_seat(writers->directory, &made->seat);
    if (!result) {
        result = appender_open(partition, made->seat, 0, &made->appender);
        if (result)
            directory_leave_seat(writers->directory, made->seat);
    }
    if (result) {
        free(made);
        return result;
    }
    made->partition = partition;
    pthread_mutex_init(&made->lock, NULL);
    writers->by_slot[partition->slot] = made;
    writers->count++;
    link_newest(writers, made);
    *writer = made;
    return 0;
}

/* Finds or opens it; the caller holds writers->lock. */
static int find(struct writers *writers, struct partition *partition, struct writer **writer,
                struct writer **gone)
{
    struct writer *known = writers->by_slot[partition->slot];
    if (known && known->partition == partition) {
        if (known != writers->newest) {
            unlink_use(writers, known);
            link_newest(writers, known);
        }
        *writer = known;
        return 0;
    }
    bool full = writers->count >= LIMIT_WRITERS;
    if (known && known->users) /* the last append to a deleted topic is under way */
        return error_set(MAPLOG_BUSY, "the writer of %s is in use", known->partition->name);
    if (known)
        take_out(writers, known, gone);
    else if (full && !make_room(writers, gone))
        return error_set(MAPLOG_BUSY, "%d partitions are being written at this moment",
                         LIMIT_WRITERS);
    return open_writer(writers, partition, writer);
}

static int pin(struct writers *writers, struct partition *partition, int64_t now_ms,
               struct writer **writer)
{
    struct writer *found = NULL, *gone = NULL;
    pthread_mutex_lock(&writers->lock);
    int result = find(writers, partition, &found, &gone);
    if (!result) {
        found->users++;
        found->used_ms = now_ms;
        *writer = found;
    }
    pthread_mutex_unlock(&writers->lock);
    close_all(writers->directory, gone);
    return result;
}

static void unpin(struct writers *writers, struct writer *writer)
{
    pthread_mutex_lock(&writers->lock);
    writer->users--;
    pthread_mutex_unlock(&writers->lock);
}

int writers_take(struct writers *writers, struct partition *partition, int64_t now_ms,
                 struct writer **writer)
{
    int result = pin(writers, partition, now_ms, writer);
    if (!result)
        pthread_mutex_lock(&(*writer)->lock);
    return result;
}

void writers_give(struct writers *writers, struct writer *writer)
{
    pthread_mutex_unlock(&writer->lock);
    unpin(writers, writer);
}

void writers_tidy(struct writers *writers, int64_t now_ms, int64_t expire_ms)
{
    struct writer *gone = NULL;
    pthread_mutex_lock(&writers->lock);
    for (struct writer *writer = writers->oldest, *newer; writer; writer = newer) {
        newer = writer->newer;
        if (writer->users) /* else nobody has it, nor can take it meanwhile */
            continue;
        int64_t idle_ms = writer->producers ? IDLE_WITH_PRODUCERS_MS : IDLE_MS;
        if (now_ms - writer->used_ms > idle_ms || !is_current(writers, writer->partition))
            take_out(writers, writer, &gone);
        else if (writer->producers)
            producers_expire(writer->producers, expire_ms);
    }
    pthread_mutex_unlock(&writers->lock);
    close_all(writers->directory, gone);
}

/* ---- producers ------------------------------------------------------------------------------- */

int writers_load(struct writers *writers, struct partition *partition, int64_t now_ms)
{
    struct writer *writer;
    int result = pin(writers, partition, now_ms, &writer);
    if (result)
        return result;
    pthread_mutex_lock(&writer->lock);
    bool there = writer->producers, loading = writer->loading;
    if (!there)
        writer->loading = true;
    pthread_mutex_unlock(&writer->lock);
    if (there || loading) {
        unpin(writers, writer);
        return there
                   ? 0
                   : error_set(MAPLOG_BUSY, "the producers of %s are being read", partition->name);
    }
    /* Nobody appends a batch with a producer id before they are there: what is read is all. */
    char note[NOTE_BYTES] = "";
    struct producers *producers = NULL;
    struct partition_end end;
    partition_end(partition, &end);
    result = producers_load(partition, note, &producers);
    if (note[0])
        writers->host->note(writers->host->context, 'W', note);
    pthread_mutex_lock(&writer->lock);
    writer->loading = false;
    if (!result) {
        writer->producers = producers;
        writer->producers_base = end.base;
    }
    pthread_mutex_unlock(&writer->lock);
    unpin(writers, writer);
    return result;
}

/* What is not known any more is read again when it is needed. */
static void forget(struct writer *writer)
{
    producers_free(writer->producers);
    writer->producers = NULL;
}

/* After an append: a snapshot when a segment began, then the batch itself. */
static void remember(struct writers *writers, struct writer *writer, const struct batch *batch,
                     const struct appended *appended)
{
    int64_t base = writer->appender.base;
    if (base != writer->producers_base) {
        writer->producers_base = base;
        if (producers_store(writer->producers, base)) {
            /* Without it a start reads from an older one; nothing is lost. */
            char text[ERROR_TEXT_SIZE];
            snprintf(text, sizeof text, "%s", error_text());
            writers->host->note(writers->host->context, 'W', text);
        }
    }
    if (batch->producer_id < 0)
        return;
    struct batch stamped = *batch;
    if (appended->log_append_time >= 0)
        stamped.max_timestamp = appended->log_append_time;
    if (producers_add(writer->producers, &stamped, appended->base_offset))
        forget(writer);
}

int writers_append(struct writers *writers, struct writer *writer, const struct batch *batch,
                   struct writers_verdict *verdict)
{
    *verdict = (struct writers_verdict){.verdict = PRODUCERS_APPEND};
    if (batch->producer_id >= 0) {
        struct producers_found found;
        verdict->verdict = producers_check(writer->producers, batch, &found);
        if (verdict->verdict == PRODUCERS_DUPLICATE) {
            bool stamps = writer->appender.settings.timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
            verdict->appended = (struct appended){
                .base_offset = found.base_offset,
                .last_offset = found.base_offset + batch->last_offset - batch->base_offset,
                .log_append_time = stamps ? found.timestamp : -1};
        }
        if (verdict->verdict != PRODUCERS_APPEND)
            return 0;
    }
    /* The batch lies in the frame of its request, which is ours to write to. */
    int result = appender_append(&writer->appender, (uint8_t *)(uintptr_t)batch->bytes, batch->size,
                                 &verdict->appended);
    if (!result && writer->producers)
        remember(writers, writer, batch, &verdict->appended);
    return result;
}
