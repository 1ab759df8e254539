/* socket_address.h - what the parts of socket.c share: addresses as the kernel has them. Internal
 * to os/socket*.c. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "os/socket.h"

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    };
    socklen_t size;
};

/* The addresses of "HOST:PORT" or "unix:PATH", at most SOCKET_LISTENERS, IPv4 of localhost first;
 * how many. any: an empty host and its like are every address of this machine, which is first the
 * IPv6 address that takes IPv4 too, and then IPv4's, for machines without IPv6. */
int socket_resolve(const char *name, bool any,
                   struct socket_address addresses[static SOCKET_LISTENERS]);
bool socket_is_any(const struct socket_address *address);
void socket_set_port(struct socket_address *address, uint16_t port);
uint16_t socket_get_port(const struct socket_address *address);
void socket_text(const struct socket_address *address, char text[static SOCKET_TEXT]);
