/*
 * expiry.h - committed offsets do not stay for ever: those of groups without members go after
 * offsets.retention.minutes. One thread, the one that ticks.
 */
#pragma once

#include "broker/broker.h"

/* Begin with expiry_init(). */
struct expiry {
    struct broker *broker;
    int64_t opened_ms;
    int64_t looked_ms; /* when it looked last */
    bool unfinished;   /* the log was busy: soon again */
};

void expiry_init(struct expiry *expiry, struct broker *broker, int64_t now_ms);
/* Looks when it is time to, and answers when it is time again. */
int64_t expiry_tick(struct expiry *expiry, int64_t now_ms);
