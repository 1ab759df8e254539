/*
 * settings.h - the server's settings under Kafka's own names (server.properties), with Kafka's
 * defaults. One table says name, type, default and whether a setting may change while the server
 * runs; DescribeConfigs, the configuration file and docs/operations.md come from it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_settings {
    /* The door. Lists as they were written; the server takes them apart. */
    char *listeners;                 /* "PLAINTEXT://localhost:9092", also "unix:///path/to.sock" */
    char *advertised_listeners;      /* "" : by the address that the client used */
    char *controller_listener_names; /* of listeners: those that are not opened */
    char *listener_security_protocol_map; /* "NAME:PLAINTEXT,..." for names of their own */
    char *log_dirs;            /* data directory, unless the command line names one; "": none */
    int32_t node_id;           /* -1: as in meta.properties */
    int32_t workers;           /* num.network.threads; 0: one a CPU */
    int32_t request_max_bytes; /* socket.request.max.bytes */
    int64_t memory_bytes;      /* queued.max.request.bytes: of all requests together */
    int32_t connections_max;   /* max.connections */
    int64_t idle_ms;           /* connections.max.idle.ms */
    int64_t shutdown_ms;       /* longest graceful stop */

    /* Topics. Defaults of topic settings are in `given`: broker_settings_defaults(). */
    bool auto_create_topics;
    int32_t num_partitions;
    int32_t default_replication_factor; /* only 1 and -1 mean something here */
    bool any_replication_factor;        /* maplog.accept.any.replication.factor: for test suites */
    bool delete_topics;                 /* delete.topic.enable */

    /* Data. */
    int32_t fetch_max_bytes;
    int32_t fetch_sessions; /* max.incremental.fetch.session.cache.slots */
    int64_t producer_id_expiration_ms;

    /* Groups. */
    int32_t group_min_session_ms, group_max_session_ms;
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_max_size;
    int64_t offsets_retention_minutes;
    int64_t offsets_retention_check_ms;
    int32_t offset_metadata_max_bytes;

    /* What was applied, by name, sorted: the rest has its default. */
    struct setting_given {
        char *name, *value;
    } * given;
    size_t given_count;
};

/* As DescribeConfigs numbers them. */
enum setting_type {
    SETTING_BOOL = 1,
    SETTING_STRING = 2,
    SETTING_INT = 3,
    SETTING_LONG = 5,
    SETTING_DOUBLE = 6,
    SETTING_LIST = 7,
};

struct setting_description {
    const char *name;          /* "num.partitions" */
    const char *default_value; /* text; NULL: none */
    enum setting_type type;
    bool dynamic;      /* may change while the server runs */
    const char *topic; /* the topic setting that it is the default of, "retention.ms"; NULL: none */
    const char *about; /* one sentence */
};

void broker_settings_default(struct broker_settings *settings); /* strings are copies */
void broker_settings_free(struct broker_settings *settings);    /* back to {0} */
int broker_settings_copy(const struct broker_settings *from, struct broker_settings *to);
/* value "" is the default. MAPLOG_INVALID with a text: what is allowed; MAPLOG_NOT_FOUND for an
 * unknown name, naming the nearest known one; MAPLOG_UNSUPPORTED for what must not be passed over
 * (access control). Known names of Kafka that mean nothing here are accepted. The settings are left
 * alone on failure. */
int broker_settings_apply(struct broker_settings *settings, const char *name, const char *value);
/* The i-th known setting, sorted by name; NULL behind the last. */
const struct setting_description *broker_setting(size_t i);
const struct setting_description *broker_setting_find(const char *name);
/* Present value as text, "" when it has none. */
void broker_settings_value(const struct broker_settings *settings, const char *name, char *text,
                           size_t size);
/* The value that was given for it; NULL: it has its default. */
const char *broker_settings_given(const struct broker_settings *settings, const char *name);
/* Settings that give a topic setting its default, the strongest first (log.retention.ms, minutes,
 * hours); how many. */
#define SETTINGS_FOR_TOPIC_MAX 3
size_t broker_settings_for_topic(const char *topic_setting,
                                 const struct setting_description *found[SETTINGS_FOR_TOPIC_MAX]);
/* A value of such a setting as the topic setting has it: hours become milliseconds. */
void broker_setting_to_topic(const char *name, const char *value, char *text, size_t size);
/* The defaults of topic settings that were given, "retention.ms=3600000", as
 * directory_set_defaults() takes them: a NULL-terminated list in one piece of memory, the caller's
 * to free. NULL without memory. */
char **broker_settings_defaults(const struct broker_settings *settings);
