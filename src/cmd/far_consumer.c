#include "cmd/far_consumer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/far_batches.h"
#include "os/clock.h"
#include "remote/failure.h"
#include "remote/fetch.h"
#include "remote/groups.h"
#include "remote/member.h"
#include "remote/topics.h"

#define WAIT_MS 500             /* longest wait of one fetch: heartbeats and signals come between */
#define BACKOFF_NS 100000000    /* before a server that is not ready, or gone, is asked again */
#define LOOK_NS 10000000000     /* a follower looks so often for partitions that were made */
#define PATIENCE_NS 10000000000 /* how long a server may be gone */

/* One partition that is read. */
struct far_part {
    int32_t partition;
    int64_t position;  /* of the next record that is handed out */
    int64_t committed; /* in the group; -1: nothing */
};

struct far_consumer {
    struct remote *remote;
    const char *topic; /* copy, behind this */
    struct far_consumer_options options;
    struct remote_member member;
    struct far_part *parts;
    size_t part_count;
    struct remote_part *fetched; /* as many; the answer that is being read, in its own order */
    size_t fetched_count;
    size_t reading;             /* of fetched */
    struct far_batches batches; /* of the one being read */
    int32_t partitions;         /* of the topic, when it was looked at last */
    int64_t looked_ns;
    int64_t lost_ns; /* since when the server is gone; 0: it is there */
};

static struct far_part *find(struct far_consumer *far, int32_t partition)
{
    for (size_t i = 0; i < far->part_count; i++) {
        if (far->parts[i].partition == partition)
            return &far->parts[i];
    }
    return NULL;
}

/* Forgets what was fetched and not handed out. */
static void drop_fetched(struct far_consumer *far)
{
    far->fetched_count = 0;
    far->reading = 0;
    far_batches_begin(&far->batches, NULL, 0);
}

/* ---- which partitions, and from where -------------------------------------------------------- */

static int take_parts(struct far_consumer *far, const int32_t *partitions, size_t count)
{
    struct far_part *parts = calloc(count + 1, sizeof *parts);
    struct remote_part *fetched = calloc(count + 1, sizeof *fetched);
    if (!parts || !fetched) {
        free(parts);
        free(fetched);
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    }
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct far_part){partitions ? partitions[i] : (int32_t)i, -1, -1};
    free(far->parts);
    free(far->fetched);
    far->parts = parts;
    far->fetched = fetched;
    far->part_count = count;
    drop_fetched(far);
    return 0;
}

static int take_committed(void *context, const char *topic, int32_t partition, int64_t offset)
{
    struct far_consumer *far = context;
    struct far_part *part = strcmp(topic, far->topic) == 0 ? find(far, partition) : NULL;
    if (part)
        part->position = part->committed = offset;
    return 0;
}

/* Those parts that have no position yet go to the begin or the end. */
static int take_bounds(struct far_consumer *far, int64_t bound)
{
    struct remote_offset *offsets = calloc(far->part_count + 1, sizeof *offsets);
    size_t count = 0;
    if (!offsets)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", far->part_count);
    for (size_t i = 0; i < far->part_count; i++) {
        if (far->parts[i].position < 0)
            offsets[count++].partition = far->parts[i].partition;
    }
    int result = remote_list_offsets(far->remote, far->topic, bound, offsets, count);
    for (size_t i = 0; !result && i < count; i++)
        find(far, offsets[i].partition)->position = offsets[i].offset;
    free(offsets);
    return result;
}

/* Joins the group, also again; begins where the group stopped. */
static int join(struct far_consumer *far)
{
    int result = remote_member_join(&far->member);
    if (!result)
        result = take_parts(far, far->member.assigned, far->member.assigned_count);
    if (!result)
        result = remote_group_offsets(far->remote, far->options.group, take_committed, far);
    if (!result)
        result = take_bounds(far, far->options.at_end ? REMOTE_LATEST : REMOTE_EARLIEST);
    return result;
}

static int begin(struct far_consumer *far)
{
    struct maplog_topic found;
    int result = remote_topic_describe(far->remote, far->topic, &found);
    if (result)
        return result;
    far->partitions = found.partitions;
    far->looked_ns = clock_monotonic_ns();
    if (far->options.group)
        return join(far);
    size_t count =
        far->options.partitions ? far->options.partition_count : (size_t)found.partitions;
    result = take_parts(far, far->options.partitions, count);
    return result ? result
                  : take_bounds(far, far->options.at_end ? REMOTE_LATEST : REMOTE_EARLIEST);
}

int far_consumer_open(struct remote *remote, const char *topic,
                      const struct far_consumer_options *options, struct far_consumer **far)
{
    size_t name = strlen(topic) + 1;
    struct far_consumer *made = calloc(1, sizeof *made + name);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a consumer");
    if (options->group && options->partitions) {
        free(made);
        return error_set(MAPLOG_INVALID, "the members of a group at a server share its partitions "
                                         "out; single ones cannot be chosen");
    }
    made->remote = remote;
    made->topic = memcpy(made + 1, topic, name);
    made->options = *options;
    made->batches.check_crcs = options->check_crcs;
    remote_member_init(&made->member, remote, options->group, made->topic);
    int result = begin(made);
    if (result) {
        far_consumer_close(made);
        return result;
    }
    *far = made;
    return 0;
}

