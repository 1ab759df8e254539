/*
 * server.h - a Kafka broker on a log directory: what `maplog serve` runs. The main thread accepts
 * connections, turns the clock of the broker and hears signals; workers serve.
 */
#pragma once

#include "broker/settings.h"

struct server_options {
    const struct broker_settings *settings;
    const char *data; /* directory; NULL: log.dirs, else "data" */
    /* Makes the settings anew at SIGHUP, from their defaults. */
    int (*configure)(void *context, struct broker_settings *fresh);
    void *context;
    const char *engine; /* io_name(); NULL: the first */
    const char *send;   /* io_send_name(); NULL: the first */
    int attach_ms;      /* longest wait for another process that is attaching */
};

/* The directory that is served: "data" unless something names one. */
const char *server_data(const struct server_options *options);
/* Serves until SIGTERM or SIGINT, then drains and ends: 0. An error when it cannot begin. */
int server_run(const struct server_options *options);
