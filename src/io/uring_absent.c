/* uring_absent.c - stands for the engine on io_uring in builds without liburing. */
#include "base/error.h"
#include "io/methods.h"

static int uring_absent_open(const struct io_limits *limits, struct io_engine **engine)
{
    (void)limits;
    (void)engine;
    return error_set(MAPLOG_UNSUPPORTED,
                     "this build has no io_uring: it was made where liburing was not installed "
                     "(Debian: liburing-dev)");
}

const struct io_methods io_uring_engine = {.name = "uring", .open = uring_absent_open};
