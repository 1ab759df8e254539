/*
 * producer_ids.h - hands out producer ids, none twice, also after a crash: a counter in the file
 * maplog.producers, raised durably a block of 1000 ahead. Its own mutex; any thread.
 *
 * The file is one line, "next=3000": ids from 3000 on were never given out. It is changed under
 * LOCK_CATALOG only, and looked at for each id, so that an import beside a server is seen.
 */
#pragma once

#include "log/directory.h"

#define PRODUCER_IDS_FILE "maplog.producers"
#define PRODUCER_IDS_BLOCK 1000

struct producer_ids;

/* Without the file: begins above every id in any segment or snapshot, which takes a scan once.
 * MAPLOG_CORRUPT when the file makes no sense: the text says what to do. */
int producer_ids_open(struct directory *directory, struct producer_ids **ids);
void producer_ids_close(struct producer_ids *ids); /* accepts NULL */
/* Takes the next one. Waits for the disk once a block, for another process never: MAPLOG_BUSY while
 * one changes topics. MAPLOG_DISK_FULL, MAPLOG_IO; MAPLOG_LIMIT when all are used up. */
int producer_ids_take(struct producer_ids *ids, int64_t *id);
/* Makes sure that ids up to `highest` are not given out: import found them in batches. With or
 * without a server; takes LOCK_CATALOG, for which it may wait. */
int producer_ids_raise(struct directory *directory, int64_t highest);
