#include "lab/median.h"

#include <stdlib.h>
#include <string.h>

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double median(const double *values, unsigned count, double *least, double *most)
{
    double sorted[MEDIAN_MOST];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, ascending);
    if (least)
        *least = sorted[0];
    if (most)
        *most = sorted[count - 1];
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}
