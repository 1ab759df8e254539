/*
 * progress_rewrite.h - keeps one partition of __consumer_offsets small: the live records of its old
 * segments are appended again, and those segments go. progress.c's, under its mutex.
 */
#pragma once

#include "log/appender.h"
#include "log/progress_table.h"

/* After a commit through the appender: does it when there is an older segment and half of the log
 * is dead. Waits for another writer as long as the appender does. What it could not do it does
 * after a later commit. *checked_base: the active segment that needs no look any more; -1 at first.
 */
void progress_rewrite(struct progress_table *table, struct appender *appender,
                      int64_t *checked_base);
