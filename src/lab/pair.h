/*
 * pair.h - two connected sockets of this process, for what two sides do with them. Any thread.
 */
#pragma once

#include <stdbool.h>

/* Blocking and close-on-exec, Unix sockets when local, else TCP over the loopback without delays of
 * small packets. The caller closes both. MAPLOG_IO, MAPLOG_LIMIT. */
int pair_open(int pair[static 2], bool local);
