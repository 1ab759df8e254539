/*
 * sheet.h - the result of an experiment: a table, what stands around it in words, and which of its
 * columns make a picture. One thread. Texts are copied. Without memory the sheet goes on as if
 * nothing were wrong, and sheet_broken() tells at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct sheet;

struct sheet_column {
    const char *name; /* "system calls" */
    const char *unit; /* "per request"; "" for none and for text */
    int digits;       /* behind the point; of texts it is ignored */
};

enum sheet_row {
    SHEET_MEASURED,
    SHEET_ROOF,  /* what the bare machine does: the measure of all others */
    SHEET_CLAIM, /* what is said elsewhere: not measured here */
};

/* name: "transfer-tcp", also the file name of its pictures; title: one line for people. */
struct sheet *sheet_new(const char *name, const char *title);
void sheet_free(struct sheet *sheet); /* accepts NULL */
bool sheet_broken(const struct sheet *sheet);

/* All columns, before the first row. */
void sheet_columns(struct sheet *sheet, const struct sheet_column *columns, size_t count);
/* Begins a row; its cells follow, from left to right. What is not given is empty. */
void sheet_row(struct sheet *sheet, enum sheet_row kind);
void sheet_text(struct sheet *sheet, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sheet_number(struct sheet *sheet, double value);
/* A cell without a value: it could not be had, and this is why, in some words. */
void sheet_refused(struct sheet *sheet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A sentence below the table: what was seen, how it was verified, where a claim does not hold. */
void sheet_say(struct sheet *sheet, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A sentence of advice, drawn from the figures of this run: what to choose on this machine. */
void sheet_advise(struct sheet *sheet, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum sheet_shape { SHEET_LINES, SHEET_BARS };

/* Lines: y over x, one line for each text in the column `series`. Bars: one group for each text in
 * the column x (a text), one bar for each text in series. Columns by index; rows whose cells are
 * not numbers are left out; series -1: there is one. */
struct sheet_plot {
    const char *title;
    enum sheet_shape shape;
    int x, y, series;
    bool log_x, log_y;
};
void sheet_plot(struct sheet *sheet, const struct sheet_plot *plot);
