/* print.c - tables as text. Columns are as wide as their cells; heads are broken into lines. */
#include "lab/print.h"

#include <string.h>

#include "lab/sheet_inside.h"

#define TEXT_WIDTH 96 /* of sentences */
#define HEAD_LINES 6
#define COLUMNS 32
#define GAP 2

/* Characters on the screen: bytes that begin one. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void put_spaces(FILE *to, int count)
{
    for (; count > 0; count--)
        putc(' ', to);
}

/* Words of a text, broken at spaces, each line behind `first` or `next`. */
static void put_wrapped(FILE *to, const char *first, const char *next, const char *text)
{
    int at = width_of(first), margin = width_of(next);
    bool fresh = true;
    fputs(first, to);
    for (; *text; fresh = false) {
        int bytes = (int)strcspn(text, " \n"), width = 0;
        for (int i = 0; i < bytes; i++)
            width += ((unsigned char)text[i] & 0xC0) != 0x80;
        if (!fresh && at + 1 + width > TEXT_WIDTH) {
            fprintf(to, "\n%s", next);
            at = margin;
        } else if (!fresh) {
            putc(' ', to);
            at++;
        }
        fprintf(to, "%.*s", bytes, text);
        at += width;
        text += bytes;
        text += strspn(text, " \n");
    }
    putc('\n', to);
}

/* ---- a table --------------------------------------------------------------------------------- */

struct head_line {
    const char *text;
    int bytes;
};

struct layout {
    const struct sheet *sheet;
    const char *notes[SHEET_NOTES];
    size_t note_count, columns;
    int widths[COLUMNS];
    bool is_text[COLUMNS]; /* all of its cells are: left, not right */
    struct head_line heads[COLUMNS][HEAD_LINES];
    int head_counts[COLUMNS], head_lines;
    bool has_roof, has_claim;
};

/* The cell as it is printed: a refused one with the letter of its footnote. */
static const char *cell_text(const struct layout *layout, size_t row, size_t column,
                             char buffer[static CELL_SIZE])
{
    const struct sheet_cell *cell = sheet_cell(layout->sheet, row, column);
    if (cell->kind != CELL_REFUSED)
        return sheet_cell_text(layout->sheet, row, column, buffer);
    size_t note =
        cell->text ? sheet_note(layout->notes, layout->note_count, cell->text) : SHEET_NOTES;
    if (note < SHEET_NOTES)
        snprintf(buffer, CELL_SIZE, "- [%c]", (char)('a' + note));
    else
        snprintf(buffer, CELL_SIZE, "-");
    return buffer;
}

static int longest_word(const char *text)
{
    int longest = 0, length;
    for (; *text; text += length + (text[length] == ' ')) {
        length = (int)strcspn(text, " ");
        longest = length > longest ? length : longest;
    }
    return longest;
}

static void measure_column(struct layout *layout, size_t column)
{
    const struct sheet_column *head = &layout->sheet->columns[column];
    int width = longest_word(head->name), unit = longest_word(head->unit);
    width = unit > width ? unit : width;
    layout->is_text[column] = true;
    for (size_t row = 0; row < layout->sheet->row_count; row++) {
        char buffer[CELL_SIZE];
        int cell = width_of(cell_text(layout, row, column, buffer));
        width = cell > width ? cell : width;
        enum sheet_cell_kind kind = sheet_cell(layout->sheet, row, column)->kind;
        layout->is_text[column] &= kind == CELL_TEXT || kind == CELL_EMPTY;
    }
    layout->widths[column] = width;
}

/* Breaks a text into lines that fit the column. */
static void add_heads(struct layout *layout, size_t column, const char *text)
{
    int *count = &layout->head_counts[column], width = layout->widths[column];
    while (*text && *count < HEAD_LINES) {
        int bytes = 0;
        for (int next = 0; text[next];) {
            next += (int)strcspn(text + next, " ");
            if (next > width && bytes)
                break;
            bytes = next;
            next += text[next] == ' ';
        }
        layout->heads[column][(*count)++] = (struct head_line){text, bytes};
        text += bytes;
        text += strspn(text, " ");
    }
}

static void lay_out(struct layout *layout, const struct sheet *sheet)
{
    memset(layout, 0, sizeof *layout);
    layout->sheet = sheet;
    layout->note_count = sheet_notes(sheet, layout->notes);
    layout->columns = sheet->column_count < COLUMNS ? sheet->column_count : COLUMNS;
    for (size_t i = 0; i < layout->columns; i++) {
        measure_column(layout, i);
        add_heads(layout, i, sheet->columns[i].name);
        add_heads(layout, i, sheet->columns[i].unit);
        if (layout->head_counts[i] > layout->head_lines)
            layout->head_lines = layout->head_counts[i];
    }
    for (size_t i = 0; i < sheet->row_count; i++) {
        layout->has_roof |= sheet->rows[i].kind == SHEET_ROOF;
        layout->has_claim |= sheet->rows[i].kind == SHEET_CLAIM;
    }
}

