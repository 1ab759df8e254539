/* pages_print.h - what `maplog pages` makes of its look beside the table. Main thread. */
#pragma once

#include "cmd/pages_look.h"

/* Prints one object on standard output; what is not known is null. 0 or an error. */
int pages_json(const struct pages *pages);
/* Writes the picture into the file: a row for each segment, its cells the darker the more is in
 * memory. 0 or an error. */
int pages_svg(const struct pages *pages, const char *path);
