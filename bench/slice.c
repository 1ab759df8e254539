/*
 * How long does it take to find the bytes that answer a fetch, in a warm page cache?
 *
 * 1 MiB slices of one segment of 256 MiB, single-record batches of 64 B to 16 KiB values: one after
 * the other as a consumer asks for them ("next"), the same in a segment that is not the active one
 * ("sealed"), and from random offsets, whose headers no CPU has in its caches ("random"). Roof: a
 * binary search of the same offset index for the same offsets, and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "log/appender.h"
#include "log/batch.h"
#include "log/directory.h"
#include "log/index.h"
#include "log/slice.h"
#include "support/bench.h"

#define SLICE_BYTES (1u << 20)
#define LOOK_UPS 20000
#define VALUE_MAX 16384

static const char *path;

static void fill(size_t value_bytes, uint64_t bytes)
{
    const char *const configs[] = {"segment.bytes=1073741824", NULL};
    static uint8_t value[VALUE_MAX];
    maplog *log = bench_log(path, configs);
    maplog_producer *producer;
    bench_check(maplog_producer_open(log, "bench", NULL, &producer), "producer");
    struct maplog_record record = {.value = value, .value_size = value_bytes};
    for (uint64_t i = 0; i < bytes / (value_bytes + 70); i++)
        bench_check(maplog_produce(producer, &record, NULL), "produce");
    bench_check(maplog_producer_close(producer), "close");
    maplog_close(log);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* What is looked in, and for which offsets. */
struct target {
    struct segment_cache *cache;
    struct partition *partition;
    int64_t records;
    int64_t offsets[LOOK_UPS];
};

static struct target target;

static void take_random_offsets(void)
{
    uint64_t random = 88172645463325252ull;
    for (int i = 0; i < LOOK_UPS; i++)
        target.offsets[i] = (int64_t)(next_random(&random) % (uint64_t)target.records);
}

/* The offset behind a slice. */
static int64_t end_of(const struct slice *slice)
{
    struct batch batch = {0};
    for (uint32_t at = 0; at < slice->size; at += batch.size)
        bench_check(batch_read(slice->at + at, slice->size - at, &batch), "batch");
    return batch.last_offset + 1;
}

/* Each where the slice before it ended; from the beginning again at the end. */
static void take_following_offsets(void)
{
    int period = 0;
    for (int64_t offset = 0; offset < target.records && period < LOOK_UPS; period++) {
        struct slice slice;
        bench_check(slice_find(target.cache, target.partition, offset, SLICE_BYTES, true, &slice),
                    "slice");
        target.offsets[period] = offset;
        offset = end_of(&slice);
        segment_drop(slice.segment);
    }
    for (int i = period; i < LOOK_UPS; i++)
        target.offsets[i] = target.offsets[i - period];
}

/* ns a look-up. */
static double find(void)
{
    uint64_t bytes = 0, begun = bench_ns();
    for (int i = 0; i < LOOK_UPS; i++) {
        struct slice slice;
        bench_check(slice_find(target.cache, target.partition, target.offsets[i], SLICE_BYTES, true,
                               &slice),
                    "slice");
        bytes += slice.size;
        segment_drop(slice.segment);
    }
    double ns = (double)(bench_ns() - begun) / LOOK_UPS;
    if (bytes == 0)
        bench_check(MAPLOG_CORRUPT, "empty slices");
    return ns;
}

static double search_index(void)
{
    struct segment *segment;
    bench_check(segment_cache_get(target.cache, target.partition, 0, &segment), "segment");
    uint64_t sum = 0, begun = bench_ns();
    for (int i = 0; i < LOOK_UPS; i++)
        sum += index_find(segment->index, segment->index_bytes, (uint32_t)target.offsets[i]);
    double ns = (double)(bench_ns() - begun) / LOOK_UPS;
    segment_drop(segment);
    if (sum == 0)
        bench_check(MAPLOG_CORRUPT, "empty index");
    return ns;
}

static void report(const char *kind, size_t value_bytes)
{
    double times[BENCH_RUNS], roofs[BENCH_RUNS];
    char name[64];
    find(); /* maps the segment, and faults its pages in */
    for (int i = 0; i < BENCH_RUNS; i++) {
        roofs[i] = search_index();
        times[i] = find();
    }
    snprintf(name, sizeof name, "slice_find_%s_%zu", kind, value_bytes);
    bench_time(name, bench_median(times, BENCH_RUNS), "ns", bench_median(roofs, BENCH_RUNS));
}

static void roll(struct partition *partition)
{
    struct appender appender = {0};
    uint32_t seat;
    struct control_view *view = &partition->directory->view;
    bench_check(control_take_seat(view, &seat), "seat");
    bench_check(appender_open(partition, seat, -1, &appender), "appender");
    static uint8_t value[100];
    struct maplog_record record = {.value = value, .value_size = sizeof value};
    int64_t offset;
    bench_check(appender_roll(&appender), "roll");
    bench_check(appender_append_record(&appender, &record, 1, &offset), "append");
    appender_close(&appender);
    control_leave_seat(view, seat);
}

static void measure(size_t value_bytes)
{
    path = bench_directory(false);
    fill(value_bytes, bench_quick() ? 32u << 20 : 256u << 20);
    struct directory *directory;
    struct partition_end end;
    bench_check(directory_open(path, NULL, &directory), "open");
    bench_check(directory_partition(directory, "bench", 0, &target.partition), "partition");
    bench_check(segment_cache_open(16, &target.cache), "cache");
    partition_end(target.partition, &end);
    target.records = end.offset;
    take_random_offsets();
    report("random", value_bytes);
    take_following_offsets();
    report("next", value_bytes);
    roll(target.partition);
    report("sealed", value_bytes);
    segment_cache_close(target.cache);
    directory_drop(directory);
    bench_forget(path);
}

int main(int argc, char **argv)
{
    static const size_t values[] = {64, 1024, 16384};
    bench_begin(argc, argv);
    bench_pin(0);
    bench_note("slice: %d look-ups of %u bytes each in a segment in the page cache", LOOK_UPS,
               SLICE_BYTES);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        measure(values[i]);
    return 0;
}
