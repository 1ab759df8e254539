/* page.c - findings as HTML, for screens and paper. */
#include "lab/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/report.h"
#include "lab/plot.h"
#include "lab/sheet_inside.h"

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#59636e;--line:#d5dae0;"
    "--roof:#eef4fb;--claim:#fbf5e6;--link:#0a58b0}\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e3e7ec;--soft:#9aa5b1;"
    "--line:#363d46;--roof:#1b2836;--claim:#2e2817;--link:#7db5f0}}\n"
    "body{background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;"
    "max-width:66rem;margin:0 auto;padding:1.5rem}\n"
    "a{color:var(--link)}\n"
    "h1{margin:0 0 .5rem}h2{margin:3rem 0 .2rem;border-top:2px solid var(--line);"
    "padding-top:1rem}h3{margin:2rem 0 .5rem}\n"
    ".question{font-size:1.15rem;color:var(--soft);margin:0}\n"
    ".busy,.unfinished{border-left:4px solid #d58a00;padding:.2rem 1rem}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.22rem .7rem;text-align:right;border-bottom:1px solid var(--line);"
    "vertical-align:top}\n"
    "thead th{vertical-align:bottom;border-bottom:2px solid var(--soft)}\n"
    "th small{display:block;font-weight:normal;color:var(--soft)}\n"
    ".text{text-align:left}\n"
    "tr.roof td{background:var(--roof)}tr.claim td{background:var(--claim);font-style:italic}\n"
    ".kind,.notes,.machine th{color:var(--soft)}.kind,.notes{font-size:.85rem}\n"
    ".machine th,.machine td{text-align:left;font-weight:normal}\n"
    "figure{margin:1.5rem 0}figure svg{background:#fff;border-radius:6px;max-width:100%;"
    "height:auto}\n"
    ".advice li{margin:.4rem 0}\n"
    "@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--roof:#eee;"
    "--claim:#f6f6f6;--link:#000}body{max-width:none;padding:0;font-size:10pt}"
    "nav{display:none}h2{break-before:page}h2,h3{break-after:avoid}"
    "figure,tr{break-inside:avoid}.wide{overflow:visible}table{font-size:7.5pt}"
    "th,td{padding:.15rem .3rem}}\n";

/* ---- text ------------------------------------------------------------------------------------ */

static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (strchr("<>&\"'", *text))
            fprintf(to, "&#%d;", *text);
        else
            putc((unsigned char)*text < ' ' ? ' ' : *text, to);
    }
}

/* "<p class="...">text</p>" */
static void put_element(FILE *to, const char *tag, const char *class, const char *text)
{
    fprintf(to, "<%s", tag);
    if (class[0])
        fprintf(to, " class=\"%s\"", class);
    putc('>', to);
    put_escaped(to, text);
    fprintf(to, "</%s>\n", tag);
}

static void put_fact(FILE *to, const char *name, const char *text)
{
    fputs("<tr>", to);
    put_element(to, "th", "", name);
    put_element(to, "td", "", text);
    fputs("</tr>\n", to);
}

/* ---- a sheet --------------------------------------------------------------------------------- */

static bool is_text(const struct sheet *sheet, size_t column)
{
    bool text = true;
    for (size_t row = 0; row < sheet->row_count; row++) {
        enum sheet_cell_kind kind = sheet_cell(sheet, row, column)->kind;
        text &= kind == CELL_TEXT || kind == CELL_EMPTY;
    }
    return text;
}

static void put_cell(FILE *to, const struct sheet *sheet, size_t row, size_t column)
{
    char buffer[CELL_SIZE];
    const struct sheet_cell *cell = sheet_cell(sheet, row, column);
    const char *notes[SHEET_NOTES];
    size_t count = sheet_notes(sheet, notes);
    fputs(is_text(sheet, column) ? "<td class=\"text\">" : "<td>", to);
    put_escaped(to, cell->kind == CELL_REFUSED ? "–" : sheet_cell_text(sheet, row, column, buffer));
    size_t note = cell->kind == CELL_REFUSED && cell->text ? sheet_note(notes, count, cell->text)
                                                           : SHEET_NOTES;
    if (note < SHEET_NOTES) {
        fputs("<sup title=\"", to);
        put_escaped(to, cell->text);
        fprintf(to, "\">%c</sup>", (char)('a' + note));
    }
    fputs("</td>", to);
}

