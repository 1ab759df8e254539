/* serve_print.h - the tables behind docs/protocol-support.md and docs/operations.md. Main thread.
 */
#pragma once

#include <stdbool.h>

/* Prints the table "apis", "settings" or "engines" in Markdown; false for another word. */
bool serve_print(const char *what);
