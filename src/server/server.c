/* server.c - the wiring: directory, broker, listeners, workers. */
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/notify.h"
#include "os/process.h"
#include "os/signals.h"
#include "server/helpers.h"
#include "server/listen.h"
#include "server/note.h"
#include "server/worker.h"

#define ACCEPT_PAUSE_MS 100 /* after the process ran out of descriptors */

struct server {
    const struct server_options *options;
    struct directory *directory;
    struct listeners listeners;
    struct broker_host host;
    struct workplace place;
    struct io_engine *engine; /* of the main thread: accepts */
    _Atomic bool deaf;        /* the engine is not there to be woken */
    struct worker *workers;
    unsigned workers_count, workers_begun;
    unsigned accepting;      /* listeners with an accept under way */
    int64_t accept_again_ms; /* 0: nothing to resume */
    bool paused[LISTENERS];  /* their accept waits for accept_again_ms */
    bool stopping;
};

/* One server a process: completions and signals find it here. */
static struct server *this_server;

/* ---- what the broker asks of its host -------------------------------------------------------- */

static void host_wake(void *context, struct broker_request *request)
{
    (void)context;
    exchange_wake(request->server);
}

static void host_note(void *context, char level, const char *text)
{
    (void)context;
    note(level, "%s", text);
}

static void host_random(void *context, uint8_t *to, size_t size)
{
    (void)context;
    if (process_random(to, (unsigned)size) < 0)
        note('E', "no random numbers: %s", error_text());
}

/* ---- accepting ------------------------------------------------------------------------------- */

static struct worker *least_busy(struct server *server)
{
    struct worker *best = &server->workers[0];
    for (unsigned i = 1; i < server->workers_count; i++)
        if (load_relaxed(&server->workers[i].connections) < load_relaxed(&best->connections))
            best = &server->workers[i];
    return best;
}

static void accept_next(struct server *server, struct listener_socket *listener)
{
    server->accepting++;
    io_accept(server->engine, &listener->accept);
}

static void accepted(struct io_operation *operation, int result)
{
    struct server *server = this_server;
    struct listener_socket *listener =
        (struct listener_socket *)((char *)operation - offsetof(struct listener_socket, accept));
    server->accepting--;
    if (result == MAPLOG_CLOSED)
        return;
    if (result >= 0 && worker_take(least_busy(server), result, listener) < 0)
        note('W', "a connection was closed at once: %s", error_text());
    if (server->stopping)
        return;
    if (result < 0) {
        note('E', "cannot accept connections: %s; trying again in %d ms", error_text(),
             ACCEPT_PAUSE_MS);
        server->paused[listener - server->listeners.sockets] = true;
        server->accept_again_ms = clock_monotonic_ms() + ACCEPT_PAUSE_MS;
        return;
    }
    accept_next(server, listener);
}

static int begin_accepting(struct server *server)
{
    for (unsigned i = 0; i < server->listeners.count; i++) {
        struct listener_socket *listener = &server->listeners.sockets[i];
        int result = io_add(server->engine, listener->accept.fd);
        if (result)
            return result;
        listener->accept.done = accepted;
        accept_next(server, listener);
    }
    return 0;
}

static void accept_again(struct server *server)
{
    server->accept_again_ms = 0;
    for (unsigned i = 0; i < server->listeners.count; i++) {
        if (server->paused[i])
            accept_next(server, &server->listeners.sockets[i]);
        server->paused[i] = false;
    }
}

