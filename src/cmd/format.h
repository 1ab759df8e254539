/*
 * format.h - how consume prints a record: kcat's format letters, compiled once. One thread.
 *
 *   %s value   %S its length in bytes, -1 for null   %R the length as 4 bytes, big-endian
 *   %k key     %K its length, -1 for none            %h headers, NAME=VALUE with commas between
 *   %t topic   %p partition   %o offset              %T timestamp in milliseconds, -1 for none
 *   %% a percent sign   \n \t \r \\ \0 and \xNN a byte
 */
#pragma once

#include <maplog.h>

#include "cmd/output.h"

struct format_piece {
    char letter;      /* of the %; 0: the text */
    const char *text; /* within format.text */
    size_t size;
};

struct format {
    char *text; /* the literal parts, unescaped; owned */
    struct format_piece *pieces;
    size_t count;
};

/* MAPLOG_INVALID with a text that says where it is wrong. */
int format_compile(const char *source, struct format *format);
void format_free(struct format *format);
void format_print(const struct format *format, const char *topic,
                  const struct maplog_message *message, struct output *output);

/* Replaces the escapes of text by their bytes; *size is the new length (bytes may be NUL). */
int format_unescape(char *text, size_t *size);
