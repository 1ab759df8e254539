/*
 * note.h - lines for the operator, on standard error: "TIME LEVEL text". Any thread; a line is
 * written with one call, and lost (counted) when nobody takes it: nobody waits for the reader.
 * Levels: 'E' something was lost or refused, 'W' look at it, 'I' what a server does once, 'D' what
 * it does often (left out unless asked for).
 */
#pragma once

#define NOTE_SIZE 1024 /* bytes of the longest line; longer ones are cut */

void note(char level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Debug lines from now on; before other threads begin. */
void note_debug(void);
