/*
 * experiment.h - what an experiment of the lab is: a question, and a function that answers it with
 * sheets. A new one: its file, a line here, a line in the table of main.c. Main thread.
 */
#pragma once

#include <stdbool.h>

#include "lab/sheet.h"

struct lab; /* one run: what was asked for, and the sheets so far */

struct experiment {
    const char *name;     /* `maplog lab NAME` */
    const char *question; /* one line */
    /* Measures. 0, or a negative code with its text (base/error.h) when it could not go on: sheets
     * that are whole by then are still printed. A cell that could not be had is no error. */
    int (*run)(struct lab *lab);
    int seconds, quick_seconds; /* about how long it takes, at most twice that */
};

extern const struct experiment lab_models, lab_transfer, lab_receive, lab_append, lab_wake,
    lab_read, lab_lines, lab_touch;

/* --quick: fewer points and shorter ones, same columns. */
bool lab_quick(const struct lab *lab);
/* An empty directory for scratch files on a disk, removed at the end; below /dev/shm when
 * in_memory. NULL with a text when there is none. */
const char *lab_directory(struct lab *lab, bool in_memory);
/* Adds a sheet to the report, which owns it; NULL without memory. */
struct sheet *lab_sheet(struct lab *lab, const char *name, const char *title);
/* "models: epoll, 1,000 connections" - a line on standard error that replaces the one before, when
 * that is a terminal. `done` of `all` points are behind. */
void lab_progress(struct lab *lab, unsigned done, unsigned all, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A signal asked for the end: leave soon with MAPLOG_CLOSED; what was measured is printed. */
bool lab_stopped(const struct lab *lab);
/* The program `maplog` that belongs to this lab, as a path to execute. */
const char *lab_program(const struct lab *lab);
