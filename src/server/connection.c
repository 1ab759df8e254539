/* connection.c - from frames to requests to answers. */
#include "server/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/segment.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"
#include "server/helpers.h"
#include "server/inflow.h"
#include "server/listen.h"
#include "server/note.h"

/* While others wait for memory, requests must come at this speed, and large ones must not take too
 * long, be it for want of memory or of an answer. */
#define SLOWEST 64 /* bytes a millisecond */
#define GRACE_MS 5000
#define LONGEST_MS 60000

struct connection {
    struct io_operation receive;
    struct io_operation send;
    struct worker *worker;
    struct connection *older, *newer; /* in the worker's list */
    struct connection *next;          /* arrived, thirsty, or over */
    struct exchange *exchange;        /* the request under way */
    struct inflow inflow;
    int64_t active_ms; /* last sign of life */
    int64_t begun_ms;  /* when the first request that is not answered began to come; 0: none */
    int64_t dry_ms;    /* since when it has waited for memory; 0: it does not */
    uint32_t frame;    /* bytes of the frame of exchange */
    bool receiving, sending;
    bool silent;  /* the peer has ended its sending */
    bool thirsty; /* in worker->thirsty */
    bool closing;
    bool over; /* nobody else has it: in worker->over */
    struct broker_address advertised;
    char *peer; /* owned */
    char *host; /* owned: advertised.host unless the listener has one */
};

static void work(struct connection *connection);

/* ---- its place in the worker's list ---------------------------------------------------------- */

static void unlink_from_list(struct connection *connection)
{
    struct worker *worker = connection->worker;
    *(connection->older ? &connection->older->newer : &worker->oldest) = connection->newer;
    *(connection->newer ? &connection->newer->older : &worker->newest) = connection->older;
}

static void link_as_newest(struct connection *connection)
{
    struct worker *worker = connection->worker;
    connection->older = worker->newest;
    connection->newer = NULL;
    *(worker->newest ? &worker->newest->newer : &worker->oldest) = connection;
    worker->newest = connection;
}

static int64_t touch(struct connection *connection)
{
    connection->active_ms = clock_monotonic_ms();
    if (connection->newer) {
        unlink_from_list(connection);
        link_as_newest(connection);
    }
    return connection->active_ms;
}

struct connection *connection_newer(const struct connection *connection)
{
    return connection->newer;
}

struct connection *connection_next_arrived(const struct connection *connection)
{
    return connection->next;
}

void connection_set_next_arrived(struct connection *connection, struct connection *next)
{
    connection->next = next;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void end_exchange(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct worker *worker = connection->worker;
    connection->exchange = NULL;
    connection->begun_ms = 0;
    broker_end(worker->place->broker, &exchange->request);
    exchange_free(exchange);
    inflow_drop(&connection->inflow, worker->place, connection->frame, connection->receiving);
}

static void leave_thirsty(struct connection *connection)
{
    struct connection **at = &connection->worker->thirsty;
    while (connection->thirsty && *at != connection)
        at = &(*at)->next;
    if (connection->thirsty) {
        *at = connection->next;
        add_full(&connection->worker->place->thirsty, (uint32_t)-1);
    }
    connection->thirsty = false;
}

void connection_discard(struct connection *connection)
{
    file_close(connection->receive.fd);
    add_full(&connection->worker->connections, (uint32_t)-1);
    free(connection->peer);
    free(connection->host);
    free(connection);
}

/* It goes when nobody else has it: at the end of the worker's turn, since callers still look at it.
 */
static void let_go(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->over || connection->receiving || connection->sending ||
        (connection->exchange && connection->exchange->cold))
        return;
    if (connection->exchange)
        end_exchange(connection);
    leave_thirsty(connection);
    connection->over = true;
    connection->next = worker->over;
    worker->over = connection;
}

void connection_bury(struct worker *worker)
{
    struct connection *connection;
    while ((connection = worker->over)) {
        worker->over = connection->next;
        inflow_free(&connection->inflow, worker->place);
        unlink_from_list(connection);
        io_remove(worker->engine, connection->receive.fd);
        connection_discard(connection);
    }
}

void connection_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    if (connection->receiving)
        io_cancel(connection->worker->engine, &connection->receive);
    if (connection->sending)
        io_cancel(connection->worker->engine, &connection->send);
    let_go(connection);
}

/* Closes it and says why: error_text(). */
static void refuse(struct connection *connection)
{
    note('W', "peer=%s closed: %s", connection->peer, error_text());
    connection_close(connection);
}

