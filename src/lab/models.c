/*
 * models.c - the experiment `models`: every engine of the real server under few and many
 * connections, all of them busy or nearly all idle.
 *
 * Each point is measured twice: once for time, once with the kernel's counters, which make system
 * calls slower. Server and client have a CPU each.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/engine.h"
#include "lab/crowd.h"
#include "lab/experiment.h"
#include "lab/models_words.h"
#include "lab/roof.h"
#include "lab/subject.h"

#define BATCHES 1000 /* in the log; each request fetches the next */

static const unsigned sizes[MODELS_SIZES] = {1, 100, 1000, 10000};

struct bench {
    struct lab *lab;
    struct pins pins;
    struct request request;
    char data[512];
    struct roof_echo echo;
    double seconds, counted_seconds; /* of a run */
    struct crowd_result result;
};

/* ---- one server, one number of connections --------------------------------------------------- */

static void begin_options(struct bench *bench, const struct model *model, bool counted,
                          struct subject_options *options)
{
    *options = (struct subject_options){
        .pins = &bench->pins, .directory = lab_directory(bench->lab, false), .counted = counted};
    if (model->roof) {
        options->serve = roof_echo;
        options->context = &bench->echo;
    } else {
        options->program = lab_program(bench->lab);
        options->data = bench->data;
        options->engine = model->name;
    }
}

static int open_crowd(struct bench *bench, struct subject *subject, unsigned connections,
                      struct crowd **crowd)
{
    const struct crowd_plan plan = {.address = subject_address(subject, false),
                                    .request = &bench->request,
                                    .connections = connections,
                                    .depth = 1};
    return crowd_open(&plan, crowd);
}

static int run_timed(struct bench *bench, struct subject *subject, struct crowd *crowd,
                     struct models_point *point)
{
    struct subject_use before, after;
    struct crowd_result *result = &bench->result;
    int failed = crowd_run(crowd, point->active, bench->seconds / 10, result); /* warms up */
    if (!failed)
        failed = subject_use(subject, &before);
    if (!failed)
        failed = crowd_run(crowd, point->active, bench->seconds, result);
    if (!failed)
        failed = subject_use(subject, &after);
    if (failed)
        return failed;
    double cpu = after.cpu_seconds - before.cpu_seconds;
    point->per_second = (double)result->answers / result->seconds;
    point->p50_us = (double)histogram_percentile(&result->latency, 50) / 1e3;
    point->p99_us = (double)histogram_percentile(&result->latency, 99) / 1e3;
    point->cpu_us = 1e6 * cpu / (double)result->answers;
    point->busy = cpu / result->seconds;
    point->answered = true;
    return 0;
}

static int run_counted(struct bench *bench, struct subject *subject, struct crowd *crowd,
                       struct models_point *point)
{
    struct subject_use before, after;
    int failed = subject_use(subject, &before);
    if (!failed)
        failed = crowd_run(crowd, point->active, bench->counted_seconds, &bench->result);
    if (!failed)
        failed = subject_use(subject, &after);
    for (int i = 0; i < COUNTERS && !failed; i++) {
        const char *refusal = subject_refusal(subject, (enum counter)i);
        point->counted[i] = after.counted[i];
        point->counts[i] =
            (double)(after.counts[i] - before.counts[i]) / (double)bench->result.answers;
        if (refusal)
            snprintf(point->refusals[i], MODELS_WHY, "%s", refusal);
    }
    return failed;
}

/* Few first: all others have been idle since they came. */
static int run_loads(struct bench *bench, struct subject *subject, struct crowd *crowd,
                     bool counted, struct models_point points[MODELS_LOADS])
{
    int failed = 0;
    for (int load = 0; load < MODELS_LOADS && !failed; load++) {
        if (!points[load].active)
            continue;
        failed = counted ? run_counted(bench, subject, crowd, &points[load])
                         : run_timed(bench, subject, crowd, &points[load]);
    }
    return failed;
}

/* Opens all connections, measures what they take, and lets them ask. */
static int measure_server(struct bench *bench, struct subject *subject, bool counted,
                          struct models_point points[MODELS_LOADS])
{
    struct crowd *crowd = NULL;
    struct subject_size empty, full;
    unsigned connections = points[MODELS_ALL].connections;
    int failed = subject_size(subject, &empty);
    if (!failed)
        failed = open_crowd(bench, subject, connections, &crowd);
    if (!failed)
        failed = run_loads(bench, subject, crowd, counted, points);
    if (!failed)
        failed = subject_size(subject, &full);
    for (int load = 0; load < MODELS_LOADS && !failed && !counted; load++) {
        double grown = (double)full.private_bytes - (double)empty.private_bytes;
        points[load].private_bytes = grown > 0 ? grown / connections : 0;
        points[load].threads = full.threads;
    }
    crowd_close(crowd);
    return failed;
}

/* How many connections came about, and then the server's own words, or what the client saw. */
static void explain(const char *complaint, char why[MODELS_WHY])
{
    static const char closed[] = " closed: ", after[] = "after ";
    const char *seen = error_text(), *colon = strchr(seen, ':');
    const char *cause = strstr(complaint, closed); /* behind the peer's name */
    if (!complaint[0])
        snprintf(why, MODELS_WHY, "%s", seen);
    else if (strncmp(seen, after, sizeof after - 1) == 0 && colon)
        snprintf(why, MODELS_WHY, "%.*s: %s", (int)(colon - seen), seen,
                 cause ? cause + sizeof closed - 1 : complaint);
    else
        snprintf(why, MODELS_WHY, "%.120s; the server: %.120s", seen, complaint);
}

