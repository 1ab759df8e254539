/*
 * progress.h - group progress in the log __consumer_offsets, in Kafka's format (OffsetCommitKey v1,
 * OffsetCommitValue v3 and v4), as every door sees it. One table a directory; its own mutex; any
 * thread.
 */
#pragma once

#include "log/directory.h"
#include "log/progress_format.h" /* PROGRESS_METADATA_MAX */

#define PROGRESS_TOPIC "__consumer_offsets"
#define PROGRESS_PARTITIONS 4 /* in a new directory */

struct progress;

/* One committed offset. Texts are the caller's on commit, and valid within the call on fetch. */
struct progress_entry {
    const char *group;
    const char *topic;
    int32_t partition;
    int64_t offset;       /* -1 on commit: commits it away (a tombstone) */
    int32_t leader_epoch; /* -1: none */
    const char *metadata; /* any bytes, NUL too, and none behind them; never NULL */
    size_t metadata_size; /* at most PROGRESS_METADATA_MAX; 0: none */
    int64_t committed_ms; /* -1 on commit: now */
    int64_t expires_ms;   /* -1: by the group's retention */
};

/* timeout_ns: longest wait for another writer of the topic; 0: none, commits answer MAPLOG_BUSY,
 * and the topic is made here, where waiting is fine, instead of by the first commit. */
int progress_open(struct directory *directory, int64_t timeout_ns, struct progress **progress);
void progress_close(struct progress *progress);
/* Committed entry: 1 and *entry with metadata copied into `metadata` (at least
 * PROGRESS_METADATA_MAX bytes, or NULL: not wanted, *entry has none), or 0: none. Reads on from
 * where it stopped last time. */
int progress_fetch(struct progress *progress, const char *group, const char *topic,
                   int32_t partition, struct progress_entry *entry, char *metadata);
/* Appends `count` entries of one group as one batch: all or none, MAPLOG_TOO_LARGE when the topic's
 * max.message.bytes does not hold them. When the segment rolled, the live entries are written again
 * at the new one's head and older segments go, so that the log stays small. MAPLOG_GROUP_ACTIVE
 * when `local` and a server has live members of the group. Whether there is such a partition or
 * offset is the caller's to know. */
int progress_commit(struct progress *progress, const struct progress_entry *entries, size_t count,
                    bool local);
/* Commits away all progress in a topic, of every group: it was deleted. */
int progress_forget(struct progress *progress, const char *topic);
/* Calls visit for every live entry of the group (NULL: of all groups), each once, in the order of
 * group, topic and partition; a non-zero answer ends it and is returned. The entries were copied
 * before the first visit, and live within theirs. */
int progress_list(struct progress *progress, const char *group,
                  int (*visit)(void *context, const struct progress_entry *entry), void *context);

/* Claims (group, topic, partition), proven by a byte lock: it falls with the process, and with
 * progress_unclaim(). *claim_fd carries all claims of one holder: -1 before the first; claiming
 * again what it has is fine. MAPLOG_GROUP_BUSY when another holder has it, MAPLOG_GROUP_ACTIVE. */
int progress_claim(struct directory *directory, const char *group, const char *topic,
                   int32_t partition, int *claim_fd);
void progress_unclaim(int claim_fd); /* all of them; accepts -1 */
/* The same for a whole group, by a server while the group has members: local commits and claims
 * then answer MAPLOG_GROUP_ACTIVE. Released one by one, with the same *claim_fd; MAPLOG_GROUP_BUSY
 * when another holder, a second server, has the group. */
int progress_activate(struct directory *directory, const char *group, int *claim_fd);
void progress_deactivate(struct directory *directory, const char *group, int claim_fd);
/* 0, or MAPLOG_GROUP_ACTIVE while somebody has the group active, this process too. */
int progress_check_inactive(struct directory *directory, const char *group);
