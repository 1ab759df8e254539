#include "cmd/door.h"

#include <stdio.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "os/clock.h"
#include "remote/topics.h"

#define TIMEOUT_MS                                                                                 \
    10000 /* of connecting and of an answer, beyond what was asked to be waited for */
#define AWAIT_NS 20000000 /* between two looks for a new topic */

const char *door_name(const struct door *door)
{
    if (door->remote)
        return door->remote->address;
    return door->place.bootstrap ? door->place.bootstrap : door->place.data;
}

int door_open(const struct place *place, enum door_mode mode, struct door *door)
{
    *door = (struct door){.place = *place};
    if (place->bootstrap && place->data)
        return error_set(MAPLOG_INVALID, "--data and --bootstrap exclude each other");
    if (!place->data)
        door->place.data = DEFAULT_DATA;
    if (place->bootstrap) {
        int result = remote_open(place->bootstrap, TIMEOUT_MS, &door->remote);
        if (!result)
            door->remote->interrupted = interrupted;
        return result;
    }
    return mode == DOOR_CREATE   ? attach_or_create(door->place.data, &door->log)
           : mode == DOOR_CHANGE ? attach(door->place.data, &door->log)
                                 : attach_to_read(door->place.data, &door->log);
}

void door_close(struct door *door)
{
    maplog_close(door->log);
    remote_close(door->remote);
    door->log = NULL;
    door->remote = NULL;
}

/* What one can do about a server's answer, or its silence; NULL: the text says all. */
static const char *hint(const struct door *door, int code)
{
    bool silent = !door->remote || remote_lost(door->remote);
    if (silent && (code == MAPLOG_IO || code == MAPLOG_TIMED_OUT || code == MAPLOG_NOT_FOUND))
        return "is \"maplog serve\" running, and does it listen there? Without --bootstrap a "
               "directory needs no server";
    if (code == MAPLOG_CORRUPT && silent)
        return "is this the address of a Kafka server? TLS and SASL are not spoken here";
    switch (code) {
    case MAPLOG_TOO_LARGE:
        return "max.message.bytes and segment.bytes of the topic bound a record: maplog topic "
               "alter";
    case MAPLOG_GROUP_ACTIVE:
    case MAPLOG_GROUP_BUSY:
        return "this shows who consumes in it: maplog group describe";
    default:
        return NULL;
    }
}

int door_report(const struct door *door, int code)
{
    if (!door->place.bootstrap)
        return report_error(code, door->place.data);
    if (code == MAPLOG_CLOSED)
        return EXIT_ERROR;
    fprintf(stderr, "maplog: %s\n", error_text()[0] ? error_text() : error_name(code));
    const char *advice = hint(door, code);
    if (advice)
        fprintf(stderr, "maplog: %s\n", advice);
    return EXIT_ERROR;
}

/* ---- topics ---------------------------------------------------------------------------------- */

int door_topic_create(struct door *door, const char *topic, int32_t partitions,
                      const char *const *configs)
{
    return door->remote ? remote_topic_create(door->remote, topic, partitions, configs)
                        : maplog_topic_create(door->log, topic, partitions, configs);
}

int door_topic_delete(struct door *door, const char *topic)
{
    return door->remote ? remote_topic_delete(door->remote, topic)
                        : maplog_topic_delete(door->log, topic);
}

int door_topic_alter(struct door *door, const char *topic, const char *const *configs)
{
    return door->remote ? remote_topic_alter(door->remote, topic, configs)
                        : maplog_topic_alter(door->log, topic, configs);
}

int door_topic_grow(struct door *door, const char *topic, int32_t partitions)
{
    return door->remote ? remote_topic_grow(door->remote, topic, partitions)
                        : maplog_topic_grow(door->log, topic, partitions);
}

int door_topic_describe(struct door *door, const char *topic, struct maplog_topic *found)
{
    return door->remote ? remote_topic_describe(door->remote, topic, found)
                        : maplog_topic_describe(door->log, topic, found);
}

int door_topic_await(struct door *door, const char *topic, struct maplog_topic *found)
{
    int64_t until = clock_monotonic_ns() + TIMEOUT_MS * 1000000ll;
    int result;
    while ((result = door_topic_describe(door, topic, found)) != 0 &&
           (result == MAPLOG_NOT_FOUND || result == MAPLOG_BUSY) && clock_monotonic_ns() < until)
        clock_sleep_ns(AWAIT_NS);
    return result;
}

int door_topic_list(struct door *door,
                    int (*visit)(void *context, const struct maplog_topic *topic), void *context)
{
    return door->remote ? remote_topic_list(door->remote, visit, context)
                        : maplog_topic_list(door->log, visit, context);
}

int door_topic_configs(struct door *door, const char *topic,
                       int (*visit)(void *context, const char *name, const char *value,
                                    int is_default),
                       void *context)
{
    return door->remote ? remote_topic_configs(door->remote, topic, visit, context)
                        : maplog_topic_configs(door->log, topic, visit, context);
}

int door_partitions_describe(struct door *door, const char *topic, int32_t count,
                             struct maplog_partition *found)
{
    if (door->remote)
        return remote_partitions_describe(door->remote, topic, count, found);
    int result = 0;
    for (int32_t i = 0; !result && i < count; i++)
        result = maplog_partition_describe(door->log, topic, i, &found[i]);
    return result;
}

int door_delete_records(struct door *door, const char *topic, int32_t partition, int64_t before)
{
    return door->remote ? remote_delete_records(door->remote, topic, partition, before)
                        : maplog_delete_records(door->log, topic, partition, before);
}
