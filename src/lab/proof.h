/*
 * proof.h - does a way to send copy the bytes? They are changed where they came from when a step of
 * it is over, and before they are read at the other end: who reads the old ones reads a copy, who
 * reads the new ones was sent a reference. Bare system calls, a file and a pair of sockets. One
 * thread.
 */
#pragma once

#include <stdbool.h>

#define PROOF_STEPS 2
#define PROOF_WHY 160 /* bytes of a reason with the NUL */

enum proof_way {
    PROOF_COPY, /* read into a buffer, write it */
    PROOF_MMAP, /* write the mapping */
    PROOF_SENDFILE,
    PROOF_SPLICE,   /* file to pipe, pipe to socket */
    PROOF_ZEROCOPY, /* send the mapping with MSG_ZEROCOPY */
    PROOF_WAYS
};

struct proof_step {
    const char *name; /* "read: file to buffer" */
    bool copied;
};

struct proof {
    unsigned steps;
    struct proof_step step[PROOF_STEPS];
    bool notified; /* of zerocopy: the kernel said itself whether it copied, and this: */
    bool notified_copied;
};

/* Also the name of the server's method that goes this way, io_send_name(). */
const char *proof_name(enum proof_way way);
/* directory: for a file of some pages; local: a Unix socket, else TCP on the loopback.
 * MAPLOG_UNSUPPORTED: this kernel has no such way here. */
int proof_run(const char *directory, bool local, enum proof_way way, struct proof *proof);
/* Steps that copied. */
unsigned proof_copies(const struct proof *proof);