/* There are no figures, or no counts, and why; what was had before stays. */
static void refuse(struct models_point points[MODELS_LOADS], bool counted, const char *complaint)
{
    char why[MODELS_WHY];
    explain(complaint, why);
    for (int load = 0; load < MODELS_LOADS; load++) {
        if (!counted && !points[load].answered)
            memcpy(points[load].why, why, sizeof why);
        for (int i = 0; i < COUNTERS; i++)
            if (!points[load].counted[i])
                memcpy(points[load].refusals[i], why, sizeof why);
    }
}

static void measure(struct bench *bench, const struct model *model,
                    struct models_point points[MODELS_LOADS])
{
    for (int counted = 0; counted < 2 && !points[MODELS_ALL].why[0]; counted++) {
        struct subject_options options;
        struct subject *subject = NULL;
        begin_options(bench, model, counted, &options);
        int failed = subject_start(&options, &subject);
        if (!failed)
            failed = measure_server(bench, subject, counted, points);
        if (failed)
            refuse(points, counted, subject ? subject_complaint(subject) : "");
        if (subject_stop(subject))
            points[MODELS_ALL].killed = true;
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* How long an answer is, as the default engine gives it. */
static int probe(struct bench *bench)
{
    struct subject_options options;
    struct subject *subject = NULL;
    struct crowd *crowd = NULL;
    const struct model usual = {.name = io_name(0)};
    begin_options(bench, &usual, false, &options);
    int result = subject_start(&options, &subject);
    const struct crowd_plan plan = {.address = subject ? subject_address(subject, false) : "",
                                    .request = &bench->request,
                                    .records = REQUESTS_BATCH,
                                    .connections = 1,
                                    .depth = 1};
    if (!result)
        result = crowd_open(&plan, &crowd);
    if (!result)
        bench->echo = (struct roof_echo){bench->request.size, crowd_answer_bytes(crowd)};
    crowd_close(crowd);
    subject_stop(subject);
    return result;
}

static void list(struct models *models)
{
    models->models[models->count++] = (struct model){.name = "bare echo on epoll", .roof = true};
    for (unsigned i = 0; io_name(i) && models->count < MODELS_MOST; i++)
        models->models[models->count++] = (struct model){.name = io_name(i)};
}

static int measure_all(struct bench *bench, struct models *models)
{
    unsigned done = 0, all = models->count * models->sizes;
    for (unsigned i = 0; i < models->sizes; i++) {
        for (unsigned m = 0; m < models->count; m++) {
            struct model *model = &models->models[m];
            struct models_point *points = model->points[i];
            points[MODELS_ALL].connections = points[MODELS_ALL].active = sizes[i];
            points[MODELS_IDLE].connections = sizes[i];
            points[MODELS_IDLE].active = sizes[i] > MODELS_FEW ? MODELS_FEW : 0;
            lab_progress(bench->lab, done++, all, "models: %s, %u connections", model->name,
                         sizes[i]);
            measure(bench, model, points);
            if (lab_stopped(bench->lab))
                return MAPLOG_CLOSED;
        }
    }
    return 0;
}

/* What all points need: a log, a request, and how long its answer is. */
static int prepare(struct bench *bench, struct models *models)
{
    const char *directory = lab_directory(bench->lab, false);
    if (!directory)
        return MAPLOG_IO;
    bench->seconds = lab_quick(bench->lab) ? 0.15 : 1;
    bench->counted_seconds = bench->seconds / 5;
    models->sizes = lab_quick(bench->lab) ? 2 : MODELS_SIZES;
    models->pinned = bench->pins.pinned;
    snprintf(bench->data, sizeof bench->data, "%s/models", directory);
    list(models);
    int result = requests_make_log(bench->data, BATCHES);
    if (!result)
        result = request_fetch(REQUESTS_BATCH, BATCHES, &bench->request);
    if (!result)
        result = probe(bench);
    models->request_bytes = bench->echo.request_bytes;
    models->answer_bytes = bench->echo.answer_bytes;
    return result;
}

static int report(struct lab *lab, const struct models *models)
{
    struct sheet *all = lab_sheet(lab, "models", "I/O models: every connection asks");
    struct sheet *idle =
        lab_sheet(lab, "models-idle", "I/O models: ten connections ask, all others are idle");
    if (!all || !idle)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    models_words(all, models, MODELS_ALL);
    models_words(idle, models, MODELS_IDLE);
    return 0;
}

static int run_all(struct bench *bench, struct models *models)
{
    int result = prepare(bench, models);
    if (result)
        return result;
    result = measure_all(bench, models);
    int worded = report(bench->lab, models);
    return result ? result : worded;
}

static int run(struct lab *lab)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct models *models = calloc(1, sizeof *models);
    int result = error_set(MAPLOG_NO_MEMORY, "no memory for figures");
    if (bench && models) {
        bench->lab = lab;
        pins_take(&bench->pins);
        result = run_all(bench, models);
        pins_release(&bench->pins);
        request_free(&bench->request);
    }
    free(bench);
    free(models);
    return result;
}

const struct experiment lab_models = {
    "models", "What does each way to wait for sockets cost, with few connections and with many?",
    run, 150, 14};
