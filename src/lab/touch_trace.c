/* touch_trace.c - reads the kernel's events as pages of the file. */
#include "lab/touch_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SPANS 1024     /* most that are kept: a kernel that says more is cut off */
#define ENTRY_THERE 1u /* bits of a page fault's error code on x86 */
#define BY_STORE 2u

static const char *const events[] = {
    "exceptions/page_fault_user",
    "filemap/mm_filemap_fault",
    "filemap/mm_filemap_map_pages",
    "filemap/mm_filemap_add_to_page_cache",
    "filemap/mm_filemap_delete_from_page_cache",
    "writeback/writeback_dirty_folio",
    "writeback/folio_wait_writeback",
    "block/block_rq_issue",
};

/* ---- one event ------------------------------------------------------------------------------- */

static bool in_mapping(const uint8_t *map, uint64_t address, uint64_t *page)
{
    uint64_t begin = (uintptr_t)map;
    if (!map || address < begin || address >= begin + (uint64_t)2 * TOUCH_PAGES * SCRATCH_PAGE)
        return false;
    *page = (address - begin) / SCRATCH_PAGE;
    return true;
}

static bool read_fault(const struct touch *touch, const char *fields, struct touch_span *span)
{
    uint64_t address;
    unsigned code;
    if (sscanf(fields, "address=%" SCNx64 " ip=%*s error_code=%x", &address, &code) != 2 ||
        !(in_mapping(touch->scratch.map, address, &span->first) ||
          in_mapping(touch->copies, address, &span->first)))
        return false;
    span->last = span->first;
    snprintf(span->note, sizeof span->note, "%s, %s", code & BY_STORE ? "store" : "load",
             code & ENTRY_THERE ? "the entry is read-only" : "no entry");
    return true;
}

/* "dev=253:0 ino=d ofs=0-65535", "dev 253:0 ino d pfn=0x.. ofs=0 order=4": numbers of inodes are
 * hexadecimal, of positions decimal. */
static bool read_filemap(const struct touch *touch, const char *fields, struct touch_span *span)
{
    uint64_t inode, first, last;
    unsigned order = 0;
    const char *ino = strstr(fields, "ino"), *ofs = strstr(fields, "ofs=");
    if (!ino || !ofs || sscanf(ino + 4, "%" SCNx64, &inode) != 1 || inode != touch->inode)
        return false;
    int count = sscanf(ofs, "ofs=%" SCNu64 "-%" SCNu64, &first, &last);
    if (count < 1)
        return false;
    span->first = first / SCRATCH_PAGE;
    span->last = (count == 2 ? last : first) / SCRATCH_PAGE;
    const char *size = strstr(ofs, "order=");
    if (size && sscanf(size, "order=%u", &order) == 1 && order < 10)
        span->last = span->first + (1u << order) - 1;
    return true;
}

/* "bdi 253:0: ino=13 index=0", all decimal. */
static bool read_writeback(const struct touch *touch, const char *fields, struct touch_span *span)
{
    uint64_t inode;
    const char *ino = strstr(fields, "ino=");
    if (!ino || sscanf(ino, "ino=%" SCNu64 " index=%" SCNu64, &inode, &span->first) != 2 ||
        inode != touch->inode)
        return false;
    span->last = span->first;
    return true;
}

/* "253,0 RA 131072 () 7788 + 256 none,0,0 [maplog-lab]": which file it is for is not said. */
static bool read_request(const char *fields, struct touch_span *span)
{
    char kind[16];
    unsigned long bytes;
    if (sscanf(fields, "%*s %15s %lu", kind, &bytes) != 2)
        return false;
    snprintf(span->note, sizeof span->note, "%s, %lu bytes",
             strchr(kind, 'R')   ? "read"
             : strchr(kind, 'W') ? "write"
                                 : "flush",
             bytes);
    return true;
}

