#include "cmd/inspect_json.h"

#include <stdio.h>

#include "base/error.h"
#include "cmd/print_json.h"
#include "cmd/report.h"
#include "log/codec.h"
#include "log/inspect.h"

struct printer {
    bool lines;       /* an object a line; else gathered */
    json_t *document; /* "partitions" and "findings", or "recoveries" */
    bool wrong;
};

/* Prints the object, or puts it into the document's list of that name. */
static int emit(struct printer *printer, const char *type, const char *list, json_t *object)
{
    if (!object)
        return error_set(MAPLOG_NO_MEMORY, "no memory for JSON");
    if (!printer->lines) {
        json_array_append_new(json_object_get(printer->document, list), object);
        return interrupted() ? MAPLOG_CLOSED : 0;
    }
    json_object_set_new(object, "type", json_string(type));
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
    return ferror(stdout) || interrupted() ? MAPLOG_CLOSED : 0;
}

static int emit_finding(void *context, const struct inspect_finding *finding)
{
    struct printer *printer = context;
    printer->wrong |= !finding->note;
    json_t *position =
        finding->position < 0 ? json_null() : json_integer((json_int_t)finding->position);
    return emit(printer, "finding", "findings",
                json_pack("{s:s, s:o, s:s, s:s, s:b}", "file", finding->file, "position", position,
                          "what", finding->what, "advice", finding->advice, "note",
                          (int)finding->note));
}

static json_t *counts_object(const struct inspect_counts *counts)
{
    json_t *codecs = json_object();
    for (int codec = 0; codec < INSPECT_CODECS; codec++)
        if (counts->codecs[codec])
            json_object_set_new(codecs, codec_name((enum maplog_compression)codec),
                                json_integer((json_int_t)counts->codecs[codec]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "segments",
                     (json_int_t)counts->segments, "batches", (json_int_t)counts->batches,
                     "records", (json_int_t)counts->records, "bytes", (json_int_t)counts->bytes,
                     "index_entries", (json_int_t)counts->index_entries, "damaged",
                     (json_int_t)counts->damaged, "codecs", codecs);
}

static int emit_partition(void *context, const struct inspect_partition *partition)
{
    json_t *object = counts_object(&partition->counts);
    json_object_set_new(object, "partition", json_string(partition->name));
    json_object_set_new(object, "start", json_integer((json_int_t)partition->start));
    json_object_set_new(object, "end", json_integer((json_int_t)partition->end));
    return emit(context, "partition", "partitions", object);
}

static int emit_segment(void *context, const struct inspect_segment *segment)
{
    json_t *object = counts_object(&segment->counts);
    json_object_set_new(object, "partition", json_string(segment->partition));
    json_object_set_new(object, "base", json_integer((json_int_t)segment->base));
    json_object_set_new(object, "end", json_integer((json_int_t)segment->end));
    json_object_set_new(object, "max_timestamp", json_integer((json_int_t)segment->max_timestamp));
    json_object_set_new(object, "index_bytes", json_integer((json_int_t)segment->index_bytes));
    json_object_set_new(object, "timeindex_bytes",
                        json_integer((json_int_t)segment->timeindex_bytes));
    return emit(context, "segment", "segments", object);
}

static int emit_batch(void *context, const struct inspect_place *place, const struct batch *batch)
{
    return emit(
        context, "batch", "batches",
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:s, s:I, s:i, s:I, s:i, s:i, s:b, s:b}",
                  "partition", place->partition, "segment", (json_int_t)place->segment, "position",
                  (json_int_t)place->position, "base_offset", (json_int_t)batch->base_offset,
                  "last_offset", (json_int_t)batch->last_offset, "records", (int)batch->records,
                  "bytes", (json_int_t)batch->size, "codec", codec_name(batch_codec(batch)),
                  "max_timestamp", (json_int_t)batch->max_timestamp, "leader_epoch",
                  (int)batch->leader_epoch, "producer_id", (json_int_t)batch->producer_id,
                  "producer_epoch", (int)batch->producer_epoch, "base_sequence",
                  (int)batch->base_sequence, "transactional",
                  !!(batch->attributes & ATTRIBUTE_TRANSACTIONAL), "control",
                  !!(batch->attributes & ATTRIBUTE_CONTROL)));
}

/* Sizes are -1 for null, as in consume's %K and %S. */
static int emit_record(void *context, const struct inspect_place *place,
                       const struct record *record)
{
    return emit(context, "record", "records",
                json_pack("{s:s, s:I, s:I, s:I, s:I, s:i}", "partition", place->partition, "offset",
                          (json_int_t)record->offset, "timestamp", (json_int_t)record->timestamp,
                          "key_bytes", record->key ? (json_int_t)record->key_size : -1,
                          "value_bytes", record->value ? (json_int_t)record->value_size : -1,
                          "headers", (int)record->header_count));
}

static int emit_recovery(void *context, const struct inspect_recovery *recovery)
{
    struct printer *printer = context;
    const struct recovered *found = &recovery->found;
    printer->wrong |= found->cut_bytes > 0;
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:i, s:b, s:b, s:I, s:i, s:i, s:o}", "partition", recovery->partition,
        "start", (json_int_t)found->log_start, "end", (json_int_t)found->end_offset, "leader_epoch",
        (int)found->leader_epoch, "epoch_raised", (int)found->epoch_raised, "cut",
        (int)found->damaged, "cut_bytes", (json_int_t)found->cut_bytes, "dropped_segments",
        (int)found->dropped_segments, "rebuilt_indexes", (int)recovery->rebuilt, "after",
        counts_object(&recovery->after));
    if (object && found->damaged) {
        json_object_set_new(object, "cut_segment", json_integer((json_int_t)found->cut_base));
        json_object_set_new(object, "cut_position", json_integer((json_int_t)found->cut_position));
        json_object_set_new(object, "reason", json_string(found->reason));
    }
    return emit(printer, "recovery", "recoveries", object);
}

int inspect_json_run(const char *path, int depth, bool recover, bool *wrong)
{
    struct printer printer = {.lines = depth > 0};
    const struct inspect_visitor visitor = {
        .context = &printer,
        .finding = emit_finding,
        .partition = emit_partition,
        .segment = depth >= 1 ? emit_segment : NULL,
        .batch = depth >= 2 ? emit_batch : NULL,
        .record = depth >= 3 ? emit_record : NULL,
    };
    printer.document = json_pack("{s:s, s:[], s:[]}", "path", path, "findings",
                                 recover ? "recoveries" : "partitions");
    struct inspect_counts counts = {0};
    int result = printer.document ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for JSON");
    if (!result)
        result = recover ? inspect_recover(path, &visitor, emit_recovery)
                         : inspect_path(path, &visitor, &counts);
    if (result || printer.lines) {
        json_decref(printer.document);
    } else {
        json_object_set_new(printer.document, "sound", json_boolean(!printer.wrong));
        result = print_json_document(printer.document);
    }
    *wrong = printer.wrong;
    return result;
}
