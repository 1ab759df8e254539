/*
 * report.h - how every command begins and ends: attaching the log, saying what went wrong and what
 * to do, signals. Main thread, but for interrupted().
 */
#pragma once

#include <maplog.h>
#include <stdbool.h>

/* Prints "maplog: " and the calling thread's error text, and a hint for the code; EXIT_ERROR.
 * With code MAPLOG_CLOSED (nobody reads our output any more) nothing is said. data: the directory,
 * for the hint. */
int report_error(int code, const char *data);

/* A note that is no error, "maplog: TEXT" on standard error. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Attaches the directory to change it. */
int attach(const char *data, maplog **log);
/* The same; it is created when it is missing. */
int attach_or_create(const char *data, maplog **log);
/* Attaches the directory to read it: read-write where that is allowed (a reader that may write is
 * woken instead of looking every millisecond, and ps shows it), else read-only. */
int attach_to_read(const char *data, maplog **log);

/* From now on SIGINT, SIGTERM and SIGHUP are noted, the second one ends the process at once; a
 * closed pipe is an error of the write (MAPLOG_CLOSED). */
void catch_signals(void);
/* The signal that came, 0: none. Any thread. */
int interrupted(void);
/* The exit status of a command that otherwise ends with `status`: 128 + signal when one came. */
int exit_status(int status);

/* "1.5 GB": number of bytes for people; "12.3 M": a count. */
#define AMOUNT_SIZE 16
const char *amount_bytes(double bytes, char text[static AMOUNT_SIZE]);
const char *amount_count(double count, char text[static AMOUNT_SIZE]);
