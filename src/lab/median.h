/*
 * median.h - the middle of what was measured again and again. Pure; any thread.
 */
#pragma once

#define MEDIAN_MOST 64 /* values */

/* Of 1 to MEDIAN_MOST values; of an even number the mean of the two in the middle. *least and *most
 * (may be NULL) are the extremes. */
double median(const double *values, unsigned count, double *least, double *most);
