/*
 * control.h - this process's view of the shared control and bell mappings, its process slot and its
 * proof of life.
 *
 * Locks live on one lock file (maplog.lock of a directory, the memfd of an anonymous log), as
 * bytes, all exclusive but the first:
 * - LOCK_ATTACHED: shared by everybody attached, read-only attachers too
 * - LOCK_SERVER: a server
 * - LOCK_KEEPER: the keeper
 * - LOCK_SETUP: attaching, detaching, recovering
 * - LOCK_CATALOG: changing maplog.topics
 * - LOCK_PROCESS+i: process slot i is alive; its being free is the only proof of death
 * - LOCK_CLAIMS+h: a consumer's claim of (group, topic, partition) with hash h
 * - LOCK_GROUPS+h: a server has live members of the group with hash h
 */
#pragma once

#include <stdbool.h>

#include "shm/layout.h"

enum control_lock {
    LOCK_ATTACHED = 0,
    LOCK_SERVER = 1,
    LOCK_KEEPER = 2,
    LOCK_SETUP = 3,
    LOCK_CATALOG = 4,
    LOCK_PROCESS = 4096,
};
#define LOCK_BASE_ANONYMOUS (1ull << 60) /* added to each byte on a memfd: past any content */
#define LOCK_CLAIMS (1ull << 61)         /* 2^60 of them */
#define LOCK_GROUPS (1ull << 62)         /* 2^61 of them */

/* One attachment of this process; owned by log/directory or log/anonymous. The mappings stay until
 * the process slot was left; a process that dies while attached needs no clean-up by hand. */
struct control_view {
    struct control *control; /* NULL when nothing is mapped */
    struct bell_word *bell;  /* LIMIT_PARTITIONS words; NULL: not writable (read-only views only) */
    /* The lock owner: close-on-exec, closed in forked children. Never map this descriptor: a
     * child's inherited mapping would keep the locks. */
    int lock_fd;
    uint64_t lock_base; /* 0, or LOCK_BASE_ANONYMOUS */
    const char *path;   /* for messages; owned by the caller */
    uint32_t process;   /* own process slot; UINT32_MAX: none (read-only) */
    bool read_only;
    bool barrier; /* membarrier orders the writers here (WRITER_LEASE), else fences do */
};

/* Takes a free process slot: its byte lock first, then clears the seats of its former owner and
 * fills it. role: what the process is here, "producer" (cut to CONTROL_ROLE_SIZE). MAPLOG_LIMIT
 * when all LIMIT_PROCESSES are alive, MAPLOG_UNSUPPORTED when this process may not use membarrier
 * and the writers here rely on it. */
int control_take_process(struct control_view *view, const char *role);
/* Says anew what the process is here. */
void control_set_role(struct control_view *view, const char *role);
/* Frees the slot's seats, then the slot. Fine when there is none. */
void control_leave_process(struct control_view *view);
/* Proof: true when the byte lock of the slot is free. An error of fcntl counts as alive. */
bool control_process_dead(const struct control_view *view, uint32_t process);

/* What is known of a process slot, copied; for people. */
struct control_process_info {
    bool alive;
    int pid; /* in its own pid namespace; 0: the slot was never used, or left */
    uint64_t start;
    uint64_t attached_ms;
    char name[PROCESS_NAME_SIZE];
    char role[CONTROL_ROLE_SIZE];
};
void control_read_process(const struct control_view *view, uint32_t process,
                          struct control_process_info *info);
/* "PID (name)" of a slot for messages, with ", which is stopped" when it is. */
void control_describe_process(const struct control_view *view, uint32_t process, char *text,
                              size_t size);

/* Takes a free seat for one producer of this process; MAPLOG_LIMIT. When all are taken, those of
 * processes that are proven dead are reclaimed. */
int control_take_seat(struct control_view *view, uint32_t *seat);
void control_leave_seat(struct control_view *view, uint32_t seat);
/* Process slot of the seat's owner; UINT32_MAX when the seat is free. */
uint32_t control_seat_process(const struct control_view *view, uint32_t seat);

/* Fills the header of a fresh (zeroed, allocated) control area. */
void control_format(struct control *control, enum writer_kind writers);
/* Checks magic, version, mutex ABI: MAPLOG_CORRUPT or MAPLOG_VERSION with a text that says what to
 * do. */
int control_check(const struct control *control, const char *path);
/* Makes partition slot i live for (topic, partition). Its bytes are allocated, and either all zero
 * or formatted before in this session: then mutexes and generation are kept, because processes that
 * still hold the slot's former partition may be using them. The caller holds LOCK_CATALOG or
 * LOCK_SETUP; a former partition was deleted (lease_delete_partition). */
int control_format_partition(struct control *control, uint32_t i, const uint8_t topic_id[16],
                             uint32_t partition);
