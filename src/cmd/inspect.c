/* inspect.c - maplog inspect: is anything wrong in a directory? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/inspect_json.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "log/codec.h"
#include "log/format.h"
#include "log/inspect.h"

static const char help[] =
    "usage: maplog inspect [PATH] [--segments | --batches | --records] [--json]\n"
    "       maplog inspect [PATH] --recover --dry-run [--json]\n\n"
    "Checks every CRC, every record, every index entry and every offset of a data directory, of "
    "one\n"
    "partition or of one segment's .log file, and changes nothing. Processes may be attached: "
    "then\n"
    "it looks at what is published. The exit status is 1 when anything is wrong; each finding "
    "says\n"
    "file, position, what is wrong and what to do.\n\n"
    "  PATH        data directory, partition directory or .log file (data)\n"
    "  --segments  a line for each segment\n"
    "  --batches   a line for each batch too\n"
    "  --records   a line for each record too\n"
    "  --recover --dry-run\n"
    "              shows what recovery would do if nothing vouched for the files, in private "
    "memory\n"
    "  --json      one object; with --segments, --batches, --records an object a line\n"
    "  --data DIR  the same as PATH\n";

enum depth { PARTITIONS, SEGMENTS, BATCHES, RECORDS };

struct asked {
    const char *data;
    bool json, segments, batches, records, recover, dry_run;
    struct words arguments;
};

struct view {
    enum depth depth;
    struct inspect_json *json; /* NULL: text */
    char *rows;                /* of the table at the end; owned */
    size_t rows_size;
    FILE *table;
    uint64_t partitions;
    uint64_t findings;
    bool lossy; /* recovery would cut records */
};

