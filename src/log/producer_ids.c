#include "log/producer_ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/properties.h"
#include "log/attach.h"
#include "log/producer_snapshot.h"
#include "log/producer_walk.h"
#include "os/fault.h"
#include "os/lock.h"

#define FILE_BYTES_MAX 4096
#define KEY "next"
#define WAIT_MS 10000 /* of an import, for LOCK_CATALOG */

struct producer_ids {
    struct directory *directory; /* a reference */
    pthread_mutex_t lock;        /* guards what follows */
    int64_t next;                /* to be given out, below end; */
    int64_t end;                 /* what the file said when we wrote it last */
};

/* ---- the file -------------------------------------------------------------------------------- */

static int damaged(const struct directory *directory)
{
    return error_set(MAPLOG_CORRUPT,
                     "%s/" PRODUCER_IDS_FILE " must be one line \"" KEY
                     "=NUMBER\": remove the file, then it is made anew from what is in the log",
                     directory->path);
}

/* MAPLOG_NOT_FOUND without the file. */
static int load(const struct directory *directory, int64_t *next)
{
    char *text;
    size_t length, at = 0;
    int result = file_read_all(directory->fd, PRODUCER_IDS_FILE, FILE_BYTES_MAX, &text, &length);
    if (result)
        return result == MAPLOG_LIMIT ? damaged(directory) : result;
    struct property property;
    int64_t found = -1;
    bool good = true;
    while (good && properties_next(text, length, &at, &property)) {
        if (property.key_length != strlen(KEY) || memcmp(property.key, KEY, strlen(KEY)) != 0)
            continue; /* of a later version */
        good = found < 0 && property.value &&
               properties_size(property.value, property.value_length, 0, INT64_MAX, &found);
    }
    free(text);
    if (!good || found < 0)
        return damaged(directory);
    *next = found;
    return 0;
}

static int store(const struct directory *directory, int64_t next)
{
    char text[64];
    int length = snprintf(text, sizeof text, KEY "=%" PRId64 "\n", next);
    int result = file_replace(directory->fd, PRODUCER_IDS_FILE, text, (size_t)length,
                              directory->kind == FILE_SYSTEM_DISK);
    fault_point("producer-ids-stored");
    return result;
}

/* ---- without the file ------------------------------------------------------------------------ */

static void see(int64_t *highest, int64_t id)
{
    if (id > *highest)
        *highest = id;
}

static int see_batch(void *context, const struct batch *batch)
{
    see(context, batch->producer_id);
    return 0;
}

static int scan_snapshots(const struct partition *partition, int64_t *highest)
{
    const struct producer_place place = {partition->directory->fd, partition->name};
    struct segment_list list;
    int result = producer_snapshot_list(&place, &list);
    if (result)
        return result;
    for (size_t i = 0; i < list.count; i++) {
        struct producers_entry *entries;
        size_t count;
        if (producer_snapshot_load(&place, list.bases[i], &entries, &count) != 0)
            continue; /* nobody can follow it */
        for (size_t k = 0; k < count; k++)
            see(highest, entries[k].producer_id);
        free(entries);
    }
    segment_list_free(&list);
    return 0;
}

static int scan_partition(struct directory *directory, const char *topic, int32_t number,
                          int64_t *highest)
{
    struct partition *partition;
    char note[PRODUCER_WALK_NOTE] = "";
    int result = directory_partition(directory, topic, number, &partition);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result; /* deleted meanwhile */
    result = scan_snapshots(partition, highest);
    return result ? result : producer_walk(partition, 0, see_batch, highest, note);
}

