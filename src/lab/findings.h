/*
 * findings.h - one run of the lab, whole: what was measured on, and each experiment's sheets. Owned
 * by run.c; those who print it read it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lab/experiment.h"
#include "lab/machine.h"

#define FINDINGS_EXPERIMENTS 16
#define FINDINGS_TEXT 512

struct finding {
    const struct experiment *experiment;
    struct sheet **sheets;
    size_t sheet_count;
    double seconds;
    char unfinished[FINDINGS_TEXT]; /* why it did not come to its end; "" when it did */
};

struct findings {
    struct machine machine;
    const char *version; /* of maplog */
    char command[FINDINGS_TEXT];
    char date[32]; /* "2026-05-09 14:03 +0200" */
    bool quick;
    struct finding items[FINDINGS_EXPERIMENTS];
    size_t count;
};
