#include "log/duty.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/checkpoint.h"
#include "log/durable.h"
#include "log/retain.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/lock.h"

#define ROUND_MS 1000
#define ROUND_SHORTEST_MS 10  /* with a flush.ms below ROUND_MS */
#define LOOKS 256             /* partitions looked at closely in one round */
#define SEALED_FLUSH_MS 30000 /* the kernel writes dirty pages back after that time by itself */
#define LOCK_CATALOG_MS 1000  /* then the next round tries again */
#define CHECKPOINT_MS 60000   /* between two checkpoints, as Kafka's broker does */

/* What was seen of a partition at the last close look. */
struct watched {
    uint64_t generation; /* of the settings, +1; 0: never looked at */
    uint64_t rolls, word, log_start;
    int64_t due_ms;    /* look again by then, even if nothing changes */
    int64_t dirty_ms;  /* since when something is not durable; 0: all is */
    int64_t sealed_ms; /* since when sealed segments up to sealed_until are not; 0: all are */
    int64_t sealed_until;
    uint64_t stored_durable, stored_start; /* in the checkpoints */
};

/* A partition to look at closely, named rather than pointed at: the catalog may change meanwhile.
 */
struct work {
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t number;
    uint32_t slot;
};

struct duty {
    struct directory *directory;
    pthread_t thread;
    bool runs; /* the thread, and with it LOCK_KEEPER */
    _Atomic uint32_t stop;
    int64_t round_ms;
    struct watched *watched; /* by control slot; untouched pages cost nothing */
    struct work work[LOOKS];
    size_t work_count;
    size_t skip; /* partitions that the last round got to */
    int64_t checkpointed_ms;
    bool checkpoints_old; /* a recovery point or log start moved since */
    bool start_moved;     /* by hand: delete records */
};

/* ---- who needs a look ------------------------------------------------------------------------ */

static bool needs_look(struct duty *duty, const struct control_partition *control, uint32_t slot,
                       int64_t now_ms)
{
    const struct watched *watched = &duty->watched[slot];
    uint64_t rolls = load_acquire(&control->rolls);
    if (load_acquire(&control->state) != PARTITION_LIVE || rolls == 0)
        return false;
    uint64_t start = load_relaxed(&control->log_start);
    if (load_relaxed(&control->durable_offset) != watched->stored_durable ||
        start != watched->stored_start)
        duty->checkpoints_old = true;
    if (watched->generation && start != watched->log_start)
        duty->start_moved = true;
    return watched->generation != duty->directory->catalog_generation + 1 ||
           watched->rolls != rolls || watched->log_start != start ||
           watched->word != load_relaxed(&control->published[rolls & 1]) ||
           now_ms >= watched->due_ms;
}

/* Notes up to LOOKS partitions beginning with number `skip`; returns how many were passed. */
static size_t collect(struct duty *duty, size_t skip, size_t end, int64_t now_ms)
{
    struct directory *directory = duty->directory;
    size_t passed = 0;
    for (size_t t = 0; t < directory->catalog.count; t++) {
        const struct catalog_topic *topic = directory->catalog.topics[t];
        if (topic->settings.flush_ms < duty->round_ms)
            duty->round_ms = topic->settings.flush_ms;
        for (int32_t p = 0; p < topic->partitions; p++, passed++) {
            uint32_t slot = topic->slots[p];
            if (passed < skip || passed >= end || slot >= LIMIT_PARTITIONS)
                continue;
            if (duty->work_count == LOOKS)
                return passed;
            if (!needs_look(duty, &directory->view.control->partitions[slot], slot, now_ms))
                continue;
            struct work *work = &duty->work[duty->work_count++];
            memcpy(work->topic, topic->name, sizeof work->topic);
            work->number = p;
            work->slot = slot;
        }
    }
    return 0; /* came to the end */
}

static int find_work(struct duty *duty, int64_t now_ms)
{
    struct directory *directory = duty->directory;
    duty->work_count = 0;
    duty->round_ms = ROUND_MS;
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    if (!result) {
        size_t begin = duty->skip;
        duty->skip = collect(duty, begin, SIZE_MAX, now_ms);
        if (duty->skip == 0 && begin > 0)
            duty->skip = collect(duty, 0, begin, now_ms);
    }
    pthread_mutex_unlock(&directory->lock);
    if (duty->round_ms < ROUND_SHORTEST_MS)
        duty->round_ms = ROUND_SHORTEST_MS;
    return result;
}

/* ---- a close look ---------------------------------------------------------------------------- */

static void earlier(int64_t *due_ms, int64_t other_ms)
{
    if (other_ms < *due_ms)
        *due_ms = other_ms;
}

static int64_t after(int64_t time_ms, int64_t interval_ms)
{
    return time_ms < INT64_MAX - interval_ms ? time_ms + interval_ms : INT64_MAX;
}

