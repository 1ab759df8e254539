/*
 * producer_ids.h - hands out producer ids, none twice, also after a crash: a counter in the file
 * maplog.producers, raised durably a block of 1000 ahead. Its own mutex; any thread.
 */
#pragma once

#include "log/directory.h"

#define PRODUCER_IDS_FILE "maplog.producers"
#define PRODUCER_IDS_BLOCK 1000

struct producer_ids;

/* Without the file: begins above every id in any segment or snapshot, which takes a scan. */
int producer_ids_open(struct directory *directory, struct producer_ids **ids);
void producer_ids_close(struct producer_ids *ids); /* accepts NULL */
/* Takes the next one. Waits for the disk once a block. MAPLOG_DISK_FULL, MAPLOG_IO. */
int producer_ids_take(struct producer_ids *ids, int64_t *id);
/* Makes sure that ids up to `highest` are not given out: import found them in batches. Works
 * without a server; under LOCK_CATALOG. */
int producer_ids_raise(struct directory *directory, int64_t highest);