/* A visitor's answer: go on, unless nobody reads any more or Ctrl-C came. */
static int go_on(void)
{
    return ferror(stdout) || interrupted() ? MAPLOG_CLOSED : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static int print_finding(void *context, const struct inspect_finding *finding)
{
    struct view *view = context;
    view->findings += !finding->note;
    printf("%s%s%s", finding->note ? "note: " : "", finding->file, finding->file[0] ? ": " : "");
    if (finding->position >= 0)
        printf("position %" PRId64 ": ", finding->position);
    printf("%s; %s\n", finding->what, finding->advice);
    return go_on();
}

static void print_codecs(FILE *to, const struct inspect_counts *counts)
{
    const char *separator = "";
    for (int codec = 0; codec < INSPECT_CODECS; codec++) {
        if (!counts->codecs[codec])
            continue;
        fprintf(to, "%s%s", separator, codec_name((enum maplog_compression)codec));
        if (counts->codecs[codec] != counts->batches)
            fprintf(to, " %.0f%%", 100.0 * (double)counts->codecs[codec] / (double)counts->batches);
        separator = ", ";
    }
    if (!separator[0])
        fputs("-", to);
}

static int print_partition(void *context, const struct inspect_partition *partition)
{
    struct view *view = context;
    const struct inspect_counts *counts = &partition->counts;
    if (!view->partitions++)
        fprintf(view->table, "%-24s %8s %10s %12s %14s %12s %12s  %-8s %s\n", "PARTITION",
                "SEGMENTS", "BATCHES", "RECORDS", "BYTES", "START", "END", "STATE", "CODECS");
    char state[48] = "sound";
    if (counts->damaged)
        snprintf(state, sizeof state, "%" PRIu64 " wrong", counts->damaged);
    fprintf(view->table,
            "%-24s %8" PRIu64 " %10" PRIu64 " %12" PRIu64 " %14" PRIu64 " %12" PRId64 " %12" PRId64
            "  %-8s ",
            partition->name, counts->segments, counts->batches, counts->records, counts->bytes,
            partition->start, partition->end, state);
    print_codecs(view->table, counts);
    fputc('\n', view->table);
    return go_on();
}

static int print_segment(void *context, const struct inspect_segment *segment)
{
    (void)context;
    printf("%s/%0*" PRId64 SEGMENT_LOG_SUFFIX ": offsets %" PRId64 " to %" PRId64 ", %" PRIu64
           " batches, %" PRIu64 " records, %" PRIu64 " bytes, index %" PRIu64
           " bytes, timeindex %" PRIu64 " bytes, largest timestamp %" PRId64 ", ",
           segment->partition, SEGMENT_NAME_BYTES, segment->base, segment->base, segment->end,
           segment->counts.batches, segment->counts.records, segment->bytes, segment->index_bytes,
           segment->timeindex_bytes, segment->max_timestamp);
    print_codecs(stdout, &segment->counts);
    putchar('\n');
    return go_on();
}

static int print_batch(void *context, const struct inspect_place *place, const struct batch *batch)
{
    (void)context;
    printf("%s/%0*" PRId64 SEGMENT_LOG_SUFFIX " position %" PRIu32 ": offsets %" PRId64
           " to %" PRId64 ", %" PRId32 " records, %" PRIu32 " bytes, %s, timestamps to %" PRId64
           ", leader epoch %" PRId32,
           place->partition, SEGMENT_NAME_BYTES, place->segment, place->position,
           batch->base_offset, batch->last_offset, batch->records, batch->size,
           codec_name(batch_codec(batch)), batch->max_timestamp, batch->leader_epoch);
    if (batch->producer_id >= 0)
        printf(", producer %" PRId64 " epoch %d sequence %" PRId32, batch->producer_id,
               batch->producer_epoch, batch->base_sequence);
    if (batch->attributes & ATTRIBUTE_LOG_APPEND_TIME)
        fputs(", log append time", stdout);
    if (batch->attributes & ATTRIBUTE_TRANSACTIONAL)
        fputs(", transactional", stdout);
    if (batch->attributes & ATTRIBUTE_CONTROL)
        fputs(", control", stdout);
    putchar('\n');
    return go_on();
}

static int print_record(void *context, const struct inspect_place *place,
                        const struct record *record)
{
    (void)context;
    char key[24] = "none", value[24] = "null";
    if (record->key)
        snprintf(key, sizeof key, "%zu bytes", record->key_size);
    if (record->value)
        snprintf(value, sizeof value, "%zu bytes", record->value_size);
    printf("%s offset %" PRId64 ": timestamp %" PRId64 ", key %s, value %s, %" PRId32 " headers\n",
           place->partition, record->offset, record->timestamp, key, value, record->header_count);
    return go_on();
}

static int print_recovery(void *context, const struct inspect_recovery *recovery)
{
    struct view *view = context;
    const struct recovered *found = &recovery->found;
    view->lossy |= found->cut_bytes > 0;
    printf("%s: offsets %" PRId64 " to %" PRId64 ", leader epoch %" PRId32 "%s\n",
           recovery->partition, found->log_start, found->end_offset, found->leader_epoch,
           found->epoch_raised ? " (raised by 1)" : "");
    if (found->damaged)
        printf("%s: cut at %0*" PRId64 SEGMENT_LOG_SUFFIX " position %" PRIu32 ": %s\n",
               recovery->partition, SEGMENT_NAME_BYTES, found->cut_base, found->cut_position,
               found->reason);
    if (found->cut_bytes || found->dropped_segments)
        printf("%s: %" PRIu64 " bytes that are not zero fall away, and %" PRIu32
               " segments behind them\n",
               recovery->partition, found->cut_bytes, found->dropped_segments);
    if (recovery->rebuilt)
        printf("%s: the indexes of %" PRIu32 " segments are built again\n", recovery->partition,
               recovery->rebuilt);
    printf("%s: then %s, with %" PRIu64 " records in %" PRIu64 " segments\n", recovery->partition,
           recovery->after.damaged ? "still damaged" : "sound", recovery->after.records,
           recovery->after.segments);
    return go_on();
}

/* ---- running --------------------------------------------------------------------------------- */

static struct inspect_visitor text_visitor(struct view *view)
{
    return (struct inspect_visitor){
        .context = view,
        .finding = print_finding,
        .partition = print_partition,
        .segment = view->depth >= SEGMENTS ? print_segment : NULL,
        .batch = view->depth >= BATCHES ? print_batch : NULL,
        .record = view->depth >= RECORDS ? print_record : NULL,
    };
}

static int inspect_text(const struct asked *asked, struct view *view)
{
    struct inspect_visitor visitor = text_visitor(view);
    struct inspect_counts counts = {0};
    view->table = open_memstream(&view->rows, &view->rows_size);
    if (!view->table)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the table");
    int result = asked->recover ? inspect_recover(asked->data, &visitor, print_recovery)
                                : inspect_path(asked->data, &visitor, &counts);
    fclose(view->table);
    if (!result) {
        fputs(view->rows, stdout);
        if (!asked->recover && view->findings)
            printf("%" PRIu64 " findings in %s\n", view->findings, asked->data);
        else if (!asked->recover)
            printf("%s is sound\n", asked->data);
    }
    free(view->rows);
    return result;
}

static int run(const struct asked *asked)
{
    struct view view = {.depth = asked->records    ? RECORDS
                                 : asked->batches  ? BATCHES
                                 : asked->segments ? SEGMENTS
                                                   : PARTITIONS};
    bool wrong = false;
    catch_signals();
    int result;
    if (asked->json) {
        result = inspect_json_run(asked->data, (int)view.depth, asked->recover, &wrong);
    } else {
        result = inspect_text(asked, &view);
        wrong = view.findings || view.lossy;
    }
    if (result)
        return exit_status(report_error(result, asked->data));
    return wrong ? EXIT_ERROR : 0;
}

int command_inspect(int argc, char **argv)
{
    struct asked asked = {.data = DEFAULT_DATA};
    const struct option options[] = {
        {"segments", OPTION_FLAG, &asked.segments, 0, 0},
        {"batches", OPTION_FLAG, &asked.batches, 0, 0},
        {"records", OPTION_FLAG, &asked.records, 0, 0},
        {"recover", OPTION_FLAG, &asked.recover, 0, 0},
        {"dry-run", OPTION_FLAG, &asked.dry_run, 0, 0},
        {"json", OPTION_FLAG, &asked.json, 0, 0},
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {0},
    };
    const struct usage usage = {"inspect", help, options};
    int status = options_parse(&usage, argc, argv, &asked.arguments);
    if (status == OPTIONS_GO && asked.arguments.count > 1)
        status = usage_error(&usage, "one path at a time, \"%s\" is one too many",
                             asked.arguments.items[1]);
    if (status == OPTIONS_GO && asked.recover != asked.dry_run)
        status =
            usage_error(&usage, "--recover and --dry-run belong together: the real recovery is "
                                "done by the next process that attaches");
    if (status == OPTIONS_GO && asked.arguments.count)
        asked.data = asked.arguments.items[0];
    if (status == OPTIONS_GO)
        status = run(&asked);
    words_free(&asked.arguments);
    return status;
}
