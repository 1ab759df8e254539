/*
 * lines.h - splits text at '\n' with vector instructions. Pure; any thread.
 *
 * The widest instruction set of the CPU is chosen at run time (AVX-512, AVX2, else SWAR scalar);
 * every variant gives the same ends.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Finds up to `limit` newlines in text[0, length) and writes the index of each, ascending, to ends.
 * Returns how many were written. Less than limit means that all of the text was searched; else go
 * on behind ends[limit - 1]. Text must be shorter than 4 GiB (indexes are 32 bits). Entries of ends
 * between the answer and limit may be overwritten.
 */
size_t lines_find(const char *text, size_t length, uint32_t *ends, size_t limit);

/* "avx512", "avx2" or "scalar": what lines_find uses here. */
const char *lines_variant(void);
/* Forces a variant by name (NULL: the widest), for tests and benchmarks; -1 when this CPU lacks it.
 * Call it before other threads run. */
int lines_force(const char *variant);
