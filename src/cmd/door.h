/*
 * door.h - one way for the commands to a log in a directory and to one behind a server: --data and
 * --bootstrap. What the functions do, and their errors, is as <maplog.h> says. Main thread.
 */
#pragma once

#include <maplog.h>

#include "remote/connection.h"

/* What the options say; begin with {0}. */
struct place {
    const char *data;      /* NULL: DEFAULT_DATA */
    const char *bootstrap; /* NULL: a directory */
};
#define PLACE_OPTIONS(place)                                                                       \
    {"data", OPTION_TEXT, &(place)->data, 0, 0},                                                   \
    {                                                                                              \
        "bootstrap", OPTION_TEXT, &(place)->bootstrap, 0, 0                                        \
    }
#define PLACE_HELP                                                                                 \
    "  --data DIR           the log's directory (data), also while a server serves it\n"           \
    "  --bootstrap ADDRESS  go through a server instead: HOST:PORT[,...] or unix:///PATH\n"

enum door_mode {
    DOOR_READ,
    DOOR_CHANGE,
    DOOR_CREATE, /* a directory that is missing is made */
};

struct door {
    struct place place;
    maplog *log;           /* NULL: behind a server */
    struct remote *remote; /* NULL: in a directory */
};

/* Attaches or connects. */
int door_open(const struct place *place, enum door_mode mode, struct door *door);
void door_close(struct door *door);
/* Says what went wrong and what to do; returns the exit status. */
int door_report(const struct door *door, int code);
/* "data", "localhost:9092" */
const char *door_name(const struct door *door);

int door_topic_create(struct door *door, const char *topic, int32_t partitions,
                      const char *const *configs);
int door_topic_delete(struct door *door, const char *topic);
int door_topic_alter(struct door *door, const char *topic, const char *const *configs);
int door_topic_grow(struct door *door, const char *topic, int32_t partitions);
int door_topic_describe(struct door *door, const char *topic, struct maplog_topic *found);
/* Until a topic that was just made has leaders everywhere. */
int door_topic_await(struct door *door, const char *topic, struct maplog_topic *found);
int door_topic_list(struct door *door,
                    int (*visit)(void *context, const struct maplog_topic *topic), void *context);
int door_topic_configs(struct door *door, const char *topic,
                       int (*visit)(void *context, const char *name, const char *value,
                                    int is_default),
                       void *context);
/* All partitions, 0 to count - 1. A server does not tell segments and durable offset: -1. */
int door_partitions_describe(struct door *door, const char *topic, int32_t count,
                             struct maplog_partition *found);
int door_delete_records(struct door *door, const char *topic, int32_t partition, int64_t before);
