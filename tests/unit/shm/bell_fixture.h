/* bell_fixture.h - an area with partitions, and the writer's side of the bell as the log does it.
 */
#pragma once

#define _GNU_SOURCE 1
#include "shm/bell.h"

#include "../../support/control_area.h"
#include "../os/scratch.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/futex.h"
#include "os/map.h"

#include <pthread.h>
#include <string.h>

#define SECOND 1000000000ll
#define WAIT (60 * SECOND) /* must not be reached */
#define PARTITIONS 200

struct fixture {
    struct control_area area;
    struct control_view view;
};

static inline int setup(void **state, enum writer_kind writers)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    control_area_make(&fixture->area, writers, PARTITIONS);
    control_area_attach(&fixture->area, "bell", &fixture->view);
    *state = fixture;
    return 0;
}

static inline int setup_lease(void **state)
{
    return setup(state, WRITER_LEASE);
}

static inline int setup_mutex(void **state)
{
    return setup(state, WRITER_MUTEX);
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    control_area_detach(&fixture->view);
    control_area_remove(&fixture->area);
    free(fixture);
    return 0;
}

static inline uint32_t bell_word_of(struct fixture *fixture, uint32_t partition)
{
    return load_relaxed(&fixture->area.bell[partition].waiters);
}

/* ---- the writer's side, as the log does it --------------------------------------- */

static inline void publish(struct control_view *view, uint32_t i)
{
    struct control_partition *partition = &view->control->partitions[i];
    uint64_t index = load_relaxed(&partition->rolls) & 1;
    store_release(&partition->published[index], load_relaxed(&partition->published[index]) + 1);
    bell_ring(view, i);
}

static inline void roll(struct control_view *view, uint32_t i)
{
    struct control_partition *partition = &view->control->partitions[i];
    uint64_t rolls = load_relaxed(&partition->rolls) + 1;
    store_release(&partition->published[rolls & 1], 0);
    store_release(&partition->rolls, rolls);
    bell_ring(view, i);
}

static inline struct bell_watch watch_now(const struct control_view *view, uint32_t i)
{
    const struct control_partition *partition = &view->control->partitions[i];
    uint64_t rolls = load_acquire(&partition->rolls);
    return (struct bell_watch){i, rolls, load_acquire(&partition->published[rolls & 1])};
}

struct sleeper {
    struct control_view view;
    struct bell_watch watches[PARTITIONS];
    unsigned count;
    int result;
    pthread_t thread;
};

static inline void *sleep_on(void *context)
{
    struct sleeper *sleeper = context;
    sleeper->result = bell_wait(&sleeper->view, sleeper->watches, sleeper->count, WAIT);
    return NULL;
}

/* Starts a sleeper on partitions first .. first + count - 1 and waits until it sleeps on them. */
static inline void sleeper_start(struct fixture *fixture, struct sleeper *sleeper, uint32_t first,
                                 unsigned count)
{
    *sleeper = (struct sleeper){.view = fixture->view, .count = count, .result = -1};
    for (unsigned i = 0; i < count; i++)
        sleeper->watches[i] = watch_now(&fixture->view, first + i);
    assert_int_equal(thread_start(&sleeper->thread, "sleeper", sleep_on, sleeper), 0);
    while (count <= FUTEX_WAIT_MANY_LIMIT &&
           !(bell_word_of(fixture, first + count - 1) & BELL_WAITING))
        clock_sleep_ns(20000);
    clock_sleep_ns(2000000); /* most likely it sleeps by now; it must wake in any case */
}

static inline void sleeper_end(struct sleeper *sleeper)
{
    thread_join(sleeper->thread);
    assert_int_equal(sleeper->result, 0);
}

#define TURNS 3000 /* of a race for a lost wake-up */

#define BOTH(name)                                                                                 \
    {#name "_lease", name, setup_lease, teardown, NULL},                                           \
    {                                                                                              \
#name "_mutex", name, setup_mutex, teardown, NULL                                          \
    }
