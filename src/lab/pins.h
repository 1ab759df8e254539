/*
 * pins.h - who runs where: what is measured on one CPU, what measures it on another. One thread.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>

struct pins {
    cpu_set_t before; /* CPUs that the process had */
    bool pinned;      /* there are two; with one, all share it and figures say less */
};

/* The calling process keeps to the second of its CPUs. */
void pins_take(struct pins *pins);
void pins_release(const struct pins *pins); /* all of them again; accepts one that is zero */
/* In a forked child: the first of them. */
void pins_move_child(const struct pins *pins);
