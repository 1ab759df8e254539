/*
 * aio.c - POSIX AIO: glibc's threads read and write, the engine's thread does all the rest. The end
 * of a request is told by a signal, as by a doorbell: a look at the requests tells which ended.
 * That cost less than a thread for each notice, and no notice is lost for want of one.
 *
 * A request that runs cannot be taken back. So reads go into a buffer of the socket's, and whoever
 * receives next gets what came; a cancelled receive leaves its read where it is. io_remove ends it
 * by ending the receiving side of the socket. A write's bytes are the caller's: it waits for the
 * peer in slices of time, and a cancelled send ends with its slice.
 *
 * glibc queues the requests of one descriptor behind each other, so writes go by a second one.
 * Accepting is not among the requests: listeners are polled where the engine waits.
 */
#include "io/aio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/sender.h"
#include "os/doorbell.h"
#include "os/file.h"
#include "os/socket.h"

#define FIRST_ROOM 64 /* descriptors; it doubles */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned sockets_in_use; /* by all engines of the process, as glibc's threads are */

/* ---- operations ------------------------------------------------------------------------------ */

static void enqueue(struct aio *aio, struct io_operation *operation, enum aio_state state)
{
    operation->state = state;
    operation->next = NULL;
    *(aio->last ? &aio->last->next : &aio->first) = operation;
    aio->last = operation;
}

void aio_finish(struct aio *aio, struct io_operation *operation, int result)
{
    sockets_end(&aio->sockets, operation);
    if (operation->kind == IO_SEND)
        sender_end(aio->sender, operation);
    operation->state = AIO_IDLE;
    aio->told = true;
    operation->done(operation, result);
}

