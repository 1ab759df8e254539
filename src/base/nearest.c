#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

size_t nearest_distance(const char *one, const char *other)
{
    size_t row[NEAREST_MAX_LENGTH + 1];
    size_t width = strlen(other);
    if (width > NEAREST_MAX_LENGTH || strlen(one) > NEAREST_MAX_LENGTH)
        return SIZE_MAX;
    for (size_t i = 0; i <= width; i++)
        row[i] = i;
    for (size_t line = 1; *one; one++, line++) {
        size_t corner = row[0]; /* the entry above and left of the one that is computed */
        row[0] = line;
        for (size_t i = 1; i <= width; i++) {
            size_t replaced = corner + (*one != other[i - 1]);
            corner = row[i];
            size_t added = row[i - 1] < row[i] ? row[i - 1] + 1 : row[i] + 1;
            row[i] = replaced < added ? replaced : added;
        }
    }
    return row[width];
}

bool nearest_is_near(const char *word, size_t distance)
{
    return distance <= 2 + strlen(word) / 4;
}
