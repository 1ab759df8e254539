/*
 * subject.h - the server that is measured: a process of its own, `maplog serve` or a function of
 * the lab that serves as a bare roof, and what it uses. One thread; one subject at a time on a CPU.
 *
 * The child waits until its counters are open and executes the server then, so that every thread of
 * it is counted. It dies with the lab.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lab/pins.h"
#include "os/counters.h"

struct subject;

struct subject_options {
    const struct pins *pins;
    const char *directory; /* absolute path; for its Unix socket */
    bool counted;          /* system calls become slower when they are: not while time is taken */

    const char *program; /* to execute with `serve`; NULL: the function below */
    const char *data;
    const char *engine, *send; /* io_name(), io_send_name(); NULL: the default */

    /* A roof: runs in the child until it is killed. */
    void (*serve)(int listener, void *context);
    void *context;
    bool local; /* it listens on the Unix socket, else on TCP; a program does on both */
};

/* Returns once it listens. What the server says when it refuses is the error's text. */
int subject_start(const struct subject_options *options, struct subject **subject);
/* Ends it: within some seconds by itself, else it is killed, MAPLOG_TIMED_OUT. Accepts NULL. */
int subject_stop(struct subject *subject);
/* "127.0.0.1:PORT", or "unix:///PATH". */
const char *subject_address(const struct subject *subject, bool local);
/* Its first warning or error, without the time; "" when it has said none. Until the next call. */
const char *subject_complaint(struct subject *subject);

/* What it has used up to now. */
struct subject_use {
    double cpu_seconds;
    bool counted[COUNTERS];
    uint64_t counts[COUNTERS];
};
/* MAPLOG_CLOSED when it has ended, with its last words. */
int subject_use(const struct subject *subject, struct subject_use *use);
/* Why a counter is refused; NULL: it is not. */
const char *subject_refusal(const struct subject *subject, enum counter counter);

struct subject_size {
    uint64_t private_bytes; /* memory that nobody shares, page tables and sockets aside */
    unsigned threads;
};
int subject_size(const struct subject *subject, struct subject_size *size);
