/* main.c - maplog-lab, which `maplog lab`, `maplog inspect`, `maplog pages` and `maplog bench`
 * start under these names: the table of experiments. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "lab/experiment.h"
#include "lab/json.h"
#include "lab/page.h"
#include "lab/print.h"
#include "lab/run.h"
#include "os/process.h"

/* A new experiment: its line here and in experiment.h. */
static const struct experiment *const experiments[] = {
    &lab_models, &lab_transfer, &lab_receive, &lab_append,
    &lab_wake,   &lab_read,     &lab_lines,   &lab_touch,
};
#define EXPERIMENTS (sizeof experiments / sizeof experiments[0])

struct asked {
    const char *json, *html;
    bool quick, list;
    struct words names;
};

static const char help_begin[] =
    "usage: maplog lab NAME... [--quick] [--json FILE] [--html FILE]\n"
    "       maplog lab all [--quick] [--json FILE] [--html FILE]\n"
    "       maplog lab --list\n\n"
    "Measures this machine, on the real server where one is asked for, beside the bare machine's\n"
    "roofs and what is said elsewhere. The kernel counts system calls, switches and faults.\n\n";
static const char help_end[] =
    "\n  --quick      fewer points and shorter ones\n"
    "  --json FILE  writes the report there, too; \"-\" is standard output, instead of the tables\n"
    "  --html FILE  writes it as a page with pictures (gnuplot draws them)\n"
    "  --list       only the names of the experiments\n\n"
    "Scratch files lie in $TMPDIR (/var/tmp), which should be on a disk, and in /dev/shm; they "
    "are\n"
    "removed. A signal (^C) ends it, with what was measured up to then.\n";

static void write_help(char *help, size_t size)
{
    int length = snprintf(help, size, "%s", help_begin);
    for (size_t i = 0; i < EXPERIMENTS && (size_t)length < size; i++)
        length += snprintf(help + length, size - (size_t)length,
                           "  %-10s %s\n%13sabout %d s, quick %d s\n", experiments[i]->name,
                           experiments[i]->question, "", experiments[i]->seconds,
                           experiments[i]->quick_seconds);
    if ((size_t)length < size)
        snprintf(help + length, size - (size_t)length, "%s", help_end);
}

static const char *experiment_name(const void *context, size_t i)
{
    (void)context;
    return i < EXPERIMENTS ? experiments[i]->name : NULL;
}

static const struct experiment *find(const char *name)
{
    for (size_t i = 0; i < EXPERIMENTS; i++)
        if (strcmp(experiments[i]->name, name) == 0)
            return experiments[i];
    return NULL;
}

static bool wants(const struct words *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0 || strcmp(names->items[i], "all") == 0)
            return true;
    return false;
}

static int check_names(const struct usage *usage, const struct words *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        if (find(name) || strcmp(name, "all") == 0)
            continue;
        const char *nearest = nearest_word(name, experiment_name, NULL);
        return usage_error(usage, "there is no experiment \"%s\"%s%s%s", name,
                           nearest ? ", did you mean \"" : "", nearest ? nearest : "",
                           nearest ? "\"?" : "");
    }
    return OPTIONS_GO;
}

/* ---- the report ------------------------------------------------------------------------------ */

static int write_json(FILE *to, const struct findings *findings)
{
    json_t *object = json_findings(findings);
    int result = object && json_dumpf(object, to, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) == 0
                     ? 0
                     : error_set(MAPLOG_NO_MEMORY, "no memory for the report");
    json_decref(object);
    putc('\n', to);
    return result;
}

static int write_page(FILE *to, const struct findings *findings)
{
    page_write(to, findings);
    return 0;
}

static int write_file(const char *path, int (*write)(FILE *, const struct findings *),
                      const struct findings *findings)
{
    FILE *to = fopen(path, "we");
    if (!to)
        return error_errno(errno, "cannot write %s", path);
    int result = write(to, findings);
    if (!result && ferror(to))
        result = error_set(MAPLOG_IO, "cannot write all of %s", path);
    if (fclose(to) != 0 && !result)
        result = error_errno(errno, "cannot write %s", path);
    return result;
}

