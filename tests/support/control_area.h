/*
 * control_area.h - a control and bell area in a memfd, for tests of what lives in them without a
 * log around it. Every view is an attachment of its own, with its own lock owner: views in threads
 * or in forked children contend exactly as unrelated processes do.
 */
#pragma once

#include "shm/control.h"

struct control_area {
    struct control *control;
    struct bell_word *bell;
    int fd;
};

/* Makes an area with `partitions` live slots. Any failure here ends the test program. */
void control_area_make(struct control_area *area, enum writer_kind writers, uint32_t partitions);
void control_area_remove(struct control_area *area);
/* Attaches: takes a process slot when role is not NULL. */
void control_area_attach(const struct control_area *area, const char *role,
                         struct control_view *view);
void control_area_detach(struct control_view *view);
/* From now on the calling process may not use membarrier (seccomp). */
void control_area_refuse_membarrier(void);
