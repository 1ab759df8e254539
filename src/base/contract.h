/*
 * contract.h - what only a mistake in the program can break, such as a handle used after its close.
 *
 * What a caller can know no better is an error with a MAPLOG_* code. What the documentation
 * forbids, and a release does not look for because looking would cost each call, is checked here in
 * builds with contracts (BUILD=debug, asan, tsan, fuzz): they end the process with a sentence. In a
 * release nothing is left of it. Never for bytes from a disk, another process or a socket.
 */
#pragma once

/* Prints "FILE:LINE: FUNCTION: contract broken: SENTENCE" and aborts. */
struct contract {
    const char *file;
    int line;
    const char *function;
};
void contract_broken(const struct contract *at, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold, noreturn));

#ifdef MAPLOG_CONTRACTS
#define CONTRACT_HERE (&(const struct contract){__FILE__, __LINE__, __func__})
/* The condition must hold; else a sentence (printf format) says what was broken. */
#define CONTRACT(condition, ...)                                                                   \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            contract_broken(CONTRACT_HERE, __VA_ARGS__);                                           \
    } while (0)
#else
#define CONTRACT_HERE ((const struct contract *)0)
#define CONTRACT(condition, ...)                                                                   \
    do {                                                                                           \
    } while (0)
#endif
