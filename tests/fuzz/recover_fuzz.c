/* recover_fuzz.c - any bytes as segments: recovery comes to an end that a second one confirms,
 * whose indexes are right, and that counts as clean. */
#include "segments.h"

#include "log/inspect.h"
#include "log/recover.h"

static void check_ends(const struct recovered *found)
{
    check(found->log_start >= 0 && found->log_start <= found->end_offset);
    check(found->durable_offset <= found->end_offset);
    check(found->active_base >= 0 && found->end_offset >= found->active_base);
    check(found->end_offset - found->active_base <= (int64_t)INT32_MAX + 1);
    check(found->damaged == (found->cut_base >= 0));
    check(!found->damaged || found->reason[0]);
}

/* Of the segments that were scanned: what lies below may have any offsets. */
static void check_indexes(int64_t scanned_from, int64_t active)
{
    uint32_t interval = (uint32_t)fuzzed.partition.settings.index_interval_bytes;
    for (size_t i = 0; i < fuzzed.count; i++) {
        const struct fuzz_segment *segment = &fuzzed.segments[i];
        struct segment_sizes room = segment_allocation(segment->log.size);
        struct indexer_parts parts = {
            segment->index.bytes,     segment->index.size,     room.index,
            segment->timeindex.bytes, segment->timeindex.size, room.timeindex};
        check(segment->removed || segment->base <= active);
        if (segment->removed || segment->base < scanned_from)
            continue;
        if (segment->base < active) {
            bool full = room.timeindex - parts.timeindex_bytes < TIMEINDEX_ENTRY_BYTES;
            check(full || indexer_sound(interval, segment->log.bytes, segment->log.size,
                                        segment->base, &parts));
        }
        check(indexer_whole(&parts));
    }
}

static void inspect_all(void)
{
    const struct inspect_visitor nobody = {0};
    int64_t next = 0;
    for (size_t i = 0; i < fuzzed.count; i++) {
        const struct fuzz_segment *segment = &fuzzed.segments[i];
        const struct inspect_view view = {.partition = "t-0",
                                          .base = segment->base,
                                          .next_base = INT64_MAX,
                                          .log = segment->log.bytes,
                                          .index = segment->index.bytes,
                                          .timeindex = segment->timeindex.bytes,
                                          .log_bytes = segment->log.size,
                                          .index_bytes = segment->index.size,
                                          .timeindex_bytes = segment->timeindex.size,
                                          .active = true};
        struct inspect_segment found;
        if (!segment->removed)
            check(inspect_view(&view, &nobody, &next, &found) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recovered first, second, clean;
    fuzz_begin(data, size);
    int64_t point = fuzzed.options & 2 ? fuzzed.segments[fuzzed.count / 2].base + 2 : 0;
    int64_t start = fuzzed.options & 4 ? 3 : 0;
    bool trusted = fuzzed.options & 8;
    check(recover_scan(&fuzzed.partition, point, start, trusted, &first) == 0);
    check_ends(&first);
    check(!trusted || !first.epoch_raised);
    check(recover_apply(&fuzzed.partition, &first) == 0);
    uint64_t word = load_relaxed(&fuzzed.control.published[1]);
    check(word >> 32 == first.active_position);
    check(first.active_base + (uint32_t)word == first.end_offset);
    check_indexes(first.scanned_from, first.active_base);

    check(recover_scan(&fuzzed.partition, point, start, true, &second) == 0);
    check(second.end_offset == first.end_offset && second.active_base == first.active_base);
    check(second.active_position == first.active_position && !second.damaged);
    check(second.cut_bytes == 0 && second.dropped_segments == 0);
    /* With an interval below what there is room for, entries may have been left out. */
    check(second.indexed || fuzzed.partition.settings.index_interval_bytes < 512);
    /* Flipped bits below the recovery point are kept; else all that is left is whole. */
    if (recover_clean(&fuzzed.partition, start, &clean) == 0)
        check(clean.end_offset == first.end_offset);
    else
        check(point > 0);
    inspect_all();
    fuzz_end();
    return 0;
}