static int publish(const struct findings *findings, const struct asked *asked)
{
    int result = 0, json = 0;
    if (asked->json && strcmp(asked->json, "-") == 0)
        json = write_json(stdout, findings);
    else
        print_findings(stdout, findings);
    fflush(stdout); /* it stands there, whatever becomes of the files */
    if (asked->html)
        result = write_file(asked->html, write_page, findings);
    if (asked->json && strcmp(asked->json, "-") != 0)
        json = write_file(asked->json, write_json, findings);
    return result ? result : json;
}

/* A file that cannot be written is found out before anything is measured. */
static int check_file(const char *path)
{
    if (!path || strcmp(path, "-") == 0)
        return 0;
    FILE *file = fopen(path, "ae");
    if (!file)
        return error_errno(errno, "cannot write %s", path);
    fclose(file);
    return 0;
}

static int run(const struct asked *asked, const char *command)
{
    struct lab *lab = NULL;
    int result = check_file(asked->json);
    if (!result)
        result = check_file(asked->html);
    if (!result)
        result = run_begin(&lab, asked->quick, command);
    if (result) {
        report_note("%s", error_text());
        return EXIT_ERROR;
    }
    bool whole = true;
    for (size_t i = 0; i < EXPERIMENTS && !interrupted(); i++)
        if (wants(&asked->names, experiments[i]->name))
            whole &= run_experiment(lab, experiments[i]);
    result = publish(run_end(lab), asked);
    if (result)
        report_note("%s", error_text());
    run_free(lab);
    return exit_status(result || !whole ? EXIT_ERROR : 0);
}

/* The words as they were given, for the head of the report. */
static void write_command(int argc, char **argv, char command[static FINDINGS_TEXT])
{
    int length = snprintf(command, FINDINGS_TEXT, "maplog lab");
    for (int i = 1; i < argc && length < FINDINGS_TEXT; i++)
        length += snprintf(command + length, (size_t)(FINDINGS_TEXT - length), " %s", argv[i]);
}

static int lab(int argc, char **argv)
{
    struct asked asked = {0};
    char help[4096], command[FINDINGS_TEXT];
    const struct option options[] = {
        {"quick", OPTION_FLAG, &asked.quick, 0, 0},
        {"json", OPTION_TEXT, &asked.json, 0, 0},
        {"html", OPTION_TEXT, &asked.html, 0, 0},
        {"list", OPTION_FLAG, &asked.list, 0, 0},
        {0},
    };
    const struct usage usage = {"lab", help, options};
    write_help(help, sizeof help);
    write_command(argc, argv, command);
    int status = options_parse(&usage, argc, argv, &asked.names);
    if (status == OPTIONS_GO && asked.list) {
        for (size_t i = 0; i < EXPERIMENTS; i++)
            puts(experiments[i]->name);
        status = 0;
    }
    if (status == OPTIONS_GO && !asked.names.count) {
        fputs(help, stderr);
        status = EXIT_USAGE;
    }
    if (status == OPTIONS_GO)
        status = check_names(&usage, &asked.names);
    if (status == OPTIONS_GO) {
        catch_signals();
        status = run(&asked, command);
    }
    words_free(&asked.names);
    return status;
}

int main(int argc, char **argv)
{
    process_fill_standard();
    int (*command)(int argc, char **argv) = lab;
    if (strcmp(argv[0], "bench") == 0)
        command = command_bench;
    else if (strcmp(argv[0], "inspect") == 0)
        command = command_inspect;
    else if (strcmp(argv[0], "pages") == 0)
        command = command_pages;
    int status = command(argc, argv);
    if (fflush(stdout) != 0 && status == 0) {
        perror("maplog: cannot write to standard output");
        status = EXIT_ERROR;
    }
    return status;
}
