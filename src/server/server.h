/*
 * server.h - a Kafka broker on a log directory: what `maplog serve` runs. The main thread accepts
 * connections, turns the clock of the broker and hears signals; workers serve.
 */
#pragma once

#include "server/config.h"

struct server_options {
    struct config *config; /* settings and data directory (NULL there: "data") */
    /* Makes the settings anew at SIGHUP. */
    int (*configure)(void *context, struct config *fresh);
    void *context;
    const char *engine; /* NULL: epoll */
    int attach_ms;      /* longest wait for another process that is attaching */
};

/* Serves until SIGTERM or SIGINT, then drains and ends: 0. An error when it cannot begin. */
int server_run(const struct server_options *options);
