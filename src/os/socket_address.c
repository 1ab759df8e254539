/* socket_address.c - addresses: from text, from the resolver, and back to text. */
#include "os/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define UNIX_PREFIX "unix:"

bool socket_is_unix(const char *address)
{
    return strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

/* "unix:///path" and "unix:path"; a longer path of slashes is one slash. */
static const char *unix_path(const char *address)
{
    const char *path = address + strlen(UNIX_PREFIX);
    return strncmp(path, "//", 2) == 0 ? path + 2 : path;
}

static int read_port(const char *address, const char *text, uint16_t *port)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number > UINT16_MAX)
        return error_set(MAPLOG_INVALID, "\"%s\": the port is a number from 0 to 65535", address);
    *port = (uint16_t)number;
    return 0;
}

int socket_split(const char *address, char host[static SOCKET_HOST], uint16_t *port)
{
    const char *begin = address, *end, *colon;
    uint16_t number = 0;
    if (socket_is_unix(address)) {
        begin = unix_path(address);
        end = begin + strlen(begin);
        if (end == begin)
            return error_set(MAPLOG_INVALID, "\"%s\" has no path, as in unix:///run/maplog.sock",
                             address);
    } else {
        if (*address == '[') {
            begin++;
            end = strchr(begin, ']');
            colon = end && end[1] == ':' ? end + 1 : NULL;
        } else {
            end = colon = strrchr(address, ':');
            if (colon && memchr(address, ':', (size_t)(colon - address)))
                return error_set(MAPLOG_INVALID,
                                 "\"%s\": an IPv6 address stands in brackets, as in [::1]:9092",
                                 address);
        }
        if (!colon)
            return error_set(MAPLOG_INVALID, "\"%s\" is not HOST:PORT, as in localhost:9092",
                             address);
        int error = read_port(address, colon + 1, &number);
        if (error)
            return error;
    }
    if (end - begin >= SOCKET_HOST)
        return error_set(MAPLOG_INVALID, "a host name is shorter than %d bytes", SOCKET_HOST);
    memmove(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port = number;
    return 0;
}

/* ---- from names ------------------------------------------------------------------------------ */

static struct socket_address ipv4_address(in_addr_t host, uint16_t port)
{
    struct socket_address address = {.size = sizeof address.ipv4};
    address.ipv4.sin_family = AF_INET;
    address.ipv4.sin_addr.s_addr = htonl(host);
    address.ipv4.sin_port = htons(port);
    return address;
}

static struct socket_address ipv6_address(const struct in6_addr *host, uint16_t port)
{
    struct socket_address address = {.size = sizeof address.ipv6};
    address.ipv6.sin6_family = AF_INET6;
    address.ipv6.sin6_addr = *host;
    address.ipv6.sin6_port = htons(port);
    return address;
}

static int unix_address(const char *name, struct socket_address *address)
{
    const char *path = unix_path(name);
    *address = (struct socket_address){.size = sizeof address->local};
    address->local.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->local.sun_path)
        return error_set(MAPLOG_INVALID, "%s: the path of a Unix socket is shorter than %zu bytes",
                         path, sizeof address->local.sun_path);
    memcpy(address->local.sun_path, path, strlen(path) + 1);
    return 1;
}

static int look_up(const char *host, uint16_t port,
                   struct socket_address addresses[static SOCKET_LISTENERS])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;
    int failed = getaddrinfo(host, NULL, &hints, &found);
    if (failed == EAI_NONAME) {
        hints.ai_flags = 0;
        failed = getaddrinfo(host, NULL, &hints, &found);
    }
    if (failed)
        return error_set(MAPLOG_NOT_FOUND, "cannot resolve host \"%s\": %s", host,
                         gai_strerror(failed));
    int count = 0;
    for (struct addrinfo *one = found; one && count < SOCKET_LISTENERS; one = one->ai_next) {
        if (one->ai_addrlen > sizeof addresses->ipv6)
            continue;
        memcpy(&addresses[count].any, one->ai_addr, one->ai_addrlen);
        addresses[count].size = one->ai_addrlen;
        socket_set_port(&addresses[count++], port);
    }
    freeaddrinfo(found);
    return count;
}

int socket_resolve(const char *name, bool any,
                   struct socket_address addresses[static SOCKET_LISTENERS])
{
    char host[SOCKET_HOST];
    uint16_t port;
    int error = socket_split(name, host, &port);
    if (error)
        return error;
    if (socket_is_unix(name))
        return unix_address(name, addresses);
    /* Not left to the resolver: containers come without /etc/hosts, or with half of it. */
    if (strcmp(host, "localhost") == 0) {
        addresses[0] = ipv4_address(INADDR_LOOPBACK, port);
        addresses[1] = ipv6_address(&in6addr_loopback, port);
        return 2;
    }
    if (any && (!*host || strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 ||
                strcmp(host, "::") == 0)) {
        addresses[0] = ipv6_address(&in6addr_any, port);
        addresses[1] = ipv4_address(INADDR_ANY, port);
        return 2;
    }
    if (!*host)
        return error_set(MAPLOG_INVALID, "\"%s\" has no host, as in localhost:9092", name);
    return look_up(host, port, addresses);
}

bool socket_is_any(const struct socket_address *address)
{
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->ipv6.sin6_addr);
}

/* ---- parts and text -------------------------------------------------------------------------- */

void socket_set_port(struct socket_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->ipv4.sin_port = htons(port);
    else if (address->any.sa_family == AF_INET6)
        address->ipv6.sin6_port = htons(port);
}

uint16_t socket_get_port(const struct socket_address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->ipv4.sin_port);
    return address->any.sa_family == AF_INET6 ? ntohs(address->ipv6.sin6_port) : 0;
}

void socket_text(const struct socket_address *address, char text[static SOCKET_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    const uint8_t *bytes = address->ipv6.sin6_addr.s6_addr;
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->ipv4.sin_addr, host, sizeof host);
        snprintf(text, SOCKET_TEXT, "%s:%u", host, socket_get_port(address));
        break;
    case AF_INET6:
        /* An IPv4 peer of a socket for both is shown as what it is. */
        if (IN6_IS_ADDR_V4MAPPED(&address->ipv6.sin6_addr))
            snprintf(text, SOCKET_TEXT, "%u.%u.%u.%u:%u", bytes[12], bytes[13], bytes[14],
                     bytes[15], socket_get_port(address));
        else
            snprintf(text, SOCKET_TEXT, "[%s]:%u",
                     inet_ntop(AF_INET6, &address->ipv6.sin6_addr, host, sizeof host),
                     socket_get_port(address));
        break;
    case AF_UNIX:
        snprintf(text, SOCKET_TEXT, "unix://%.*s", (int)sizeof address->local.sun_path,
                 address->local.sun_path);
        break;
    default:
        snprintf(text, SOCKET_TEXT, "?");
    }
}
