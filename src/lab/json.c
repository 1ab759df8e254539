/* json.c - findings as an object. */
#include "lab/json.h"

#include <stdlib.h>
#include <string.h>

#include "lab/sheet_inside.h"

/* Text that is not UTF-8, as a file name may be, loses what it cannot keep. */
static json_t *text_value(const char *text)
{
    json_t *value = json_string(text ? text : "");
    char *plain = value ? NULL : strdup(text);
    for (char *at = plain; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    if (plain)
        value = json_string(plain);
    free(plain);
    return value;
}

static json_t *texts_value(const struct sheet_texts *texts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(array, text_value(texts->items[i]));
    return array;
}

static json_t *machine_value(const struct machine *machine)
{
    char complaint[MACHINE_TEXT];
    json_t *object = json_object();
    for (size_t i = 0; i < machine->count; i++)
        json_object_set_new(object, machine->facts[i].name, text_value(machine->facts[i].text));
    json_object_set_new(object, "others_percent",
                        machine->others_percent < 0 ? json_null()
                                                    : json_real(machine->others_percent));
    json_object_set_new(object, "quiet",
                        json_boolean(machine_complaint(machine, complaint) == NULL));
    return object;
}

/* ---- a sheet --------------------------------------------------------------------------------- */

static json_t *cell_value(const struct sheet_cell *cell)
{
    switch (cell->kind) {
    case CELL_NUMBER:
        return json_real(cell->number);
    case CELL_TEXT:
        return text_value(cell->text);
    case CELL_REFUSED:
        return json_pack("{s:o}", "refused", text_value(cell->text));
    case CELL_EMPTY:
        break;
    }
    return json_null();
}

static json_t *rows_value(const struct sheet *sheet)
{
    static const char *const kinds[] = {
        [SHEET_MEASURED] = "measured", [SHEET_ROOF] = "roof", [SHEET_CLAIM] = "claim"};
    json_t *rows = json_array();
    for (size_t row = 0; row < sheet->row_count; row++) {
        json_t *cells = json_array();
        for (size_t column = 0; column < sheet->column_count; column++)
            json_array_append_new(cells, cell_value(sheet_cell(sheet, row, column)));
        json_array_append_new(
            rows, json_pack("{s:s, s:o}", "kind", kinds[sheet->rows[row].kind], "cells", cells));
    }
    return rows;
}

static json_t *sheet_value(const struct sheet *sheet)
{
    json_t *columns = json_array(), *plots = json_array();
    for (size_t i = 0; i < sheet->column_count; i++)
        json_array_append_new(columns,
                              json_pack("{s:o, s:o}", "name", text_value(sheet->columns[i].name),
                                        "unit", text_value(sheet->columns[i].unit)));
    for (size_t i = 0; i < sheet->plot_count; i++) {
        const struct sheet_plot *plot = &sheet->plots[i];
        json_array_append_new(plots, json_pack("{s:o, s:s, s:i, s:i, s:i, s:b, s:b}", "title",
                                               text_value(plot->title), "shape",
                                               plot->shape == SHEET_LINES ? "lines" : "bars", "x",
                                               plot->x, "y", plot->y, "series", plot->series,
                                               "log_x", plot->log_x, "log_y", plot->log_y));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_value(sheet->name),
                     "title", text_value(sheet->title), "columns", columns, "rows",
                     rows_value(sheet), "words", texts_value(&sheet->words), "advice",
                     texts_value(&sheet->advice), "plots", plots);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static json_t *finding_value(const struct finding *finding)
{
    json_t *sheets = json_array();
    for (size_t i = 0; i < finding->sheet_count; i++)
        if (!sheet_broken(finding->sheets[i]))
            json_array_append_new(sheets, sheet_value(finding->sheets[i]));
    return json_pack("{s:s, s:s, s:f, s:o, s:o}", "name", finding->experiment->name, "question",
                     finding->experiment->question, "seconds", finding->seconds, "unfinished",
                     finding->unfinished[0] ? text_value(finding->unfinished) : json_null(),
                     "sheets", sheets);
}

json_t *json_findings(const struct findings *findings)
{
    json_t *experiments = json_array();
    for (size_t i = 0; i < findings->count; i++)
        json_array_append_new(experiments, finding_value(&findings->items[i]));
    return json_pack("{s:s, s:s, s:o, s:b, s:o, s:o}", "maplog", findings->version, "date",
                     findings->date, "command", text_value(findings->command), "quick",
                     findings->quick, "machine", machine_value(&findings->machine), "experiments",
                     experiments);
}
