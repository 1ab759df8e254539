/* sheet.c - tables in memory. */
#include "lab/sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/sheet_inside.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static char *copy_text(struct sheet *sheet, const char *text)
{
    char *copy = strdup(text);
    sheet->broken |= !copy;
    return copy;
}

static char *format_text(struct sheet *sheet, const char *format, va_list arguments)
{
    char *text;
    if (vasprintf(&text, format, arguments) >= 0)
        return text;
    sheet->broken = true;
    return NULL;
}

/* Room for one more; NULL without memory. */
static void *grow(struct sheet *sheet, void **items, size_t count, size_t size)
{
    void *grown = reallocarray(*items, count + 1, size);
    if (!grown) {
        sheet->broken = true;
        return NULL;
    }
    *items = grown;
    return memset((char *)grown + count * size, 0, size);
}

struct sheet *sheet_new(const char *name, const char *title)
{
    struct sheet *sheet = calloc(1, sizeof *sheet);
    if (!sheet)
        return NULL;
    sheet->name = copy_text(sheet, name);
    sheet->title = copy_text(sheet, title);
    if (!sheet->broken)
        return sheet;
    sheet_free(sheet);
    return NULL;
}

static void free_texts(struct sheet_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

void sheet_free(struct sheet *sheet)
{
    if (!sheet)
        return;
    for (size_t i = 0; i < sheet->row_count; i++) {
        for (size_t j = 0; j < sheet->rows[i].count; j++)
            free(sheet->rows[i].cells[j].text);
        free(sheet->rows[i].cells);
    }
    free(sheet->rows);
    for (size_t i = 0; i < sheet->column_count; i++) {
        free((char *)sheet->columns[i].name);
        free((char *)sheet->columns[i].unit);
    }
    free(sheet->columns);
    for (size_t i = 0; i < sheet->plot_count; i++)
        free((char *)sheet->plots[i].title);
    free(sheet->plots);
    free_texts(&sheet->words);
    free_texts(&sheet->advice);
    free(sheet->name);
    free(sheet->title);
    free(sheet);
}

bool sheet_broken(const struct sheet *sheet)
{
    return !sheet || sheet->broken;
}

/* ---- filling --------------------------------------------------------------------------------- */

void sheet_columns(struct sheet *sheet, const struct sheet_column *columns, size_t count)
{
    if (!sheet)
        return;
    for (size_t i = 0; i < count; i++) {
        struct sheet_column *column = grow(sheet, (void **)&sheet->columns, i, sizeof *column);
        if (!column)
            return;
        column->name = copy_text(sheet, columns[i].name);
        column->unit = copy_text(sheet, columns[i].unit);
        column->digits = columns[i].digits;
        sheet->column_count++;
        if (sheet->broken)
            return;
    }
}

void sheet_row(struct sheet *sheet, enum sheet_row kind)
{
    if (sheet_broken(sheet))
        return;
    struct sheet_line *row = grow(sheet, (void **)&sheet->rows, sheet->row_count, sizeof *row);
    if (!row)
        return;
    row->kind = kind;
    row->cells = calloc(sheet->column_count, sizeof *row->cells);
    sheet->broken |= !row->cells;
    sheet->row_count++;
}

/* NULL: there is no memory, no row, or no column left. */
static struct sheet_cell *next_cell(struct sheet *sheet, enum sheet_cell_kind kind)
{
    if (sheet_broken(sheet) || !sheet->row_count)
        return NULL;
    struct sheet_line *row = &sheet->rows[sheet->row_count - 1];
    if (row->count == sheet->column_count)
        return NULL;
    row->cells[row->count].kind = kind;
    return &row->cells[row->count++];
}

void sheet_text(struct sheet *sheet, const char *format, ...)
{
    struct sheet_cell *cell = next_cell(sheet, CELL_TEXT);
    va_list arguments;
    va_start(arguments, format);
    if (cell)
        cell->text = format_text(sheet, format, arguments);
    va_end(arguments);
}

void sheet_number(struct sheet *sheet, double value)
{
    if (!isfinite(value)) {
        sheet_refused(sheet, "too little was measured");
        return;
    }
    struct sheet_cell *cell = next_cell(sheet, CELL_NUMBER);
    if (cell)
        cell->number = value;
}

void sheet_refused(struct sheet *sheet, const char *format, ...)
{
    struct sheet_cell *cell = next_cell(sheet, CELL_REFUSED);
    va_list arguments;
    va_start(arguments, format);
    if (cell)
        cell->text = format_text(sheet, format, arguments);
    va_end(arguments);
}

static void add_text(struct sheet *sheet, struct sheet_texts *texts, char *text)
{
    char **item = text ? grow(sheet, (void **)&texts->items, texts->count, sizeof *item) : NULL;
    if (item) {
        *item = text;
        texts->count++;
    } else {
        free(text);
    }
}

void sheet_say(struct sheet *sheet, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!sheet_broken(sheet))
        add_text(sheet, &sheet->words, format_text(sheet, format, arguments));
    va_end(arguments);
}

