/*
 * transfer_words.h - what the experiment `transfer` found: its sheets, and what the figures say.
 * One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/proof.h"
#include "lab/sheet.h"
#include "os/counters.h"

#define TRANSFER_CHUNKS 7   /* sizes */
#define TRANSFER_ROUNDS 5   /* most of them */
#define TRANSFER_METHODS 16 /* most of them, with the roofs */
#define TRANSFER_WHY 200    /* bytes of a reason with the NUL */

enum transfer_kind { TRANSFER_SERVER, TRANSFER_STREAM, TRANSFER_MEMCPY };

/* One method with one size of chunks over one kind of socket. */
struct transfer_point {
    char why[TRANSFER_WHY]; /* not empty: nothing could be had, for this reason */
    unsigned rounds;
    double rates[TRANSFER_ROUNDS]; /* GB/s */
    double cpus[TRANSFER_ROUNDS];  /* the sender's CPU seconds for a GB */
    double rate, cpu, spread;      /* medians; of the CPU, from least to most by the median */
    bool counted[COUNTERS];
    double counts[COUNTERS]; /* for a chunk */
    char refusals[COUNTERS][TRANSFER_WHY];
};

struct transfer_method {
    const char *name; /* io_send_name(), or the roof's */
    enum transfer_kind kind;
    struct transfer_point points[2][TRANSFER_CHUNKS]; /* TCP, Unix */
};

struct transfer_proof {
    int result; /* not 0: why there is none */
    char why[TRANSFER_WHY];
    struct proof proof;
};

struct transfers {
    unsigned count, chunks;
    size_t chunk[TRANSFER_CHUNKS]; /* bytes that are asked for */
    struct transfer_method methods[TRANSFER_METHODS];
    struct transfer_proof proofs[2][PROOF_WAYS];
    bool pinned; /* sender and receiver had a CPU each */
};

/* Fills in medians and spreads. */
void transfer_settle(struct transfers *transfers);
/* Columns, rows, words and advice of a sheet, after transfer_settle: of TCP, or a Unix socket. */
void transfer_words(struct sheet *sheet, const struct transfers *transfers, bool local);
/* Of the proofs. */
void transfer_proof_words(struct sheet *sheet, const struct transfers *transfers);
