#include "cmd/transfer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "cmd/report.h"

static void note(void *context, const char *text)
{
    (void)context;
    report_note("%s", text);
}

static int progress(void *context, uint64_t records, uint64_t bytes)
{
    struct transfer_view *view = context;
    meter_add(&view->meter, records, bytes);
    return interrupted() ? error_set(MAPLOG_CLOSED, "interrupted") : 0;
}

struct transfer_listener transfer_view_begin(struct transfer_view *view, const char *verb)
{
    catch_signals();
    meter_begin(&view->meter, verb, false);
    return (struct transfer_listener){
        .context = view, .note = note, .refusal = note, .progress = progress};
}

int transfer_view_end(struct transfer_view *view, int result, const struct transfer_counts *counts,
                      const char *where)
{
    meter_end(&view->meter);
    if (result)
        return exit_status(report_error(result, where));
    char bytes[AMOUNT_SIZE];
    printf("%s %" PRIu32 " topic%s, %" PRIu32 " partition%s, %" PRIu64 " segment%s, %" PRIu64
           " record%s, %s\n",
           view->meter.verb, counts->topics, counts->topics == 1 ? "" : "s", counts->partitions,
           counts->partitions == 1 ? "" : "s", counts->segments, counts->segments == 1 ? "" : "s",
           counts->records, counts->records == 1 ? "" : "s",
           amount_bytes((double)counts->bytes, bytes));
    return 0;
}
