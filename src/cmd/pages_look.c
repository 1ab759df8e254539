/* pages_look.c - walks through partitions, segments and the processes that map them. */
#include "cmd/pages_look.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/format.h"
#include "log/meta.h"
#include "os/file.h"
#include "os/process.h"

struct look {
    struct pages *pages;
    int fd;                /* of the data directory */
    const char *partition; /* where it is */
};

/* Room for one more item of that size; NULL without memory. */
static void *more(void **items, size_t *count, size_t size)
{
    void *grown = *count % 16 ? *items : realloc(*items, (*count + 16) * size);
    if (!grown)
        return NULL;
    *items = grown;
    return memset((char *)grown + size * (*count)++, 0, size);
}

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for what the kernel tells");
}

/* ---- segments -------------------------------------------------------------------------------- */

static int look_at_cells(int fd, struct pages_segment *segment)
{
    uint64_t pages = segment->residency.pages;
    segment->cells = pages < PAGES_CELLS ? (unsigned)pages : PAGES_CELLS;
    int result = 0;
    for (unsigned i = 0; i < segment->cells && !result; i++) {
        uint64_t first = pages * i / segment->cells, end = pages * (i + 1) / segment->cells;
        struct residency cell;
        result = residency_read(fd, segment->name, first * RESIDENCY_PAGE,
                                (end - first) * RESIDENCY_PAGE, &cell);
        if (!result)
            segment->share[i] = (float)cell.cached / (float)cell.pages;
    }
    return result;
}

static int look_at_segment(const struct look *look, struct pages_segment *segment)
{
    int fd;
    struct file_identity file;
    int result = file_open(look->fd, segment->name, O_RDONLY, 0, &fd);
    if (result)
        return result;
    result = file_identify(fd, segment->name, &file);
    if (!result) {
        segment->bytes = file.size;
        result = residency_read(fd, segment->name, 0, file.size, &segment->residency);
    }
    if (!result)
        result = look_at_cells(fd, segment);
    if (!result) {
        segment->folios.pages = segment->residency.pages;
        segment->folios.seen = calloc(1, segment->folios.pages / 8 + 1);
        result = segment->folios.seen ? 0 : no_memory();
    }
    file_close(fd);
    return result;
}

static int visit_file(void *context, const char *name, bool is_directory)
{
    const struct look *look = context;
    struct pages *pages = look->pages;
    struct pages_segment segment = {0};
    if (is_directory || !names_segment(name, SEGMENT_LOG_SUFFIX, &segment.base))
        return 0;
    snprintf(segment.name, sizeof segment.name, "%s/%s", look->partition, name);
    int result = look_at_segment(look, &segment);
    if (result == MAPLOG_DENIED) {
        segment.refused = true;
        snprintf(pages->refused_why, sizeof pages->refused_why, "%s", error_text());
        result = 0;
    }
    if (result == MAPLOG_NOT_FOUND) /* retention removed it meanwhile */
        return 0;
    void *items = pages->segments;
    struct pages_segment *place =
        result ? NULL : more(&items, &pages->segment_count, sizeof segment);
    pages->segments = items;
    if (place) {
        *place = segment;
        return 0;
    }
    free(segment.folios.seen);
    return result ? result : no_memory();
}

static int by_base(const void *left, const void *right)
{
    const struct pages_segment *a = left, *b = right;
    return (a->base > b->base) - (a->base < b->base);
}

static int look_at_partitions(struct look *look, const struct names *names, const char *topic)
{
    struct pages *pages = look->pages;
    char name[LIMIT_TOPIC_NAME + 1];
    bool found = !topic;
    int32_t number;
    int result = 0;
    for (size_t i = 0; i < names->count && !result; i++) {
        look->partition = names->items[i];
        if (topic && (!names_split(look->partition, name, &number) || strcmp(name, topic) != 0))
            continue;
        found = true;
        size_t first = pages->segment_count;
        result = file_list(look->fd, look->partition, visit_file, look);
        if (result == MAPLOG_NOT_FOUND) /* deleted meanwhile */
            result = 0;
        if (pages->segment_count > first)
            qsort(pages->segments + first, pages->segment_count - first, sizeof *pages->segments,
                  by_base);
    }
    return result || found ? result : error_set(MAPLOG_NOT_FOUND, "there is no topic %s", topic);
}

/* ---- processes ------------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right, void *context)
{
    const struct pages *pages = context;
    const uint32_t *a = left, *b = right;
    return strcmp(pages->segments[*a].name, pages->segments[*b].name);
}

static int sort_by_name(struct pages *pages)
{
    pages->by_name = malloc((pages->segment_count + 1) * sizeof *pages->by_name);
    if (!pages->by_name)
        return no_memory();
    for (uint32_t i = 0; i < pages->segment_count; i++)
        pages->by_name[i] = i;
    qsort_r(pages->by_name, pages->segment_count, sizeof *pages->by_name, by_name, pages);
    return 0;
}

static struct pages_segment *find_segment(const struct pages *pages, const char *path)
{
    const char *name = path + strlen(pages->directory) + 1;
    size_t low = 0, high = pages->segment_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct pages_segment *segment = &pages->segments[pages->by_name[middle]];
        int order = strcmp(name, segment->name);
        if (order == 0)
            return segment;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int visit_mapping(void *context, const struct residency_mapping *mapping)
{
    struct pages *pages = context;
    struct pages_segment *segment = find_segment(pages, mapping->path);
    size_t count = pages->process_count;
    if (!segment)
        return 0;
    void *items = pages->processes, *links = pages->links;
    struct pages_process *process = pages->processes + count - !!count;
    if (!count || process->mapping.pid != mapping->pid)
        process = more(&items, &pages->process_count, sizeof *process);
    pages->processes = items;
    struct pages_link *link = process ? more(&links, &pages->link_count, sizeof *link) : NULL;
    pages->links = links;
    if (!link)
        return no_memory();
    link->segment = (uint32_t)(segment - pages->segments);
    link->process = (uint32_t)(pages->process_count - 1);
    process->mapping = *mapping;
    process->rss += mapping->rss;
    process->pss += mapping->pss;
    process->segments++;
    segment->mappings++;
    if (!segment->refused && !pages->folios_why[0] &&
        residency_folios(mapping, &segment->folios) != 0 && process_start(mapping->pid) != 0)
        snprintf(pages->folios_why, sizeof pages->folios_why, "%s", error_text());
    return 0;
}

int pages_look(const char *data, const char *topic, struct pages *pages)
{
    struct look look = {.pages = pages, .fd = -1};
    struct names names = {0};
    int result = file_open(AT_FDCWD, data, O_RDONLY | O_DIRECTORY, 0, &look.fd);
    if (!result)
        result = meta_check(look.fd, data, false);
    if (!result)
        result = names_list(&names, look.fd);
    names_sort(&names);
    if (!result)
        result = look_at_partitions(&look, &names, topic);
    if (!result)
        result = sort_by_name(pages);
    if (!result)
        result = residency_resolve(look.fd, data, pages->directory);
    if (!result)
        result = residency_mappings(pages->directory, visit_mapping, pages, &pages->hidden);
    names_free(&names);
    file_close(look.fd);
    return result;
}

void pages_free(struct pages *pages)
{
    for (size_t i = 0; i < pages->segment_count; i++)
        free(pages->segments[i].folios.seen);
    free(pages->segments);
    free(pages->by_name);
    free(pages->processes);
    free(pages->links);
    *pages = (struct pages){0};
}
