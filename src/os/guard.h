/*
 * guard.h - reading a mapped file that somebody may cut short meanwhile.
 *
 * A page of a mapping that lies past the end of its file raises SIGBUS. Files of our own are
 * allocated before they are touched; a file that merely was named on a command line is not ours.
 * Only programs use this, the library leaves the process's signal handlers alone. Any thread.
 */
#pragma once

#include <stddef.h>

/*
 * Calls run(context) and returns its answer, or MAPLOG_IO when it touched a page within
 * [address, address + length) that has no file behind it: run is then left where it stands, so
 * between its touches of the range it must hold no lock and own no memory. Other SIGBUS are fatal
 * as ever. path names the file in the error. Not nested.
 */
int guard_run(const void *address, size_t length, const char *path, int (*run)(void *context),
              void *context);
