/*
 * reads.h - what one partition answers to a fetch. Nothing here waits, and nothing is copied: the
 * records stay where they lie. Any thread, each with items and results of its own.
 */
#pragma once

#include "broker/parts.h"
#include "broker/sessions.h"
#include "log/slice.h"

struct read_result {
    int16_t error;
    int64_t high_watermark;  /* -1 with an error */
    int64_t log_start;       /* -1 with an error */
    struct slice slice;      /* size 0: no records */
    int32_t diverging_epoch; /* -1: the client's log agrees with ours */
    int64_t diverging_end;
    bool news; /* for who answers: the client was not told yet */
};

/* What is left of a fetch's bytes. */
struct read_budget {
    int64_t bytes;
    bool any;  /* nothing was found yet: one batch is given, however large */
    bool zstd; /* the client's version knows it */
};

/* Reads from item->offset on, and takes what it found from the budget. The result is to be dropped.
 */
void reads_take(struct broker *broker, struct fetch_item *item, struct read_budget *budget,
                struct read_result *result);
void reads_drop(struct read_result *result); /* accepts a zeroed one */

/* Bytes that a fetch of the item would find, at most `enough`; `enough` as well when it would find
 * an error. For requests that wait. */
int64_t reads_available(struct broker *broker, struct fetch_item *item, int64_t enough);
