/* failure.h - what a server's error codes mean here. Any thread. */
#pragma once

#include "wire/codec.h"
#include "wire/errors.h"

/* Sets the text "FORMAT...: MESSAGE (NAME)" and returns the MAPLOG_* code that says the same.
 * message: the server's own words; null: it had none. */
int remote_failure(int16_t code, struct wire_string message, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* The MAPLOG_* code only. */
int remote_code(int16_t code);
