/* models_words.c - rows, findings that are computed from them, advice. */
#include "lab/models_words.h"

#include <stdio.h>
#include <string.h>

#include "lab/list.h"

#define SAME 1.1      /* figures of one run nearer than that are not told apart */
#define PAYS 1.5      /* an engine whose requests cost so much more among many connections */
#define SCALES 0.8    /* of its rate with few connections an engine keeps, if it scales */
#define HEAVY 4.0     /* memory of a connection, beside the least of any engine */
#define SATURATED 0.9 /* of the time, the server's CPU works: its rate is its own limit */

#define MANY 100 /* connections, from which on memory is told for each */

typedef double (*models_figure)(const struct models_point *point);

static double cpu_us(const struct models_point *point)
{
    return point->cpu_us;
}

static double private_bytes(const struct models_point *point)
{
    return point->private_bytes;
}

/* ---- the tables ------------------------------------------------------------------------------ */

static void put_count(struct sheet *sheet, const struct models_point *point, enum counter counter)
{
    if (point->counted[counter])
        sheet_number(sheet, point->counts[counter]);
    else
        sheet_refused(sheet, "%s", point->refusals[counter]);
}

static void put_point(struct sheet *sheet, const struct model *model,
                      const struct models_point *point)
{
    if (!point->active || (!point->answered && !point->why[0]))
        return;
    sheet_row(sheet, model->roof ? SHEET_ROOF : SHEET_MEASURED);
    sheet_text(sheet, "%s", model->name);
    sheet_number(sheet, point->connections);
    if (!point->answered) {
        sheet_refused(sheet, "%s", point->why);
        return;
    }
    sheet_number(sheet, point->per_second);
    sheet_number(sheet, point->p50_us);
    sheet_number(sheet, point->p99_us);
    sheet_number(sheet, point->cpu_us);
    put_count(sheet, point, COUNTER_CALLS);
    put_count(sheet, point, COUNTER_SWITCHES);
    if (point->connections >= MANY)
        sheet_number(sheet, point->private_bytes / 1024);
    else
        sheet_text(sheet, "%s", ""); /* what the first request takes once and for all */
    sheet_number(sheet, point->threads);
}

static void put_points(struct sheet *sheet, const struct models *models, enum models_load load)
{
    static const struct sheet_column columns[] = {
        {"engine", "", 0},
        {"connections", "", 0},
        {"requests", "per second", 0},
        {"latency p50", "us", 0},
        {"latency p99", "us", 0},
        {"server CPU", "us per request", 2},
        {"system calls", "per request", 2},
        {"context switches", "per request", 3},
        {"private memory", "KiB per connection", 1},
        {"threads", "", 0},
    };
    static const struct sheet_plot plots[] = {
        {"requests per second, by number of connections", SHEET_LINES, 1, 2, 0, true, false},
        {"server CPU for a request, by number of connections", SHEET_LINES, 1, 5, 0, true, true},
    };
    sheet_columns(sheet, columns, sizeof columns / sizeof columns[0]);
    for (unsigned m = 0; m < models->count; m++)
        for (unsigned i = 0; i < models->sizes; i++)
            put_point(sheet, &models->models[m], &models->models[m].points[i][load]);
    for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++)
        sheet_plot(sheet, &plots[i]);
}

/* ---- findings -------------------------------------------------------------------------------- */

static const struct models_point *point_of(const struct model *model, unsigned size,
                                           enum models_load load)
{
    const struct models_point *point = &model->points[size][load];
    return point->answered ? point : NULL;
}

/* The engine with the least of it, the roof aside; NULL: none was measured. */
static const struct model *least(const struct models *models, unsigned size, enum models_load load,
                                 models_figure figure)
{
    const struct model *best = NULL;
    for (unsigned m = 0; m < models->count; m++) {
        const struct model *model = &models->models[m];
        if (model->roof || !point_of(model, size, load))
            continue;
        if (!best || figure(&model->points[size][load]) < figure(&best->points[size][load]))
            best = model;
    }
    return best;
}

static void say_cheapest(struct sheet *sheet, const struct models *models, enum models_load load)
{
    for (unsigned i = 0; i < models->sizes; i++) {
        const struct model *best = least(models, i, load, cpu_us);
        const struct models_point *roof = point_of(&models->models[0], i, load);
        if (!best)
            continue;
        const struct models_point *point = &best->points[i][load];
        const char *plural = point->connections == 1 ? "" : "s";
        if (roof)
            sheet_say(sheet,
                      "With %u connection%s %s costs least: %.2f us of the server's CPU for a "
                      "request, the bare echo %.2f us.",
                      point->connections, plural, best->name, point->cpu_us, roof->cpu_us);
        else
            sheet_say(sheet,
                      "With %u connection%s %s costs least: %.2f us of the server's CPU for a "
                      "request.",
                      point->connections, plural, best->name, point->cpu_us);
    }
}

/* What an engine's requests cost among few connections and among the most that it managed. */
static void say_growth(struct sheet *sheet, const struct models *models, enum models_load load)
{
    char pays[LIST_BYTES] = "", flat[LIST_BYTES] = "";
    for (unsigned m = 0; m < models->count; m++) {
        const struct model *model = &models->models[m];
        const struct models_point *few = point_of(model, 1, load), *most = NULL;
        for (unsigned i = 2; i < models->sizes; i++)
            if (point_of(model, i, load))
                most = point_of(model, i, load);
        if (model->roof || !few || !most)
            continue;
        if (most->cpu_us > PAYS * few->cpu_us)
            list_add(pays, "; ", "%s (%.2f us at %u, %.2f us at %u)", model->name, few->cpu_us,
                     few->connections, most->cpu_us, most->connections);
        else if (point_of(model, models->sizes - 1, load) &&
                 most->per_second > SCALES * few->per_second)
            list_add(flat, "; ", "%s", model->name);
    }
    if (pays[0])
        sheet_say(sheet, "A request costs more the more connections there are with: %s.", pays);
    if (flat[0])
        sheet_say(sheet, "Nearly as fast among the most connections as among %u: %s.",
                  models->models[0].points[1][load].connections, flat);
}

