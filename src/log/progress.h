/*
 * progress.h - group progress in the log __consumer_offsets, in Kafka's format (OffsetCommitKey v1,
 * OffsetCommitValue v3), as every door sees it. One table a directory; its own mutex; any thread.
 */
#pragma once

#include "log/directory.h"

#define PROGRESS_TOPIC "__consumer_offsets"
#define PROGRESS_PARTITIONS 4 /* in a new directory */
#define PROGRESS_METADATA_MAX 4096

struct progress;

int progress_open(struct directory *directory, struct progress **progress);
void progress_close(struct progress *progress);
/* Committed offset; -1 when there is none. Reads on from where it stopped last time. */
int progress_fetch(struct progress *progress, const char *group, const char *topic,
                   int32_t partition, int64_t *offset);
/* Appends the commit. When the segment rolled, the live entries are written again at the new one's
 * head and older segments go, so that the log stays small. */
int progress_commit(struct progress *progress, const char *group, const char *topic,
                    int32_t partition, int64_t offset, const char *metadata);
/* Commits away all progress in a topic, of every group: it was deleted. */
int progress_forget(struct progress *progress, const char *topic);
/* Calls visit for every live entry of the group (NULL: all groups). */
int progress_list(struct progress *progress, const char *group,
                  int (*visit)(void *context, const char *group, const char *topic,
                               int32_t partition, int64_t offset),
                  void *context);

/* Claims (group, topic, partition), proven by a byte lock: it falls with the process, and with
 * progress_unclaim(). *claim_fd carries all claims of one holder: -1 before the first; claiming
 * again what it has is fine. MAPLOG_GROUP_BUSY when another holder has it. */
int progress_claim(struct directory *directory, const char *group, const char *topic,
                   int32_t partition, int *claim_fd);
void progress_unclaim(int claim_fd); /* all of them; accepts -1 */