static bool read_event(const struct touch *touch, const struct trace_event *event,
                       struct touch_span *span)
{
    if (strcmp(event->name, "page_fault_user") == 0)
        return read_fault(touch, event->fields, span);
    if (strncmp(event->name, "mm_filemap", 10) == 0)
        return read_filemap(touch, event->fields, span);
    if (strcmp(event->name, "block_rq_issue") == 0)
        return read_request(event->fields, span);
    return read_writeback(touch, event->fields, span);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int touch_spans_add(struct touch_spans *spans, const struct touch *touch, unsigned step,
                    const struct trace_event *event, uint64_t *step_begin_us)
{
    struct touch_span span = {.step = step, .times = 1};
    if (spans->count == SPANS || !read_event(touch, event, &span))
        return 0;
    if (!*step_begin_us)
        *step_begin_us = event->at_us;
    span.at_us = event->at_us - *step_begin_us;
    snprintf(span.event, sizeof span.event, "%s", event->name);
    for (size_t i = spans->count; i > 0 && spans->items[i - 1].step == step; i--) {
        struct touch_span *before = &spans->items[i - 1];
        if (strcmp(before->event, span.event) == 0 && strcmp(before->note, span.note) == 0 &&
            span.first == before->last + 1) {
            before->last = span.last;
            before->times++;
            return 0;
        }
    }
    struct touch_span *grown = reallocarray(spans->items, spans->count + 1, sizeof *grown);
    if (!grown)
        return error_set(MAPLOG_NO_MEMORY, "no memory for what the kernel says");
    spans->items = grown;
    spans->items[spans->count++] = span;
    return 0;
}

void touch_spans_free(struct touch_spans *spans)
{
    free(spans->items);
    *spans = (struct touch_spans){0};
}

struct recording {
    struct trace *trace;
    struct touch *touch;
    struct touch_spans *spans;
    unsigned step;
    uint64_t begin_us;
    int result;
};

static int visit(void *context, const struct trace_event *event)
{
    struct recording *recording = context;
    return touch_spans_add(recording->spans, recording->touch, recording->step, event,
                           &recording->begin_us);
}

static void begin(void *context)
{
    struct recording *recording = context;
    recording->begin_us = 0;
    recording->result = trace_begin(recording->trace);
}

static void end(void *context)
{
    struct recording *recording = context;
    int result = trace_end(recording->trace, visit, recording);
    recording->result = recording->result ? recording->result : result;
}

int touch_trace(const char *directory, struct touch_spans *spans)
{
    struct touch touch;
    struct recording recording = {.touch = &touch, .spans = spans};
    struct touch_hooks hooks = {begin, end, &recording};
    int result = trace_open(events, sizeof events / sizeof events[0], &recording.trace);
    if (result)
        return result;
    result = touch_open(&touch, directory);
    if (!result) {
        for (unsigned i = 0; i < TOUCH_STEPS && !result; i++) {
            struct touch_result unused;
            recording.step = i;
            touch_do(&touch, &touch_steps[i], &hooks, &unused);
            result = recording.result;
        }
        touch_close(&touch);
    }
    trace_close(recording.trace);
    return result;
}

void touch_spans_print(const struct touch_spans *spans, struct sheet *sheet)
{
    static const struct sheet_column columns[] = {
        {"step", "", 0},  {"at", "us", 0},  {"the kernel's event", "", 0},
        {"times", "", 0}, {"pages", "", 0}, {"says", "", 0},
    };
    sheet_columns(sheet, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < spans->count; i++) {
        const struct touch_span *span = &spans->items[i];
        sheet_row(sheet, SHEET_MEASURED);
        sheet_text(sheet, "%s", touch_steps[span->step].name);
        sheet_number(sheet, (double)span->at_us);
        sheet_text(sheet, "%s", span->event);
        sheet_number(sheet, span->times);
        if (strcmp(span->event, "block_rq_issue") == 0)
            sheet_text(sheet, "%s", "");
        else if (span->first == span->last)
            sheet_text(sheet, "%" PRIu64, span->first);
        else
            sheet_text(sheet, "%" PRIu64 "-%" PRIu64, span->first, span->last);
        sheet_text(sheet, "%s", span->note);
    }
}
