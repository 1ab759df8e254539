/* device.c - maplog device: the rings of the kernel module, how full they are, what was lost. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "cmd/ring_device.h"

#define CELL_SIZE 48

static const char help[] =
    "usage: maplog device [--json] [DEVICE]\n\n"
    "Lists the rings of the kernel module maplog.ko, also while maplog drain reads them. DEVICE "
    "is\n" RING_DEVICE " unless it is named.\n\n"
    "  RING, CPU  its number, and the CPU that writes into it; all: every CPU does\n"
    "  SIZE       bytes of records that it holds\n"
    "  FILL       bytes that wait for the reader\n"
    "  RECORDS    written since the module was loaded\n"
    "  DROPS      records that found no room, and their bytes\n"
    "  REFUSED    times that the reader said it is where it cannot be\n"
    "  MEMORY     vmalloc, contiguous or fault, as the module was told\n\n"
    "  --json     an array of objects\n";

static const char *memory_name(enum ring_memory memory)
{
    switch (memory) {
    case RING_MEMORY_VMALLOC:
        return "vmalloc";
    case RING_MEMORY_CONTIGUOUS:
        return "contiguous";
    case RING_MEMORY_FAULT:
        return "fault";
    }
    return "unknown";
}

static bool fill_is_known(const struct ring_status *status)
{
    return status->filled <= status->data_bytes;
}

static void print_ring(uint32_t number, const struct ring_status *status)
{
    char cpu[CELL_SIZE] = "all", fill[CELL_SIZE] = "nonsense", drops[CELL_SIZE];
    if (status->cpu != RING_EVERY_CPU)
        snprintf(cpu, sizeof cpu, "%" PRIu32, status->cpu);
    if (fill_is_known(status))
        snprintf(fill, sizeof fill, "%" PRIu64 " (%.0f %%)", status->filled,
                 100.0 * (double)status->filled / (double)status->data_bytes);
    snprintf(drops, sizeof drops, "%" PRIu64 " (%" PRIu64 " B)", status->dropped,
             status->dropped_bytes);
    printf("%-5" PRIu32 " %-4s %-10" PRIu64 " %-18s %-12" PRIu64 " %-20s %-8" PRIu64 " %s\n",
           number, cpu, status->data_bytes, fill, status->records, drops, status->refused_tails,
           memory_name(status->memory));
}

static void print_text(const struct ring_reader *reader)
{
    printf("%-5s %-4s %-10s %-18s %-12s %-20s %-8s %s\n", "RING", "CPU", "SIZE", "FILL", "RECORDS",
           "DROPS", "REFUSED", "MEMORY");
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++) {
        struct ring_status status;
        ring_reader_status(reader, i, &status);
        print_ring(i, &status);
    }
}

static int print_json(const struct ring_reader *reader)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++) {
        struct ring_status status;
        ring_reader_status(reader, i, &status);
        json_t *object = json_pack(
            "{s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:s}", "ring", (json_int_t)i, "cpu",
            status.cpu == RING_EVERY_CPU ? json_null() : json_integer(status.cpu), "size",
            (json_int_t)status.data_bytes, "fill",
            fill_is_known(&status) ? json_integer((json_int_t)status.filled) : json_null(),
            "records", (json_int_t)status.records, "drops", (json_int_t)status.dropped,
            "dropped_bytes", (json_int_t)status.dropped_bytes, "refused_tails",
            (json_int_t)status.refused_tails, "memory", memory_name(status.memory));
        json_array_append_new(array, object);
    }
    return print_json_document(array);
}

static int show(const char *path, bool json)
{
    struct ring_device device;
    int result = ring_device_open(path, RING_OBSERVER, &device);
    if (!result) {
        if (json)
            result = print_json(device.reader);
        else
            print_text(device.reader);
        ring_device_close(&device);
    }
    if (!result)
        return 0;
    report_note("%s", error_text());
    return EXIT_ERROR;
}

int command_device(int argc, char **argv)
{
    struct words arguments = {0};
    bool json = false;
    const struct option options[] = {
        {"json", OPTION_FLAG, &json, 0, 0},
        {0},
    };
    const struct usage usage = {"device", help, options};
    int status = options_parse(&usage, argc, argv, &arguments);
    if (status == OPTIONS_GO && arguments.count > 1)
        status = usage_arguments(&usage, &arguments, 1, "a device");
    if (status == OPTIONS_GO)
        status = show(arguments.count ? arguments.items[0] : RING_DEVICE, json);
    words_free(&arguments);
    return status;
}
