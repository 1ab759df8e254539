/* engine.c - the engines by their names. */
#include "io/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "io/methods.h"

#define NAMES_SIZE 128 /* text of all names */

static const struct io_methods *const engines[] = {&io_epoll,       &io_poll,  &io_select,
                                                   &io_nonblocking, &io_sigio, &io_blocking,
                                                   &io_pool,        &io_aio,   &io_uring_engine};

#define ENGINES (sizeof engines / sizeof engines[0])

int io_open(const char *name, const struct io_limits *limits, struct io_engine **engine)
{
    char names[NAMES_SIZE] = "";
    size_t length = 0;
    for (size_t i = 0; i < ENGINES; i++) {
        if (strcmp(name, engines[i]->name) == 0)
            return engines[i]->open(limits, engine);
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                                   engines[i]->name);
    }
    return error_set(MAPLOG_INVALID, "no engine is called %s; there are %s", name, names);
}

const char *io_name(unsigned index)
{
    return index < ENGINES ? engines[index]->name : NULL;
}

void io_close(struct io_engine *engine)
{
    if (engine)
        engine->methods->close(engine);
}

int io_add(struct io_engine *engine, int fd)
{
    return engine->methods->add(engine, fd);
}

void io_remove(struct io_engine *engine, int fd)
{
    engine->methods->remove(engine, fd);
}

static void submit(struct io_engine *engine, struct io_operation *operation, enum io_kind kind)
{
    operation->kind = kind;
    engine->methods->submit(engine, operation);
}

void io_accept(struct io_engine *engine, struct io_operation *operation)
{
    submit(engine, operation, IO_ACCEPT);
}

void io_receive(struct io_engine *engine, struct io_operation *operation)
{
    submit(engine, operation, IO_RECEIVE);
}

void io_send(struct io_engine *engine, struct io_operation *operation)
{
    submit(engine, operation, IO_SEND);
}

void io_cancel(struct io_engine *engine, struct io_operation *operation)
{
    engine->methods->cancel(engine, operation);
}

int io_wait(struct io_engine *engine, int64_t timeout_ns)
{
    return engine->methods->wait(engine, timeout_ns);
}

void io_wake(struct io_engine *engine)
{
    engine->methods->wake(engine);
}
