/*
 * segment_cache.h - segments mapped for reading, kept between reads; least recently used ones go.
 * Its own mutex; any thread.
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
/* Segments of a partition whose files went (retention, deletion) need not be kept longer. */
void segment_cache_forget(struct segment_cache *cache, const struct partition *partition);
