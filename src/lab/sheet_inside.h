/*
 * sheet_inside.h - what a sheet holds, for those who print it. Read only, but for sheet.c.
 */
#pragma once

#include "lab/sheet.h"

enum sheet_cell_kind { CELL_EMPTY, CELL_TEXT, CELL_NUMBER, CELL_REFUSED };

struct sheet_cell {
    enum sheet_cell_kind kind;
    double number;
    char *text; /* CELL_TEXT; CELL_REFUSED: why */
};

struct sheet_line {
    enum sheet_row kind;
    size_t count; /* of the cells given, at most the sheet's columns */
    struct sheet_cell *cells;
};

struct sheet_texts {
    char **items;
    size_t count;
};

struct sheet {
    char *name, *title;
    struct sheet_column *columns;
    size_t column_count;
    struct sheet_line *rows;
    size_t row_count;
    struct sheet_plot *plots;
    size_t plot_count;
    struct sheet_texts words, advice;
    bool broken;
};

#define CELL_SIZE 64 /* bytes of a number's text with the NUL */
/* The cell's text: a number with its column's digits and a comma at each thousand, a text as it is,
 * "-" for a refused one, "" for an empty one. `buffer` may hold it. */
const char *sheet_cell_text(const struct sheet *sheet, size_t row, size_t column,
                            char buffer[static CELL_SIZE]);
/* The cell, also of a row that ends before it. */
const struct sheet_cell *sheet_cell(const struct sheet *sheet, size_t row, size_t column);
/* Footnotes: the different reasons of refused cells, in order; number of the cell's, from 1.
 * Reasons are at most `limit`; the answer is how many there are. */
#define SHEET_NOTES 26
size_t sheet_notes(const struct sheet *sheet, const char *notes[static SHEET_NOTES]);
/* Index of this reason among the notes; SHEET_NOTES when it is not there. */
size_t sheet_note(const char *const *notes, size_t count, const char *why);
