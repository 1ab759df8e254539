#include "log/producer_walk.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

struct walk {
    struct partition *partition;
    struct partition_end end; /* as it was when the walk began */
    int (*visit)(void *context, const struct batch *batch);
    void *context;
    char *note;
};

static void tell_damage(struct walk *walk, int64_t base, uint64_t position)
{
    if (walk->note[0] == '\0')
        snprintf(walk->note, PRODUCER_WALK_NOTE,
                 "%.100s, segment %" PRId64 " position %" PRIu64 ": %.90s", walk->partition->name,
                 base, position, error_text());
}

static int walk_segment(struct walk *walk, const struct segment *segment, uint64_t size)
{
    int result = 0;
    struct batch batch;
    for (uint64_t position = 0; result == 0 && position < size; position += batch.size) {
        if (batch_read(segment->log + position, size - position, &batch) != 0) {
            tell_damage(walk, segment->base, position);
            return 0;
        }
        if (batch.producer_id >= 0)
            result = walk->visit(walk->context, &batch);
    }
    return result;
}

static int open_segment(struct walk *walk, int64_t base)
{
    struct segment *segment;
    int result = walk->partition->store->open(walk->partition, base, 0, false, &segment);
    if (result)
        return result == MAPLOG_NOT_FOUND ? 0 : result; /* retention was faster */
    struct segment_sizes sizes = {.log = walk->end.position};
    if (base != walk->end.base)
        result = segment_sealed(segment, &sizes);
    if (sizes.log > segment->log_bytes)
        sizes.log = segment->log_bytes;
    if (!result)
        result = walk_segment(walk, segment, sizes.log);
    segment_drop(segment);
    return result;
}

int producer_walk(struct partition *partition, int64_t from,
                  int (*visit)(void *context, const struct batch *batch), void *context,
                  char note[static PRODUCER_WALK_NOTE])
{
    struct walk walk = {.partition = partition, .visit = visit, .context = context, .note = note};
    partition_end(partition, &walk.end);
    if (walk.end.rolls == 0)
        return 0;
    struct segment_list list;
    int result = partition->store->list(partition, &list);
    if (result)
        return result;
    long first = segment_list_find(&list, from);
    for (size_t i = first > 0 ? (size_t)first : 0;
         result == 0 && i < list.count && list.bases[i] <= walk.end.base; i++)
        result = open_segment(&walk, list.bases[i]);
    segment_list_free(&list);
    return result;
}
