/*
 * waiters.h - parked requests by the partitions that they wait for. Any thread.
 */
#pragma once

#include "broker/broker.h"

struct waiters;

/* One request at one partition; lies in the request's memory. */
struct waiter {
    struct waiter *next, **link; /* link NULL: not listed */
    struct broker_request *request;
    uint32_t slot; /* control slot of the partition */
};

int waiters_open(const struct broker_host *host, struct waiters **waiters);
void waiters_close(struct waiters *waiters); /* nobody waits any more; accepts NULL */
void waiters_add(struct waiters *waiters, struct waiter *waiter);
/* After it the waiter is not woken any more. Fine when it is not listed. */
void waiters_remove(struct waiters *waiters, struct waiter *waiter);
/* Wakes all that wait for the partition; they stay listed. */
void waiters_wake(struct waiters *waiters, uint32_t slot);
