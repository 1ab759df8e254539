/*
 * findings.h - a report of a lab that never ran, with what is hard to print in it: for the tests of
 * those who print.
 */
#pragma once

#include "lab/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct experiment odd_experiment = {.name = "odd",
                                                 .question = "Is <this> \"printed\" & well?"};

static inline struct sheet *odd_sheet(void)
{
    const struct sheet_column columns[] = {
        {"way", "", 0}, {"speed", "GB/s", 2}, {"system calls", "per <MiB>", 0}};
    struct sheet *sheet = sheet_new("odd-sheet", "Ways & <means>");
    sheet_columns(sheet, columns, 3);
    sheet_row(sheet, SHEET_ROOF);
    sheet_text(sheet, "memcpy");
    sheet_number(sheet, 12345.678);
    sheet_number(sheet, 0);
    sheet_row(sheet, SHEET_CLAIM);
    sheet_text(sheet, "größer <b>");
    sheet_number(sheet, 2);
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "it's 'quoted'");
    sheet_number(sheet, 1.5);
    sheet_refused(sheet, "not <counted> here");
    sheet_say(sheet, "What was seen: 1 < 2 & so on.");
    sheet_advise(sheet, "Choose <memcpy>.");
    sheet_plot(sheet, &(struct sheet_plot){"Bars & 'quotes'", SHEET_BARS, 0, 1, -1, false, false});
    sheet_plot(sheet, &(struct sheet_plot){"Lines", SHEET_LINES, 1, 2, 0, true, false});
    return sheet;
}

/* sheets: room for one. */
static inline void odd_findings(struct findings *findings, struct sheet **sheets)
{
    memset(findings, 0, sizeof *findings);
    sheets[0] = odd_sheet();
    findings->version = "9.9.9";
    snprintf(findings->command, FINDINGS_TEXT, "maplog lab odd --json <file>");
    snprintf(findings->date, sizeof findings->date, "2026-01-02 03:04 +0000");
    machine_look(&findings->machine, "/tmp");
    findings->machine.others_percent = 42;
    findings->count = 1;
    findings->items[0] = (struct finding){
        .experiment = &odd_experiment, .sheets = sheets, .sheet_count = 1, .seconds = 1.5};
    snprintf(findings->items[0].unfinished, FINDINGS_TEXT, "interrupted <early>");
}

/* What a printer writes, to be freed. */
static __attribute__((noinline, unused)) char *
written_by(void (*print)(FILE *, const struct findings *), const struct findings *findings)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    if (to) {
        print(to, findings);
        fclose(to);
    }
    return text;
}
