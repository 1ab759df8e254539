/* format.c - kcat's format letters. */
#include "cmd/format.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define LETTERS "sSRkKhtpoT"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes the escape behind a backslash at *at; its byte, or MAPLOG_INVALID. */
static int take_escape(const char **at)
{
    static const char names[] = "ntr\\0";
    static const char bytes[] = "\n\t\r\\\0";
    char name = *(*at)++;
    const char *known = name ? strchr(names, name) : NULL;
    if (known)
        return (unsigned char)bytes[known - names];
    if (name == 'x') {
        int high = hex_digit((*at)[0]);
        int low = high < 0 ? -1 : hex_digit((*at)[1]);
        if (low >= 0) {
            *at += 2;
            return high << 4 | low;
        }
        return error_set(MAPLOG_INVALID, "\\x wants two hexadecimal digits, as in \\x1f");
    }
    if (!name)
        return error_set(MAPLOG_INVALID, "a single backslash at the end; \\\\ stands for one");
    return error_set(MAPLOG_INVALID, "\\%c is no escape; there are \\n \\t \\r \\\\ \\0 and \\xNN",
                     name);
}

int format_unescape(char *text, size_t *size)
{
    const char *at = text;
    char *to = text;
    while (*at) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        int byte = take_escape(&at);
        if (byte < 0)
            return byte;
        *to++ = (char)byte;
    }
    *size = (size_t)(to - text);
    return 0;
}

/* The source is walked once; literal bytes gather in format->text, a piece for each run. */
static int compile(const char *source, struct format *format)
{
    char *to = format->text;
    for (const char *at = source; *at;) {
        struct format_piece *piece = &format->pieces[format->count];
        if (at[0] == '%' && at[1] != '%') {
            if (!at[1] || !strchr(LETTERS, at[1]))
                return error_set(MAPLOG_INVALID,
                                 "%%%.1s is no format letter; there are %%s %%S %%R "
                                 "%%k %%K %%h %%t %%p %%o %%T and %%%%",
                                 at + 1);
            *piece = (struct format_piece){.letter = at[1]};
            format->count++;
            at += 2;
            continue;
        }
        *piece = (struct format_piece){.text = to};
        while (*at && (*at != '%' || at[1] == '%')) {
            int byte = (unsigned char)*at++;
            if (byte == '\\')
                byte = take_escape(&at);
            else if (byte == '%')
                at++;
            if (byte < 0)
                return byte;
            *to++ = (char)byte;
        }
        piece->size = (size_t)(to - piece->text);
        format->count++;
    }
    return 0;
}

int format_compile(const char *source, struct format *format)
{
    size_t length = strlen(source);
    struct format made = {.text = malloc(length + 1),
                          .pieces = calloc(length + 1, sizeof *made.pieces)};
    int result = made.text && made.pieces ? compile(source, &made)
                                          : error_set(MAPLOG_NO_MEMORY, "no memory for the format");
    if (result) {
        format_free(&made);
        return result;
    }
    *format = made;
    return 0;
}

void format_free(struct format *format)
{
    free(format->text);
    free(format->pieces);
    *format = (struct format){0};
}

static void print_headers(const struct maplog_message *message, struct output *output)
{
    const char *name;
    const void *value;
    size_t name_size, value_size;
    for (int32_t i = 0; i < message->header_count; i++) {
        if (maplog_message_header(message, i, &name, &name_size, &value, &value_size) != 0)
            return;
        if (i > 0)
            output_put(output, ",", 1);
        output_put(output, name, name_size);
        output_put(output, "=", 1);
        if (value)
            output_put(output, value, value_size);
        else
            output_text(output, "NULL");
    }
}

static void print_length(const struct maplog_message *message, struct output *output)
{
    uint8_t length[4];
    bytes_store32(length, message->value ? (uint32_t)message->value_size : UINT32_MAX);
    output_put(output, length, sizeof length);
}

void format_print(const struct format *format, const char *topic,
                  const struct maplog_message *message, struct output *output)
{
    for (size_t i = 0; i < format->count; i++) {
        const struct format_piece *piece = &format->pieces[i];
        switch (piece->letter) {
        case 0:
            output_put(output, piece->text, piece->size);
            break;
        case 's':
            output_put(output, message->value, message->value_size);
            break;
        case 'k':
            output_put(output, message->key, message->key_size);
            break;
        case 'S':
            output_number(output, message->value ? (long long)message->value_size : -1);
            break;
        case 'K':
            output_number(output, message->key ? (long long)message->key_size : -1);
            break;
        case 'R':
            print_length(message, output);
            break;
        case 'h':
            print_headers(message, output);
            break;
        case 't':
            output_text(output, topic);
            break;
        case 'p':
            output_number(output, message->partition);
            break;
        case 'o':
            output_number(output, message->offset);
            break;
        case 'T':
            output_number(output, message->timestamp);
            break;
        }
    }
}
