#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES (1u << 20) /* written in large pieces, as cp does */

void bench_write_text(const char *path, size_t bytes)
{
    char line[2 * BENCH_LINE_BYTES];
    FILE *file = fopen(path, "w");
    uint32_t state = 1;
    size_t written = 0;
    if (!file) {
        perror(path);
        exit(1);
    }
    setvbuf(file, NULL, _IOFBF, BLOCK_BYTES);
    while (written < bytes) {
        size_t length = 0;
        state = state * 1664525u + 1013904223u;
        size_t wanted = (state >> 8) % (2 * BENCH_LINE_BYTES - 1);
        for (char letter = (char)('a' + (state >> 24) % 26); length < wanted; length++) {
            line[length] = letter;
            letter = letter == 'z' ? 'a' : (char)(letter + 1);
        }
        line[length++] = '\n';
        if (fwrite(line, 1, length, file) != length) {
            perror(path);
            exit(1);
        }
        written += length;
    }
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}
