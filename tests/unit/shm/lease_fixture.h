/* lease_fixture.h - two writers of one partition, of either kind, for tests of the lease. */
#pragma once

#include "shm/lease.h"

#include "../../support/control_area.h"

#include <stdlib.h>

#define SECOND 1000000000ll
#define WAIT (60 * SECOND) /* must not be reached */

/* One writer: a view, a seat, a lease on partition 0. */
struct writer {
    struct control_view view;
    uint32_t seat;
    struct lease lease;
};

struct fixture {
    struct control_area area;
    struct writer one, two;
};

static inline void writer_open(const struct control_area *area, uint32_t partition,
                               struct writer *writer)
{
    control_area_attach(area, "writer", &writer->view);
    if (control_take_seat(&writer->view, &writer->seat) < 0)
        abort();
    lease_init(&writer->lease, &writer->view, partition, writer->seat);
}

static inline void writer_close(struct writer *writer)
{
    lease_drop(&writer->lease);
    control_leave_seat(&writer->view, writer->seat);
    control_area_detach(&writer->view);
}

static inline void setup(void **state, enum writer_kind writers)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    control_area_make(&fixture->area, writers, 2);
    writer_open(&fixture->area, 0, &fixture->one);
    writer_open(&fixture->area, 0, &fixture->two);
    *state = fixture;
}

static inline int setup_lease(void **state)
{
    setup(state, WRITER_LEASE);
    return 0;
}

static inline int setup_mutex(void **state)
{
    setup(state, WRITER_MUTEX);
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    writer_close(&fixture->one);
    writer_close(&fixture->two);
    control_area_remove(&fixture->area);
    free(fixture);
    return 0;
}

static inline struct control_partition *slot_of(struct fixture *fixture)
{
    return &fixture->area.control->partitions[0];
}
