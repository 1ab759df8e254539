/* clock.c - clocks, and the rate of the tick counter. */
#include "os/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

void clock_sleep_ns(int64_t ns)
{
    if (ns <= 0)
        return;
    struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

#if defined(__x86_64__)

uint64_t clock_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

struct moment {
    int64_t ns;
    uint64_t ticks;
};

/* Reads both clocks; of several tries the one that was least disturbed in between. */
static struct moment read_both(void)
{
    struct moment best = {0, 0};
    uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t before = clock_ticks();
        int64_t ns = clock_monotonic_ns();
        uint64_t width = clock_ticks() - before;
        if (width < narrowest) {
            narrowest = width;
            best = (struct moment){ns, before + width / 2};
        }
    }
    return best;
}

uint64_t clock_ticks_per_us(void)
{
    static atomic_ullong cached; /* two threads may both measure; either result will do */
    uint64_t rate = cached;
    if (rate)
        return rate;
    struct moment first = read_both();
    while (clock_monotonic_ns() - first.ns < 1000000)
        ;
    struct moment last = read_both();
    uint64_t ns = (uint64_t)(last.ns - first.ns);
    rate = ((last.ticks - first.ticks) * 1000 + ns / 2) / ns;
    cached = rate ? rate : 1;
    return cached;
}

#else

uint64_t clock_ticks(void)
{
    return (uint64_t)clock_monotonic_ns();
}

uint64_t clock_ticks_per_us(void)
{
    return 1000;
}

#endif
