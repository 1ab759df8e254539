/*
 * serve.h - the one server of a directory: LOCK_SERVER, and the lock that a Kafka broker takes on
 * its log directory, so that none of the two runs beside it. Held by the process, proven by locks:
 * it falls with its holder. One thread.
 */
#pragma once

#include "log/directory.h"

#define SERVE_ROLE "server" /* of the process that serves, for people */

struct serve {
    struct directory *directory; /* NULL: nothing is held */
    int kafka_fd;                /* of Kafka's lock file; -1: none */
};

/* MAPLOG_BUSY names the other one. The directory stays attached until serve_end(). */
int serve_begin(struct directory *directory, struct serve *serve);
void serve_end(struct serve *serve); /* accepts one that never began, zeroed */
