/*
 * config.h - a server's settings from a file in the form of Kafka's server.properties. One thread.
 */
#pragma once

#include "broker/settings.h"

struct config {
    struct broker_settings settings;
    char *data; /* log.dirs or log.dir; NULL: not said */
};

/* Kafka's defaults and maplog's. */
void config_default(struct config *config);
void config_free(struct config *config);
/* Applies the file. Unknown names are noted with the nearest known one; a value that cannot be is
 * MAPLOG_INVALID with file and line, and so is more than one log directory. */
int config_load(struct config *config, const char *path);
/* Applies one setting, "name=value". */
int config_apply(struct config *config, const char *assignment);
