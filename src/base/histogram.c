/* histogram.c - values below 64 have a bucket each; above, 64 buckets a power of two. */
#include "base/histogram.h"

#include <string.h>

#define SUB_BITS 6
#define SUB_BUCKETS (1u << SUB_BITS)

_Static_assert((64 - SUB_BITS + 1) * SUB_BUCKETS <= HISTOGRAM_BUCKETS, "every value has a bucket");

static unsigned bucket_of(uint64_t value)
{
    if (value < SUB_BUCKETS)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    unsigned sub = (unsigned)(value >> (power - SUB_BITS)) & (SUB_BUCKETS - 1);
    return (power - SUB_BITS + 1) * SUB_BUCKETS + sub;
}

/* Largest value that falls into the bucket. */
static uint64_t bound_of(unsigned bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = bucket / SUB_BUCKETS - 1;
    uint64_t first = (uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    histogram->count += from->count;
    if (from->max > histogram->max)
        histogram->max = from->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t seen = 0;
    double wanted = (double)histogram->count * percent / 100;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (histogram->buckets[i] && (double)seen >= wanted) {
            uint64_t bound = bound_of(i);
            return bound < histogram->max ? bound : histogram->max;
        }
    }
    return histogram->max;
}