static void say_memory(struct sheet *sheet, const struct models *models, enum models_load load)
{
    unsigned last = models->sizes - 1;
    const struct model *lightest = least(models, last, load, private_bytes);
    char heavy[LIST_BYTES] = "";
    if (!lightest)
        return;
    double lowest = lightest->points[last][load].private_bytes;
    for (unsigned m = 0; m < models->count; m++) {
        const struct models_point *point = point_of(&models->models[m], last, load);
        if (point && !models->models[m].roof && point->private_bytes > HEAVY * lowest)
            list_add(heavy, "; ", "%s (%.1f KiB, %u threads)", models->models[m].name,
                     point->private_bytes / 1024, point->threads);
    }
    sheet_say(sheet,
              "A connection takes %.1f KiB of the server's private memory with %s; the kernel's "
              "share, sockets and the stacks of threads, is not in these figures.",
              lowest / 1024, lightest->name);
    if (heavy[0])
        sheet_say(sheet, "Who pays memory for each connection: %s.", heavy);
}

static void say_first_refusal(struct sheet *sheet, const struct model *model, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct models_point *point = &model->points[i][MODELS_ALL];
        if (!point->why[0])
            continue;
        sheet_say(sheet, "What breaks first with %s, at %u connections: %s.", model->name,
                  point->connections, point->why);
        return;
    }
}

static void say_refusals(struct sheet *sheet, const struct models *models)
{
    for (unsigned m = 0; m < models->count; m++) {
        const struct model *model = &models->models[m];
        say_first_refusal(sheet, model, models->sizes);
        for (unsigned i = 0; i < models->sizes; i++)
            if (model->points[i][MODELS_ALL].killed)
                sheet_say(sheet,
                          "With %s and %u connections the server did not end when it was asked "
                          "to, and was killed.",
                          model->name, model->points[i][MODELS_ALL].connections);
    }
}

static void say_how(struct sheet *sheet, const struct models *models)
{
    unsigned points = 0, saturated = 0;
    for (unsigned m = 0; m < models->count; m++)
        for (unsigned i = 0; i < models->sizes; i++) {
            const struct models_point *point = point_of(&models->models[m], i, MODELS_ALL);
            points += point != NULL;
            saturated += point && point->busy >= SATURATED;
        }
    sheet_say(sheet,
              "A request is a Fetch of one batch of 1,000 bytes that lies in memory: %zu bytes "
              "ask, %zu bytes answer, over TCP on the loopback; each connection asks again when "
              "it has its answer. One worker thread serves, blocking engines aside.",
              models->request_bytes, models->answer_bytes);
    if (models->pinned)
        sheet_say(sheet,
                  "Server and client had a CPU each. In %u of %u rows the server's was busy for "
                  "%.0f %% of the time or more: there requests per second are its own limit, "
                  "elsewhere the client's or the way between, and CPU per request says more.",
                  saturated, points, 100 * SATURATED);
    else
        sheet_say(sheet, "Server and client shared one CPU: requests per second are what both "
                         "together reach.");
    sheet_say(sheet,
              "Latency is that of a full queue: as many requests wait as connections ask. "
              "System calls and switches were counted by the kernel in runs of their own, "
              "which were not timed. Each figure is of one run: differences below a tenth say "
              "nothing.");
}

/* ---- advice ---------------------------------------------------------------------------------- */

/* The engine that costs least where it matters; the default when it is as good. */
static void advise(struct sheet *sheet, const struct models *models, enum models_load load)
{
    unsigned last = models->sizes - 1;
    const struct model *best = least(models, last, load, cpu_us);
    const struct model *usual = &models->models[1];
    const struct models_point *point = best ? &best->points[last][load] : NULL;
    const struct models_point *usual_point = point_of(usual, last, load);
    const char *among = load == MODELS_ALL ? "that all ask" : "that are mostly idle";
    if (!best)
        return;
    if (usual_point && usual_point->cpu_us <= SAME * point->cpu_us)
        sheet_advise(sheet,
                     "With %u connections %s, stay with %s, the default: no engine costs less than "
                     "%.2f us for a request, and it %.2f us.",
                     point->connections, among, usual->name, point->cpu_us, usual_point->cpu_us);
    else if (usual_point)
        sheet_advise(sheet,
                     "With %u connections %s, --io %s costs least: %.2f us for a request where the "
                     "default, %s, costs %.2f us.",
                     point->connections, among, best->name, point->cpu_us, usual->name,
                     usual_point->cpu_us);
    else
        sheet_advise(sheet, "With %u connections %s, choose --io %s: %.2f us for a request.",
                     point->connections, among, best->name, point->cpu_us);
}

void models_words(struct sheet *sheet, const struct models *models, enum models_load load)
{
    put_points(sheet, models, load);
    if (load == MODELS_ALL)
        say_how(sheet, models);
    say_cheapest(sheet, models, load);
    say_growth(sheet, models, load);
    if (load == MODELS_ALL) {
        say_memory(sheet, models, load);
        say_refusals(sheet, models);
    }
    advise(sheet, models, load);
}
