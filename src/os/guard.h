/*
 * guard.h - touching a mapped file that somebody may cut short meanwhile.
 *
 * A page of a mapping that lies past the end of its file raises SIGBUS. Files of our own are
 * allocated before they are touched; a file that merely was named by a user is not ours. Nothing
 * happens to the process's signal handlers before the first call. Any thread.
 */
#pragma once

#include <stddef.h>

/*
 * Calls run(context) and returns its answer, or MAPLOG_IO when it touched a page within
 * [address, address + length) that has no file behind it: run is then left where it stands, so
 * between its touches of the range it must hold no lock and own no memory. path names the file in
 * the error. Calls nest: an access belongs to the innermost range that it lies in.
 * Installs a handler of SIGBUS for the process unless it is there already, and unblocks the signal
 * in the thread; what lies in no range goes to the handler that was there before. run must return:
 * to jump out of it by other ways would leave the guard standing.
 */
int guard_run(const void *address, size_t length, const char *path, int (*run)(void *context),
              void *context);
