/*
 * crowd.h - the load: many connections to a server, asked and heard by one loop on epoll. One
 * thread.
 */
#pragma once

#include "base/histogram.h"
#include "lab/requests.h"

struct crowd;

struct crowd_plan {
    const char *address;           /* subject_address() */
    const struct request *request; /* stays the caller's, and as it is */
    size_t records;                /* bytes of records in each answer, checked in the first; 0: the
                                      answer is not one to Fetch */
    unsigned connections;
    unsigned depth; /* requests under way on each, 1 to CROWD_DEPTH */
};

#define CROWD_DEPTH 64

/* Connects all; each asks once and hears its answer, so that the server has all of them at work.
 * The text says which connection failed, and how. */
int crowd_open(const struct crowd_plan *plan, struct crowd **crowd);
void crowd_close(struct crowd *crowd);                /* accepts NULL */
size_t crowd_answer_bytes(const struct crowd *crowd); /* of an answer, all are as long */

struct crowd_result {
    uint64_t answers;
    double seconds;           /* from the first request to the last answer */
    struct histogram latency; /* nanoseconds; of depth 1 */
};

/* For so long, each of `active` connections, evenly among all, asks again as soon as it has its
 * answer; returns when nothing is under way. MAPLOG_TIMED_OUT when no answer comes for a while. */
int crowd_run(struct crowd *crowd, unsigned active, double seconds, struct crowd_result *result);
