/*
 * config.h - a server's settings from a file in the form of Kafka's server.properties, and from the
 * command line. One thread.
 */
#pragma once

#include "broker/settings.h"

/* Applies the file. Unknown names are noted with the nearest known one; a value that cannot be is
 * MAPLOG_INVALID with file and line. */
int config_load(struct broker_settings *settings, const char *path);
/* Applies one setting, "name=value". */
int config_apply(struct broker_settings *settings, const char *assignment);
