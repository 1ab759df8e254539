/* error.c - the thread's error text, and the tables that err.def unfolds to. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static __thread char text[ERROR_TEXT_SIZE];

#define ERROR(name, number, sentence)                                                              \
    _Static_assert(MAPLOG_##name == -(number), "maplog.h and err.def disagree on " #name);
#include "base/err.def"
#undef ERROR

static const struct {
    const char *name;
    const char *sentence;
} table[] = {
    {"MAPLOG_OK", "success"},
#define ERROR(name, number, sentence) [number] = {"MAPLOG_" #name, sentence},
#include "base/err.def"
#undef ERROR
};

#define CODES (sizeof table / sizeof table[0])

int error_set(int code, const char *format, ...)
{
    /* Formatted aside first: an argument may be the present text itself. */
    char fresh[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    memcpy(text, fresh, strlen(fresh) + 1);
    return code;
}

static int code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return MAPLOG_DISK_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return MAPLOG_DENIED;
    case ENOENT:
        return MAPLOG_NOT_FOUND;
    case EEXIST:
        return MAPLOG_EXISTS;
    case ENOMEM:
        return MAPLOG_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return MAPLOG_LIMIT;
    case EAGAIN:
    case EBUSY:
        return MAPLOG_BUSY;
    case ETIMEDOUT:
        return MAPLOG_TIMED_OUT;
    default:
        return MAPLOG_IO;
    }
}

int error_errno(int errnum, const char *format, ...)
{
    char what[ERROR_TEXT_SIZE];
    char space[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(code_of_errno(errnum), "%s: %s", what,
                     strerror_r(errnum, space, sizeof space));
}

int error_prefix(int code, const char *format, ...)
{
    char prefix[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    return error_set(code, "%s: %s", prefix, text);
}

const char *error_text(void)
{
    return text;
}

const char *error_name(int code)
{
    size_t number = code <= 0 ? (size_t) - (ptrdiff_t)code : CODES;
    return number < CODES && table[number].name ? table[number].name : "MAPLOG_UNKNOWN";
}

const char *error_sentence(int code)
{
    size_t number = code <= 0 ? (size_t) - (ptrdiff_t)code : CODES;
    return number < CODES && table[number].sentence ? table[number].sentence : "unknown error";
}
