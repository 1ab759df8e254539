/*
 * listen.h - the addresses at which clients come in, and the ones that they are told to come back
 * to. Made at the start; read by any thread from then on.
 */
#pragma once

#include "broker/request.h"
#include "broker/settings.h"
#include "io/engine.h"
#include "os/socket.h"

#define LISTENERS 32          /* sockets of one server */
#define LISTENER_NAME_SIZE 32 /* bytes of "PLAINTEXT" with the NUL */

struct listener_socket {
    struct io_operation accept; /* the server's */
    char name[LISTENER_NAME_SIZE];
    bool is_unix;
    bool everywhere;                   /* bound to every address of the machine */
    char advertised_host[SOCKET_HOST]; /* "" : the address that the client used */
    uint16_t advertised_port;
};

struct listeners {
    struct listener_socket sockets[LISTENERS];
    unsigned count;
};

/* Binds what settings->listeners names, as Kafka writes it ("PLAINTEXT://HOST:PORT,...") or shorter
 * ("HOST:PORT", "unix:///PATH"), and fits settings->advertised_listeners to it. MAPLOG_INVALID,
 * MAPLOG_UNSUPPORTED (TLS, SASL), and what socket_listen answers; nothing is left open then. */
int listeners_open(const struct broker_settings *settings, struct listeners *listeners);
void listeners_close(struct listeners *listeners); /* fine when {0} */
/* "127.0.0.1:9092, unix:///run/maplog.sock" */
void listeners_describe(const struct listeners *listeners, char *text, size_t size);
/* What a client that came in at `fd` is told: an explicit address, or the one that it used. host:
 * room for that. */
struct broker_address listener_advertised(const struct listener_socket *listener, int fd,
                                          char host[static SOCKET_TEXT]);
