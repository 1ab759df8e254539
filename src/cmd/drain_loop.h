/*
 * drain_loop.h - records of rings go into a topic: the loop of maplog drain. Main thread.
 *
 * A ring's tail moves only past records that the log has accepted. What a chunk of a ring holds is
 * one batch, or a few, and its tail moves once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cmd/door_producer.h"
#include "cmd/meter.h"
#include "shm/ring_reader.h"

struct drain_loop {
    struct ring_reader *reader;
    int fd; /* polls readable when a ring has records */
    const char *path;
    struct door_producer *producer;
    int32_t partitions; /* ring i goes to i % partitions */
    uint32_t chunk;     /* bytes of a ring between two moves of its tail */
    bool meta;          /* headers cpu, source, time_ns */
    bool until_empty;   /* ends when all rings are empty; else with a signal */
    struct meter *meter;
    /* What came of it. */
    uint64_t records, bytes, drops;
    bool device_failed; /* the error is the device's, not the log's */
};

/* Returns when it is to end, or with the first error. */
int drain_loop_run(struct drain_loop *loop);
