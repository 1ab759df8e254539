/* output.c - a write buffer. */
#include "cmd/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"

#define NUMBER_SIZE 24 /* a sign and 19 digits, and room */

struct output *output_open(int fd)
{
    struct output *output = malloc(sizeof *output);
    if (!output) {
        error_set(MAPLOG_NO_MEMORY, "no memory for the output");
        return NULL;
    }
    output->fd = fd;
    output->used = 0;
    output->failed = 0;
    return output;
}

static void write_out(struct output *output, const void *bytes, size_t size)
{
    if (!output->failed && size > 0)
        output->failed = file_write_stream(output->fd, "standard output", bytes, size);
}

int output_flush(struct output *output)
{
    write_out(output, output->bytes, output->used);
    output->used = 0;
    return output->failed;
}

void output_put(struct output *output, const void *bytes, size_t size)
{
    if (size > OUTPUT_BYTES - output->used) {
        output_flush(output);
        if (size >= OUTPUT_BYTES / 2) { /* no need to copy it first */
            write_out(output, bytes, size);
            return;
        }
    }
    if (size > 0)
        memcpy(output->bytes + output->used, bytes, size);
    output->used += size;
}

void output_text(struct output *output, const char *text)
{
    output_put(output, text, strlen(text));
}

void output_number(struct output *output, long long number)
{
    char digits[NUMBER_SIZE];
    char *at = digits + sizeof digits;
    unsigned long long left =
        number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        *--at = '-';
    output_put(output, at, (size_t)(digits + sizeof digits - at));
}
