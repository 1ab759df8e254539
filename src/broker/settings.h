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
    char *listeners;            /* "PLAINTEXT://localhost:9092", also "unix:///path/to.sock" */
    char *advertised_listeners; /* "" : by the address that the client used */
    int32_t node_id;            /* -1: as in meta.properties */
    int32_t workers;            /* num.network.threads; 0: one a CPU */
    int32_t request_max_bytes;  /* socket.request.max.bytes */
    int64_t memory_bytes;       /* queued.max.request.bytes: of all requests together */
    int32_t connections_max;    /* max.connections */
    int64_t idle_ms;            /* connections.max.idle.ms */
    int64_t shutdown_ms;        /* longest graceful stop */

    /* Topics. What a new topic and every topic without an override gets. */
    bool auto_create_topics;
    int32_t num_partitions;
    int32_t default_replication_factor; /* only 1 and -1 mean something here */
    bool any_replication_factor;        /* maplog.accept.any.replication.factor: for test suites */
    bool delete_topics;                 /* delete.topic.enable */

    /* Data. */
    int32_t fetch_max_bytes;
    int32_t fetch_sessions;        /* max.incremental.fetch.session.cache.slots */
    int32_t min_insync_replicas;
    int64_t timestamp_after_max_ms; /* log.message.timestamp.after.max.ms */
    int64_t timestamp_before_max_ms;
    int64_t producer_id_expiration_ms;

    /* Groups. */
    int32_t group_min_session_ms, group_max_session_ms;
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_max_size;
    int64_t offsets_retention_minutes;
    int64_t offsets_retention_check_ms;
    int32_t offset_metadata_max_bytes;
};

enum setting_type { SETTING_BOOL = 1, SETTING_STRING, SETTING_INT, SETTING_LONG, SETTING_LIST };

struct setting_description {
    const char *name;          /* "num.partitions" */
    const char *default_value; /* text; NULL: none */
    enum setting_type type;
    bool dynamic;      /* may change while the server runs */
    const char *topic; /* the topic setting that it is the default of, "retention.ms"; NULL: none */
    const char *about; /* one sentence */
};

void broker_settings_default(struct broker_settings *settings); /* strings are copies */
void broker_settings_free(struct broker_settings *settings);
int broker_settings_copy(const struct broker_settings *from, struct broker_settings *to);
/* MAPLOG_INVALID with a text: what is allowed; MAPLOG_NOT_FOUND for an unknown name, naming the
 * nearest known one. Known names of Kafka that mean nothing here are accepted. */
int broker_settings_apply(struct broker_settings *settings, const char *name, const char *value);
/* The i-th known setting, sorted by name; NULL behind the last. */
const struct setting_description *broker_setting(size_t i);
/* Present value as text, "" when it has none. */
void broker_settings_value(const struct broker_settings *settings, const char *name, char *text,
                           size_t size);
