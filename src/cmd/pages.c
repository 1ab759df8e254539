/* pages.c - maplog pages: which pages of the log are in memory, and who maps them. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/pages_print.h"
#include "cmd/report.h"

#define SEGMENT_COLUMNS "%-38s %8s %8s %5s %8s %8s %8s %7s  %s\n"

static const char help[] =
    "usage: maplog pages [DATA [TOPIC]] [--json] [--svg FILE]\n\n"
    "Shows which pages of the segments are in memory, as the kernel tells: nothing is attached, "
    "read\n"
    "or touched, and nothing changes.\n\n"
    "  IN MEM    bytes in the page cache, and their share of the segment\n"
    "  DIRTY     not on the disk yet\n"
    "  WRITING   on the way there\n"
    "  EVICTED   were in memory lately\n"
    "  LARGE     share of the mapped pages that lie in large folios (root only)\n"
    "  PIDS      processes that map the segment\n"
    "  RSS, PSS  of these segments: in a process's page tables; each page shared out among all\n"
    "  FAULTS    page faults of the process so far, and those of them that waited for a disk\n\n"
    "  DATA       the log's directory (data)\n"
    "  TOPIC      only its partitions\n"
    "  --json     one object\n"
    "  --svg FILE writes the picture there, too\n"
    "  --data DIR the same as DATA\n";

struct asked {
    const char *data, *topic, *svg;
    bool json;
    struct words arguments;
};

/* ---- text ------------------------------------------------------------------------------------ */

static void print_pids(const struct pages *pages, size_t segment)
{
    const char *separator = "";
    unsigned left = pages->segments[segment].mappings;
    for (size_t i = 0; left && i < pages->link_count; i++) {
        if (pages->links[i].segment != segment)
            continue;
        left--;
        printf("%s%d", separator, pages->processes[pages->links[i].process].mapping.pid);
        separator = ",";
    }
    puts(separator[0] ? "" : "-");
}

static void print_segment(const struct pages *pages, size_t number)
{
    const struct pages_segment *segment = &pages->segments[number];
    const struct residency *found = &segment->residency;
    const uint64_t amounts[] = {segment->bytes, found->cached * RESIDENCY_PAGE,
                                found->dirty * RESIDENCY_PAGE, found->writeback * RESIDENCY_PAGE,
                                found->evicted_lately * RESIDENCY_PAGE};
    char texts[5][AMOUNT_SIZE], share[16] = "-", large[16] = "-";
    for (int i = 0; i < 5; i++) {
        if (i == 0 || (!segment->refused && (i == 1 || found->source == RESIDENCY_CACHESTAT)))
            amount_bytes((double)amounts[i], texts[i]);
        else
            snprintf(texts[i], AMOUNT_SIZE, "?");
    }
    if (found->pages)
        snprintf(share, sizeof share, "%.0f%%",
                 100.0 * (double)found->cached / (double)found->pages);
    if (pages->folios_why[0] && segment->mappings)
        snprintf(large, sizeof large, "?");
    else if (segment->folios.mapped)
        snprintf(large, sizeof large, "%.0f%%",
                 100.0 * (double)segment->folios.large / (double)segment->folios.mapped);
    printf("%-38s %8s %8s %5s %8s %8s %8s %7s  ", segment->name, texts[0], texts[1], share,
           texts[2], texts[3], texts[4], large);
    print_pids(pages, number);
}

static void print_processes(const struct pages *pages)
{
    if (pages->process_count)
        printf("\n%-8s %-16s %8s %8s %8s %10s %8s\n", "PID", "NAME", "SEGMENTS", "RSS", "PSS",
               "FAULTS", "MAJOR");
    for (size_t i = 0; i < pages->process_count; i++) {
        const struct pages_process *process = &pages->processes[i];
        char rss[AMOUNT_SIZE], pss[AMOUNT_SIZE];
        printf("%-8d %-16s %8u %8s %8s %10" PRIu64 " %8" PRIu64 "\n", process->mapping.pid,
               process->mapping.name, process->segments, amount_bytes((double)process->rss, rss),
               amount_bytes((double)process->pss, pss),
               process->mapping.minor + process->mapping.major, process->mapping.major);
    }
}

