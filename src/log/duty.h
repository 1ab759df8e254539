/*
 * duty.h - what the one keeper of a directory does, each second: retention, rolls by segment.ms,
 * flush.ms and flush.messages, syncing of segments sealed a while ago, and the checkpoints of
 * recovery points and log starts.
 *
 * The keeper is the process that holds LOCK_KEEPER; any attached process may try. All of it is
 * tidying: while the holder is stopped, appends and reads go on. Owned by keeper.c.
 */
#pragma once

#include "log/directory.h"

struct duty;

/* Becomes the keeper and begins its thread; MAPLOG_BUSY while another process is. */
int duty_begin(struct directory *directory, struct duty **duty);
void duty_end(struct duty *duty); /* accepts NULL; in a forked child it only frees */

/* One round, now. For tests and for programs that tidy by hand: without the thread, and the caller
 * sees to it that nobody else is the keeper. */
int duty_make(struct directory *directory, struct duty **duty);
void duty_round(struct duty *duty, int64_t now_ms);

/* Writes both checkpoint files, durably; not while topics change (LOCK_CATALOG). */
int duty_store_checkpoints(struct directory *directory);
