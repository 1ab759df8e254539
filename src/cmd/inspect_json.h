/*
 * inspect_json.h - what maplog inspect finds, as JSON for scripts. Main thread.
 */
#pragma once

#include <stdbool.h>

/*
 * Inspects path, or tries its recovery. depth 0 prints one document at the end; 1, 2, 3 print an
 * object a line as it comes, for segments, batches and records too; "type" tells them apart.
 * *wrong: something is damaged, or would be lost.
 */
int inspect_json_run(const char *path, int depth, bool recover, bool *wrong);
