/*
 * run.h - runs experiments one after the other and keeps what they find. Main thread.
 */
#pragma once

#include "lab/findings.h"

/* MAPLOG_NO_MEMORY, or what keeps the lab from having scratch files. command: as it was called. */
int run_begin(struct lab **lab, bool quick, const char *command);
/* One experiment. What goes wrong is noted in the findings; false: it did not come to its end. */
bool run_experiment(struct lab *lab, const struct experiment *experiment);
/* Removes scratch files and looks at the machine once more. The findings last until run_free. */
const struct findings *run_end(struct lab *lab);
void run_free(struct lab *lab); /* accepts NULL */
