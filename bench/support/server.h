/*
 * server.h - `maplog serve` beside a benchmark: a child process on a free port, and what it used.
 *
 * The program is the one of the same build, ../maplog from the benchmark's own place.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_SERVER_CPU 0 /* where servers and bare receivers run */
#define BENCH_CLIENT_CPU 1

struct bench_server {
    pid_t pid;
    uint16_t port; /* on 127.0.0.1 */
    int notes;     /* read end of its standard error */
};

/* Private and page-cache memory of a process, in MiB. */
struct bench_memory {
    double private, cache;
};

/* Begins it, pinned to BENCH_SERVER_CPU, and returns once it listens. Exits on failure. */
void bench_server_start(struct bench_server *server, const char *directory);
void bench_server_stop(struct bench_server *server);
struct bench_memory bench_server_memory(const struct bench_server *server);
double bench_process_cpu(pid_t pid); /* seconds of all threads, those that ended too */

/* A blocking connection to 127.0.0.1 with TCP_NODELAY; exits on failure. */
int bench_connect(uint16_t port);
/* A listener on 127.0.0.1 for bare counterparts, and the next connection of it. */
int bench_listen(uint16_t *port);
int bench_accept(int listener);
void bench_send(int fd, const void *bytes, size_t size);
void bench_receive(int fd, void *bytes, size_t size);
