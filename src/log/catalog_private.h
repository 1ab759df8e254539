/*
 * catalog_private.h - what catalog.c and catalog_text.c share: topics in the making. Pure; one
 * thread.
 */
#pragma once

#include "log/catalog.h"

#define CATALOG_DEFAULTS "*" /* no legal names of topics */
#define CATALOG_BROKER "*broker"

/* Some bytes of a text. */
struct catalog_span {
    const char *at;
    size_t length;
};

/* A topic without partitions and settings; NULL without memory. The name was checked. */
struct catalog_topic *catalog_topic_new(struct catalog_span name, const struct uuid *id);
void catalog_topic_free(struct catalog_topic *topic);
/* Makes room for so many partitions; new slots are 0. */
int catalog_topic_resize(struct catalog_topic *topic, int32_t partitions);
/* Puts the topic in its place. It belongs to the catalog from then on, unless this fails. */
int catalog_insert(struct catalog *catalog, struct catalog_topic *topic);
/* Sets an override; the value is kept as it is. */
int catalog_config_set(struct catalog_topic *topic, struct catalog_span name,
                       struct catalog_span value);
/* Place of the override in configs, or where it belongs. */
size_t catalog_config_place(const struct catalog_topic *topic, struct catalog_span name,
                            bool *found);
/* Makes settings from the defaults and the overrides; overrides that are not known are passed over.
 * MAPLOG_INVALID with the text of settings_apply. */
int catalog_config_apply(struct catalog_topic *topic);
