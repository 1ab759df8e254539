/*
 * settings.h - settings of a topic under Kafka's names, with Kafka's defaults. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum settings_timestamp_type {
    TIMESTAMP_CREATE_TIME = 0,
    TIMESTAMP_LOG_APPEND_TIME = 1,
};

/* What the log looks at; every other known setting is only kept and reported. */
struct settings {
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t retention_bytes; /* -1: no limit */
    int64_t retention_ms;    /* -1: no limit */
    int64_t index_interval_bytes;
    int64_t max_message_bytes;
    int64_t flush_messages;          /* INT64_MAX: never; 1: every ack is durable */
    int64_t flush_ms;                /* INT64_MAX: never */
    int64_t timestamp_after_max_ms;  /* of a record beyond the clock; INT64_MAX: no limit */
    int64_t timestamp_before_max_ms; /* of a record behind the clock; INT64_MAX: no limit */
    int64_t min_insync_replicas;     /* above 1, network clients' acks=all is refused */
    enum settings_timestamp_type timestamp_type;
    bool compact; /* cleanup.policy names compact: accepted and reported, deletes nothing */
    bool retain;  /* cleanup.policy names delete (the default) */
};

void settings_default(struct settings *settings);
/* Checks name and value and applies it; value "" means default. Numbers are plain integers, as in
 * Kafka. White space around the value is passed over. MAPLOG_INVALID with a text that says what is
 * allowed, or names the nearest known setting. */
int settings_apply(struct settings *settings, const char *name, const char *value);
bool settings_is_known(const char *name);
/* The i-th known setting (from 0): its name and default; false behind the last. Sorted by name. */
bool settings_known(size_t i, const char **name, const char **default_value);
