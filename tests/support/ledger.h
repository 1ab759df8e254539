/*
 * ledger.h - what processes that may be killed at any moment have written to a log, and what of it
 * was acknowledged. It lies in memory that they share by fork.
 *
 * Each life of a producer writes records numbered from 0 to one partition. A record says which life
 * wrote it and its number, and its bytes follow from these, so that a torn one shows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <maplog.h>

#define LEDGER_LIVES 65536
#define LEDGER_PARTITIONS 8
#define LEDGER_VALUE_MAX 1024

struct ledger_life {
    _Atomic uint32_t acknowledged; /* numbers below are */
    _Atomic uint32_t durable;      /* numbers below are on disk, too */
};

struct ledger {
    _Atomic uint32_t lives;     /* begun so far */
    _Atomic uint32_t stop;      /* asks the processes to end by themselves */
    _Atomic int64_t longest_ns; /* that an append or a read took in a process that lived on */
    _Atomic int64_t committed[LEDGER_PARTITIONS]; /* group progress that was acknowledged */
    _Atomic uint64_t reads;
    _Atomic uint32_t failed;
    char failure[512]; /* the first one */
    struct ledger_life life[LEDGER_LIVES];
};

struct ledger *ledger_make(void); /* NULL when there is no memory */
void ledger_remove(struct ledger *ledger);
/* Notes a failure, the first of which ends the test. */
void ledger_fail(struct ledger *ledger, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ledger_note_time(struct ledger *ledger, int64_t begun_ns);

/* Record `number` of a life; returns its size. */
size_t ledger_value(uint32_t life, uint32_t number, uint8_t value[static LEDGER_VALUE_MAX]);
/* Is it one of those? Which? */
bool ledger_read_value(const void *value, size_t size, uint32_t *life, uint32_t *number);

/* What a check of a topic found; counts of all partitions. */
struct ledger_found {
    int64_t records;
    int32_t epoch;          /* the highest */
    int64_t unacknowledged; /* published, but its producer was killed before it heard so */
};
/*
 * Reads the topic from the start and compares: offsets without a gap, every life's records in order
 * and once, and all that were acknowledged (or, with only_durable, those that are on disk) unless
 * they lie below the log start. Failures go to the ledger.
 */
struct ledger_found ledger_check(struct ledger *ledger, maplog *log, const char *topic,
                                 bool only_durable);
/* `maplog inspect` on the directory finds nothing wrong, and no file lies around that should not.
 */
void ledger_inspect(struct ledger *ledger, const char *path);
