#include "log/retain.h"

#include "base/error.h"
#include "log/appender.h"
#include "log/directory.h"
#include "log/index.h"

/* The segments as one look found them: list.count of them below the active one's base. */
struct retained {
    struct segment_list list;
    struct partition_end end;
};

static int look(struct partition *partition, struct retained *found)
{
    partition_end(partition, &found->end);
    int result = partition->store->list(partition, &found->list);
    if (result)
        return result;
    size_t sealed = 0;
    while (sealed < found->list.count && found->list.bases[sealed] < found->end.base)
        sealed++;
    found->list.count = found->end.rolls ? sealed : 0;
    return 0;
}

/* First offset behind sealed segment i. */
static int64_t end_of(const struct retained *found, size_t i)
{
    return i + 1 < found->list.count ? found->list.bases[i + 1] : found->end.base;
}

int retain_remove_below_start(struct partition *partition)
{
    struct retained found;
    int result = look(partition, &found);
    if (result)
        return result;
    int64_t start = partition_start(partition);
    for (size_t i = 0; !result && i < found.list.count && end_of(&found, i) <= start; i++)
        result = partition->store->remove(partition, found.list.bases[i]);
    segment_list_free(&found.list);
    return result == MAPLOG_BUSY ? 0 : result; /* slots of an anonymous log are recycled later */
}

/* How many of the oldest sealed segments go because the rest holds retention.bytes too. */
static int excess_by_size(struct partition *partition, const struct retained *found,
                          int64_t retention_bytes, size_t *count)
{
    int64_t excess = (int64_t)found->end.position - retention_bytes;
    struct segment_sizes sizes;
    for (size_t i = 0; i < found->list.count; i++) {
        int result = partition->store->sizes(partition, found->list.bases[i], &sizes);
        if (result)
            return result;
        excess += (int64_t)sizes.log;
    }
    size_t gone = 0;
    for (; gone < found->list.count; gone++) {
        int result = partition->store->sizes(partition, found->list.bases[gone], &sizes);
        if (result)
            return result;
        excess -= (int64_t)sizes.log;
        if (excess < 0)
            break;
    }
    *count = gone;
    return 0;
}

/* Largest timestamp of a segment: the time index's last entry, else when the file was written.
 * -1: not known. limit: how many bytes of the time index may count. */
static int largest_timestamp(struct partition *partition, int64_t base, uint32_t limit,
                             int64_t *timestamp)
{
    struct segment *segment;
    int result = partition->store->open(partition, base, 0, false, &segment);
    if (result)
        return result;
    size_t bytes = segment->timeindex_bytes < limit ? segment->timeindex_bytes : limit;
    bytes = segment->timeindex ? timeindex_valid_bytes(segment->timeindex, bytes) : 0;
    int64_t found = -1;
    uint32_t relative;
    if (bytes == 0 || !timeindex_last(segment->timeindex, bytes, &found, &relative) || found < 0) {
        struct file_identity file;
        if (segment->log_fd >= 0)
            result = file_identify(segment->log_fd, partition->name, &file);
        found = segment->log_fd >= 0 && !result ? file.modified_ms : -1;
    }
    segment_drop(segment);
    if (!result)
        *timestamp = found;
    return result;
}

/* The same of the active segment: from the writer's notes, or, when the writer died before it could
 * write them, from the file. */
static int active_timestamp(struct partition *partition, const struct partition_end *end,
                            int64_t *timestamp)
{
    struct control_partition *control = partition->control;
    int64_t noted = (int64_t)load_relaxed(&control->max_timestamp);
    if (load_acquire(&control->noted_published) == end->word && noted >= 0 &&
        load_acquire(&control->rolls) == end->rolls) {
        *timestamp = noted;
        return 0;
    }
    return largest_timestamp(partition, end->base, 0, timestamp);
}

/* retention.ms at a point in time. */
struct age {
    int64_t retention_ms;
    int64_t now_ms;
};

static bool expired(const struct age *age, int64_t timestamp)
{
    return timestamp >= 0 && age->now_ms - timestamp > age->retention_ms;
}

