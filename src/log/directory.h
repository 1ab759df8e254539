/*
 * directory.h - one attachment of this process to a log: a data directory, or an anonymous log.
 * Counted; everything that was opened from it keeps it. Any thread.
 */
#pragma once

#include <maplog.h>
#include <pthread.h>

#include "log/catalog.h"
#include "log/partition.h"
#include "os/file.h"
#include "shm/control.h"

struct anonymous;
struct keeper;

struct directory {
    _Atomic uint32_t references;
    struct control_view view;
    const volatile uint32_t *alive; /* this process's number (map_wiped_on_fork), */
    uint32_t opened_by;             /* and the number of the one that opened it */
    int fd;                         /* of the directory; -1: anonymous */
    int memory_fd;                  /* of an anonymous log, for passing on; -1: directory */
    struct anonymous *anonymous;    /* of an anonymous log: its slots (anonymous.h); else NULL */
    char path[LIMIT_PATH];          /* as opened; "anonymous" */
    enum file_system_kind kind;
    bool read_only;
    bool recovered_privately; /* read-only, nobody attached, not trusted: control is a private copy
                               */

    _Atomic int64_t clock_ms; /* wall clock kept by the helper thread; 0: it sleeps (keeper.h) */

    pthread_mutex_t changing; /* one change of topics at a time; taken before lock */
    bool catalog_held;        /* somebody waited for LOCK_CATALOG in vain; under changing */
    pthread_mutex_t lock;     /* guards what follows */
    struct catalog catalog;
    uint64_t catalog_generation;
    struct partition **partitions; /* by control slot, opened on demand; LIMIT_PARTITIONS */
    struct keeper *_Atomic keeper; /* helper threads, begun by the first producer */
};

static inline bool directory_forked(const struct directory *directory)
{
    return __builtin_expect(*directory->alive != directory->opened_by, 0);
}

int directory_open(const char *path, const struct maplog_open_options *options,
                   struct directory **directory);
/* An unattached structure with one reference, for those who fill it; NULL without memory. */
struct directory *directory_new(const char *path);
struct directory *directory_keep(struct directory *directory);
void directory_drop(struct directory *directory); /* detaches with the last reference */

/* Reloads the catalog when another process changed it. The caller holds lock. */
int directory_refresh(struct directory *directory);
/* Copies of what the catalog says, so that no lock is held: partitions and id. MAPLOG_NOT_FOUND
 * names the topic. */
int directory_topic(struct directory *directory, const char *topic, struct maplog_topic *found);
/* The partition, opened on first use; lives as long as the directory. */
int directory_partition(struct directory *directory, const char *topic, int32_t number,
                        struct partition **partition);
/* The same by the topic's id. */
int directory_partition_by_id(struct directory *directory, const struct uuid *id, int32_t number,
                              struct partition **partition);
/* What was found stays true as long as this number does: +1 at each change of a topic. */
uint64_t directory_generation(const struct directory *directory);
/* The same for a topic of directory->catalog; the caller holds lock or attaches. */
int directory_open_slot(struct directory *directory, const struct catalog_topic *topic,
                        int32_t number, struct partition **partition);
/* Leader epoch of the partition in this control slot, which need not be open. */
int32_t directory_leader_epoch(const struct directory *directory, uint32_t slot);
/* The partition of a control slot if this process opened it, else NULL. */
struct partition *directory_opened(struct directory *directory, uint32_t slot);

/* A writer's seat (appender_open) for one thread at a time. MAPLOG_LIMIT. */
int directory_take_seat(struct directory *directory, uint32_t *seat);
void directory_leave_seat(struct directory *directory, uint32_t seat);

/* topics_create.c, topics.c: changes, each under LOCK_CATALOG. */
int directory_create_topic(struct directory *directory, const char *topic, int32_t partitions,
                           const char *const *configs);
/* A topic that is wanted, and what became of it. */
struct topic_creation {
    const char *topic;
    int32_t partitions;         /* 0: one */
    const char *const *configs; /* "name=value", NULL-terminated; or NULL */
    struct uuid id;             /* out */
    int result;                 /* out: as directory_create_topic() */
    char *error;                /* out: of a failure, free() it; NULL: none, or no memory */
};
/* The same for many with one change of the catalog, thus two syncs for all of them. Who is refused
 * does not keep the others out. */
void directory_create_topics(struct directory *directory, struct topic_creation *wanted,
                             size_t count);
int directory_delete_topic(struct directory *directory, const char *topic);

/* A topic that comes with its records (import). */
struct topic_placing {
    const char *topic;
    int32_t partitions;
    const char *const *configs;
    struct uuid id; /* no other topic has it */
    void *context;
    /* Puts the partitions' directories in their places and fills their control slots; the topic is
     * about to become visible. The directory's lock is held. */
    int (*place)(void *context, const struct catalog_topic *topic);
    void (*unplace)(void *context); /* takes them away again: it could not become visible */
};
int directory_place_topic(struct directory *directory, const struct topic_placing *placing);
int directory_alter_topic(struct directory *directory, const char *topic,
                          const char *const *configs);
/* As catalog_set_defaults(). */
int directory_set_defaults(struct directory *directory, const char *const *defaults,
                           const char *const *broker);
int directory_grow_topic(struct directory *directory, const char *topic, int32_t partitions);

/* anonymous.c */
int anonymous_open(const struct maplog_anonymous_options *options, struct directory **directory);
int anonymous_attach(int fd, struct directory **directory);
void anonymous_end(struct directory *directory); /* what attach_end is to a data directory */