/* A row of blocks for each segment: the more of a cell is in memory, the darker. On a terminal from
 * blue to red. */
static void print_picture(const struct pages *pages)
{
    static const char *const blocks[] = {"·", "░", "▒", "▓", "█"};
    static const int colours[] = {240, 31, 37, 178, 196};
    bool colour = isatty(STDOUT_FILENO);
    printf("\n%-38s in memory: · nothing, ░ ▒ ▓ some, █ all; %d cells a segment\n", "",
           PAGES_CELLS);
    for (size_t i = 0; i < pages->segment_count; i++) {
        const struct pages_segment *segment = &pages->segments[i];
        printf("%-38s ", segment->name);
        if (segment->refused)
            putchar('?');
        for (unsigned cell = 0, before = 5; cell < segment->cells; cell++) {
            unsigned level =
                segment->share[cell] >= 1 ? 4 : (unsigned)(segment->share[cell] * 3 + 0.999f);
            if (colour && level != before)
                printf("\033[38;5;%dm", colours[level]);
            fputs(blocks[level], stdout);
            before = level;
        }
        puts(colour ? "\033[0m" : "");
    }
}

static void print_notes(const struct pages *pages)
{
    bool old = false;
    for (size_t i = 0; i < pages->segment_count; i++)
        old |=
            !pages->segments[i].refused && pages->segments[i].residency.source == RESIDENCY_MINCORE;
    if (old)
        puts("\nDIRTY, WRITING, EVICTED: this kernel does not tell (cachestat, Linux 6.5)");
    if (pages->refused_why[0])
        printf("\n?: %s\n", pages->refused_why);
    if (pages->folios_why[0])
        printf("\nLARGE: %s\n", pages->folios_why);
    if (pages->hidden)
        printf("\nprocesses that could not be looked into: %u (root sees the most)\n",
               pages->hidden);
}

static void print_text(const struct pages *pages)
{
    if (!pages->segment_count) {
        printf("no segment in %s\n", pages->directory);
        return;
    }
    printf(SEGMENT_COLUMNS, "SEGMENT", "BYTES", "IN MEM", "", "DIRTY", "WRITING", "EVICTED",
           "LARGE", "PIDS");
    for (size_t i = 0; i < pages->segment_count; i++)
        print_segment(pages, i);
    print_processes(pages);
    print_picture(pages);
    print_notes(pages);
}

/* ---- running --------------------------------------------------------------------------------- */

static int run(const struct asked *asked)
{
    struct pages pages = {0};
    int result = pages_look(asked->data, asked->topic, &pages);
    if (!result && asked->json)
        result = pages_json(&pages);
    else if (!result)
        print_text(&pages);
    if (!result && asked->svg)
        result = pages_svg(&pages, asked->svg);
    pages_free(&pages);
    return result ? report_error(result, asked->data) : 0;
}

int command_pages(int argc, char **argv)
{
    struct asked asked = {0};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"svg", OPTION_TEXT, &asked.svg, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct usage usage = {"pages", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    const struct words *words = &asked.arguments;
    size_t next = 0;
    if (status == OPTIONS_GO && !asked.data)
        asked.data = words->count ? words->items[next++] : DEFAULT_DATA;
    if (status == OPTIONS_GO && next < words->count)
        asked.topic = words->items[next++];
    if (status == OPTIONS_GO && next < words->count)
        status =
            usage_error(&usage, "one topic at a time, \"%s\" is one too many", words->items[next]);
    if (status == OPTIONS_GO)
        status = run(&asked);
    words_free(&asked.arguments);
    return status;
}
