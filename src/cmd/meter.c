/* meter.c - progress and rate. */
#include "cmd/meter.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd/report.h"
#include "os/clock.h"

#define FIRST_NS 1000000000 /* shorter work shows nothing */
#define EVERY_NS 200000000
#define LOOK_RECORDS 256 /* between two looks at the clock */

void meter_begin(struct meter *meter, const char *verb, bool forced)
{
    *meter = (struct meter){.verb = verb,
                            .begun_ns = clock_monotonic_ns(),
                            .forced = forced,
                            .live = isatty(STDERR_FILENO)};
}

static void draw(struct meter *meter, int64_t now)
{
    char records[AMOUNT_SIZE], bytes[AMOUNT_SIZE], rate[AMOUNT_SIZE], byte_rate[AMOUNT_SIZE];
    char share[AMOUNT_SIZE] = "";
    double seconds = (double)(now - meter->begun_ns) / 1e9;
    if (meter->total_bytes > 0)
        snprintf(share, sizeof share, " (%.0f %%)",
                 100.0 * (double)meter->bytes / (double)meter->total_bytes);
    amount_count((double)meter->records / seconds, rate);
    amount_bytes((double)meter->bytes / seconds, byte_rate);
    fprintf(stderr, "%smaplog: %s %s records, %s%s in %.1f s: %s records/s, %s/s%s",
            meter->live ? "\r" : "", meter->verb, amount_count((double)meter->records, records),
            amount_bytes((double)meter->bytes, bytes), share, seconds, rate, byte_rate,
            meter->live ? "\033[K" : "");
    meter->drawn_ns = now;
}

void meter_add(struct meter *meter, uint64_t records, uint64_t bytes)
{
    meter->records += records;
    meter->bytes += bytes;
    meter->unlooked += records;
    if (!meter->live || meter->unlooked < LOOK_RECORDS)
        return;
    meter->unlooked = 0;
    int64_t now = clock_monotonic_ns();
    int64_t due = meter->drawn_ns ? meter->drawn_ns + EVERY_NS : meter->begun_ns + FIRST_NS;
    if (now >= due)
        draw(meter, now);
}

void meter_end(struct meter *meter)
{
    int64_t now = clock_monotonic_ns();
    if (!meter->forced && !(meter->live && meter->drawn_ns))
        return;
    draw(meter, now > meter->begun_ns ? now : meter->begun_ns + 1);
    fputc('\n', stderr);
}
