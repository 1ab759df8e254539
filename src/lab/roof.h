/*
 * roof.h - servers that do nothing but what is measured: what the bare machine can do. They run in
 * the child of a subject (subject.h) until they are killed.
 */
#pragma once

#include <stddef.h>

struct roof_echo {
    size_t request_bytes, answer_bytes;
};
/* To each request of that size an answer of that size, which begins as a frame of Kafka's does, by
 * one loop on epoll. context: struct roof_echo. */
void roof_echo(int listener, void *context);

struct roof_stream {
    int file;
    size_t size;  /* of the file */
    size_t chunk; /* of a call */
};
/* To one connection after the other the file, again and again, by sendfile. context: struct
 * roof_stream. */
void roof_stream(int listener, void *context);