void sheet_advise(struct sheet *sheet, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!sheet_broken(sheet))
        add_text(sheet, &sheet->advice, format_text(sheet, format, arguments));
    va_end(arguments);
}

void sheet_plot(struct sheet *sheet, const struct sheet_plot *plot)
{
    int count = sheet_broken(sheet) ? 0 : (int)sheet->column_count;
    bool fits =
        plot->x >= 0 && plot->x < count && plot->y >= 0 && plot->y < count && plot->series < count;
    struct sheet_plot *added =
        fits ? grow(sheet, (void **)&sheet->plots, sheet->plot_count, sizeof *added) : NULL;
    if (!added)
        return;
    *added = *plot;
    added->title = copy_text(sheet, plot->title);
    sheet->plot_count++;
}

/* ---- looking --------------------------------------------------------------------------------- */

const struct sheet_cell *sheet_cell(const struct sheet *sheet, size_t row, size_t column)
{
    static const struct sheet_cell empty = {.kind = CELL_EMPTY};
    const struct sheet_line *line = &sheet->rows[row];
    return column < line->count ? &line->cells[column] : &empty;
}

/* "-1234567.8" becomes "-1,234,567.8". */
static void group_digits(const char *plain, char buffer[static CELL_SIZE])
{
    size_t sign = plain[0] == '-', whole = strspn(plain + sign, "0123456789"), to = 0;
    for (size_t i = 0; plain[i] && to < CELL_SIZE - 2; i++) {
        if (i > sign && i < sign + whole && (sign + whole - i) % 3 == 0)
            buffer[to++] = ',';
        buffer[to++] = plain[i];
    }
    buffer[to] = '\0';
}

const char *sheet_cell_text(const struct sheet *sheet, size_t row, size_t column,
                            char buffer[static CELL_SIZE])
{
    const struct sheet_cell *cell = sheet_cell(sheet, row, column);
    char plain[CELL_SIZE];
    switch (cell->kind) {
    case CELL_EMPTY:
        return "";
    case CELL_TEXT:
        return cell->text ? cell->text : "";
    case CELL_REFUSED:
        return "-";
    case CELL_NUMBER:
        break;
    }
    snprintf(plain, sizeof plain, "%.*f", sheet->columns[column].digits, cell->number);
    group_digits(plain, buffer);
    return buffer;
}

size_t sheet_note(const char *const *notes, size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(notes[i], why) == 0)
            return i;
    return SHEET_NOTES;
}

size_t sheet_notes(const struct sheet *sheet, const char *notes[static SHEET_NOTES])
{
    size_t count = 0;
    for (size_t row = 0; row < sheet->row_count; row++) {
        for (size_t column = 0; column < sheet->rows[row].count; column++) {
            const struct sheet_cell *cell = &sheet->rows[row].cells[column];
            if (cell->kind == CELL_REFUSED && cell->text && count < SHEET_NOTES &&
                sheet_note(notes, count, cell->text) == SHEET_NOTES)
                notes[count++] = cell->text;
        }
    }
    return count;
}
