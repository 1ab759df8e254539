/*
 * pool.c - blocking calls by a bounded number of threads. What they would wait for in vain is
 * parked with the kernel: each descriptor is registered with one epoll for what its operations
 * want, once, and all threads wait there. The kernel gives an event to one of them, which performs
 * the operation while the others wait on: leader and followers, with the kernel's queue as the
 * baton.
 *
 * A call may still block: a send whose reader takes less, a receive that was told of bytes that are
 * gone. It waits for a slice of time, and then the operation is parked again, behind all that is
 * ready. So readers that do not read delay others, but cannot keep the threads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "io/threads.h"
#include "os/event.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"

/* As many threads as CPUs: they copy more than they wait. Two at least, so that one may be held up
 * for its slice; more than some take the lock from each other. */
#define FEWEST 2
#define MOST 16
#define SLICE_MS 10   /* that a call may block */
#define FIRST_ROOM 64 /* descriptors; it doubles */
#define ENDING UINT64_MAX

/* Of a descriptor; under the engine's lock. */
struct slot {
    struct io_operation *parked[DIRECTIONS]; /* until the descriptor is ready */
    bool cancelled[DIRECTIONS];              /* what a thread has taken */
    uint32_t turn; /* how often it was registered: events of earlier ones are stale */
};

struct pool {
    struct threads threads;
    int epoll;
    int ending; /* polls readable when the threads shall end */
    unsigned count;
    pthread_t workers[MOST];
    struct slot *slots; /* by descriptor; under the lock */
    size_t room;        /* in slots */
};

/* ---- parking: under the lock ----------------------------------------------------------------- */

/* Registers for what is parked, for one event; 0 or an errno. */
static int arm(struct pool *pool, int fd)
{
    struct slot *slot = &pool->slots[fd];
    const struct io_operation *out = slot->parked[DIRECTION_OUT];
    uint64_t turn = ++slot->turn;
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = turn << 32 | (uint32_t)fd};
    if (slot->parked[DIRECTION_IN])
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (out && !out->settling) /* what settles is an error to poll, which is always reported */
        event.events |= EPOLLOUT;
    return epoll_ctl(pool->epoll, EPOLL_CTL_MOD, fd, &event) ? errno : 0;
}

static int park(struct pool *pool, struct io_operation *operation)
{
    pool->slots[operation->fd].parked[threads_direction(operation)] = operation;
    return arm(pool, operation->fd);
}

/* What an event is for; NULL: nothing any more. The rest is registered again. */
static struct io_operation *unpark(struct pool *pool, const struct epoll_event *event)
{
    int fd = (int)(uint32_t)event->data.u64;
    struct slot *slot = &pool->slots[fd];
    if (slot->turn != event->data.u64 >> 32)
        return NULL;
    bool out = slot->parked[DIRECTION_OUT] && (event->events & ~(EPOLLIN | EPOLLRDHUP));
    enum direction direction = out ? DIRECTION_OUT : DIRECTION_IN;
    struct io_operation *operation = slot->parked[direction];
    slot->parked[direction] = NULL;
    if (slot->parked[out ? DIRECTION_IN : DIRECTION_OUT])
        arm(pool, fd);
    return operation;
}

/* ---- in the threads -------------------------------------------------------------------------- */

/* After an attempt that did not end it. */
static void go_on(struct pool *pool, struct io_operation *operation, enum transfer transfer)
{
    struct threads *threads = &pool->threads;
    int result = MAPLOG_CLOSED;
    pthread_mutex_lock(&threads->lock);
    bool over = pool->slots[operation->fd].cancelled[threads_direction(operation)];
    operation->settling = transfer == TRANSFER_SETTLING;
    if (!over && (operation->error = park(pool, operation)) != 0) {
        pool->slots[operation->fd].parked[threads_direction(operation)] = NULL;
        over = true;
        result = MAPLOG_IO;
    }
    pthread_mutex_unlock(&threads->lock);
    if (over)
        threads_complete(threads, operation, result);
}

static void serve(struct pool *pool, const struct epoll_event *event)
{
    struct threads *threads = &pool->threads;
    int result;
    pthread_mutex_lock(&threads->lock);
    struct io_operation *operation = unpark(pool, event);
    pthread_mutex_unlock(&threads->lock);
    if (!operation)
        return;
    enum transfer transfer = threads_attempt(threads, operation, &result);
    if (transfer == TRANSFER_DONE || transfer == TRANSFER_FAILED)
        threads_complete(threads, operation, result);
    else
        go_on(pool, operation, transfer);
}

static void *run(void *argument)
{
    struct pool *pool = argument;
    struct epoll_event event;
    for (;;) {
        if (epoll_wait(pool->epoll, &event, 1, -1) <= 0)
            continue; /* a signal, to a debugger's liking */
        if (event.data.u64 == ENDING)
            return NULL;
        serve(pool, &event);
    }
}