void aio_finish_cancelled(struct aio *aio, struct io_operation *operation)
{
    aio_finish(aio, operation, error_set(MAPLOG_CLOSED, "the operation was cancelled"));
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void listen_for(struct aio *aio, struct io_operation *operation)
{
    if (aio->accept_count == AIO_LISTENERS)
        aio_finish(
            aio, operation,
            error_set(MAPLOG_LIMIT, "aio waits for no more than %d listeners", AIO_LISTENERS));
    else
        aio->accepts[aio->accept_count++] = operation;
}

static void listen_no_more(struct aio *aio, const struct io_operation *operation)
{
    for (unsigned i = 0; i < aio->accept_count; i++)
        if (aio->accepts[i] == operation)
            aio->accepts[i] = aio->accepts[--aio->accept_count];
}

static void accept_on(struct aio *aio, struct io_operation *operation)
{
    int fd = -1;
    enum transfer transfer = transfer_accept(operation, &fd);
    if (transfer == TRANSFER_BLOCKED)
        return;
    listen_no_more(aio, operation);
    aio_finish(aio, operation, transfer == TRANSFER_DONE ? fd : transfer_error(operation));
}

/* ---- the engine's calls ---------------------------------------------------------------------- */

static void aio_submit(struct io_engine *engine, struct io_operation *operation)
{
    struct aio *aio = (struct aio *)engine;
    if (operation->kind == IO_SEND)
        sender_begin(aio->sender, operation);
    operation->error = sockets_begin(&aio->sockets, operation);
    enqueue(aio, operation, operation->error ? AIO_MISUSED : AIO_SUBMITTED);
}

static void aio_take_back(struct io_engine *engine, struct io_operation *operation)
{
    struct aio *aio = (struct aio *)engine;
    if (operation->state == AIO_SUBMITTED ||
        (operation->state == AIO_STARTED && operation->kind == IO_SEND)) {
        operation->state = AIO_TAKEN_BACK;
    } else if (operation->state == AIO_STARTED) {
        listen_no_more(aio, operation);
        enqueue(aio, operation, AIO_TAKEN_BACK);
    }
}

/* What was submitted. */
static void start(struct aio *aio)
{
    struct io_operation *operation = aio->first, *next;
    aio->first = aio->last = NULL;
    for (; operation; operation = next) {
        enum aio_state state = operation->state;
        next = operation->next;
        if (state == AIO_MISUSED) {
            aio_finish(aio, operation, transfer_error(operation));
            continue;
        }
        if (state == AIO_TAKEN_BACK) {
            aio_finish_cancelled(aio, operation);
            continue;
        }
        operation->state = AIO_STARTED;
        struct aio_peer *peer = aio_find(aio, operation->fd);
        if (operation->kind == IO_ACCEPT)
            listen_for(aio, operation);
        else if (operation->kind == IO_RECEIVE)
            aio_receive(aio, peer, operation);
        else
            aio_send_on(aio, peer, operation);
    }
}

/* Waits for the bell, a wake, or a connection; takes connections. */
static int look(struct aio *aio, int64_t timeout_ns)
{
    struct pollfd asked[1 + AIO_LISTENERS] = {{aio->wake.fd, POLLIN, 0}};
    struct io_operation *accepts[AIO_LISTENERS];
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    unsigned count = aio->accept_count;
    sigset_t mask;
    for (unsigned i = 0; i < count; i++) {
        accepts[i] = aio->accepts[i];
        asked[1 + i] = (struct pollfd){accepts[i]->fd, POLLIN, 0};
    }
    doorbell_mask(&mask);
    int ready = ppoll(asked, 1 + count, timeout_ns < 0 ? NULL : &timeout, &mask), errnum = errno;
    if (event_is_raised(&aio->wake))
        event_lower(&aio->wake); /* before the look at what has ended */
    if (ready < 0)
        return errnum == EINTR ? 0 : error_errno(errnum, "cannot wait for sockets");
    for (unsigned i = 0; i < count; i++)
        if (asked[1 + i].revents && accepts[i]->state == AIO_STARTED)
            accept_on(aio, accepts[i]);
    return 0;
}

static int aio_wait(struct io_engine *engine, int64_t timeout_ns)
{
    struct aio *aio = (struct aio *)engine;
    aio->told = false;
    start(aio);
    int error = look(aio, aio->told ? 0 : timeout_ns);
    if (error)
        return error;
    for (int fd = 0; (size_t)fd < aio->room; fd++)
        aio_reap(aio, fd);
    start(aio); /* what completions submitted */
    return 0;
}

static void aio_wake(struct io_engine *engine)
{
    event_raise(&((struct aio *)engine)->wake);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static int make_room(struct aio *aio, int fd)
{
    size_t room = aio->room ? aio->room : FIRST_ROOM;
    while (room <= (size_t)fd)
        room *= 2;
    if (room == aio->room)
        return 0;
    struct aio_peer **grown = realloc(aio->peers, room * sizeof *grown);
    if (!grown)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a table of sockets");
    memset(grown + aio->room, 0, (room - aio->room) * sizeof *grown);
    aio->peers = grown;
    aio->room = room;
    return 0;
}

/* False: the limit is reached. */
static bool count_socket(int change)
{
    pthread_mutex_lock(&lock);
    bool allowed = change < 0 || sockets_in_use < LIMIT_AIO_SOCKETS;
    if (allowed)
        sockets_in_use += (unsigned)change;
    pthread_mutex_unlock(&lock);
    return allowed;
}

static int make_peer(int fd, struct aio_peer **made)
{
    if (!count_socket(1))
        return error_set(MAPLOG_LIMIT,
                         "aio serves no more than %d sockets of a process, by a thread each; "
                         "epoll and uring serve more",
                         LIMIT_AIO_SOCKETS);
    struct aio_peer *peer = calloc(1, sizeof *peer);
    int error = peer ? socket_duplicate(fd, &peer->out)
                     : error_set(MAPLOG_NO_MEMORY, "no memory for a socket");
    if (error) {
        free(peer);
        count_socket(-1);
        return error;
    }
    peer->fd = fd;
    *made = peer;
    return 0;
}

static void free_peer(struct aio_peer *peer)
{
    aio_end_requests(peer);
    file_close(peer->out);
    free(peer->buffer);
    free(peer->piece);
    free(peer);
    count_socket(-1);
}

static int aio_add(struct io_engine *engine, int fd)
{
    struct aio *aio = (struct aio *)engine;
    int error = sockets_add(&aio->sockets, fd);
    if (error)
        return error;
    error = make_room(aio, fd);
    if (!error)
        error = make_peer(fd, &aio->peers[fd]);
    if (error)
        sockets_remove(&aio->sockets, fd);
    return error;
}

static void aio_remove(struct io_engine *engine, int fd)
{
    struct aio *aio = (struct aio *)engine;
    struct aio_peer *peer = aio_find(aio, fd);
    if (!peer)
        return;
    aio->peers[fd] = NULL;
    free_peer(peer);
    sockets_remove(&aio->sockets, fd);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void aio_close(struct io_engine *engine)
{
    struct aio *aio = (struct aio *)engine;
    for (size_t fd = 0; fd < aio->room; fd++)
        aio_remove(engine, (int)fd);
    doorbell_unhang(&aio->wake);
    file_close(aio->wake.fd);
    sockets_free(&aio->sockets);
    sender_close(aio->sender);
    free(aio->peers);
    free(aio);
}

static int choose(struct aio *aio, const char *name)
{
    int error = sender_open(&aio->limits, &aio->sender);
    if (error || !name || strcmp(name, "auto") == 0)
        return error;
    aio->copies = strcmp(name, "copy") == 0;
    aio->maps = strcmp(name, "mmap") == 0;
    if (aio->copies || aio->maps)
        return 0;
    return error_set(MAPLOG_UNSUPPORTED,
                     "aio cannot send by %s, since POSIX AIO only writes memory; choose auto, copy "
                     "or mmap, or another engine",
                     name);
}

/* As many threads as requests; heeded before the process's first request only. */
static int allow_threads(void)
{
#ifdef __GLIBC__
    const struct aioinit threads = {
        .aio_threads = 2 * LIMIT_AIO_SOCKETS, .aio_num = LIMIT_AIO_SOCKETS, .aio_idle_time = 1};
    aio_init(&threads);
    return 0;
#else
    return error_set(MAPLOG_UNSUPPORTED, "aio wants glibc, whose threads it can allow for");
#endif
}

static int aio_open(const struct io_limits *limits, struct io_engine **engine)
{
    struct aio *aio = calloc(1, sizeof *aio);
    if (!aio)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an engine");
    aio->engine.methods = &io_aio;
    aio->limits = *limits;
    aio->sockets.limit = limits->descriptors;
    aio->wake.fd = -1;
    int error = choose(aio, limits->send);
    if (!error)
        error = allow_threads();
    if (!error)
        error = event_open(&aio->wake.fd);
    if (!error)
        error = doorbell_hang(&aio->wake);
    if (error) {
        aio_close(&aio->engine);
        return error;
    }
    *engine = &aio->engine;
    return 0;
}

const struct io_methods io_aio = {"aio",      aio_open,      aio_close, aio_add, aio_remove,
                                  aio_submit, aio_take_back, aio_wait,  aio_wake};
