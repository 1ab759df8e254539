/*
 * socket.h - sockets: addresses, listening, connecting, and a client's blocking transfer. Any
 * thread. Waiting for many sockets at a time is io/'s work.
 *
 * An address is a text: "HOST:PORT" ("localhost:9092", "[::1]:9092", "10.0.0.7:0"), or
 * "unix:///path/name.sock". "*", "", "0.0.0.0" and "[::]" as host of a listener mean every address
 * of this machine, IPv4 and IPv6. All descriptors are close-on-exec and non-blocking.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOCKET_HOST 256      /* bytes of a host name with the NUL */
#define SOCKET_TEXT 128      /* bytes of an address's text with the NUL */
#define SOCKET_LISTENERS 8   /* most sockets that one address may need */
#define SOCKET_NO_DEADLINE 0 /* for the deadlines below */

/* Splits "HOST:PORT" and "[v6]:PORT"; the brackets are left out. MAPLOG_INVALID says what is
 * missing. A text that begins with "unix:" gives its path as host, which must fit, and port 0. */
int socket_split(const char *address, char host[static SOCKET_HOST], uint16_t *port);
bool socket_is_unix(const char *address);

/* Binds and listens: a descriptor for each address that the name has (two for localhost), the
 * same port for all; port 0 picks a free one (socket_port tells). TCP sockets that are accepted
 * from it have TCP_NODELAY and keepalive on. A stale Unix socket file is replaced.
 * Returns how many descriptors it put into fds; each is closed with socket_close_listener.
 * MAPLOG_BUSY (in use), MAPLOG_INVALID, MAPLOG_NOT_FOUND (no such host or address here),
 * MAPLOG_DENIED, MAPLOG_LIMIT, MAPLOG_IO; the text says what to do. */
int socket_listen(const char *address, int backlog, int fds[static SOCKET_LISTENERS]);
/* Closes it; a Unix socket's file goes too. Accepts -1. */
void socket_close_listener(int fd);
/* Accepts -1. Bytes that were sent still go out. */
void socket_close(int fd);
/* Closes so that the peer sees a reset and the kernel keeps nothing back. Accepts -1. */
void socket_abort(int fd);
/* The peer reads an end; receiving goes on. */
void socket_end_sending(int fd);
/* Receives read an end behind what has come by now, those that wait in other threads, too. */
void socket_end_receiving(int fd);
/* A second descriptor of the same socket. MAPLOG_LIMIT: the process has none left. */
int socket_duplicate(int fd, int *again);

/* Whether calls wait for the peer. MAPLOG_IO: fd is no descriptor that could. */
int socket_set_blocking(int fd, bool blocking);
/* A call that waits does so for at most so long, and then says EAGAIN; 0: without limit. Sockets
 * that are accepted from it inherit this. */
void socket_limit_waits(int fd, int ms);
void socket_limit_sends(int fd, int ms); /* only those */

/* From now on sends with MSG_ZEROCOPY leave the bytes where they are; false: this socket (as Unix
 * sockets) or this kernel (before 4.14) has no such thing. */
bool socket_allow_zerocopy(int fd);
/* MAPLOG_UNSUPPORTED: this kernel has it for no socket. */
int socket_try_zerocopy(void);

/* "127.0.0.1:51234", "[::1]:9092", "unix:///path"; a Unix peer is "unix:pid=N". "?" when unknown,
 * as for a peer that is gone. */
void socket_local(int fd, char text[static SOCKET_TEXT]);
void socket_peer(int fd, char text[static SOCKET_TEXT]);
uint16_t socket_port(int fd); /* own port; 0 for a Unix socket */

/* Connects to HOST:PORT or unix:///path, each address of the name in turn, for at most timeout_ms
 * in all (< 0: as long as the system tries). *fd is closed with socket_close.
 * MAPLOG_TIMED_OUT, MAPLOG_NOT_FOUND (the name), MAPLOG_IO (refused, unreachable). */
int socket_connect(const char *address, int timeout_ms, int *fd);
/* Until all of it is with the kernel, or clock_monotonic_ns() has reached the deadline
 * (SOCKET_NO_DEADLINE: none). MAPLOG_TIMED_OUT, MAPLOG_IO (the peer is gone). */
int socket_send_all(int fd, const void *from, size_t length, int64_t deadline_ns);
/* Some bytes, at most length; *got 0: the peer has ended. MAPLOG_TIMED_OUT, MAPLOG_IO. */
int socket_receive(int fd, void *to, size_t length, int64_t deadline_ns, size_t *got);
/* Exactly length bytes. MAPLOG_CLOSED when the peer ended before the first of them. */
int socket_receive_all(int fd, void *to, size_t length, int64_t deadline_ns);
