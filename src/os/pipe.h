/* pipe.h - a pipe within this process, through which splice moves a file's pages. Any thread. */
#pragma once

#include <stddef.h>

/* ends[0] is read from, ends[1] written to: close-on-exec, blocking; closed with file_close. It
 * takes so many bytes where the system allows it (fs.pipe-max-size, fs.pipe-user-pages-soft), else
 * as many as a new pipe does. MAPLOG_LIMIT (no descriptor is left), MAPLOG_IO. */
int pipe_open(size_t bytes, int ends[static 2]);
