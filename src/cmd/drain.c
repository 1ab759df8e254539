/* drain.c - maplog drain: records of the kernel module go into a topic. */
#include <maplog.h>

#include <inttypes.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/door_producer.h"
#include "cmd/drain_loop.h"
#include "cmd/options.h"
#include "cmd/producing.h"
#include "cmd/report.h"
#include "cmd/ring_device.h"

static const char help[] =
    "usage: maplog drain DEVICE TOPIC [OPTION]...\n\n"
    "Appends what the kernel module maplog.ko gathers in the rings of DEVICE (" RING_DEVICE
    ")\nto a topic, until a signal comes. A missing topic is created. Ring i goes to partition i\n"
    "modulo their number. Records stay in the ring until the log has them: after a kill some come\n"
    "twice, none is lost. The header drops of a record counts those that were lost before it,\n"
    "because its ring was full.\n\n"
    "  --exit-eof           end when all rings are empty\n"
    "  --meta               headers for every record: cpu, source (emit, kernel-log, write), "
    "time_ns\n"
    "  --reset              give up what the rings hold, damaged or not, and begin at the new\n"
    "  --compression CODEC  none (the default), gzip, snappy, lz4, zstd\n"
    "  --batch BYTES        taken from a ring at a time (64k)\n"
    "  --acks WHEN          memory (the default): a record survives the death of every process;\n"
    "                       disk: a record leaves its ring when it is on disk\n"
    "  --timeout TIME       longest wait for another writer of a partition, or for a server (10s)\n"
    "  --progress           say at the end how much and how fast\n" PLACE_HELP;

struct asked {
    struct place place;
    struct producing producing;
    struct words arguments;
    bool until_empty;
    bool meta;
    bool reset;
    bool progress;
};

static void reset(struct ring_reader *reader)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++)
        bytes += ring_reader_skip(reader, i);
    report_note("gave up %" PRIu64 " bytes of the rings", bytes);
}

/* Says what came of it; an error of the device is told as it is, one of the log with a hint. */
static int finish(const struct door *door, const struct drain_loop *loop, int result)
{
    int status = 0;
    if (result && loop->device_failed) {
        report_note("%s", error_text());
        status = EXIT_ERROR;
    } else if (result) {
        status = door_report(door, result);
    }
    report_note("drained %" PRIu64 " records, %" PRIu64 " bytes; %" PRIu64 " were dropped",
                loop->records, loop->bytes, loop->drops);
    return status;
}

static int drain(const struct asked *asked, struct door *door, struct ring_device *device,
                 const struct maplog_producer_options *options)
{
    const char *topic = asked->arguments.items[1];
    struct door_producer producer = {0};
    struct maplog_topic found;
    struct meter meter;
    int result = producing_topic(door, topic, options->acks);
    if (!result)
        result = door_topic_describe(door, topic, &found);
    if (!result)
        result = door_producer_open(door, topic, options, &producer);
    if (result)
        return door_report(door, result);
    if (asked->reset)
        reset(device->reader);
    meter_begin(&meter, "drained", asked->progress);
    struct drain_loop loop = {
        .reader = device->reader,
        .fd = device->fd,
        .path = asked->arguments.items[0],
        .producer = &producer,
        .partitions = found.partitions,
        .chunk = (uint32_t)asked->producing.batch,
        .meta = asked->meta,
        .until_empty = asked->until_empty,
        .meter = &meter,
    };
    result = drain_loop_run(&loop);
    meter_end(&meter);
    int status = finish(door, &loop, result);
    (void)door_producer_close(&producer); /* what is not the log's by now is still in the ring */
    return status;
}

static int run(const struct usage *usage, const struct asked *asked)
{
    struct maplog_producer_options options = {0};
    struct ring_device device;
    struct door door;
    int status = producing_options(usage, &asked->producing, &options);
    if (status != OPTIONS_GO)
        return status;
    if (options.acks == MAPLOG_ACKS_NONE)
        return usage_error(usage, "--acks is memory or disk: a record leaves its ring when it is "
                                  "known to be in the log");
    /* A chunk with its headers is one batch, unless max.message.bytes is smaller. */
    options.batch_bytes *= 4;
    catch_signals();
    if (ring_device_open(asked->arguments.items[0], RING_READER, &device)) {
        report_note("%s", error_text());
        return EXIT_ERROR;
    }
    int result = door_open(&asked->place, DOOR_CREATE, &door);
    status = result ? door_report(&door, result) : drain(asked, &door, &device, &options);
    door_close(&door);
    ring_device_close(&device);
    return status;
}

int command_drain(int argc, char **argv)
{
    struct asked asked = {.producing = PRODUCING_DEFAULT};
    const struct option options[] = {
        {"exit-eof", OPTION_FLAG, &asked.until_empty, 0, 0},
        {"meta", OPTION_FLAG, &asked.meta, 0, 0},
        {"reset", OPTION_FLAG, &asked.reset, 0, 0},
        {"compression", OPTION_TEXT, &asked.producing.compression, 0, 0},
        {"batch", OPTION_SIZE, &asked.producing.batch, 1, 64 << 20},
        {"acks", OPTION_TEXT, &asked.producing.acks, 0, 0},
        {"timeout", OPTION_DURATION, &asked.producing.timeout, 1, INT32_MAX},
        {"progress", OPTION_FLAG, &asked.progress, 0, 0},
        PLACE_OPTIONS(&asked.place),
        {0},
    };
    const struct usage usage = {"drain", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &asked.arguments, 2, "a device and a topic");
    if (status == OPTIONS_GO)
        status = run(&usage, &asked);
    words_free(&asked.arguments);
    return status;
}
