/* bench.c - maplog bench: quick measurements of this machine. */
#include "cmd/bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/lines.h"
#include "cmd/commands.h"
#include "cmd/dispatch.h"
#include "cmd/line_methods.h"
#include "cmd/options.h"
#include "cmd/report.h"

#define RUNS 5

void bench_print(const struct bench_result *result, bool json)
{
    double ratio = result->roof == 0 || result->value == 0 ? 0
                   : result->less                          ? result->roof / result->value
                                                           : result->value / result->roof;
    if (json) {
        json_t *object = json_pack("{s:s, s:f, s:s, s:o, s:o}", "name", result->name, "value",
                                   result->value, "unit", result->unit, "roof",
                                   result->roof > 0 ? json_real(result->roof) : json_null(),
                                   "ratio", ratio > 0 ? json_real(ratio) : json_null());
        char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
        puts(text ? text : "null");
        free(text);
        json_decref(object);
    } else if (ratio > 0) {
        printf("%-28s %10.4g %-12s %10.4g %6.2f\n", result->name, result->value, result->unit,
               result->roof, ratio);
    } else {
        printf("%-28s %10.4g %-12s %10s %6s\n", result->name, result->value, result->unit, "-",
               "-");
    }
    fflush(stdout);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static const char lines_help[] =
    "usage: maplog bench lines FILE [--json]\n\n"
    "Splits a text file into lines on one CPU in the ways that programs do it, and in maplog's.\n"
    "The roof is reading every byte. The file is read once before, so that all find it in "
    "memory.\n\n"
    "  --json  an object a line\n";

static int measure_lines(const char *path, bool json)
{
    double seconds;
    int result = line_roof(path, &seconds);
    struct line_sum expected = {0};
    double roof = seconds;
    for (size_t i = 0; !result && line_method(i) && !interrupted(); i++) {
        const struct line_method *method = line_method(i);
        struct line_sum sum;
        result = line_measure(method, path, RUNS, &seconds, &sum);
        if (result)
            break;
        if (i == 0)
            expected = sum;
        double bytes = (double)(sum.bytes + sum.lines);
        bench_print(&(struct bench_result){method->name, bytes / seconds / 1e9, "GB/s",
                                           bytes / roof / 1e9, false},
                    json);
        if (sum.bytes + sum.lines != expected.bytes + expected.lines)
            report_note("%s found %llu lines, not %llu: a line is longer than its buffer",
                        method->name, (unsigned long long)sum.lines,
                        (unsigned long long)expected.lines);
    }
    if (!result && !json)
        printf("%llu lines; maplog splits with %s\n", (unsigned long long)expected.lines,
               lines_variant());
    return result;
}

static int bench_lines(int argc, char **argv)
{
    struct {
        struct words arguments;
        bool json;
    } asked = {0};
    const struct option options[] = {{"json", OPTION_FLAG, &asked.json, 0, 0}, {0}};
    const struct usage usage = {"bench lines", lines_help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &asked.arguments, 1, "a text file");
    if (status == OPTIONS_GO) {
        int result = measure_lines(asked.arguments.items[0], asked.json);
        status = result ? report_error(result, "") : 0;
    }
    words_free(&asked.arguments);
    return status;
}

int command_bench(int argc, char **argv)
{
    static const struct command commands[] = {
        {"log", bench_log, "appending and reading, beside memcpy"},
        {"latency", bench_latency, "from a producer to a consumer, beside a bare cache line"},
        {"lines", bench_lines, "splitting a text file into lines, beside fgets and others"},
        {NULL, NULL, NULL},
    };
    static const struct command_group group = {
        "bench",
        "usage: maplog bench COMMAND [ARGUMENT...] [--json]\n\n"
        "Measures this machine for some seconds and prints lines \"name value unit roof ratio\": "
        "the\n"
        "roof is what the machine itself does for the same work, measured in the same run.\n\n",
        "\n\"maplog bench COMMAND --help\" tells more.\n",
        commands,
    };
    catch_signals();
    return exit_status(dispatch(&group, argc, argv));
}
