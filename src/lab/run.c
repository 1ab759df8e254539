/* run.c - one run of the lab: what experiments may ask of it. */
#include "lab/run.h"

#include <errno.h>
#include <fcntl.h>
#include <maplog.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "cmd/report.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"

#define PATH_BYTES 4096
/* An experiment is told to stop after so many times the seconds that it names, and some more. */
#define PATIENCE 3
#define PATIENCE_MORE 10

struct lab {
    struct findings findings;
    char directories[2][PATH_BYTES]; /* on a disk, in memory; "": not made yet */
    char program[PATH_BYTES];
    int64_t begun_ms, limit_ms; /* of the experiment that runs */
    bool terminal, shown;       /* progress: wanted; on the screen now */
};

/* ---- what experiments ask for ---------------------------------------------------------------- */

bool lab_quick(const struct lab *lab)
{
    return lab->findings.quick;
}

static const char *disk_directory(void)
{
    const char *wanted = getenv("TMPDIR");
    return wanted && wanted[0] ? wanted : "/var/tmp";
}

const char *lab_directory(struct lab *lab, bool in_memory)
{
    char *path = lab->directories[in_memory];
    if (path[0])
        return path;
    const char *folder = in_memory ? "/dev/shm" : disk_directory();
    if (snprintf(path, PATH_BYTES, "%s/maplog-lab-XXXXXX", folder) < PATH_BYTES && mkdtemp(path))
        return path;
    path[0] = '\0';
    error_errno(errno, "no directory for scratch files in %s%s", folder,
                in_memory ? "" : ", TMPDIR names another");
    return NULL;
}

static struct finding *current(struct lab *lab)
{
    return &lab->findings.items[lab->findings.count - 1];
}

struct sheet *lab_sheet(struct lab *lab, const char *name, const char *title)
{
    struct finding *finding = current(lab);
    struct sheet **sheets =
        reallocarray(finding->sheets, finding->sheet_count + 1, sizeof *finding->sheets);
    if (!sheets)
        return NULL;
    finding->sheets = sheets;
    struct sheet *sheet = sheet_new(name, title);
    if (sheet)
        sheets[finding->sheet_count++] = sheet;
    return sheet;
}

void lab_progress(struct lab *lab, unsigned done, unsigned all, const char *format, ...)
{
    if (!lab->terminal)
        return;
    va_list arguments;
    fprintf(stderr, "\r\033[K%3u %%  ", all ? 100 * done / all : 0);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
    lab->shown = true;
}

static void clear_progress(struct lab *lab)
{
    if (lab->shown)
        fputs("\r\033[K", stderr);
    lab->shown = false;
}

static bool is_late(const struct lab *lab)
{
    return clock_monotonic_ms() - lab->begun_ms > lab->limit_ms;
}

bool lab_stopped(const struct lab *lab)
{
    return interrupted() || is_late(lab);
}

const char *lab_program(const struct lab *lab)
{
    return lab->program;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Beside this program, or where `make install` puts it. */
static int find_program(struct lab *lab)
{
    static const char *const places[] = {"maplog", "../../bin/maplog"};
    char folder[PATH_BYTES - 32];
    int result = process_folder(folder, sizeof folder);
    for (size_t i = 0; !result && i < sizeof places / sizeof places[0]; i++) {
        snprintf(lab->program, sizeof lab->program, "%s/%s", folder, places[i]);
        if (file_exists(AT_FDCWD, lab->program))
            return 0;
    }
    return result ? result
                  : error_set(MAPLOG_NOT_FOUND,
                              "the program maplog is neither in %s nor in %s/../../bin; install "
                              "all of maplog (make install)",
                              folder, folder);
}

static void write_date(char date[static 32])
{
    struct tm now;
    time_t seconds = (time_t)(clock_wall_ms() / 1000);
    localtime_r(&seconds, &now);
    strftime(date, 32, "%Y-%m-%d %H:%M %z", &now);
}

int run_begin(struct lab **lab, bool quick, const char *command)
{
    struct lab *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a laboratory");
    int result = find_program(made);
    if (result) {
        free(made);
        return result;
    }
    struct findings *findings = &made->findings;
    findings->quick = quick;
    findings->version = maplog_version();
    snprintf(findings->command, sizeof findings->command, "%s", command);
    write_date(findings->date);
    machine_look(&findings->machine, disk_directory());
    made->terminal = isatty(STDERR_FILENO);
    *lab = made;
    return 0;
}

bool run_experiment(struct lab *lab, const struct experiment *experiment)
{
    if (lab->findings.count == FINDINGS_EXPERIMENTS)
        return false;
    int seconds = lab_quick(lab) ? experiment->quick_seconds : experiment->seconds;
    lab->findings.count++;
    struct finding *finding = current(lab);
    finding->experiment = experiment;
    lab->begun_ms = clock_monotonic_ms();
    lab->limit_ms = 1000 * (int64_t)(PATIENCE * seconds + PATIENCE_MORE);
    int result = experiment->run(lab);
    finding->seconds = (double)(clock_monotonic_ms() - lab->begun_ms) / 1000;
    clear_progress(lab);
    if (interrupted())
        snprintf(finding->unfinished, FINDINGS_TEXT, "interrupted after %.1f s", finding->seconds);
    else if (result && is_late(lab))
        snprintf(finding->unfinished, FINDINGS_TEXT, "given up after %.0f s, it takes about %d",
                 finding->seconds, seconds);
    else if (result)
        snprintf(finding->unfinished, FINDINGS_TEXT, "%s", error_text());
    for (size_t i = 0; i < finding->sheet_count; i++)
        if (sheet_broken(finding->sheets[i]))
            snprintf(finding->unfinished, FINDINGS_TEXT, "there was no memory for all of it");
    return !finding->unfinished[0];
}

static void remove_directories(struct lab *lab)
{
    for (int i = 0; i < 2; i++) {
        if (lab->directories[i][0])
            file_remove_tree(AT_FDCWD, lab->directories[i]);
        lab->directories[i][0] = '\0';
    }
}

const struct findings *run_end(struct lab *lab)
{
    remove_directories(lab);
    machine_finish(&lab->findings.machine);
    return &lab->findings;
}

void run_free(struct lab *lab)
{
    if (!lab)
        return;
    remove_directories(lab);
    for (size_t i = 0; i < lab->findings.count; i++) {
        struct finding *finding = &lab->findings.items[i];
        for (size_t j = 0; j < finding->sheet_count; j++)
            sheet_free(finding->sheets[j]);
        free(finding->sheets);
    }
    free(lab);
}