/* Ends an active segment whose segment.ms is over though nobody appends. */
static void roll_by_age(struct partition *partition, const struct partition_end *end,
                        const struct settings *settings, int64_t now_ms, int64_t *due_ms)
{
    int64_t first_ms = (int64_t)load_relaxed(&partition->control->first_append_ms);
    if (end->position == 0 || first_ms == 0)
        return;
    int64_t roll_ms = after(first_ms, settings->segment_ms);
    if (now_ms >= roll_ms && retain_roll(partition) != 0)
        roll_ms = now_ms + ROUND_MS;
    earlier(due_ms, roll_ms);
}

/* flush.ms and flush.messages. */
static void flush_by_policy(struct partition *partition, struct watched *watched,
                            const struct settings *settings, int64_t now_ms, int64_t *due_ms)
{
    struct partition_end end;
    partition_end(partition, &end);
    int64_t durable = (int64_t)load_acquire(&partition->control->durable_offset);
    if (durable >= end.offset) {
        watched->dirty_ms = 0;
        return;
    }
    if (watched->dirty_ms == 0)
        watched->dirty_ms = now_ms;
    bool many = end.offset - durable >= settings->flush_messages;
    int64_t flush_ms = after(watched->dirty_ms, settings->flush_ms);
    if (!many && now_ms < flush_ms) {
        earlier(due_ms, flush_ms);
        return;
    }
    /* An error stays in the control slot, for those who ask for durable acks. */
    watched->dirty_ms = durable_wait(partition, end.offset, 0) ? now_ms : 0;
}

/* Sealed segments become durable before they are long forgotten, so that recovery after a power cut
 * has little to read. */
static void flush_sealed(struct partition *partition, struct watched *watched, int64_t now_ms,
                         int64_t *due_ms)
{
    struct partition_end end;
    partition_end(partition, &end);
    int64_t durable = (int64_t)load_acquire(&partition->control->durable_offset);
    if (watched->sealed_ms && now_ms - watched->sealed_ms >= SEALED_FLUSH_MS) {
        if (durable < watched->sealed_until)
            durable_sealed(partition, watched->sealed_until);
        watched->sealed_ms = 0;
        durable = (int64_t)load_acquire(&partition->control->durable_offset);
    }
    if (durable >= end.base || load_relaxed(&partition->control->flush_failed)) {
        watched->sealed_ms = 0;
        return;
    }
    if (watched->sealed_ms == 0) {
        watched->sealed_ms = now_ms;
        watched->sealed_until = end.base;
    }
    earlier(due_ms, watched->sealed_ms + SEALED_FLUSH_MS);
}

