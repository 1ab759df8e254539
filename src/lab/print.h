/*
 * print.h - findings as text: tables for a terminal, UTF-8. One thread.
 */
#pragma once

#include <stdio.h>

#include "lab/findings.h"

void print_findings(FILE *to, const struct findings *findings);
/* One sheet: its table, footnotes, words; its advice comes at the end of all. */
void print_sheet(FILE *to, const struct sheet *sheet);
