/*
 * page.h - findings as one HTML page that needs nothing else: style and pictures are in it. One
 * thread.
 */
#pragma once

#include <stdio.h>

#include "lab/findings.h"

/* Pictures that cannot be drawn are left out and the page says why. */
void page_write(FILE *to, const struct findings *findings);
