/* inspect_told.h - a visitor that notes what inspect says, and words to ask for it. */
#pragma once

#include "segment_files.h"

#include "log/inspect.h"

/* What the visitor was told. */
static struct {
    char text[64][1024]; /* "file@position: what" */
    bool note[64];
    size_t count;
    size_t partitions, segments, batches, records;
    struct inspect_partition last;
    char last_name[300];
    int answer; /* to the first batch */
} told;
static struct inspect_counts counts;

static inline int on_finding(void *context, const struct inspect_finding *finding)
{
    (void)context;
    assert_true(told.count < 64);
    assert_true(finding->advice[0]);
    snprintf(told.text[told.count], sizeof told.text[0], "%s@%" PRId64 ": %s", finding->file,
             finding->position, finding->what);
    told.note[told.count++] = finding->note;
    return 0;
}

static inline int on_partition(void *context, const struct inspect_partition *partition)
{
    (void)context;
    told.partitions++;
    told.last = *partition;
    snprintf(told.last_name, sizeof told.last_name, "%s", partition->name);
    return 0;
}

static inline int on_segment(void *context, const struct inspect_segment *segment)
{
    (void)context, (void)segment;
    told.segments++;
    return 0;
}

static inline int on_batch(void *context, const struct inspect_place *place,
                           const struct batch *batch)
{
    (void)context, (void)place, (void)batch;
    told.batches++;
    return told.answer;
}

static inline int on_record(void *context, const struct inspect_place *place,
                            const struct record *record)
{
    (void)context, (void)place, (void)record;
    told.records++;
    return 0;
}

static const struct inspect_visitor visitor = {.finding = on_finding,
                                               .partition = on_partition,
                                               .segment = on_segment,
                                               .batch = on_batch,
                                               .record = on_record};

static inline void inspect(const char *path)
{
    int answer = told.answer;
    memset(&told, 0, sizeof told);
    told.answer = answer;
    counts = (struct inspect_counts){0};
    assert_ok(inspect_path(path, &visitor, &counts));
}

/* A finding whose text holds both parts. */
static inline void expect(bool note, const char *place, const char *what)
{
    for (size_t i = 0; i < told.count; i++)
        if (told.note[i] == note && strstr(told.text[i], place) && strstr(told.text[i], what))
            return;
    for (size_t i = 0; i < told.count; i++)
        print_message("told: %s\n", told.text[i]);
    fail_msg("not told: %s ... %s", place, what);
}

static inline void expect_sound(void)
{
    for (size_t i = 0; i < told.count; i++)
        print_message("told: %s\n", told.text[i]);
    assert_int_equal(told.count, 0);
    assert_int_equal(counts.damaged, 0);
}
