/* ps.c - maplog ps: who is attached, and what each holds. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "log/attached.h"
#include "log/serve.h"

#define NAME_SIZE (LIMIT_TOPIC_NAME + 16)

static const char help[] =
    "usage: maplog ps [--json] [--data DIR]\n\n"
    "Lists the processes that are attached to a directory. Attached read-only they have no place "
    "in\n"
    "its tables and are not listed.\n\n"
    "  PID, NAME  of the process; * behind the PID: it is stopped (SIGSTOP)\n"
    "  ROLE       reader; writer: a producer, or a group's consumer that committed; server: "
    "maplog\n"
    "             serve; keeper: it also tidies up for all\n"
    "  SINCE      when it attached\n"
    "  HOLDS      the partitions it writes to at present: another producer gets them at once,\n"
    "             unless the process is stopped in the middle of an append (\"inside\")\n\n"
    "  --json      an array of objects\n"
    "  --data DIR  the log's directory (data)\n";

static const char *role_of(const struct attached_process *process)
{
    if (strcmp(process->info.role, SERVE_ROLE) == 0)
        return process->keeper ? "server, keeper" : "server";
    if (process->keeper)
        return process->producers ? "writer, keeper" : "keeper";
    return process->producers ? "writer" : "reader";
}

static void print_partitions(const struct attached *attached,
                             const struct attached_partitions *partitions, const char *before)
{
    char name[NAME_SIZE];
    for (uint32_t i = 0; i < partitions->count && i < ATTACHED_NAMED; i++) {
        attached_partition_name(attached, partitions->slots[i], name, sizeof name);
        printf("%s%s", i ? ", " : before, name);
    }
    if (partitions->count > ATTACHED_NAMED)
        printf(" and %u more", partitions->count - ATTACHED_NAMED);
}

static void print_text(const struct attached *attached)
{
    if (attached->count == 0) {
        printf("nobody is attached to %s\n", attached->view.path);
        return;
    }
    printf("%-9s %-16s %-17s %-20s %s\n", "PID", "NAME", "ROLE", "SINCE", "HOLDS");
    for (size_t i = 0; i < attached->count; i++) {
        const struct attached_process *process = &attached->processes[i];
        time_t seconds = (time_t)(process->info.attached_ms / 1000);
        struct tm date;
        char since[32] = "", pid[16];
        if (localtime_r(&seconds, &date))
            strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", &date);
        snprintf(pid, sizeof pid, "%d%s", process->info.pid, process->stopped ? "*" : "");
        printf("%-9s %-16s %-17s %-20s ", pid, process->info.name, role_of(process), since);
        print_partitions(attached, &process->leases, "");
        print_partitions(attached, &process->appending,
                         process->leases.count ? "; inside " : "inside ");
        printf("%s\n", process->leases.count || process->appending.count ? "" : "-");
    }
}

static json_t *partition_array(const struct attached *attached,
                               const struct attached_partitions *partitions)
{
    json_t *array = json_array();
    char name[NAME_SIZE];
    for (uint32_t i = 0; i < partitions->count && i < ATTACHED_NAMED; i++) {
        attached_partition_name(attached, partitions->slots[i], name, sizeof name);
        json_array_append_new(array, json_string(name));
    }
    return array;
}

static int print_json(const struct attached *attached)
{
    json_t *array = json_array();
    for (size_t i = 0; i < attached->count; i++) {
        const struct attached_process *process = &attached->processes[i];
        json_t *object =
            json_pack("{s:i, s:s, s:b, s:b, s:I, s:i, s:i, s:o, s:o}", "pid", process->info.pid,
                      "name", process->info.name, "keeper", process->keeper, "stopped",
                      process->stopped, "since", (json_int_t)process->info.attached_ms, "producers",
                      (int)process->producers, "lease_count", (int)process->leases.count, "leases",
                      partition_array(attached, &process->leases), "inside",
                      partition_array(attached, &process->appending));
        json_array_append_new(array, object);
    }
    return print_json_document(array);
}

int command_ps(int argc, char **argv)
{
    struct {
        const char *data;
        struct words arguments;
        bool json;
    } asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct usage usage = {"ps", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &asked.arguments, 0, "");
    if (status == OPTIONS_GO) {
        struct attached attached;
        int result = attached_open(asked.data, &attached);
        if (!result) {
            if (asked.json)
                result = print_json(&attached);
            else
                print_text(&attached);
            attached_close(&attached);
        }
        status = result ? report_error(result, asked.data) : 0;
    }
    words_free(&asked.arguments);
    return status;
}
