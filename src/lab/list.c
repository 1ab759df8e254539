/* list.c - text behind text. */
#include "lab/list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void list_add(char list[static LIST_BYTES], const char *separator, const char *format, ...)
{
    size_t length = strlen(list);
    if (length)
        length += (size_t)snprintf(list + length, LIST_BYTES - length, "%s", separator);
    va_list arguments;
    va_start(arguments, format);
    if (length < LIST_BYTES)
        vsnprintf(list + length, LIST_BYTES - length, format, arguments);
    va_end(arguments);
}
