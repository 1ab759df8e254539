/*
 * read_threads.h - the part of the experiment `read` that asks whether threads that fault in one
 * mapping stand in each other's way. Main thread.
 */
#pragma once

#include "lab/experiment.h"
#include "lab/scratch.h"

/* Adds its sheet. The file is full. 0 or a negative code. */
int read_threads(struct lab *lab, struct scratch *scratch);
