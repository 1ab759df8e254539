/*
 * plot.h - the pictures of a sheet, drawn by gnuplot, a program that is started for each. One
 * thread.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "lab/sheet.h"

/* What to install when there is none. */
#define PLOT_MISSING "gnuplot is not installed (Debian: apt-get install gnuplot-nox)"

/* The picture with this number, an <svg> element to be freed. MAPLOG_NOT_FOUND: gnuplot is not
 * installed; *svg is NULL with 0: there is no number to draw. */
int plot_draw(const struct sheet *sheet, size_t number, char **svg);
/* The same picture as a script for gnuplot, which writes it to standard output; how many points it
 * has. */
size_t plot_script(FILE *to, const struct sheet *sheet, size_t number);
