#include "client/handle.h"

#ifdef MAPLOG_CONTRACTS

#define KEPT_HANDLES 64 /* closed ones, whose memory is not given back yet */

static const char *kind_name(enum handle_kind kind)
{
    static const char *const names[] = {"log", "producer", "consumer", "hold", "mapped file"};
    return names[kind - HANDLE_LOG];
}

/* Another one for each thread. */
static uint64_t this_thread(void)
{
    static _Thread_local char self;
    return (uint64_t)(uintptr_t)&self;
}

void handle_init(struct handle *handle, enum handle_kind kind)
{
    store_relaxed(&handle->thread, 0);
    store_relaxed(&handle->state, (uint32_t)kind);
}

void handle_check_at(const struct contract *at, const struct handle *handle, enum handle_kind kind)
{
    uint32_t state = load_relaxed(&handle->state);
    if (state == ~(uint32_t)kind)
        contract_broken(at, "this %s was closed already", kind_name(kind));
    if (state != (uint32_t)kind)
        contract_broken(at, "this is no %s", kind_name(kind));
}

struct handle_use handle_enter_at(const struct contract *at, struct handle *handle,
                                  enum handle_kind kind)
{
    uint64_t inside = 0;
    if (compare_swap_full(&handle->thread, &inside, this_thread()))
        return (struct handle_use){handle};
    if (inside != this_thread())
        contract_broken(at, "two threads use this %s at once; it belongs to one at a time",
                        kind_name(kind));
    return (struct handle_use){NULL};
}

void handle_leave(struct handle_use *use)
{
    if (use->held)
        store_release(&use->held->thread, 0);
}

void handle_idle_at(const struct contract *at, struct handle *handle, enum handle_kind kind)
{
    struct handle_use use = handle_enter_at(at, handle, kind);
    handle_leave(&use);
}

void handle_closed(struct handle *handle)
{
    store_relaxed(&handle->state, ~load_relaxed(&handle->state));
}

void handle_free(void *owner)
{
    static void *_Atomic kept[KEPT_HANDLES];
    static _Atomic uint32_t next;
    free(swap_full(&kept[add_full(&next, 1) % KEPT_HANDLES], owner));
}

#endif
