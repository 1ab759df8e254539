/* futex.h - sleeping on shared words. Words may lie in read-only or file mappings. Any thread. */
#pragma once

#include <stdint.h>

struct futex_wait_on {
    const uint32_t *word;
    uint32_t expected;
};

#define FUTEX_WAIT_MANY_LIMIT 128

/* Sleeps while *word == expected, at most timeout_ns (< 0: no limit). 0 woken or the value
 * differed or a signal came; MAPLOG_TIMED_OUT. */
int futex_wait(const uint32_t *word, uint32_t expected, int64_t timeout_ns);
/* The same on up to FUTEX_WAIT_MANY_LIMIT words; MAPLOG_UNSUPPORTED before Linux 5.16. */
int futex_wait_many(const struct futex_wait_on *words, unsigned count, int64_t timeout_ns);
/* Wakes all who sleep on word. */
void futex_wake_all(const uint32_t *word);