static void stop_accepting(struct server *server)
{
    server->stopping = true;
    for (unsigned i = 0; i < server->listeners.count; i++)
        if (server->listeners.sockets[i].accept.done && !server->paused[i])
            io_cancel(server->engine, &server->listeners.sockets[i].accept);
    while (server->accepting)
        if (io_wait(server->engine, -1) < 0)
            break;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void set_place(struct server *server, unsigned workers)
{
    const struct broker_settings *settings = server->options->settings;
    struct workplace *place = &server->place;
    place->engine = server->options->engine ? server->options->engine : io_name(0);
    place->send = server->options->send ? server->options->send : io_send_name(0);
    place->idle_ms = settings->idle_ms;
    place->frame_limit = (uint32_t)settings->request_max_bytes;
    place->memory_limit = settings->memory_bytes;
    /* A request of the largest size must fit, or it would wait for ever. */
    if (place->memory_limit > 0 && place->memory_limit < 2ll * settings->request_max_bytes)
        place->memory_limit = 2ll * settings->request_max_bytes;
    uint32_t most = settings->connections_max > 0 ? (uint32_t)settings->connections_max : INT32_MAX;
    place->connections_limit = most / workers + (most % workers != 0);
}

static int open_workers(struct server *server)
{
    int32_t asked = server->options->settings->workers;
    unsigned count = asked > 0 ? (unsigned)asked : process_cpus();
    set_place(server, count);
    server->workers = calloc(count, sizeof *server->workers);
    if (!server->workers)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %u workers", count);
    for (; server->workers_count < count; server->workers_count++) {
        int result = worker_open(&server->place, &server->workers[server->workers_count]);
        if (result)
            return result;
    }
    return 0;
}

static int begin_workers(struct server *server)
{
    for (; server->workers_begun < server->workers_count; server->workers_begun++) {
        int result = worker_begin(&server->workers[server->workers_begun]);
        if (result)
            return result;
    }
    return 0;
}

const char *server_data(const struct server_options *options)
{
    if (options->data)
        return options->data;
    const char *said = options->settings->log_dirs;
    return said && said[0] ? said : "data";
}

/* People and networks set the clock; the broker is told what the date is by now. */
static void tell_date(struct server *server)
{
    broker_set_wall(server->place.broker, clock_wall_ms() - clock_monotonic_ms());
}

static int begin(struct server *server)
{
    const struct server_options *options = server->options;
    const struct broker_settings *settings = options->settings;
    const struct maplog_open_options attach = {.flags = MAPLOG_CREATE,
                                               .timeout_ms = options->attach_ms};
    struct io_limits limits = {.descriptors = LISTENERS, .buffer_bytes = 4096};
    if (!options->data && strchr(server_data(options), ','))
        return error_set(MAPLOG_UNSUPPORTED,
                         "log.dirs: one directory holds everything here, not several (\"%s\")",
                         server_data(options));
    /* Engines and ports first: what cannot be had, or is another server's, leaves the data alone.
     */
    int result = open_workers(server);
    if (!result)
        result = io_open(server->place.engine, &limits, &server->engine);
    if (!result)
        result = listeners_open(settings, &server->listeners);
    if (!result)
        result = directory_open(server_data(options), &attach, &server->directory);
    if (!result)
        result = broker_open(server->directory, settings, &server->host, clock_monotonic_ms(),
                             &server->place.broker);
    if (!result)
        tell_date(server);
    if (!result)
        result = helpers_open(&server->place.helpers);
    if (!result)
        result = begin_workers(server);
    if (!result)
        result = begin_accepting(server);
    return result;
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* Connections first, then what they use. */
static void end(struct server *server)
{
    int64_t stop_ms = clock_monotonic_ms() + server->options->settings->shutdown_ms;
    if (server->engine)
        stop_accepting(server);
    for (unsigned i = 0; i < server->workers_begun; i++)
        worker_stop(&server->workers[i], stop_ms);
    for (unsigned i = 0; i < server->workers_begun; i++)
        worker_join(&server->workers[i]);
    helpers_close(server->place.helpers);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_free(&server->workers[i]);
    broker_close(server->place.broker);
    directory_drop(server->directory);
    for (unsigned i = 0; server->engine && i < server->listeners.count; i++)
        if (server->listeners.sockets[i].accept.done)
            io_remove(server->engine, server->listeners.sockets[i].accept.fd);
    store_relaxed(&server->deaf, true); /* only this thread is left to hear signals */
    io_close(server->engine);
    listeners_close(&server->listeners);
    free(server->workers);
}

/* ---- running --------------------------------------------------------------------------------- */

static void reload(struct server *server)
{
    struct broker_settings fresh;
    notify_reloading();
    broker_settings_default(&fresh);
    if (server->options->configure(server->options->context, &fresh) < 0) {
        note('E', "settings stay as they were: %s", error_text());
    } else {
        broker_configure(server->place.broker, &fresh);
        note('I', "settings were read again");
    }
    broker_settings_free(&fresh);
    notify_ready();
}

static int64_t wait_ns(const struct server *server, int64_t tick_ms)
{
    int64_t next = server->accept_again_ms && server->accept_again_ms < tick_ms
                       ? server->accept_again_ms
                       : tick_ms;
    int64_t now = clock_monotonic_ms();
    return next <= now ? 0 : (next - now) * 1000000;
}

static int run(struct server *server)
{
    for (;;) {
        int64_t now = clock_monotonic_ms();
        tell_date(server);
        int64_t tick_ms = broker_tick(server->place.broker, now);
        if (server->accept_again_ms && server->accept_again_ms <= now)
            accept_again(server);
        int result = io_wait(server->engine, wait_ns(server, tick_ms));
        if (result < 0)
            return result;
        unsigned came = signals_take();
        if (came & SIGNALS_RELOAD)
            reload(server);
        if (came & SIGNALS_STOP)
            return 0;
    }
}

static void wake_main(void *context)
{
    struct server *server = context;
    if (!load_relaxed(&server->deaf))
        io_wake(server->engine);
}

int server_run(const struct server_options *options)
{
    int64_t started_ns = clock_monotonic_ns();
    struct server server = {
        .options = options,
        .host = {.wake = host_wake, .note = host_note, .random = host_random},
    };
    this_server = &server;
    process_raise_descriptors();
    process_return_memory();
    int result = begin(&server);
    if (!result)
        result = signals_catch(wake_main, &server);
    if (!result) {
        char where[NOTE_SIZE / 2];
        listeners_describe(&server.listeners, where, sizeof where);
        note('I', "serving data=%s listeners=%s workers=%u io=%s send=%s started_in_us=%" PRId64,
             server_data(options), where, server.workers_count, server.place.engine,
             server.place.send, (clock_monotonic_ns() - started_ns) / 1000);
        notify_ready();
        result = run(&server);
        notify_stopping();
        if (!result)
            note('I', "stopping: open requests have %" PRId64 " ms",
                 options->settings->shutdown_ms);
    }
    char why[ERROR_TEXT_SIZE]; /* what ends may fail on its way, too */
    snprintf(why, sizeof why, "%s", error_text());
    end(&server);
    if (!result)
        note('I', "stopped");
    else
        error_set(result, "%s", why);
    signals_release(); /* now a closed standard error could end the process */
    this_server = NULL;
    return result;
}
