/*
 * segment_cache.h - segments mapped for reading, kept between reads; least recently used ones go.
 * Its own mutex; any thread. To be closed before the directory. For directories only: a segment of
 * an anonymous log that is kept would keep its slot from being recycled.
 */
#pragma once

#include "log/partition.h"

struct segment_cache;

/* capacity: segments kept mapped, beside those that somebody holds a reference of. */
int segment_cache_open(size_t capacity, struct segment_cache **cache);
void segment_cache_close(struct segment_cache *cache); /* accepts NULL */
/* The segment with this base offset, a reference for the caller. Errors as store->open. */
int segment_cache_get(struct segment_cache *cache, struct partition *partition, int64_t base,
                      struct segment **segment);
/* Lets go of segments whose files went (retention, deletion), so that their bytes become free; of
 * all partitions when it is NULL. To be called now and then: a look-up alone does not. */
void segment_cache_forget(struct segment_cache *cache, const struct partition *partition);