/* ---- in the engine's thread ------------------------------------------------------------------ */

static int start(struct threads *threads, struct io_operation *operation)
{
    struct pool *pool = (struct pool *)threads;
    struct slot *slot = &pool->slots[operation->fd];
    pthread_mutex_lock(&threads->lock);
    slot->cancelled[threads_direction(operation)] = false;
    operation->settling = false;
    int errnum = park(pool, operation);
    if (errnum) {
        slot->parked[threads_direction(operation)] = NULL;
        operation->error = errnum;
    }
    pthread_mutex_unlock(&threads->lock);
    return errnum ? MAPLOG_IO : 0;
}

static void stop(struct threads *threads, struct io_operation *operation)
{
    struct pool *pool = (struct pool *)threads;
    enum direction direction = threads_direction(operation);
    pthread_mutex_lock(&threads->lock);
    struct slot *slot = &pool->slots[operation->fd];
    bool parked = slot->parked[direction] == operation;
    if (parked) {
        slot->parked[direction] = NULL;
        arm(pool, operation->fd);
    } else {
        slot->cancelled[direction] = true; /* the thread sees it after its slice */
    }
    pthread_mutex_unlock(&threads->lock);
    if (parked)
        threads_complete(threads, operation, MAPLOG_CLOSED);
}

static const struct threads_hooks hooks = {start, stop, NULL};

/* ---- descriptors ----------------------------------------------------------------------------- */

static int make_room(struct pool *pool, size_t descriptors)
{
    size_t room = pool->room ? pool->room : FIRST_ROOM;
    while (room < descriptors)
        room *= 2;
    if (room == pool->room)
        return 0;
    pthread_mutex_lock(&pool->threads.lock);
    struct slot *grown = realloc(pool->slots, room * sizeof *grown);
    if (grown) {
        memset(grown + pool->room, 0, (room - pool->room) * sizeof *grown);
        pool->slots = grown;
        pool->room = room;
    }
    pthread_mutex_unlock(&pool->threads.lock);
    return grown ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for a table of sockets");
}

static int enroll(const struct pool *pool, int fd)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = (uint32_t)fd};
    if (epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno == ENOSPC)
        return error_set(MAPLOG_LIMIT, "no more sockets: fs.epoll.max_user_watches is reached");
    return error_set(MAPLOG_IO, "cannot wait for descriptor %d: %s", fd, strerror(errno));
}

static int pool_add(struct io_engine *engine, int fd)
{
    struct pool *pool = (struct pool *)engine;
    int error = make_room(pool, fd < 0 ? 0 : (size_t)fd + 1);
    if (!error)
        error = threads_add(&pool->threads, fd);
    if (error)
        return error;
    error = enroll(pool, fd);
    if (error)
        threads_remove(&pool->threads, fd);
    else
        socket_limit_waits(fd, SLICE_MS);
    return error;
}

static void pool_remove(struct io_engine *engine, int fd)
{
    struct pool *pool = (struct pool *)engine;
    if (!sockets_find(&pool->threads.sockets, fd))
        return;
    pthread_mutex_lock(&pool->threads.lock);
    pool->slots[fd].turn++; /* an event may be on its way to a thread */
    pthread_mutex_unlock(&pool->threads.lock);
    epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL);
    socket_limit_waits(fd, 0);
    threads_remove(&pool->threads, fd);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void pool_close(struct io_engine *engine)
{
    struct pool *pool = (struct pool *)engine;
    if (pool->count > 0)
        event_set(pool->ending);
    while (pool->count > 0)
        thread_join(pool->workers[--pool->count]);
    file_close(pool->epoll);
    file_close(pool->ending);
    threads_close(&pool->threads);
    free(pool->slots);
    free(pool);
}

static int begin(struct pool *pool)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = ENDING};
    unsigned wanted = process_cpus();
    wanted = wanted < FEWEST ? FEWEST : wanted > MOST ? MOST : wanted;
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (pool->epoll < 0)
        return error_errno(errno, "cannot make an epoll descriptor");
    int error = event_open(&pool->ending);
    if (error)
        return error;
    if (epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->ending, &event) != 0)
        return error_errno(errno, "cannot wait for the end of threads");
    for (; pool->count < wanted && !error; pool->count += !error)
        error = thread_start_waiter(&pool->workers[pool->count], "maplog-pool", run, pool);
    return error;
}

static int pool_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    pool->epoll = pool->ending = -1;
    int error = threads_open(&pool->threads, &io_pool, &hooks, limits);
    if (error) {
        free(pool);
        return error;
    }
    error = begin(pool);
    if (error)
        pool_close(&pool->threads.engine);
    else
        *engine = &pool->threads.engine;
    return error;
}

const struct io_methods io_pool = {"pool",         pool_open,    pool_close,
                                   pool_add,       pool_remove,  threads_submit,
                                   threads_cancel, threads_wait, threads_wake};
