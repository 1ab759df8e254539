/*
 * broker.h - what Kafka requests mean to a log: (request, now) -> answer. No descriptor, no clock.
 *
 * now_ms is of a clock that nobody sets, so that deadlines, sessions and pauses last as long as
 * they should; broker_set_wall() tells what date that is.
 *
 * One broker an attached directory; any number of threads, each with requests of its own. No call
 * waits for another process: who is not answered at once is parked (request.h).
 */
#pragma once

#include "broker/request.h"
#include "log/directory.h"

struct broker_settings; /* broker/settings.h */

/* What the broker needs from the one that runs it. Called by any thread. */
struct broker_host {
    void *context;
    /* broker_resume(request) soon, by its worker. Fine for requests that are not parked any more,
     * as long as broker_end() was not called. */
    void (*wake)(void *context, struct broker_request *request);
    /* A line for the operator: level is 'E', 'W', 'I' or 'D'. */
    void (*note)(void *context, char level, const char *text);
    /* Random bytes for ids. */
    void (*random)(void *context, uint8_t *to, size_t size);
};

/* settings and host are the caller's and stay until broker_close(); settings are changed only by
 * broker_configure(). MAPLOG_BUSY when another server runs on the directory. */
int broker_open(struct directory *directory, const struct broker_settings *settings,
                const struct broker_host *host, int64_t now_ms, struct broker **broker);
/* No request is under way any more. Accepts NULL. */
void broker_close(struct broker *broker);
/* Takes over what the configuration file says by now: what may change while running. May wait for
 * another process that changes topics. */
void broker_configure(struct broker *broker, const struct broker_settings *settings);

enum broker_outcome broker_begin(struct broker *broker, struct broker_request *request,
                                 int64_t now_ms);
enum broker_outcome broker_resume(struct broker *broker, struct broker_request *request,
                                  int64_t now_ms);
void broker_end(struct broker *broker, struct broker_request *request);

/* The date and time, ms since 1970, is now_ms + ahead_ms; 0 until it is told. Again and again,
 * since people and networks set clocks. Any thread. */
void broker_set_wall(struct broker *broker, int64_t ahead_ms);
/* Timers of groups, sessions, expiry: called by one thread; returns when it wants to be called
 * again at the latest. */
int64_t broker_tick(struct broker *broker, int64_t now_ms);
/* The partition of this control slot moved on: wakes requests that wait for it. Any thread. */
void broker_moved(struct broker *broker, uint32_t slot);