/* When it will be; INT64_MAX: never. */
static int64_t expires(const struct age *age, int64_t timestamp)
{
    return timestamp < 0 || timestamp > INT64_MAX - 1 - age->retention_ms
               ? INT64_MAX
               : timestamp + age->retention_ms + 1;
}

/* How many of the oldest sealed segments are too old; *next_ms: when the first that is not will
 * be. */
static int excess_by_time(struct partition *partition, const struct retained *found,
                          const struct age *age, size_t *count, int64_t *next_ms)
{
    for (size_t i = 0; i < found->list.count; i++) {
        int64_t timestamp;
        int result = largest_timestamp(partition, found->list.bases[i], UINT32_MAX, &timestamp);
        if (result)
            return result;
        if (expired(age, timestamp))
            continue;
        *count = i;
        *next_ms = expires(age, timestamp);
        return 0;
    }
    *count = found->list.count;
    return 0;
}

/* Rolls the active segment when all of it is too old, so that it can go. 1: done. */
static int roll_expired(struct partition *partition, const struct partition_end *end,
                        const struct age *age, int64_t *next_ms)
{
    if (end->rolls == 0 || end->position == 0)
        return 0;
    int64_t timestamp;
    int result = active_timestamp(partition, end, &timestamp);
    if (result)
        return result;
    if (!expired(age, timestamp)) {
        *next_ms = expires(age, timestamp);
        return 0;
    }
    result = retain_roll(partition);
    if (result == 0)
        return 1;
    return result == MAPLOG_BUSY ? 0 : result;
}

/* One pass. next_ms NULL: the active segment is left alone. 1: it was rolled, look again. */
static int apply(struct partition *partition, const struct settings *settings, int64_t now_ms,
                 int64_t *next_ms)
{
    int64_t ignored = INT64_MAX;
    struct retained found;
    int result = look(partition, &found);
    if (result)
        return result;
    struct age age = {settings->retention_ms, now_ms};
    size_t by_size = 0, by_time = 0;
    if (settings->retention_bytes >= 0)
        result = excess_by_size(partition, &found, settings->retention_bytes, &by_size);
    if (!result && settings->retention_ms >= 0)
        result = excess_by_time(partition, &found, &age, &by_time, next_ms ? next_ms : &ignored);
    if (result == 0) {
        size_t gone = by_size > by_time ? by_size : by_time;
        if (gone > 0)
            raise_to(&partition->control->log_start, (uint64_t)end_of(&found, gone - 1));
        if (next_ms && by_time == found.list.count && settings->retention_ms >= 0)
            result = roll_expired(partition, &found.end, &age, next_ms);
    }
    segment_list_free(&found.list);
    return result;
}

int retain_check(struct partition *partition, int64_t now_ms, int64_t *next_ms)
{
    struct settings settings;
    uint64_t generation;
    int result = partition_settings(partition, &settings, &generation);
    if (result)
        return result;
    int64_t next = INT64_MAX;
    if (settings.retain) {
        result = apply(partition, &settings, now_ms, &next);
        if (result == 1) {
            next = INT64_MAX;
            result = apply(partition, &settings, now_ms, &next);
        }
        if (result == MAPLOG_NOT_FOUND)
            next = now_ms; /* another process was removing at the same time */
        else if (result < 0)
            return result;
    }
    result = retain_remove_below_start(partition);
    if (!result)
        *next_ms = next;
    return result;
}

int retain_sealed(struct partition *partition, int64_t now_ms)
{
    struct settings settings;
    uint64_t generation;
    int result = partition_settings(partition, &settings, &generation);
    if (!result && settings.retain)
        result = apply(partition, &settings, now_ms, NULL);
    return result ? result : retain_remove_below_start(partition);
}

int retain_apply(struct partition *partition, int64_t now_ms)
{
    int64_t next_ms;
    return retain_check(partition, now_ms, &next_ms);
}

int retain_roll(struct partition *partition)
{
    struct control_view *view = &partition->directory->view;
    uint32_t seat;
    int result = control_take_seat(view, &seat);
    if (result)
        return result;
    struct appender appender = {0};
    result = appender_open(partition, seat, 0, &appender);
    if (!result)
        result = appender_roll(&appender);
    appender_close(&appender);
    control_leave_seat(view, seat);
    return result;
}
