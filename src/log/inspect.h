/*
 * inspect.h - looks for anything that is wrong in a log directory, and writes to none of it.
 *
 * Live directories too: what is looked at is bounded by the published ends. Every batch, record and
 * index entry is checked, every file that belongs to the log is. Any thread; one call at a time for
 * a visitor.
 */
#pragma once

#include <stdbool.h>

#include "log/batch.h"
#include "log/names.h"
#include "log/record.h"
#include "log/recover.h"

/* One thing that is wrong, or only worth knowing. Texts live until the visitor returns. */
struct inspect_finding {
    const char *file;   /* relative to the directory: "orders-0/00000000000000000042.log" */
    int64_t position;   /* byte in it; -1: the file as a whole */
    const char *what;   /* what is wrong */
    const char *advice; /* what to do */
    bool note;          /* nothing is damaged */
};

#define INSPECT_CODECS 5

/* What was counted: of a segment, a partition or a directory. */
struct inspect_counts {
    uint64_t segments;
    uint64_t batches;
    uint64_t records;
    uint64_t bytes;                  /* of batches */
    uint64_t index_entries;          /* of both indexes */
    uint64_t codecs[INSPECT_CODECS]; /* batches by enum maplog_compression */
    uint64_t damaged;                /* findings that are not notes */
};

struct inspect_segment {
    const char *partition;
    int64_t base;
    int64_t end; /* offset behind its last record */
    int64_t max_timestamp;
    uint64_t bytes, index_bytes, timeindex_bytes;
    struct inspect_counts counts;
};

struct inspect_partition {
    const char *name;
    int64_t start; /* first readable offset, as far as is known */
    int64_t end;
    struct inspect_counts counts;
};

/* Where a batch or record lies. */
struct inspect_place {
    const char *partition;
    int64_t segment;
    uint32_t position;
};

/* Who is told. Functions may be NULL; an answer that is not 0 ends the inspection and is returned.
 * A partition comes after its segments, a segment after its batches, a batch before its records. */
struct inspect_visitor {
    void *context;
    int (*finding)(void *context, const struct inspect_finding *finding);
    int (*partition)(void *context, const struct inspect_partition *partition);
    int (*segment)(void *context, const struct inspect_segment *segment);
    int (*batch)(void *context, const struct inspect_place *place, const struct batch *batch);
    int (*record)(void *context, const struct inspect_place *place, const struct record *record);
};

/*
 * Inspects what path names: a data directory, one of its partition directories, or one segment's
 * ".log" file; the latter two also where no maplog directory is around them. Damage is a finding
 * and no error: 0 with counts->damaged != 0. An error is what kept us from looking.
 */
int inspect_path(const char *path, const struct inspect_visitor *visitor,
                 struct inspect_counts *counts);

/* What recovery would do to a partition, and what would be left. */
struct inspect_recovery {
    const char *partition;
    struct recovered found;
    uint32_t rebuilt;            /* segments whose indexes would be built anew */
    struct inspect_counts after; /* of the recovered partition */
};
/*
 * Recovers every partition of the data directory in private memory, as the next process to attach
 * would when nothing vouches for the files, and inspects the outcome (its findings go to visitor).
 * MAPLOG_BUSY when processes are attached: there is nothing to recover.
 */
int inspect_recover(const char *path, const struct inspect_visitor *visitor,
                    int (*visit)(void *context, const struct inspect_recovery *recovery));

/* ---- between the files of inspect, and for tests --------------------------------------------- */

/* What a path names. */
struct inspect_target {
    char directory[LIMIT_PATH];
    char partition[NAMES_PARTITION_SIZE]; /* in it; "": all */
    int64_t segment;                      /* -1: all */
};
/* MAPLOG_NOT_FOUND, MAPLOG_INVALID, MAPLOG_LIMIT. */
int inspect_resolve(const char *path, struct inspect_target *target);

/* One segment in memory. */
struct inspect_view {
    const char *partition; /* "orders-0" */
    int64_t base;
    int64_t next_base; /* of the next segment; INT64_MAX: none */
    const uint8_t *log, *index, *timeindex;
    uint64_t log_bytes, index_bytes, timeindex_bytes; /* that are to be looked at */
    bool has_index, has_timeindex;                    /* their files exist */
    bool active;  /* it may grow: its time index has no last entry yet */
    bool unclean; /* where it ends is unknown: a zero tail is fine, in the indexes too */
};

/* Checks one segment from offset *next on and moves *next behind it; adds to counts. */
int inspect_view(const struct inspect_view *view, const struct inspect_visitor *visitor,
                 int64_t *next, struct inspect_segment *segment);
/* Is any process attached that may write? */
int inspect_attached(int directory_fd, bool *attached);
/* Tells the visitor and counts. */
int inspect_tell(const struct inspect_visitor *visitor, struct inspect_counts *counts,
                 const struct inspect_finding *finding);
void inspect_add(struct inspect_counts *to, const struct inspect_counts *from);
