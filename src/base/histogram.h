/* histogram.h - latency histogram with about 1 % resolution, fixed memory. Pure; one thread. */
#pragma once

#include <stdint.h>

#define HISTOGRAM_BUCKETS 4096 /* 64 sub-buckets a power of two */

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t value);
/* Adds all of `from` to `histogram`. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);
/* Smallest recorded bucket bound that at least `percent` (0..100) of the values do not exceed. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
