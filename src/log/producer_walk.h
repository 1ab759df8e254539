/*
 * producer_walk.h - the batches of idempotent producers in a partition, by their headers alone: no
 * CRC, no records. Also those below the log start that are still there: they count for a producer's
 * sequence. One thread; the partition must not be recovered meanwhile.
 */
#pragma once

#include "log/batch.h"
#include "log/partition.h"

#define PRODUCER_WALK_NOTE 256 /* bytes of a note */

/* Calls visit for every batch with a producer id from the segment on that holds offset `from`, up
 * to the published end; a non-zero answer ends the walk and is returned. Behind a header that makes
 * no sense the walk goes on with the next segment, and says so in *note ("": nothing yet). */
int producer_walk(struct partition *partition, int64_t from,
                  int (*visit)(void *context, const struct batch *batch), void *context,
                  char note[static PRODUCER_WALK_NOTE]);
