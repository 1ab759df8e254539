/*
 * error.h - one error text per thread, set where the cause is known.
 *
 * Functions of maplog return 0 (or a count) or a negative MAPLOG_* code. The function that knows
 * which file, which offset and what was expected leaves a sentence here and returns the code; every
 * caller above just passes the code on. The text is logged or printed once, at the top.
 */
#pragma once

#include <maplog.h>

/* Longest text kept, in bytes with the final NUL; longer texts are cut. */
#define ERROR_TEXT_SIZE 512

/* Sets the calling thread's text (printf format); returns code, so that it can end a function. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Sets the text with ": strerror(errnum)" after it, and returns the code that errnum maps to
 * (ENOSPC, EDQUOT -> MAPLOG_DISK_FULL, EACCES, EPERM, EROFS -> MAPLOG_DENIED,
 * ENOENT -> MAPLOG_NOT_FOUND, EEXIST -> MAPLOG_EXISTS, ENOMEM -> MAPLOG_NO_MEMORY,
 * EMFILE, ENFILE -> MAPLOG_LIMIT, EAGAIN, EBUSY -> MAPLOG_BUSY, ETIMEDOUT -> MAPLOG_TIMED_OUT,
 * any other -> MAPLOG_IO). */
int error_errno(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Puts "prefix: " before the calling thread's text; returns code. */
int error_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The calling thread's last text; "" if none. Valid until this thread's next failing call. */
const char *error_text(void);

/* The code's name ("MAPLOG_IO") and its general sentence; never NULL, also for unknown codes. */
const char *error_name(int code);
const char *error_sentence(int code);
