/*
 * request.h - one request on its way through the broker: from a frame to the slices of its answer.
 *
 * The server owns it, fills the first part and calls broker_begin(). A request that cannot be
 * answered at once is parked: the server keeps it and calls broker_resume() when somebody called
 * host->wake() for it or its deadline has come (needless calls are fine; a handler looks again).
 * One thread at a time has a request: the worker of its connection, or the helper thread that runs
 * its cold work; wake() may be called for it by any thread, while it is parked or just before.
 * Every request ends with broker_end(), answered or not.
 */
#pragma once

#include "base/arena.h"
#include "wire/messages.h"

struct broker;
struct broker_request;

enum broker_outcome {
    BROKER_ANSWER, /* send request->output; then broker_end() */
    BROKER_SILENT, /* nothing is to be sent (produce with acks 0) */
    BROKER_PARK,   /* wait for a wake or request->deadline_ms */
    BROKER_COLD,   /* call request->work in a helper thread, then broker_resume() */
    BROKER_CLOSE,  /* the connection cannot go on: error_text() says why */
};

/* Where the client came in: what Metadata and FindCoordinator tell it to connect to. */
struct broker_address {
    const char *host;
    int32_t port;
};

struct broker_request {
    /* Filled by the server. */
    struct bytes frame; /* without the size prefix; stays until broker_end() */
    struct broker_address advertised;
    const char *peer;   /* "127.0.0.1:51234", for logs and for members' client host */
    struct arena arena; /* limit set; everything below lives in it */
    void *server;       /* the server's own */

    /* Filled by broker_begin(). */
    struct wire_request_header header;
    const struct wire_api *api;
    const struct broker_handler *handler;
    void *body;   /* api->request, decoded */
    void *answer; /* api->response, initialised */

    /* Set by handlers. */
    void *state;                                  /* between calls; in the arena */
    int64_t deadline_ms;                          /* of a parked request; as now_ms */
    void (*work)(struct broker_request *request); /* for BROKER_COLD */
    int32_t throttle_ms;                          /* 0 */

    struct wire_output output; /* of BROKER_ANSWER; slices' sources are struct segment */
};

/* How one API is answered. broker/apis.c has the table of all. */
struct broker_handler {
    int16_t key;
    int16_t first_version, last_version; /* offered in ApiVersions */
    /* Begins, and goes on after a park or cold work (request->state tells which). Answers by
     * filling request->answer. */
    enum broker_outcome (*handle)(struct broker *broker, struct broker_request *request,
                                  int64_t now_ms);
    /* Lets go of whatever state holds (segments, a place in a group); once for each request that
     * began, also when its connection vanished while it was parked. NULL: nothing. */
    void (*end)(struct broker *broker, struct broker_request *request);
};
