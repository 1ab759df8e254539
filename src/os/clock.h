/* clock.h - time. Any thread. */
#pragma once

#include <stdint.h>

int64_t clock_wall_ms(void);      /* milliseconds since 1970, CLOCK_REALTIME */
int64_t clock_monotonic_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_monotonic_ms(void);
void clock_sleep_ns(int64_t ns);
/* A cheap, steady tick counter (rdtsc, or the monotonic clock elsewhere), and its rate. */
uint64_t clock_ticks(void);
uint64_t clock_ticks_per_us(void); /* measured once, then cached */
