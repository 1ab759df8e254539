/*
 * catalog.h - the topics of a directory: the text file maplog.topics, replaced atomically.
 *
 * In memory a catalog is one process's copy of the file; control_header.settings_generation tells
 * when it is out of date. Pure but for catalog_load and catalog_store. One thread at a time (the
 * directory's mutex). Text form, one topic a line, see docs/log-format.md:
 *   maplog-topics 1
 *   * retention.ms=86400000
 *   *broker num.partitions=4
 *   orders id=6mJ0... slots=0-2,9 segment.bytes=8388608 retention.ms=-1
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/uuid.h"
#include "log/settings.h"

#define CATALOG_FILE "maplog.topics"

struct catalog_config {
    char *name;
    char *value; /* without white space around it */
};

struct catalog_topic {
    char name[LIMIT_TOPIC_NAME + 1];
    struct uuid id;
    int32_t partitions;
    uint32_t *slots;                /* control slot of each partition */
    struct catalog_config *configs; /* overrides, sorted by name */
    size_t config_count;
    struct settings settings;             /* defaults with the overrides applied */
    const struct catalog_topic *defaults; /* the catalog's, NULL: Kafka's */
};

/* Begin with {0}. */
struct catalog {
    struct catalog_topic **topics; /* sorted by name; pointers stay valid until the topic goes */
    size_t count;
    struct catalog_topic **by_id; /* the same sorted by id, made when it is asked for; else NULL */
    struct catalog_topic *defaults; /* "*": its configs are the defaults of all topics; or NULL */
    struct catalog_topic *broker; /* "*broker": its configs are a server's own, kept for it; or NULL
                                   */
};

void catalog_free(struct catalog *catalog); /* back to {0} */
/* Replaces what catalog holds; it is left alone on failure. Settings that are not known here (a
 * newer version's) are kept as they are. MAPLOG_CORRUPT with the line, MAPLOG_VERSION for another
 * form of the file. */
int catalog_parse(struct catalog *catalog, const char *text, size_t length);
/* *text is the caller's to free. */
int catalog_format(const struct catalog *catalog, char **text, size_t *length);
/* Reads CATALOG_FILE of the directory; a missing file is an empty catalog. As catalog_parse. */
int catalog_load(struct catalog *catalog, int directory_fd);
int catalog_store(const struct catalog *catalog, int directory_fd, bool durable);

struct catalog_topic *catalog_find(const struct catalog *catalog, const char *name);
struct catalog_topic *catalog_find_id(struct catalog *catalog, const struct uuid *id);
/* Letters, digits, '.', '_', '-', 1 to 249 bytes, not "." or "..": MAPLOG_INVALID. */
int catalog_check_name(const char *name);
/* For a new topic: the same, and no topic has that name (MAPLOG_EXISTS) or one that differs only by
 * '.' and '_' (MAPLOG_INVALID; Kafka's rule). */
int catalog_check_new(const struct catalog *catalog, const char *name);
/* Adds a topic with free slots (no slot is used twice); configs as "name=value" strings or NULL.
 * MAPLOG_EXISTS, MAPLOG_INVALID, MAPLOG_LIMIT, MAPLOG_NO_MEMORY; nothing is added then. */
int catalog_add(struct catalog *catalog, const char *name, int32_t partitions,
                const char *const *configs, const struct uuid *id);
/* Gives the topic more partitions, with free slots. MAPLOG_INVALID when they would not be more. */
int catalog_grow(struct catalog *catalog, struct catalog_topic *topic, int32_t partitions);
/* Applies "name=value" strings, "name=" to go back to the default; all or nothing. */
int catalog_alter(struct catalog_topic *topic, const char *const *configs);
void catalog_remove(struct catalog *catalog, struct catalog_topic *topic);
/* Replaces the defaults of all topics and what is kept for a server by these "name=value" strings,
 * all or nothing; NULL leaves them alone. 1 when that changed anything, else 0; MAPLOG_INVALID. */
int catalog_set_defaults(struct catalog *catalog, const char *const *defaults,
                         const char *const *broker);
/* A topic setting's default in this directory; NULL when there is no such setting. */
const char *catalog_default(const struct catalog *catalog, const char *name);
/* The override's value; NULL when the topic (which may be NULL) has none. */
const char *catalog_config(const struct catalog_topic *topic, const char *name);
/* The slot's topic and partition number; NULL when no topic has it. */
struct catalog_topic *catalog_slot(const struct catalog *catalog, uint32_t slot,
                                   int32_t *partition);