static void look(struct duty *duty, const struct work *work, int64_t now_ms)
{
    struct watched *watched = &duty->watched[work->slot];
    struct partition *partition;
    struct settings settings;
    uint64_t generation;
    watched->due_ms = now_ms + ROUND_MS; /* after an error */
    if (directory_partition(duty->directory, work->topic, work->number, &partition) ||
        partition_settings(partition, &settings, &generation))
        return;
    /* Noted before anything is done: what changes from here on is looked at again. */
    struct partition_end end;
    partition_end(partition, &end);
    watched->generation = generation + 1;
    watched->rolls = end.rolls;
    watched->word = end.word;
    int64_t due_ms = INT64_MAX;
    if (retain_check(partition, now_ms, &due_ms))
        due_ms = now_ms + ROUND_MS;
    watched->log_start = (uint64_t)partition_start(partition);
    roll_by_age(partition, &end, &settings, now_ms, &due_ms);
    if (duty->directory->kind != FILE_SYSTEM_MEMORY) {
        flush_by_policy(partition, watched, &settings, now_ms, &due_ms);
        flush_sealed(partition, watched, now_ms, &due_ms);
    }
    watched->due_ms = due_ms;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* Both checkpoints' entries; offset 0 needs none. */
static int gather(struct directory *directory, struct checkpoint_offset **points, size_t *count,
                  struct checkpoint_offset **starts, size_t *start_count)
{
    size_t room = 1;
    for (size_t t = 0; t < directory->catalog.count; t++)
        room += (size_t)directory->catalog.topics[t]->partitions;
    *points = malloc(room * sizeof **points);
    *starts = malloc(room * sizeof **starts);
    if (!*points || !*starts)
        return error_set(MAPLOG_NO_MEMORY, "cannot write the checkpoints of %s", directory->path);
    for (size_t t = 0; t < directory->catalog.count; t++) {
        const struct catalog_topic *topic = directory->catalog.topics[t];
        for (int32_t p = 0; p < topic->partitions; p++) {
            const struct control_partition *control =
                &directory->view.control->partitions[topic->slots[p]];
            struct checkpoint_offset entry = {.partition = p};
            memcpy(entry.topic, topic->name, sizeof entry.topic);
            entry.offset = (int64_t)load_acquire(&control->durable_offset);
            if (entry.offset > 0)
                (*points)[(*count)++] = entry;
            entry.offset = (int64_t)load_acquire(&control->log_start);
            if (entry.offset > 0)
                (*starts)[(*start_count)++] = entry;
        }
    }
    return 0;
}

static int store_checkpoints(struct directory *directory)
{
    struct checkpoint_offset *points = NULL, *starts = NULL;
    size_t count = 0, start_count = 0;
    pthread_mutex_lock(&directory->lock);
    int result = directory_refresh(directory);
    if (!result)
        result = gather(directory, &points, &count, &starts, &start_count);
    pthread_mutex_unlock(&directory->lock);
    if (!result)
        result =
            checkpoint_store_offsets(directory->fd, CHECKPOINT_RECOVERY_POINT, points, count, true);
    if (!result)
        result = checkpoint_store_offsets(directory->fd, CHECKPOINT_LOG_START, starts, start_count,
                                          true);
    free(points);
    free(starts);
    return result;
}

/* Not while topics change: a topic that is made anew must not find what was noted of a former one
 * of that name. */
int duty_store_checkpoints(struct directory *directory)
{
    struct control_view *view = &directory->view;
    pthread_mutex_lock(&directory->changing);
    int result = lock_wait(view->lock_fd, view->path, LOCK_CATALOG, true, LOCK_CATALOG_MS);
    if (!result) {
        result = store_checkpoints(directory);
        lock_release(view->lock_fd, LOCK_CATALOG);
    }
    pthread_mutex_unlock(&directory->changing);
    return result;
}

static void checkpoint(struct duty *duty, int64_t now_ms)
{
    bool due = duty->checkpoints_old && now_ms - duty->checkpointed_ms >= CHECKPOINT_MS;
    if (!due && !duty->start_moved)
        return;
    struct directory *directory = duty->directory;
    /* What moves from here on makes them old again. */
    for (uint32_t i = 0; i < LIMIT_PARTITIONS; i++) {
        struct watched *watched = &duty->watched[i];
        const struct control_partition *control = &directory->view.control->partitions[i];
        if (watched->generation) {
            watched->stored_durable = load_relaxed(&control->durable_offset);
            watched->stored_start = load_relaxed(&control->log_start);
        }
    }
    duty->checkpoints_old = duty_store_checkpoints(directory) != 0;
    duty->start_moved = false;
    duty->checkpointed_ms = now_ms;
}

/* ---- the thread ------------------------------------------------------------------------------ */

void duty_round(struct duty *duty, int64_t now_ms)
{
    struct control_header *header = &duty->directory->view.control->header;
    store_relaxed(&header->keeper_seen_ms, (uint64_t)now_ms);
    if (find_work(duty, now_ms))
        return;
    for (size_t i = 0; i < duty->work_count && !load_relaxed(&duty->stop); i++)
        look(duty, &duty->work[i], now_ms);
    checkpoint(duty, now_ms);
}

static void *run(void *argument)
{
    struct duty *duty = argument;
    while (!load_acquire(&duty->stop)) {
        duty_round(duty, clock_wall_ms());
        futex_wait((const uint32_t *)&duty->stop, 0, duty->round_ms * 1000000);
    }
    return NULL;
}

int duty_make(struct directory *directory, struct duty **duty)
{
    struct duty *made = calloc(1, sizeof *made);
    struct watched *watched = calloc(LIMIT_PARTITIONS, sizeof *watched);
    if (!made || !watched) {
        free(made);
        free(watched);
        return error_set(MAPLOG_NO_MEMORY, "cannot keep %s", directory->path);
    }
    made->directory = directory;
    made->watched = watched;
    made->checkpointed_ms = clock_wall_ms();
    *duty = made;
    return 0;
}

static void release(struct directory *directory)
{
    struct control_view *view = &directory->view;
    uint64_t own = view->process + 1;
    compare_swap_full(&view->control->header.keeper, &own, 0);
    lock_release(view->lock_fd, view->lock_base + LOCK_KEEPER);
}

int duty_begin(struct directory *directory, struct duty **duty)
{
    struct control_view *view = &directory->view;
    int result = lock_try(view->lock_fd, view->path, view->lock_base + LOCK_KEEPER, true);
    if (result)
        return result;
    store_relaxed(&view->control->header.keeper, view->process + 1);
    struct duty *made = NULL;
    result = duty_make(directory, &made);
    if (!result)
        result = thread_start(&made->thread, "maplog-keeper", run, made);
    if (result) {
        duty_end(made);
        release(directory);
        return result;
    }
    made->runs = true;
    *duty = made;
    return 0;
}

void duty_end(struct duty *duty)
{
    if (!duty)
        return;
    if (duty->runs && !directory_forked(duty->directory)) {
        store_release(&duty->stop, 1);
        futex_wake_all((const uint32_t *)&duty->stop);
        thread_join(duty->thread);
        release(duty->directory);
    }
    free(duty->watched);
    free(duty);
}
