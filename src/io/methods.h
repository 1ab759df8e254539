/* methods.h - what an engine is to engine.c, which alone calls it. One table an engine, listed in
 * engine.c; an engine's own struct begins with struct io_engine. */
#pragma once

#include "io/engine.h"

enum io_kind { IO_ACCEPT, IO_RECEIVE, IO_SEND };

struct io_methods {
    const char *name;
    int (*open)(const struct io_limits *limits, struct io_engine **engine);
    void (*close)(struct io_engine *engine);
    int (*add)(struct io_engine *engine, int fd);
    void (*remove)(struct io_engine *engine, int fd);
    void (*submit)(struct io_engine *engine, struct io_operation *operation); /* kind is set */
    void (*cancel)(struct io_engine *engine, struct io_operation *operation);
    int (*wait)(struct io_engine *engine, int64_t timeout_ns);
    void (*wake)(struct io_engine *engine);
};

struct io_engine {
    const struct io_methods *methods;
};

extern const struct io_methods io_epoll, io_poll, io_select, io_nonblocking, io_sigio;
extern const struct io_methods io_blocking, io_pool; /* Proactors made of threads */
extern const struct io_methods io_aio;               /* a Proactor, by glibc's threads */
extern const struct io_methods io_uring_engine; /* uring_absent.c in a build without liburing */
