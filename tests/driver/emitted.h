/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * emitted.h - a record of the test module maplog_emitter: who wrote it, its number, and bytes that
 * follow from these, so that a torn one shows. For the module and for the tests that read it.
 */
#pragma once

#include <linux/types.h>

enum emitted_context { EMITTED_THREAD, EMITTED_TIMER, EMITTED_NMI, EMITTED_CONTEXTS };

#define EMITTED_FILL_MAX 1000u /* bytes behind the head */

struct emitted {
    __u64 number; /* of this CPU in this context, from 0 on */
    __u32 cpu;
    __u32 context; /* enum emitted_context */
    __u8 fill[];
};

/* Bytes behind the head of this number's record, when the longest has `longest`. */
static inline __u32 emitted_fill(__u64 number, __u32 longest)
{
    return (__u32)((__u32)number * 7u % (longest + 1u));
}

static inline __u8 emitted_byte(const struct emitted *record, __u32 at)
{
    return (__u8)(record->number * 31u + record->cpu * 101u + record->context * 57u + at);
}
