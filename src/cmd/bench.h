/*
 * bench.h - how the parts of maplog bench report. Main thread.
 */
#pragma once

#include <stdbool.h>

int bench_log(int argc, char **argv);
int bench_latency(int argc, char **argv);

/* One line `name value unit roof ratio`, or a JSON object. ratio says how much of the roof was
 * reached; less: the smaller value is the better one. roof 0: there is none. */
struct bench_result {
    const char *name;
    double value;
    const char *unit;
    double roof;
    bool less;
};
void bench_print(const struct bench_result *result, bool json);
