/* stream.h - the only difference between a pipe and a socket. */
#pragma once

/* Makes a stream that never blocks: ends[0] is read, ends[1] written. -1 and errno on a failure. */
int stream_make(int ends[2]);
