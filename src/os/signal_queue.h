/*
 * signal_queue.h - descriptors that tell by signals that something happened to them (O_ASYNC with
 * F_SETSIG). The signals are a real-time one, queued, sent to one thread, which has them blocked
 * and takes them one by one; no handler ever runs.
 *
 * A queue belongs to the thread that opens it, which alone calls everything here. A thread may have
 * several; each has a signal of its own there, and other threads may have the same one.
 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct signal_queue {
    int number; /* of the signal; 0: not open */
    pid_t thread;
    sigset_t taken;
    unsigned overflows; /* of the thread's, that this queue was told of */
};

enum signal_queue_news {
    SIGNAL_QUEUE_NONE,     /* in the time, or another signal came */
    SIGNAL_QUEUE_CHANGE,   /* one change of one descriptor */
    SIGNAL_QUEUE_OVERFLOW, /* changes were lost: anything may have happened to any descriptor */
};

struct signal_queue_change {
    int fd;       /* as it was armed; it may have been closed since, and its number given anew */
    short events; /* of poll(2); what a peer's end is depends on the kind of socket */
};

/* MAPLOG_LIMIT: this thread has no real-time signal left that nobody uses. */
int signal_queue_open(struct signal_queue *queue);
/* Takes what is pending, and blocks the signals no longer if they were not blocked before. No
 * descriptor may be armed. By another thread: only when the owner has ended; nothing is left then.
 */
void signal_queue_close(struct signal_queue *queue);

/* From now on each change of the descriptor is queued, what came before is not. MAPLOG_IO: it
 * cannot tell (a regular file). */
int signal_queue_arm(const struct signal_queue *queue, int fd);
void signal_queue_disarm(int fd); /* what is queued by now still comes */

/* The next news; waits for at most timeout_ns (< 0: no limit). */
enum signal_queue_news signal_queue_take(struct signal_queue *queue, int64_t timeout_ns,
                                         struct signal_queue_change *change);
