#include "words.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE (1u << 14)

/* The word's slot, or the free one where it belongs. */
static struct word *find(const struct words *words, const struct word *word)
{
    size_t i = word->hash & (words->size - 1);
    for (struct word *slot; (slot = &words->slots[i])->at; i = (i + 1) & (words->size - 1))
        if (slot->hash == word->hash && slot->size == word->size &&
            memcmp(slot->at, word->at, word->size) == 0)
            break;
    return &words->slots[i];
}

static int enlarge(struct words *words)
{
    struct words larger = {.size = words->size ? 2 * words->size : FIRST_SIZE, .used = words->used};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots)
        return -1;
    for (size_t i = 0; i < words->size; i++)
        if (words->slots[i].at)
            *find(&larger, &words->slots[i]) = words->slots[i];
    free(words->slots);
    *words = larger;
    return 0;
}

int words_add(struct words *words, const struct word *word)
{
    if (2 * words->used >= words->size && enlarge(words) != 0) /* half full, or not made yet */
        return -1;
    struct word *slot = find(words, word);
    if (slot->at) {
        slot->count += word->count;
    } else {
        *slot = *word;
        words->used++;
    }
    return 0;
}

int words_add_all(struct words *words, const struct words *others)
{
    for (size_t i = 0; i < others->size; i++)
        if (others->slots[i].at && words_add(words, &others->slots[i]) != 0)
            return -1;
    return 0;
}

/* The commonest first; equally common ones by their bytes. */
static int compare(const void *a, const void *b)
{
    const struct word *one = a, *other = b;
    if (one->count != other->count)
        return one->count < other->count ? 1 : -1;
    size_t shorter = one->size < other->size ? one->size : other->size;
    int order = shorter > 0 ? memcmp(one->at, other->at, shorter) : 0;
    return order ? order : (one->size > other->size) - (one->size < other->size);
}

void words_sort(struct words *words)
{
    if (words->used > 0)
        qsort(words->slots, words->size, sizeof *words->slots, compare); /* free ones: count 0 */
}
