/* pipe.h - a pipe within this process, through which splice moves a file's pages. Any thread. */
#pragma once

/* ends[0] is read from, ends[1] written to: close-on-exec, blocking; closed with file_close. It
 * takes 16 pages, or less when the user has very many (fs.pipe-user-pages-soft). MAPLOG_LIMIT (no
 * descriptor is left), MAPLOG_IO. */
int pipe_open(int ends[static 2]);
