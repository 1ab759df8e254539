/*
 * transport.h - what a peer of the shared memory family defines; harness.c does all the rest.
 *
 * One program a peer. Its sender and its receiver are two processes: transport_prepare() runs
 * before they part, all else in the one or the other. A failure ends the program by fail().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
    const char *mode; /* throughput or latency */
    const char *profile;
    const char *directory; /* for files; empty and the caller's */
    size_t size;           /* bytes of a record */
    uint64_t count;        /* records that are measured */
    uint64_t warm;         /* records before them */
    double rate;           /* records a second, for latency */
};

extern const char *const transport_name;
extern const char *const transport_profiles[]; /* NULL ends them; the first is the default */
extern const bool transport_persistent;        /* every record can be read again later */

const char *transport_version(void);
void transport_prepare(const struct plan *plan);
void transport_open_sender(void);
/* Sends one record; waits busily while there is no room. */
void transport_send(const void *value, size_t size);
/* Everything that was sent is the receiver's to see. */
void transport_flush(void);
void transport_open_receiver(void);
/* The next record and its size, or 0 when none came. It is valid until the next call. spin: not to
 * sleep; else it may, for a while. */
size_t transport_receive(const void **value, bool spin);
/* Begins at the first record again; only where records persist. */
void transport_replay(void);

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
