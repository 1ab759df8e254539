#include "base/contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void contract_broken(const struct contract *at, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s: contract broken: %s\n", at->file, at->line, at->function, sentence);
    abort();
}
