/*
 * when.h - what consume --from may say: begin, end, an offset, a time. Pure but for the time zone.
 */
#pragma once

#include <stdint.h>

enum when_kind {
    WHEN_BEGIN,
    WHEN_END,
    WHEN_OFFSET, /* number is the offset */
    WHEN_LAST,   /* number of records before the end */
    WHEN_TIME,   /* number is a time, milliseconds since 1970 */
};

struct when {
    enum when_kind kind;
    int64_t number;
};

/*
 * begin | end | 1234 (offset) | -10 (the last ten of each partition)
 * -15min, -2h, -1d (so long before now_ms) | @1700000000000 (milliseconds since 1970)
 * 2026-01-31, 2026-01-31T12:30, 2026-01-31T12:30:05.250, with Z or +01:00 behind, else local time
 * MAPLOG_INVALID with a text that lists the forms.
 */
int when_parse(const char *text, int64_t now_ms, struct when *when);
