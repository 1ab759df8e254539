/*
 * control.h - this process's view of the shared control and bell mappings, its process slot and its
 * proof of life.
 *
 * Locks live on one lock file (maplog.lock of a directory, the memfd of an anonymous log), as bytes:
 *   LOCK_ATTACHED  shared by everybody attached, read-only attachers too
 *   LOCK_SERVER    exclusive: a server
 *   LOCK_KEEPER    exclusive: the keeper
 *   LOCK_SETUP     exclusive: attaching, detaching, recovering
 *   LOCK_CATALOG   exclusive: changing maplog.topics
 *   LOCK_PROCESS+i exclusive: process slot i is alive
 *   LOCK_CLAIMS+h  exclusive: a consumer's claim of (group, topic, partition) with hash h
 * A free LOCK_PROCESS byte is the only proof of death.
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
#define LOCK_CLAIMS (1ull << 61)

/* One attachment of this process; owned by log/directory or log/anonymous. The mappings stay until
 * control_detach; a process that dies while attached needs no clean-up by hand. */
struct control_view {
    struct control *control;  /* NULL when nothing is mapped */
    struct bell_word *bell;   /* LIMIT_PARTITIONS words; NULL when it may not be written */
    int lock_fd;              /* the lock owner: close-on-exec, closed in forked children */
    uint64_t lock_base;       /* 0, or LOCK_BASE_ANONYMOUS */
    const char *path;         /* for messages; owned by the caller */
    uint32_t process;         /* own process slot; UINT32_MAX: none (read-only) */
    bool read_only;
    bool barrier;             /* membarrier works here */
};

/* Takes a free process slot: its byte lock first, then clears the seats of its former owner and
 * fills it. MAPLOG_LIMIT when all LIMIT_PROCESSES are alive. */
int control_take_process(struct control_view *view, const char *role);
/* Frees the slot's seats, then the slot. */
void control_leave_process(struct control_view *view);
/* Proof: true when the byte lock of the slot is free. An error of fcntl counts as alive. */
bool control_process_dead(const struct control_view *view, uint32_t process);
/* "PID (name)" of a slot for messages, with " is stopped" when it is. */
void control_describe_process(const struct control_view *view, uint32_t process, char *text,
                              size_t size);

/* Takes a free seat for one producer of this process; MAPLOG_LIMIT. Seats of processes that are
 * proven dead are reclaimed first. */
int control_take_seat(struct control_view *view, uint32_t *seat);
void control_leave_seat(struct control_view *view, uint32_t seat);

/* Fills the header of a fresh (zeroed, allocated) control area. */
void control_format(struct control *control, enum writer_kind writers);
/* Checks magic, version, mutex ABI: MAPLOG_VERSION with a text that says what to do. */
int control_check(const struct control *control, const char *path);
/* Makes partition slot i live for (topic, partition): zeroes it, initialises its mutexes. The
 * caller holds LOCK_CATALOG or LOCK_SETUP, and has allocated the slot's bytes. */
int control_format_partition(struct control *control, uint32_t i, const uint8_t topic_id[16],
                             uint32_t partition);
