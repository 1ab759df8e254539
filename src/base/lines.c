/*
 * lines.c - newline search, 64 bytes a step.
 *
 * Each variant turns 64 bytes of text into a 64-bit mask of newlines. Unfolding the mask writes
 * four ends without asking how many there are (a branch a line would be mispredicted at most line
 * lengths) and then moves on by the true count; so it needs room, and near the limit a careful loop
 * takes over.
 */
#include "base/lines.h"

#include <stdbool.h>
#include <string.h>

#include "base/cpu.h"

#define STEP 64 /* bytes a mask covers, and most ends that one can unfold to */

typedef size_t find_function(const char *text, size_t length, uint32_t *ends, size_t limit);

/* What the tail of the text (less than a step) and the last ends before the limit go through. */
static size_t find_bytewise(const char *text, size_t from, size_t length, uint32_t *ends,
                            size_t limit)
{
    size_t count = 0;
    while (count < limit && from < length) {
        const char *found = memchr(text + from, '\n', length - from);
        if (!found)
            break;
        from = (size_t)(found - text);
        ends[count++] = (uint32_t)from++;
    }
    return count;
}

static size_t find_scalar(const char *text, size_t length, uint32_t *ends, size_t limit)
{
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7f;
    const uint64_t newlines = 0x0a0a0a0a0a0a0a0a;
    size_t count = 0;
    size_t at = 0;
    for (; length - at >= 8 && limit - count >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        word ^= newlines;
        /* High bit of each byte that is zero now, exactly: no carry leaves a byte. */
        uint64_t mask = ~(((word & low7) + low7) | word | low7);
        for (; mask; mask &= mask - 1)
            ends[count++] = (uint32_t)(at + (unsigned)__builtin_ctzll(mask) / 8);
    }
    return count + find_bytewise(text, at, length, ends + count, limit - count);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* How far ahead text is fetched into the cache: the CPU's own prefetcher stops at each page, and
 * with work between two loads it does not keep up with memory. */
#define FETCH_AHEAD 2048

#define UNFOLD_TARGET "bmi,popcnt"

/* Writes the ends that mask stands for; up to STEP entries of `ends` may be overwritten. */
__attribute__((target(UNFOLD_TARGET), always_inline)) static inline size_t
unfold(uint64_t mask, size_t at, uint32_t *ends)
{
    size_t count = (size_t)__builtin_popcountll(mask);
    for (unsigned i = 0; i < 4; i++, mask = _blsr_u64(mask))
        ends[i] = (uint32_t)(at + _tzcnt_u64(mask));
    for (size_t i = 4; __builtin_expect(i < count, 0); i += 4)
        for (size_t j = i; j < i + 4; j++, mask = _blsr_u64(mask))
            ends[j] = (uint32_t)(at + _tzcnt_u64(mask));
    return count;
}

__attribute__((target("avx512f,avx512bw," UNFOLD_TARGET))) static size_t
find_avx512(const char *text, size_t length, uint32_t *ends, size_t limit)
{
    const __m512i newline = _mm512_set1_epi8('\n');
    size_t count = 0;
    size_t at = 0;
    for (; length - at >= STEP && limit - count >= STEP; at += STEP) {
        _mm_prefetch(text + at + FETCH_AHEAD, _MM_HINT_T0);
        uint64_t mask = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text + at), newline);
        count += unfold(mask, at, ends + count);
    }
    return count + find_bytewise(text, at, length, ends + count, limit - count);
}

__attribute__((target("avx2," UNFOLD_TARGET))) static size_t
find_avx2(const char *text, size_t length, uint32_t *ends, size_t limit)
{
    const __m256i newline = _mm256_set1_epi8('\n');
    size_t count = 0;
    size_t at = 0;
    for (; length - at >= STEP && limit - count >= STEP; at += STEP) {
        _mm_prefetch(text + at + FETCH_AHEAD, _MM_HINT_T0);
        __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(text + at));
        __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + at + 32));
        uint32_t low_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, newline));
        uint32_t high_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, newline));
        count += unfold((uint64_t)high_mask << 32 | low_mask, at, ends + count);
    }
    return count + find_bytewise(text, at, length, ends + count, limit - count);
}
#endif

struct variant {
    const char *name;
    find_function *find;
};

/* The variant called name (NULL: the widest) that this CPU has; find is NULL when it has not. */
static struct variant variant_for(const char *name)
{
#if defined(__x86_64__)
    bool bits = CPU_HAS(BMI1) && CPU_HAS(POPCNT);
    if (bits && CPU_HAS(AVX512BW) && (!name || strcmp(name, "avx512") == 0))
        return (struct variant){"avx512", find_avx512};
    if (bits && CPU_HAS(AVX2) && (!name || strcmp(name, "avx2") == 0))
        return (struct variant){"avx2", find_avx2};
#endif
    if (!name || strcmp(name, "scalar") == 0)
        return (struct variant){"scalar", find_scalar};
    return (struct variant){NULL, NULL};
}

static struct variant chosen = {"scalar", find_scalar};

__attribute__((constructor)) static void choose(void)
{
    chosen = variant_for(NULL);
}

size_t lines_find(const char *text, size_t length, uint32_t *ends, size_t limit)
{
    return chosen.find(text, length, ends, limit);
}

const char *lines_variant(void)
{
    return chosen.name;
}

int lines_force(const char *variant)
{
    struct variant forced = variant_for(variant);
    if (!forced.find)
        return -1;
    chosen = forced;
    return 0;
}
