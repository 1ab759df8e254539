/*
 * handle.h - the first member of everything whose address a caller holds. In a release it is empty.
 * In builds with contracts (base/contract.h) it knows of what kind the handle is, whether it was
 * closed, and which thread is in one of its calls; and closed handles are kept for a while, so that
 * who goes on using one is told so.
 *
 * A call begins with handle_check(). Where one thread at a time is the rule HANDLE_ENTER() follows,
 * once it is known that the handle is not from before a fork(): it holds the handle for the block.
 */
#pragma once

#include <stdlib.h>

#include "base/contract.h"
#include "shm/order.h"

enum handle_kind {
    HANDLE_LOG = 0x4c0de001,
    HANDLE_PRODUCER,
    HANDLE_CONSUMER,
    HANDLE_HOLD,
    HANDLE_FILE,
};

#ifdef MAPLOG_CONTRACTS

struct handle {
    _Atomic uint64_t thread; /* that is in a call; 0: none */
    _Atomic uint32_t state;  /* its kind; every bit turned over once it is closed */
};

/* NULL where an outer call of the same thread holds it already. */
struct handle_use {
    struct handle *held;
};

void handle_init(struct handle *handle, enum handle_kind kind);
void handle_check_at(const struct contract *at, const struct handle *handle, enum handle_kind kind);
struct handle_use handle_enter_at(const struct contract *at, struct handle *handle,
                                  enum handle_kind kind);
void handle_leave(struct handle_use *use);
void handle_idle_at(const struct contract *at, struct handle *handle, enum handle_kind kind);
/* From now on every call is a breach. */
void handle_closed(struct handle *handle);
/* Frees what begins with a closed handle, sooner or later. */
void handle_free(void *owner);

/* It is an open handle of this kind. */
#define handle_check(handle, kind) handle_check_at(CONTRACT_HERE, handle, kind)
/* And no thread is in one of its calls: asked before it is closed. */
#define handle_idle(handle, kind) handle_idle_at(CONTRACT_HERE, handle, kind)
#define HANDLE_ENTER(handle, kind)                                                                 \
    __attribute__((cleanup(handle_leave), unused)) struct handle_use handle_use_ =                 \
        handle_enter_at(CONTRACT_HERE, handle, kind)

#else

struct handle {
};

#define handle_init(handle, kind) ((void)(handle))
#define handle_check(handle, kind) ((void)(handle))
#define handle_check_at(at, handle, kind) ((void)(at), (void)(handle))
#define handle_idle(handle, kind) ((void)(handle))
#define handle_closed(handle) ((void)(handle))
#define handle_free(owner) free(owner)
#define HANDLE_ENTER(handle, kind) ((void)(handle))

#endif
