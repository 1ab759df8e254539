/* text.h - a text file that is the same everywhere. */
#pragma once

#include <stddef.h>

#define BENCH_LINE_BYTES 130 /* on average, newline included */

/* Lines of 1 to 2 * BENCH_LINE_BYTES - 1 bytes, at least `bytes` in all. Exits on failure. */
void bench_write_text(const char *path, size_t bytes);