/* *next: above every id that was ever used here. */
static int scan(struct directory *directory, int64_t *next)
{
    struct catalog catalog = {0};
    int64_t highest = -1;
    int result = catalog_load(&catalog, directory->fd);
    for (size_t t = 0; result == 0 && t < catalog.count; t++)
        for (int32_t p = 0; result == 0 && p < catalog.topics[t]->partitions; p++)
            result = scan_partition(directory, catalog.topics[t]->name, p, &highest);
    catalog_free(&catalog);
    if (!result)
        *next = highest < INT64_MAX ? highest + 1 : INT64_MAX;
    return result;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* One change of the file at a time, over all threads and processes. wait_ms 0: never waits. */
static int begin_change(struct directory *directory, int wait_ms)
{
    int fd = directory->view.lock_fd, result = 0;
    if (wait_ms)
        pthread_mutex_lock(&directory->changing);
    else if (pthread_mutex_trylock(&directory->changing) != 0)
        return error_set(MAPLOG_BUSY, "%s: topics are being changed", directory->path);
    result = wait_ms ? lock_wait(fd, LOCK_FILE, LOCK_CATALOG, true, wait_ms)
                     : lock_try(fd, LOCK_FILE, LOCK_CATALOG, true);
    if (!result)
        return 0;
    pthread_mutex_unlock(&directory->changing);
    return error_prefix(result, "%s: another process is changing topics", directory->path);
}

static void end_change(struct directory *directory)
{
    lock_release(directory->view.lock_fd, LOCK_CATALOG);
    pthread_mutex_unlock(&directory->changing);
}

static int check(const struct directory *directory)
{
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "an anonymous log has no producer ids");
    return directory->read_only
               ? error_set(MAPLOG_DENIED, "%s is attached read-only", directory->path)
               : 0;
}

void producer_ids_close(struct producer_ids *ids)
{
    if (!ids)
        return;
    pthread_mutex_destroy(&ids->lock);
    directory_drop(ids->directory);
    free(ids);
}

/* Takes the next block for this process. Those left of the old one are never given out. */
static int reserve(struct producer_ids *ids)
{
    int result = begin_change(ids->directory, 0);
    if (result)
        return result;
    int64_t begin = ids->end, stored;
    result = load(ids->directory, &stored);
    if (!result && stored > begin)
        begin = stored;
    if (result == MAPLOG_NOT_FOUND)
        result = 0; /* somebody removed it; we know what it said */
    if (!result && begin > INT64_MAX - PRODUCER_IDS_BLOCK)
        result = error_set(MAPLOG_LIMIT, "%s: all producer ids are used up", ids->directory->path);
    if (!result)
        result = store(ids->directory, begin + PRODUCER_IDS_BLOCK);
    end_change(ids->directory);
    if (result)
        return result;
    ids->next = begin;
    ids->end = begin + PRODUCER_IDS_BLOCK;
    return 0;
}

/* What the file says, else what the log says. */
static int load_or_scan(struct directory *directory, int64_t *next)
{
    int result = load(directory, next);
    return result == MAPLOG_NOT_FOUND ? scan(directory, next) : result;
}

int producer_ids_open(struct directory *directory, struct producer_ids **ids)
{
    int64_t next;
    int result = check(directory);
    if (!result)
        result = load_or_scan(directory, &next);
    if (result)
        return result;
    struct producer_ids *made = malloc(sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for producer ids");
    *made =
        (struct producer_ids){.directory = directory_keep(directory), .next = next, .end = next};
    pthread_mutex_init(&made->lock, NULL);
    /* The first block, now that nobody waits for it; and a scan need not be done again. If it
     * cannot be had, as on a full disk, who takes an id is told. */
    reserve(made);
    *ids = made;
    return 0;
}

int producer_ids_take(struct producer_ids *ids, int64_t *id)
{
    pthread_mutex_lock(&ids->lock);
    int64_t stored = -1;
    int result = load(ids->directory, &stored);
    if (result == MAPLOG_NOT_FOUND)
        result = 0;
    if (!result && (stored != ids->end || ids->next == ids->end))
        result = reserve(ids);
    if (!result)
        *id = ids->next++;
    pthread_mutex_unlock(&ids->lock);
    return result;
}

int producer_ids_raise(struct directory *directory, int64_t highest)
{
    int64_t wanted = highest < INT64_MAX ? highest + 1 : INT64_MAX, known, stored = -1;
    int result = check(directory);
    if (!result)
        result = load_or_scan(directory, &known);
    if (!result)
        result = begin_change(directory, WAIT_MS);
    if (result)
        return result;
    result = load(directory, &stored);
    if (result == MAPLOG_NOT_FOUND)
        result = 0;
    wanted = known > wanted ? known : wanted;
    if (!result && wanted > stored)
        result = store(directory, wanted);
    end_change(directory);
    return result;
}
