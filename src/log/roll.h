/*
 * roll.h - slow steps of the writer: reload after another writer, allocate more, begin a new
 * segment. Called by appender.c within lease_enter .. lease_leave; same thread rules.
 */
#pragma once

#include "log/appender.h"

/* After the lease was acquired anew: tail from the commit word, active segment, writer's notes
 * (rebuilt from the last index entry when their owner died before it could write them). */
int roll_reload(struct appender *appender);
/* Takes over changed settings. */
int roll_settings(struct appender *appender);
/* Makes room for a batch of size bytes and `records` offsets, stamped now_ms: allocates, or begins
 * a new segment when segment.bytes, segment.ms or the 32-bit relative offset says so. */
int roll_make_room(struct appender *appender, size_t size, uint32_t records, int64_t now_ms);
/* Allocates at least `bytes` ahead of the tail, or to the end of the segment. */
int roll_allocate(struct appender *appender, uint64_t bytes, int64_t now_ms);
/* Ends the active segment (exactly the published size) and publishes an empty new one. */
int roll_segment(struct appender *appender, int64_t now_ms);
/* Adds index entries for a batch at position that was just published. */
void roll_index(struct appender *appender, uint32_t position, uint32_t last_relative);
