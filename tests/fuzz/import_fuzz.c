/* import_fuzz.c - any bytes as a partition of a Kafka directory: what import takes over is what
 * recovery calls whole, and inspect finds the same records in it. */
#include "segments.h"

#include "log/import_check.h"
#include "log/recover.h"

static uint32_t refused;

static void on_refusal(void *context, const char *text)
{
    (void)context;
    check(text[0]);
    refused++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct transfer_listener listener = {.refusal = on_refusal};
    struct import_checked checked;
    struct recovered found;
    fuzz_begin(data, size);
    refused = 0;
    check(import_check(&fuzzed.partition, &listener, &checked) == 0);
    check(checked.refusals == refused);
    check(recover_scan(&fuzzed.partition, 0, 0, true, &found) == 0);
    if (refused == 0) {
        check(!found.damaged && found.cut_bytes == 0 && found.dropped_segments == 0);
        check(found.active_position == fuzzed.segments[fuzzed.count - 1].log.size);
    }
    fuzz_end();
    return 0;
}
