/* nearest.h - how far apart two words are, for "did you mean". Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NEAREST_MAX_LENGTH 64 /* bytes of a word that is compared */

/* Characters to insert, delete or replace to make one of the other (Levenshtein); SIZE_MAX when one
 * is longer than NEAREST_MAX_LENGTH. */
size_t nearest_distance(const char *one, const char *other);
/* True when somebody who wrote `word` may well have meant a word at this distance. */
bool nearest_is_near(const char *word, size_t distance);