bool connection_owed(const struct connection *connection)
{
    return connection->closing || connection->sending ||
           (connection->exchange && !connection->exchange->parked);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void sent(struct io_operation *operation, int result)
{
    struct connection *connection =
        (struct connection *)((char *)operation - offsetof(struct connection, send));
    connection->sending = false;
    if (connection->closing) {
        let_go(connection);
        return;
    }
    if (result < 0) {
        char file[EXCHANGE_FILE];
        note(result == MAPLOG_CORRUPT ? 'W' : 'D', "peer=%s closed: %s%s", connection->peer,
             exchange_file(connection->exchange, operation->sent, file), error_text());
        connection_close(connection);
        return;
    }
    touch(connection);
    end_exchange(connection);
    work(connection);
}

static void answer(struct connection *connection)
{
    struct broker_request *request = &connection->exchange->request;
    const struct wire_output *output = &request->output;
    struct io_slice *slices = arena_take_array(&request->arena, output->count, sizeof *slices);
    if (!slices) {
        error_set(MAPLOG_NO_MEMORY, "no memory for an answer");
        refuse(connection);
        return;
    }
    for (uint32_t i = 0; i < output->count; i++) {
        const struct wire_slice *from = &output->slices[i];
        const struct segment *segment = from->source;
        slices[i] = (struct io_slice){.at = from->at,
                                      .size = from->size,
                                      .fd = segment ? segment->log_fd : -1,
                                      .position = from->position};
    }
    connection->send.slices = slices;
    connection->send.count = output->count;
    connection->sending = true;
    io_send(connection->worker->engine, &connection->send);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void park(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    exchange->parked = true;
    if (timers_set(&connection->worker->deadlines, &exchange->deadline,
                   exchange->request.deadline_ms) < 0)
        refuse(connection);
}

static void follow(struct connection *connection, enum broker_outcome outcome)
{
    switch (outcome) {
    case BROKER_ANSWER:
        answer(connection);
        break;
    case BROKER_SILENT:
        end_exchange(connection);
        break;
    case BROKER_PARK:
        park(connection);
        break;
    case BROKER_COLD:
        connection->exchange->cold = true;
        helpers_submit(connection->worker->place->helpers, connection->exchange);
        break;
    case BROKER_CLOSE:
        refuse(connection);
        break;
    }
}

void connection_resume(struct connection *connection)
{
    struct exchange *exchange = connection->exchange;
    struct worker *worker = connection->worker;
    if (connection->closing) {
        let_go(connection);
        return;
    }
    exchange->parked = false;
    timers_clear(&worker->deadlines, &exchange->deadline);
    follow(connection, broker_resume(worker->place->broker, &exchange->request, touch(connection)));
    work(connection);
}

static void begin(struct connection *connection, uint32_t size)
{
    struct worker *worker = connection->worker;
    struct exchange *exchange = exchange_new(worker);
    if (!exchange) {
        error_set(MAPLOG_NO_MEMORY, "no memory for a request");
        refuse(connection);
        return;
    }
    exchange->connection = connection;
    exchange->request.frame =
        bytes_over(connection->inflow.bytes + connection->inflow.start + WIRE_FRAME_PREFIX,
                   size - WIRE_FRAME_PREFIX);
    exchange->request.advertised = connection->advertised;
    exchange->request.peer = connection->peer;
    connection->exchange = exchange;
    connection->frame = size;
    int64_t now_ms = touch(connection);
    if (!connection->begun_ms)
        connection->begun_ms = now_ms;
    follow(connection, broker_begin(worker->place->broker, &exchange->request, now_ms));
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void receive_more(struct connection *connection)
{
    struct worker *worker = connection->worker;
    struct inflow_room room;
    if (!connection->begun_ms && connection->inflow.end > connection->inflow.start)
        connection->begun_ms = connection->active_ms;
    int result =
        inflow_room(&connection->inflow, worker->place, connection->exchange != NULL, &room);
    if (result == 0) {
        if (connection->dry_ms)
            connection->begun_ms = clock_monotonic_ms();
        connection->dry_ms = 0;
        connection->receive.buffer = room.at;
        connection->receive.size = room.size;
        connection->receiving = true;
        io_receive(worker->engine, &connection->receive);
    } else if (room.thirsty && !connection->thirsty) {
        connection->thirsty = true;
        connection->next = worker->thirsty;
        worker->thirsty = connection;
        add_full(&worker->place->thirsty, 1);
        if (!connection->dry_ms)
            connection->dry_ms = clock_monotonic_ms();
    } else if (result != MAPLOG_BUSY) {
        refuse(connection);
    }
}

/* Begins what has come whole, and receives more; while a request is parked too, to see the peer
 * vanish. */
static void work(struct connection *connection)
{
    uint32_t size;
    int whole = 0;
    while (!connection->closing && !connection->exchange) {
        whole = inflow_frame(&connection->inflow, connection->worker->place->frame_limit, &size);
        if (whole <= 0)
            break;
        begin(connection, size);
    }
    if (connection->closing)
        return;
    if (whole < 0)
        refuse(connection);
    else if (connection->silent && !connection->exchange)
        connection_close(connection);
    else if (!connection->silent && !connection->receiving && !connection->thirsty &&
             (!connection->exchange || connection->exchange->parked))
        receive_more(connection);
}

/* The peer ends its sending: what it asked for is still answered, but nobody waits for it. */
static void hear_end(struct connection *connection)
{
    connection->silent = true;
    if (connection->exchange && connection->exchange->parked)
        connection_close(connection);
    else
        work(connection);
}

static void received(struct io_operation *operation, int result)
{
    struct connection *connection =
        (struct connection *)((char *)operation - offsetof(struct connection, receive));
    connection->receiving = false;
    if (connection->closing) {
        let_go(connection);
    } else if (result == MAPLOG_CLOSED) { /* by the sweep: it shall not keep a buffer */
        inflow_free(&connection->inflow, connection->worker->place);
        work(connection);
    } else if (result < 0) {
        note('D', "peer=%s closed: %s", connection->peer, error_text());
        connection_close(connection);
    } else if (result == 0) {
        hear_end(connection);
    } else {
        touch(connection);
        if (operation->buffer)
            connection->inflow.end += (uint32_t)result;
        else if (inflow_keep(&connection->inflow, connection->worker->place, operation->received,
                             (size_t)result) < 0) {
            refuse(connection);
            return;
        }
        work(connection);
    }
}

/* ---- its beginning --------------------------------------------------------------------------- */

struct connection *connection_make(struct worker *worker, int fd,
                                   const struct listener_socket *listener)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->worker = worker;
    connection->receive.fd = connection->send.fd = fd;
    connection->receive.done = received;
    connection->send.done = sent;
    char peer[SOCKET_TEXT], host[SOCKET_TEXT];
    socket_peer(fd, peer);
    connection->peer = strdup(peer);
    connection->advertised = listener_advertised(listener, fd, host);
    if (connection->advertised.host == host)
        connection->advertised.host = connection->host = strdup(host);
    if (connection->peer && connection->advertised.host)
        return connection;
    free(connection->peer);
    free(connection->host);
    free(connection);
    return NULL;
}

void connection_begin(struct connection *connection)
{
    struct worker *worker = connection->worker;
    connection->next = NULL;
    if (io_add(worker->engine, connection->receive.fd) < 0) {
        note('W', "peer=%s closed: %s", connection->peer, error_text());
        connection_discard(connection);
        return;
    }
    connection->active_ms = clock_monotonic_ms();
    link_as_newest(connection);
    note('D', "peer=%s connected", connection->peer);
    work(connection);
}

/* ---- looking after them ---------------------------------------------------------------------- */

/* Buffers for large frames are kept while such frames come; the list is in the order of life, so
 * only those are looked at that fell silent since the last sweep but one. */
static void take_buffers(struct worker *worker, int64_t now_ms)
{
    for (struct connection *each = worker->newest; each; each = each->older) {
        if (each->active_ms > now_ms - 1000)
            continue;
        if (each->active_ms < now_ms - 3000)
            break;
        if (each->receiving && !each->exchange && each->receive.buffer &&
            each->inflow.start == each->inflow.end)
            io_cancel(worker->engine, &each->receive);
    }
}

static bool is_too_slow(const struct connection *connection, int64_t now_ms)
{
    const struct inflow *inflow = &connection->inflow;
    if (!connection->begun_ms || connection->closing)
        return false;
    if (connection->exchange)
        return inflow_is_large(inflow) && now_ms - connection->begun_ms > LONGEST_MS;
    if (connection->dry_ms)
        return now_ms - connection->dry_ms > LONGEST_MS;
    return now_ms - connection->begun_ms > GRACE_MS + (inflow->end - inflow->start) / SLOWEST;
}

/* Who announces much and does not go on shall not keep the memory from those who do. */
static void close_slow(struct worker *worker, int64_t now_ms)
{
    for (struct connection *each = worker->oldest; each; each = each->newer) {
        if (!is_too_slow(each, now_ms))
            continue;
        error_set(MAPLOG_TIMED_OUT, "a request took %lld ms while others wait for memory",
                  (long long)(now_ms - each->begun_ms));
        refuse(each);
    }
}

void connection_sweep(struct worker *worker, int64_t now_ms)
{
    int64_t idle_ms = worker->place->idle_ms;
    struct connection *next;
    take_buffers(worker, now_ms);
    if (load_relaxed(&worker->place->thirsty) > 0)
        close_slow(worker, now_ms);
    for (struct connection *each = worker->oldest; each && idle_ms > 0; each = next) {
        next = each->newer;
        if (now_ms - each->active_ms < idle_ms)
            break;
        if (each->exchange && !each->sending)
            continue; /* it waits for us */
        note('D', "peer=%s closed: idle for %lld ms", each->peer,
             (long long)(now_ms - each->active_ms));
        connection_close(each);
    }
}

void connection_quench(struct worker *worker)
{
    struct connection *each = worker->thirsty;
    worker->thirsty = NULL;
    while (each) {
        struct connection *next = each->next;
        each->thirsty = false;
        add_full(&worker->place->thirsty, (uint32_t)-1);
        each->next = NULL;
        if (!each->closing)
            work(each);
        each = next;
    }
}
