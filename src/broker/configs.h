/*
 * configs.h - settings as Kafka's clients see and change them: of topics, and of the broker. A
 * value has layers: what a client changed, what the configuration file states, the default.
 *
 * A broker's changed settings and the defaults of topics are kept in the catalog (catalog.h), so
 * that every process goes by them. Any thread.
 */
#pragma once

#include "broker/parts.h"

enum config_resource {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_BROKER_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32,
};

enum config_source {
    SOURCE_TOPIC = 1,
    SOURCE_BROKER = 2,         /* changed by a client that named the broker, */
    SOURCE_BROKER_DEFAULT = 3, /* or all brokers: the same thing here */
    SOURCE_FILE = 4,
    SOURCE_DEFAULT = 5,
};

/* Makes this the state of the configuration file: broker->stated, and what follows from it. May
 * wait for another process that changes topics. */
int configs_state(struct broker *broker, const struct broker_settings *stated);

/* Tells the operator of a topic whose new settings ("name=value") ask for compaction. */
void configs_tell_compaction(struct broker *broker, const char *topic, const char *const *configs);

/* ---- configs.c: describing; takes the directory's lock ----------------------------------------
 */

typedef struct describe_configs_response_results_configs described_config;

struct configs_query {
    struct broker *broker;
    struct arena *arena;             /* for the answer */
    const struct wire_string *names; /* wanted; */
    int32_t name_count;              /* -1: all */
    bool synonyms;                   /* wanted: every layer */
    bool documentation;
};

struct configs_found {
    described_config *configs;
    int32_t count;
};

/* Settings of a topic; MAPLOG_NOT_FOUND. */
int configs_describe_topic(const struct configs_query *query, const char *topic,
                           struct configs_found *found);
/* The same of a topic with these overrides ("name=value"), which need not be there. */
int configs_describe_overrides(const struct configs_query *query, const char *const *overrides,
                               struct configs_found *found);
/* Settings of the broker; source: SOURCE_BROKER or SOURCE_BROKER_DEFAULT for changed ones. */
int configs_describe_broker(const struct configs_query *query, enum config_source source,
                            struct configs_found *found);
/* "" or this broker's number. KAFKA_INVALID_REQUEST with a text. */
int16_t configs_check_broker(const struct broker *broker, struct arena *arena,
                             struct wire_string name, struct wire_string *text);

/* ---- configs_change.c: changing; waits for other processes ------------------------------------
 */

enum config_operation { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT };

struct config_change {
    struct wire_string name, value;
    int8_t operation; /* enum config_operation, or what a client makes of it */
};

/* Changes of one resource, all or none. */
struct config_order {
    struct broker *broker;
    struct arena *arena;
    int8_t type; /* enum config_resource, or what a client makes of it */
    struct wire_string resource;
    const struct config_change *changes;
    int32_t count;
    bool replace; /* what is not named goes back to its default */
    bool validate_only;
};

struct config_result {
    int16_t error;           /* Kafka's code, */
    struct wire_string text; /* with a text; else null */
};

/* Does one order after the other; a resource that is in more than one is refused in all.
 * MAPLOG_NO_MEMORY. */
int configs_change(const struct config_order *orders, int32_t count, struct config_result *results);
