/* hands.c - words in shared memory, descriptors, queues. */
#include "lab/hands.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/pair.h"
#include "os/futex.h"
#include "shm/order.h"

#define LOOKS 4096            /* between two questions whether to stop */
#define PATIENCE_NS 100000000 /* the same, asleep */

/* A cache line of its own, and the one beside it, which some CPUs fetch along. */
struct hands_line {
    _Alignas(128) _Atomic uint32_t word;
};

struct hands_shared {
    struct hands_line lines[2], ended;
};

const char *hands_name(enum hands_way way)
{
    static const char *const names[HANDS_WAYS] = {
        [HANDS_SPIN] = "spin on a cache line", [HANDS_FUTEX] = "futex",
        [HANDS_EVENTFD] = "eventfd",           [HANDS_PIPE] = "pipe",
        [HANDS_UNIX] = "Unix socket",          [HANDS_TCP] = "TCP, loopback",
        [HANDS_QUEUE] = "POSIX message queue",
    };
    return names[way];
}

/* ---- opening --------------------------------------------------------------------------------- */

static int open_eventfds(struct hands *hands)
{
    for (int i = 0; i < 2; i++) {
        hands->to[i] = hands->from[i] = eventfd(0, EFD_CLOEXEC);
        if (hands->to[i] < 0)
            return error_errno(errno, "eventfd");
    }
    return 0;
}

static int open_pipes(struct hands *hands)
{
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return error_errno(errno, "pipe");
        hands->from[i] = ends[0];
        hands->to[i] = ends[1];
    }
    return 0;
}

/* Of a connected pair, one end is this side's for both directions, the other end the other's. */
static void take_pair(struct hands *hands, int here, int there)
{
    hands->to[0] = hands->from[1] = here;
    hands->to[1] = hands->from[0] = there;
}

static int open_sockets(struct hands *hands, bool local)
{
    int ends[2];
    int result = pair_open(ends, local);
    if (!result)
        take_pair(hands, ends[0], ends[1]);
    return result;
}

static int open_unix(struct hands *hands)
{
    return open_sockets(hands, true);
}

static int open_tcp(struct hands *hands)
{
    return open_sockets(hands, false);
}

static int open_queues(struct hands *hands)
{
    for (int i = 0; i < 2; i++) {
        char name[64];
        struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = sizeof(uint64_t)};
        snprintf(name, sizeof name, "/maplog-lab-%d-%d", (int)getpid(), i);
        hands->to[i] = hands->from[i] =
            mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
        if (hands->to[i] < 0)
            return error_errno(errno, "no message queue");
        mq_unlink(name);
    }
    return 0;
}

int hands_open(struct hands *hands, enum hands_way way)
{
    static int (*const opens[HANDS_WAYS])(struct hands *) = {
        [HANDS_EVENTFD] = open_eventfds, [HANDS_PIPE] = open_pipes,   [HANDS_UNIX] = open_unix,
        [HANDS_TCP] = open_tcp,          [HANDS_QUEUE] = open_queues,
    };
    *hands = (struct hands){.way = way, .to = {-1, -1}, .from = {-1, -1}};
    void *shared = mmap(NULL, sizeof *hands->shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return error_errno(errno, "no shared memory");
    hands->shared = shared;
    int result = opens[way] ? opens[way](hands) : 0;
    if (result)
        hands_close(hands);
    return result;
}

void hands_close(struct hands *hands)
{
    int *fds[] = {&hands->to[0], &hands->to[1], &hands->from[0], &hands->from[1]};
    for (int i = 0; i < 4; i++) {
        int fd = *fds[i];
        for (int j = i; j < 4; j++)
            if (*fds[j] == fd)
                *fds[j] = -1;
        if (fd >= 0)
            close(fd);
    }
    if (hands->shared)
        munmap(hands->shared, sizeof *hands->shared);
    hands->shared = NULL;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* What raw futex words are: no atomic type there. */
static uint32_t *raw(_Atomic uint32_t *word)
{
    return (uint32_t *)word;
}

static int await_word(struct hands *hands, int direction)
{
    _Atomic uint32_t *word = &hands->shared->lines[direction].word;
    uint32_t before = hands->awaited[direction]++;
    for (unsigned looks = 1; load_acquire(word) == before; looks++) {
        if (hands->way == HANDS_FUTEX)
            futex_wait(raw(word), before, PATIENCE_NS);
        else
            order_pause();
        if ((hands->way == HANDS_FUTEX || looks % LOOKS == 0) && hands->stopped &&
            hands->stopped(hands->context))
            return MAPLOG_CLOSED;
    }
    return 0;
}

static void post_word(struct hands *hands, int direction)
{
    _Atomic uint32_t *word = &hands->shared->lines[direction].word;
    store_release(word, ++hands->posted[direction]);
    if (hands->way == HANDS_FUTEX)
        futex_wake_all(raw(word));
}

/* ---- descriptors ----------------------------------------------------------------------------- */

int hands_post(struct hands *hands, int direction)
{
    static const uint64_t one = 1;
    int fd = hands->to[direction];
    ssize_t done = 0;
    if (hands->way == HANDS_SPIN || hands->way == HANDS_FUTEX) {
        post_word(hands, direction);
        return 0;
    }
    do {
        if (hands->way == HANDS_QUEUE)
            done = mq_send(fd, (const char *)&one, sizeof one, 0);
        else
            done = write(fd, &one, sizeof one);
    } while (done < 0 && errno == EINTR);
    return done < 0 ? error_errno(errno, "cannot post") : 0;
}

static int await_descriptor(struct hands *hands, int direction)
{
    uint64_t value;
    int fd = hands->from[direction];
    for (;;) {
        ssize_t got = hands->way == HANDS_QUEUE ? mq_receive(fd, (char *)&value, sizeof value, NULL)
                                                : read(fd, &value, sizeof value);
        if (got > 0)
            return 0;
        if (got == 0)
            return MAPLOG_CLOSED;
        if (errno != EINTR)
            return error_errno(errno, "cannot await");
        if (hands->stopped && hands->stopped(hands->context))
            return MAPLOG_CLOSED;
    }
}

int hands_await(struct hands *hands, int direction)
{
    int result = hands->way == HANDS_SPIN || hands->way == HANDS_FUTEX
                     ? await_word(hands, direction)
                     : await_descriptor(hands, direction);
    if (!result && load_acquire(&hands->shared->ended.word))
        result = error_set(MAPLOG_CLOSED, "the other side has ended");
    return result;
}

void hands_end(struct hands *hands)
{
    store_release(&hands->shared->ended.word, 1);
}
