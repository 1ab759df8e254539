/* inspect_fuzz.c - any bytes as a segment with its indexes: inspect stays inside, its counts add
 * up, and what it calls sound is. */
#include "segments.h"

#include "log/inspect.h"

static uint64_t records, findings;

static int on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    check(finding->what[0] && finding->advice[0]);
    findings += !finding->note;
    return 0;
}

static int on_record(void *context, const struct inspect_place *place, const struct record *record)
{
    (void)context;
    check(place->segment <= record->offset || findings);
    records++;
    return 0;
}

static void inspect(const struct fuzz_segment *segment, bool active, bool unclean)
{
    const struct inspect_visitor visitor = {.finding = on_finding, .record = on_record};
    const struct inspect_view view = {.partition = "t-0",
                                      .base = segment->base,
                                      .next_base = INT64_MAX,
                                      .log = segment->log.bytes,
                                      .index = segment->index.bytes,
                                      .timeindex = segment->timeindex.bytes,
                                      .log_bytes = segment->log.size,
                                      .index_bytes = segment->index.size,
                                      .timeindex_bytes = segment->timeindex.size,
                                      .has_index = true,
                                      .has_timeindex = true,
                                      .active = active,
                                      .unclean = unclean};
    struct inspect_segment found;
    int64_t next = 0;
    records = findings = 0;
    check(inspect_view(&view, &visitor, &next, &found) == 0);
    const struct inspect_counts *counts = &found.counts;
    check(counts->damaged == findings && counts->bytes <= segment->log.size);
    uint64_t batches = 0;
    for (int codec = 0; codec < INSPECT_CODECS; codec++)
        batches += counts->codecs[codec];
    check(batches == counts->batches && found.end == next);
    if (findings || unclean)
        return;
    check(counts->bytes == segment->log.size && counts->records == records);
    struct indexer indexer;
    struct indexer_parts none = {0};
    indexer_init(&indexer, 4096);
    check(indexer_build(&indexer, segment->log.bytes, segment->log.size, segment->base, &none) ==
          segment->log.size);
    check(indexer.max_timestamp == found.max_timestamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_begin(data, size);
    for (size_t i = 0; i < fuzzed.count; i++) {
        inspect(&fuzzed.segments[i], false, false);
        inspect(&fuzzed.segments[i], true, false);
        inspect(&fuzzed.segments[i], true, true);
    }
    fuzz_end();
    return 0;
}