void far_consumer_close(struct far_consumer *far)
{
    if (!far)
        return;
    if (far->options.group)
        remote_member_leave(&far->member);
    far_batches_free(&far->batches);
    free(far->parts);
    free(far->fetched);
    free(far);
}

/* The topic has more partitions now: those are read from their beginning. */
static int look_for_partitions(struct far_consumer *far)
{
    struct maplog_topic found;
    int64_t now = clock_monotonic_ns();
    if (!far->options.follow || far->options.partitions || now - far->looked_ns < LOOK_NS)
        return 0;
    far->looked_ns = now;
    int result = remote_topic_describe(far->remote, far->topic, &found);
    if (result || found.partitions <= far->partitions)
        return result;
    far->partitions = found.partitions;
    if (far->options.group) {
        far->member.joined = false; /* who leads shares them out */
        return 0;
    }
    size_t old = far->part_count;
    struct far_part *kept = far->parts;
    far->parts = NULL;
    result = take_parts(far, NULL, (size_t)found.partitions);
    if (result)
        far->parts = kept;
    else
        memcpy(far->parts, kept, old * sizeof *kept);
    if (!result)
        free(kept);
    return result ? result : take_bounds(far, REMOTE_EARLIEST);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The next record of what was fetched: 1, 0 when there is none. */
static int next_fetched(struct far_consumer *far, struct maplog_message *message)
{
    while (far->reading < far->fetched_count) {
        struct remote_part *fetched = &far->fetched[far->reading];
        struct far_part *part = find(far, fetched->partition);
        int result = part ? far_batches_next(&far->batches, &part->position, message) : 0;
        if (result < 0)
            return error_prefix(result, "topic %s, partition %d", far->topic,
                                (int)fetched->partition);
        if (result) {
            message->partition = fetched->partition;
            return 1;
        }
        if (++far->reading < far->fetched_count)
            far_batches_begin(&far->batches, far->fetched[far->reading].records,
                              far->fetched[far->reading].size);
    }
    return 0;
}

/* What the server has against a part; MAPLOG_BUSY: it passes by itself. */
static int judge(const struct far_consumer *far)
{
    int result = 0;
    for (size_t i = 0; i < far->fetched_count; i++) {
        const struct remote_part *part = &far->fetched[i];
        if (!part->error)
            continue;
        if (part->error == MAPLOG_NOT_FOUND)
            return error_set(MAPLOG_TOPIC_DELETED, "topic %s was deleted", far->topic);
        int code = remote_failure(part->kafka_error, wire_text(NULL),
                                  "topic %s, partition %d, offset %lld", far->topic,
                                  (int)part->partition, (long long)part->offset);
        if (code == MAPLOG_CORRUPT || !kafka_error_retriable(part->kafka_error))
            return code;
        result = MAPLOG_BUSY;
    }
    return result;
}

/* Each fetch begins with another partition, since the first ones fill the answer. */
static void rotate(struct far_consumer *far)
{
    if (far->part_count < 2)
        return;
    struct far_part first = far->parts[0];
    memmove(far->parts, far->parts + 1, (far->part_count - 1) * sizeof first);
    far->parts[far->part_count - 1] = first;
}

static int fetch(struct far_consumer *far, int wait_ms)
{
    drop_fetched(far);
    rotate(far);
    for (size_t i = 0; i < far->part_count; i++)
        far->fetched[i] = (struct remote_part){.partition = far->parts[i].partition,
                                               .offset = far->parts[i].position};
    int result = remote_fetch(far->remote, far->topic, far->fetched, far->part_count, wait_ms);
    if (result)
        return result;
    far->fetched_count = far->part_count;
    result = judge(far);
    if (result) {
        drop_fetched(far);
        return result;
    }
    far_batches_begin(&far->batches, far->fetched[0].records, far->fetched[0].size);
    return 0;
}

/* The connection may have been lost, or the server is not ready: 0 when it is worth another try. */
static int recover(struct far_consumer *far, int result)
{
    int64_t now = clock_monotonic_ns();
    if (!result) {
        far->lost_ns = 0;
        return 0;
    }
    bool passes = remote_lost(far->remote) || result == MAPLOG_BUSY;
    if (!passes || result == MAPLOG_CORRUPT || result == MAPLOG_CLOSED)
        return result;
    if (!far->lost_ns)
        far->lost_ns = now;
    bool stop = far->remote->interrupted && far->remote->interrupted();
    if (stop || now - far->lost_ns > PATIENCE_NS)
        return result;
    clock_sleep_ns(BACKOFF_NS);
    drop_fetched(far);
    if (remote_lost(far->remote))
        remote_reconnect(far->remote); /* when it fails, the next call says so */
    return 0;
}

/* The member's duties; what is read may be other partitions behind it. */
static int serve_group(struct far_consumer *far)
{
    if (!far->options.group)
        return 0;
    int result = remote_member_beat(&far->member);
    if (result || far->member.joined)
        return result;
    if (far->options.yield)
        result = far->options.yield(far->options.context);
    return result ? result : join(far);
}

int far_consume(struct far_consumer *far, struct maplog_message *message, int timeout_ms)
{
    int64_t until = clock_monotonic_ns() + timeout_ms * 1000000ll;
    for (;;) {
        int result = next_fetched(far, message);
        if (result)
            return result;
        int64_t left_ms = timeout_ms == 0 ? 0 : (until - clock_monotonic_ns()) / 1000000;
        int wait = left_ms > WAIT_MS ? WAIT_MS : left_ms > 0 ? (int)left_ms : 0;
        result = serve_group(far);
        if (!result)
            result = look_for_partitions(far);
        if (!result && far->part_count > 0)
            result = fetch(far, wait);
        else if (!result)
            clock_sleep_ns(wait * 1000000ll);
        bool answered = result == 0;
        result = recover(far, result);
        if (result)
            return result;
        if (!answered)
            continue;
        result = next_fetched(far, message);
        if (result || wait == left_ms)
            return result;
    }
}

/* ---- positions ------------------------------------------------------------------------------- */

static int other_member(const struct far_consumer *far, int32_t partition)
{
    return error_set(far->options.group ? MAPLOG_GROUP_BUSY : MAPLOG_NOT_FOUND,
                     "partition %d of topic %s is not read here", (int)partition, far->topic);
}

static int seek_to(struct far_consumer *far, int32_t partition, int64_t offset)
{
    struct far_part *part = find(far, partition);
    if (!part)
        return other_member(far, partition);
    drop_fetched(far);
    part->position = offset;
    return 0;
}

int far_seek_time(struct far_consumer *far, int32_t partition, int64_t time)
{
    struct remote_offset offset = {.partition = partition};
    int result = remote_list_offsets(far->remote, far->topic, time, &offset, 1);
    if (!result && offset.offset < 0) /* no record is as young */
        result = remote_list_offsets(far->remote, far->topic, REMOTE_LATEST, &offset, 1);
    return result ? result : seek_to(far, partition, offset.offset);
}

int far_seek(struct far_consumer *far, int32_t partition, int64_t offset)
{
    if (offset == MAPLOG_BEGIN)
        return far_seek_time(far, partition, REMOTE_EARLIEST);
    if (offset == MAPLOG_END)
        return far_seek_time(far, partition, REMOTE_LATEST);
    return seek_to(far, partition, offset);
}

int far_position(struct far_consumer *far, int32_t partition, int64_t *offset)
{
    const struct far_part *part = find(far, partition);
    if (!part)
        return other_member(far, partition);
    *offset = part->position;
    return 0;
}

static int commit_once(struct far_consumer *far, struct remote_commit *commits)
{
    size_t count = 0;
    for (size_t i = 0; i < far->part_count && count < (size_t)far->partitions; i++) {
        if (far->parts[i].position != far->parts[i].committed)
            commits[count++] =
                (struct remote_commit){far->parts[i].partition, far->parts[i].position};
    }
    int result = remote_member_commit(&far->member, commits, count);
    for (size_t i = 0; !result && i < count; i++) {
        struct far_part *part = find(far, commits[i].partition);
        part->committed = commits[i].offset;
    }
    return result;
}

/* The group was shared out anew: what is still read here goes on from where it was, unless another
 * member came further meanwhile. */
static int join_and_commit(struct far_consumer *far, struct remote_commit *commits)
{
    size_t count = far->part_count;
    struct far_part *before = malloc((count + 1) * sizeof *before);
    if (!before)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu partitions", count);
    memcpy(before, far->parts, count * sizeof *before);
    int result = join(far);
    for (size_t i = 0; !result && i < count; i++) {
        struct far_part *part = find(far, before[i].partition);
        if (part && part->position < before[i].position)
            part->position = before[i].position;
    }
    free(before);
    return result ? result : commit_once(far, commits);
}

int far_commit(struct far_consumer *far)
{
    /* Room for all, since other partitions may come. */
    struct remote_commit *commits = calloc((size_t)far->partitions + 1, sizeof *commits);
    if (!commits)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %d partitions", (int)far->partitions);
    drop_fetched(far); /* it lies where the server's answer comes */
    int result = commit_once(far, commits);
    if (result && remote_lost(far->remote) && remote_reconnect(far->remote) == 0)
        result = commit_once(far, commits);
    if (result == MAPLOG_BUSY && !far->member.joined)
        result = join_and_commit(far, commits);
    free(commits);
    return result;
}
