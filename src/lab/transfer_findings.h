/*
 * transfer_findings.h - what the figures of the experiment `transfer` say, beside what is said
 * elsewhere. Internal to it.
 */
#pragma once

#include "lab/transfer_words.h"

/* What articles say of sending a file once, from a disk to a network. */
struct transfer_claim {
    const char *name, *method; /* the way that is meant, proof_name() */
    int switches;              /* between user and kernel mode */
    int copies, cpu_copies;    /* in all, with those that devices make; by the CPU */
};
#define TRANSFER_CLAIMS 4
extern const struct transfer_claim transfer_claims[TRANSFER_CLAIMS];

/* Of the way that has a method's name; NULL: none has, as for "auto". */
const struct transfer_proof *transfer_proof_of(const struct transfers *transfers, const char *name,
                                               bool local);

void transfer_say_how(struct sheet *sheet, const struct transfers *transfers);
void transfer_say_proofs(struct sheet *sheet, const struct transfers *transfers);
/* Where the claims hold. */
void transfer_say_claims(struct sheet *sheet, const struct transfers *transfers, bool local);
/* Which method is best at which size, and whether the default chooses it. */
void transfer_say_best(struct sheet *sheet, const struct transfers *transfers, bool local);
