#include "os/signal_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/*
 * Where the system holds as many signals as it may (RLIMIT_SIGPENDING), the kernel sends SIGIO
 * instead, which is pending or not, and cannot be lost. It does not say for which queue: all of the
 * thread's are told.
 */
static _Thread_local struct {
    uint64_t numbers; /* signals of its queues, bit 0 is SIGRTMIN */
    unsigned overflows;
    sigset_t before; /* blocked before its first queue */
} own;

static uint64_t bit(int number)
{
    return 1ull << (number - SIGRTMIN);
}

static bool is_free(int number)
{
    struct sigaction action;
    return !(own.numbers & bit(number)) && sigaction(number, NULL, &action) == 0 &&
           action.sa_handler == SIG_DFL;
}

int signal_queue_open(struct signal_queue *queue)
{
    int number = SIGRTMIN;
    while (number <= SIGRTMAX && !is_free(number))
        number++;
    if (number > SIGRTMAX)
        return error_set(MAPLOG_LIMIT, "this thread has no real-time signal left");
    *queue =
        (struct signal_queue){.number = number, .thread = gettid(), .overflows = own.overflows};
    sigemptyset(&queue->taken);
    sigaddset(&queue->taken, number);
    sigaddset(&queue->taken, SIGIO);
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &queue->taken, &before);
    if (!own.numbers)
        own.before = before;
    own.numbers |= bit(number);
    return 0;
}

/* A handler that ran meanwhile is no end. */
static int take(const sigset_t *signals, siginfo_t *info, const struct timespec *timeout)
{
    int number;
    do
        number = sigtimedwait(signals, info, timeout);
    while (number < 0 && errno == EINTR);
    return number;
}

void signal_queue_close(struct signal_queue *queue)
{
    if (queue->number == 0 || queue->thread != gettid())
        return;
    const struct timespec at_once = {0, 0};
    for (int number; (number = take(&queue->taken, NULL, &at_once)) > 0;)
        own.overflows += number == SIGIO;
    own.numbers &= ~bit(queue->number);
    if (own.numbers) /* the others go on to need it */
        sigdelset(&queue->taken, SIGIO);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigismember(&own.before, number) == 1)
            sigdelset(&queue->taken, number);
    pthread_sigmask(SIG_UNBLOCK, &queue->taken, NULL);
    queue->number = 0;
}

int signal_queue_arm(const struct signal_queue *queue, int fd)
{
    const struct f_owner_ex owner = {F_OWNER_TID, queue->thread};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETOWN_EX, &owner) != 0 ||
        fcntl(fd, F_SETSIG, queue->number) != 0 || fcntl(fd, F_SETFL, flags | O_ASYNC) != 0)
        return error_set(MAPLOG_IO, "cannot get signals of descriptor %d: %s", fd, strerror(errno));
    /* What has no signals takes the flag and forgets it. */
    flags = fcntl(fd, F_GETFL);
    return flags & O_ASYNC ? 0 : error_set(MAPLOG_IO, "descriptor %d has no signals", fd);
}

void signal_queue_disarm(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_ASYNC);
}

enum signal_queue_news signal_queue_take(struct signal_queue *queue, int64_t timeout_ns,
                                         struct signal_queue_change *change)
{
    const struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    siginfo_t info;
    if (queue->overflows == own.overflows) {
        int number = sigtimedwait(&queue->taken, &info, timeout_ns < 0 ? NULL : &timeout);
        if (number == SIGIO)
            own.overflows++;
        else if (number < 0 || info.si_code < POLL_IN || info.si_code > POLL_HUP)
            return SIGNAL_QUEUE_NONE; /* a person's, by kill */
    }
    if (queue->overflows != own.overflows) {
        queue->overflows = own.overflows;
        return SIGNAL_QUEUE_OVERFLOW;
    }
    *change = (struct signal_queue_change){info.si_fd, (short)info.si_band};
    return SIGNAL_QUEUE_CHANGE;
}