static void put_cell(FILE *to, const struct layout *layout, size_t column, const char *text)
{
    int space = layout->widths[column] - width_of(text);
    bool last = column + 1 == layout->columns;
    if (!layout->is_text[column])
        put_spaces(to, space);
    fputs(text, to);
    if (layout->is_text[column] && !last)
        put_spaces(to, space);
    if (!last)
        put_spaces(to, GAP);
}

static void put_head(FILE *to, const struct layout *layout)
{
    for (int line = 0; line < layout->head_lines; line++) {
        put_spaces(to, GAP);
        for (size_t i = 0; i < layout->columns; i++) {
            int at = line - (layout->head_lines - layout->head_counts[i]);
            char text[CELL_SIZE * 4] = "";
            if (at >= 0)
                snprintf(text, sizeof text, "%.*s", layout->heads[i][at].bytes,
                         layout->heads[i][at].text);
            put_cell(to, layout, i, text);
        }
        putc('\n', to);
    }
    put_spaces(to, GAP);
    for (size_t i = 0; i < layout->columns; i++) {
        for (int j = 0; j < layout->widths[i]; j++)
            putc('-', to);
        if (i + 1 < layout->columns)
            put_spaces(to, GAP);
    }
    putc('\n', to);
}

static void put_rows(FILE *to, const struct layout *layout)
{
    static const char *const marks[] = {
        [SHEET_MEASURED] = "  ", [SHEET_ROOF] = "= ", [SHEET_CLAIM] = "~ "};
    for (size_t row = 0; row < layout->sheet->row_count; row++) {
        fputs(marks[layout->sheet->rows[row].kind], to);
        for (size_t column = 0; column < layout->columns; column++) {
            char buffer[CELL_SIZE];
            put_cell(to, layout, column, cell_text(layout, row, column, buffer));
        }
        putc('\n', to);
    }
}

void print_sheet(FILE *to, const struct sheet *sheet)
{
    struct layout layout;
    lay_out(&layout, sheet);
    put_wrapped(to, "", "", sheet->title);
    putc('\n', to);
    put_head(to, &layout);
    put_rows(to, &layout);
    if (layout.has_roof)
        fputs("\n= a roof: what the bare machine does\n", to);
    if (layout.has_claim)
        fprintf(to, "%s~ said elsewhere, not measured here\n", layout.has_roof ? "" : "\n");
    if (layout.note_count && !layout.has_roof && !layout.has_claim)
        putc('\n', to);
    for (size_t i = 0; i < layout.note_count; i++) {
        char first[8];
        snprintf(first, sizeof first, "[%c] ", (char)('a' + i));
        put_wrapped(to, first, "    ", layout.notes[i]);
    }
    if (sheet->words.count)
        putc('\n', to);
    for (size_t i = 0; i < sheet->words.count; i++)
        put_wrapped(to, "", "", sheet->words.items[i]);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void put_machine(FILE *to, const struct findings *findings)
{
    char complaint[MACHINE_TEXT];
    fprintf(to, "%-16s%s\n", "maplog", findings->version);
    fprintf(to, "%-16s%s\n", "date", findings->date);
    put_wrapped(to, "command         ", "                ", findings->command);
    for (size_t i = 0; i < findings->machine.count; i++) {
        const struct machine_fact *fact = &findings->machine.facts[i];
        char first[MACHINE_TEXT];
        snprintf(first, sizeof first, "%-16s", fact->name);
        put_wrapped(to, first, "                ", fact->text);
    }
    if (machine_complaint(&findings->machine, complaint)) {
        putc('\n', to);
        put_wrapped(to, "", "", complaint);
    }
}

static void put_finding(FILE *to, const struct finding *finding)
{
    fprintf(to, "\n==== %s ====\n", finding->experiment->name);
    put_wrapped(to, "", "", finding->experiment->question);
    for (size_t i = 0; i < finding->sheet_count; i++) {
        if (sheet_broken(finding->sheets[i]))
            continue;
        putc('\n', to);
        print_sheet(to, finding->sheets[i]);
    }
    if (finding->unfinished[0]) {
        putc('\n', to);
        put_wrapped(to, "Not finished: ", "", finding->unfinished);
    }
}

static void put_advice(FILE *to, const struct findings *findings)
{
    bool any = false;
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        for (size_t j = 0; j < finding->sheet_count; j++) {
            const struct sheet_texts *advice = &finding->sheets[j]->advice;
            for (size_t k = 0; k < advice->count; k++) {
                fputs(any ? "" : "\n==== advice ====\n", to);
                put_wrapped(to, "- ", "  ", advice->items[k]);
                any = true;
            }
        }
    }
}

void print_findings(FILE *to, const struct findings *findings)
{
    put_machine(to, findings);
    for (size_t i = 0; i < findings->count; i++)
        put_finding(to, &findings->items[i]);
    put_advice(to, findings);
}
