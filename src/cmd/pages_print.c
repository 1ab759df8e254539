/* pages_print.c - JSON and SVG. */
#include "cmd/pages_print.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "os/file.h"

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *known(bool is_known, uint64_t number)
{
    return is_known ? json_integer((json_int_t)number) : json_null();
}

static json_t *segment_object(const struct pages *pages, size_t number)
{
    const struct pages_segment *segment = &pages->segments[number];
    const struct residency *found = &segment->residency;
    bool told = !segment->refused, all = told && found->source == RESIDENCY_CACHESTAT;
    bool folios = told && !pages->folios_why[0];
    json_t *cells = json_array(), *pids = json_array();
    for (unsigned i = 0; i < segment->cells; i++)
        json_array_append_new(cells, json_real((double)segment->share[i]));
    for (size_t i = 0; i < pages->link_count; i++)
        if (pages->links[i].segment == number)
            json_array_append_new(
                pids, json_integer(pages->processes[pages->links[i].process].mapping.pid));
    return json_pack(
        "{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "segment", segment->name,
        "bytes", (json_int_t)segment->bytes, "pages",
        (json_int_t)((segment->bytes + RESIDENCY_PAGE - 1) / RESIDENCY_PAGE), "in_memory",
        known(told, found->cached), "dirty", known(all, found->dirty), "writeback",
        known(all, found->writeback), "evicted", known(all, found->evicted), "evicted_lately",
        known(all, found->evicted_lately), "mapped", known(folios, segment->folios.mapped),
        "mapped_large", known(folios, segment->folios.large), "cells", cells, "pids", pids);
}

int pages_json(const struct pages *pages)
{
    json_t *segments = json_array(), *processes = json_array();
    for (size_t i = 0; i < pages->segment_count; i++)
        json_array_append_new(segments, segment_object(pages, i));
    for (size_t i = 0; i < pages->process_count; i++) {
        const struct pages_process *process = &pages->processes[i];
        json_array_append_new(
            processes,
            json_pack("{s:i, s:s, s:i, s:I, s:I, s:I, s:I}", "pid", process->mapping.pid, "name",
                      process->mapping.name, "segments", (int)process->segments, "rss",
                      (json_int_t)process->rss, "pss", (json_int_t)process->pss, "faults",
                      (json_int_t)(process->mapping.minor + process->mapping.major), "major_faults",
                      (json_int_t)process->mapping.major));
    }
    return print_json_document(json_pack(
        "{s:s, s:i, s:o, s:o, s:i}", "path", pages->directory, "page_bytes", RESIDENCY_PAGE,
        "segments", segments, "processes", processes, "hidden_processes", (int)pages->hidden));
}

/* ---- SVG ------------------------------------------------------------------------------------- */

enum { TOP = 46, ROW = 18, LEFT = 330, CELL = 10, RIGHT = 120 };

static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (strchr("<>&", *text))
            fprintf(to, "&#%d;", *text);
        else if ((unsigned char)*text >= ' ')
            fputc(*text, to);
    }
}

/* Neighbours of one shade are one rectangle. */
static void put_cells(FILE *to, const struct pages_segment *segment, int y)
{
    for (unsigned i = 0, end; i < segment->cells; i = end) {
        float share = segment->share[i];
        for (end = i + 1; end < segment->cells && segment->share[end] == share; end++)
            ;
        /* From a light grey to a dark blue. */
        fprintf(to,
                "<rect x=\"%u\" y=\"%d\" width=\"%u\" height=\"%d\" fill=\"#%02x%02x%02x\">"
                "<title>%.0f %%</title></rect>\n",
                LEFT + i * CELL, y, (end - i) * CELL, ROW - 4, (int)(232 - share * 224),
                (int)(232 - share * 160), (int)(232 - share * 80), (double)share * 100);
    }
}

static void put_picture(FILE *to, const struct pages *pages)
{
    int height = TOP + ROW * (int)pages->segment_count + 10;
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"10\" y=\"20\" font-size=\"14\">Pages in memory: ",
            LEFT + PAGES_CELLS * CELL + RIGHT, height);
    put_escaped(to, pages->directory);
    fputs("</text>\n<text x=\"10\" y=\"36\" fill=\"#555\">each row a segment, from its first byte "
          "to its last; light: on the disk only, dark: in memory</text>\n",
          to);
    for (size_t i = 0; i < pages->segment_count; i++) {
        const struct pages_segment *segment = &pages->segments[i];
        char bytes[AMOUNT_SIZE];
        int y = TOP + ROW * (int)i;
        fprintf(to, "<text x=\"10\" y=\"%d\">%s</text>\n", y + 11, segment->name);
        put_cells(to, segment, y);
        if (segment->cells)
            fprintf(to, "<text x=\"%d\" y=\"%d\">%.0f %% of %s</text>\n",
                    LEFT + PAGES_CELLS * CELL + 8, y + 11,
                    100.0 * (double)segment->residency.cached / (double)segment->residency.pages,
                    amount_bytes((double)segment->bytes, bytes));
    }
    fputs("</svg>\n", to);
}

int pages_svg(const struct pages *pages, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    int fd;
    FILE *to = open_memstream(&text, &length);
    if (to)
        put_picture(to, pages);
    int result = to && fclose(to) == 0 ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for a picture");
    /* Into what is there, as a shell would: it may be a pipe or a device. */
    if (!result)
        result = file_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666, &fd);
    if (!result) {
        result = file_write_stream(fd, path, text, length);
        file_close(fd);
    }
    free(text);
    return result;
}