static void put_table(FILE *to, const struct sheet *sheet)
{
    static const char *const classes[] = {[SHEET_MEASURED] = "",
                                          [SHEET_ROOF] = " class=\"roof\"",
                                          [SHEET_CLAIM] = " class=\"claim\""};
    static const char *const kinds[] = {
        [SHEET_MEASURED] = "", [SHEET_ROOF] = "roof", [SHEET_CLAIM] = "claim"};
    fputs("<div class=\"wide\"><table>\n<thead><tr><th></th>", to);
    for (size_t i = 0; i < sheet->column_count; i++) {
        fputs(is_text(sheet, i) ? "<th class=\"text\">" : "<th>", to);
        put_escaped(to, sheet->columns[i].name);
        if (sheet->columns[i].unit[0])
            put_element(to, "small", "", sheet->columns[i].unit);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
    for (size_t row = 0; row < sheet->row_count; row++) {
        enum sheet_row kind = sheet->rows[row].kind;
        fprintf(to, "<tr%s><td class=\"text kind\">%s</td>", classes[kind], kinds[kind]);
        for (size_t i = 0; i < sheet->column_count; i++)
            put_cell(to, sheet, row, i);
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div>\n", to);
}

static void put_notes(FILE *to, const struct sheet *sheet)
{
    const char *notes[SHEET_NOTES];
    size_t count = sheet_notes(sheet, notes);
    bool roof = false, claim = false;
    for (size_t i = 0; i < sheet->row_count; i++) {
        roof |= sheet->rows[i].kind == SHEET_ROOF;
        claim |= sheet->rows[i].kind == SHEET_CLAIM;
    }
    if (roof)
        put_element(to, "div", "notes", "roof: what the bare machine does");
    if (claim)
        put_element(to, "div", "notes", "claim: said elsewhere, not measured here");
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "<div class=\"notes\"><sup>%c</sup> ", (char)('a' + i));
        put_escaped(to, notes[i]);
        fputs("</div>\n", to);
    }
}

/* Why there is none is told once, by the first. */
static void put_pictures(FILE *to, const struct sheet *sheet, bool *told)
{
    for (size_t i = 0; i < sheet->plot_count; i++) {
        char *svg;
        int result = plot_draw(sheet, i, &svg);
        if (svg) {
            fprintf(to, "<figure>\n%s</figure>\n", svg);
        } else if (result && !*told) {
            fputs("<p class=\"unfinished\">No pictures: ", to);
            put_escaped(to, error_text());
            fputs("</p>\n", to);
            report_note("the page has no pictures: %s", error_text());
            *told = true;
        }
        free(svg);
    }
}

static void put_sheet(FILE *to, const struct sheet *sheet, bool *told)
{
    fputs("<section id=\"sheet-", to);
    put_escaped(to, sheet->name);
    fputs("\">\n", to);
    put_element(to, "h3", "", sheet->title);
    put_table(to, sheet);
    put_notes(to, sheet);
    put_pictures(to, sheet, told);
    for (size_t i = 0; i < sheet->words.count; i++)
        put_element(to, "p", "", sheet->words.items[i]);
    fputs("</section>\n", to);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void put_head(FILE *to, const struct findings *findings)
{
    const struct machine *machine = &findings->machine;
    char complaint[MACHINE_TEXT];
    fprintf(to,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width\">\n"
            "<title>maplog lab</title>\n<style>\n%s</style>\n</head>\n<body>\n"
            "<h1>maplog lab</h1>\n<p class=\"question\">What this machine does with every way of "
            "waiting, sending, writing and reading%s.</p>\n",
            style, findings->quick ? "; a quick run, with fewer and shorter points" : "");
    if (machine_complaint(machine, complaint))
        put_element(to, "p", "busy", complaint);
    fputs("<table class=\"machine\">\n", to);
    put_fact(to, "maplog", findings->version);
    put_fact(to, "date", findings->date);
    put_fact(to, "command", findings->command);
    for (size_t i = 0; i < machine->count; i++)
        put_fact(to, machine->facts[i].name, machine->facts[i].text);
    fputs("</table>\n<nav><ul>\n", to);
    for (size_t i = 0; i < findings->count; i++) {
        const struct experiment *experiment = findings->items[i].experiment;
        fprintf(to, "<li><a href=\"#%s\">%s</a>: ", experiment->name, experiment->name);
        put_escaped(to, experiment->question);
        fputs("</li>\n", to);
    }
    fputs("<li><a href=\"#advice\">advice</a></li>\n</ul></nav>\n", to);
}

static void put_finding(FILE *to, const struct finding *finding, bool *told)
{
    fprintf(to, "<h2 id=\"%s\">%s</h2>\n", finding->experiment->name, finding->experiment->name);
    put_element(to, "p", "question", finding->experiment->question);
    for (size_t i = 0; i < finding->sheet_count; i++)
        if (!sheet_broken(finding->sheets[i]))
            put_sheet(to, finding->sheets[i], told);
    if (finding->unfinished[0]) {
        fputs("<p class=\"unfinished\">Not finished: ", to);
        put_escaped(to, finding->unfinished);
        fputs("</p>\n", to);
    }
}

static void put_advice(FILE *to, const struct findings *findings)
{
    bool any = false;
    fputs("<h2 id=\"advice\">advice</h2>\n"
          "<p class=\"question\">What to choose on this machine, by the figures above.</p>\n"
          "<ul class=\"advice\">\n",
          to);
    for (size_t i = 0; i < findings->count; i++) {
        for (size_t j = 0; j < findings->items[i].sheet_count; j++) {
            const struct sheet_texts *advice = &findings->items[i].sheets[j]->advice;
            for (size_t k = 0; k < advice->count; k++)
                put_element(to, "li", "", advice->items[k]);
            any |= advice->count > 0;
        }
    }
    fputs(any ? "</ul>\n" : "<li>none: too little was measured</li></ul>\n", to);
}

void page_write(FILE *to, const struct findings *findings)
{
    bool told = false;
    put_head(to, findings);
    for (size_t i = 0; i < findings->count; i++)
        put_finding(to, &findings->items[i], &told);
    put_advice(to, findings);
    fputs("</body>\n</html>\n", to);
}
