/* echo.h - connections that send back what they receive. */
#pragma once

#include "scene.h"

/* Receives, sends back, receives again: all from within done(). */
struct echo {
    struct io_operation receive; /* first */
    struct io_operation send;
    struct io_slice slice;
    char bytes[100];
    size_t total;
    bool ended;
};

static inline void echo_received(struct io_operation *operation, int result)
{
    struct echo *echo = (struct echo *)operation;
    echo->ended = result <= 0;
    if (echo->ended)
        return;
    echo->total += (size_t)result;
    echo->slice = memory_slice(operation->received, (size_t)result);
    io_send(scene.engine, &echo->send);
}

static inline void echo_sent(struct io_operation *operation, int result)
{
    struct echo *echo = (struct echo *)((char *)operation - offsetof(struct echo, send));
    assert_int_equal(result, 0);
    io_receive(scene.engine, &echo->receive);
}

static inline void echo_begin(struct echo *echo, int fd)
{
    *echo = (struct echo){.receive = {.fd = fd, .done = echo_received},
                          .send = {.fd = fd, .done = echo_sent}};
    echo->receive.buffer = (uint8_t *)echo->bytes;
    echo->receive.size = sizeof echo->bytes;
    echo->send.slices = &echo->slice;
    echo->send.count = 1;
    io_receive(scene.engine, &echo->receive);
}

/* Again and again: the peer may have an answer before its sender's done() is called, and only then
 * there is a receive to be cancelled. */
static inline void echo_end(struct echo *echo)
{
    while (!echo->ended) {
        io_cancel(scene.engine, &echo->receive);
        assert_int_equal(io_wait(scene.engine, -1), 0);
    }
}
