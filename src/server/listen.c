/* listen.c - listeners and advertised.listeners. */
#include "server/listen.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "server/note.h"

#define BACKLOG 1024
#define PORT_WAIT_MS 1000
#define PORT_PAUSE_NS 10000000
#define ENTRY_SIZE (SOCKET_HOST + LISTENER_NAME_SIZE + 16)

/* One entry of a list: "NAME://ADDRESS". */
struct entry {
    char name[LISTENER_NAME_SIZE];
    char address[ENTRY_SIZE];
};

/* What bind_entry needs to know. */
struct binding {
    struct listeners *listeners;
    const struct broker_settings *settings;
};

/* The entry of a comma-separated list that begins with `name` and, if the entry is longer, goes on
 * with ':': what is behind it, else NULL. */
static const char *find_in_list(const char *list, const char *name, size_t *length)
{
    size_t name_length = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " ");
        size_t end = strcspn(at, ", ");
        if (end < name_length || memcmp(at, name, name_length) != 0 ||
            (end > name_length && at[name_length] != ':'))
            continue;
        const char *behind = at + name_length + (end > name_length);
        *length = end - (size_t)(behind - at);
        return behind;
    }
    return NULL;
}

/* Kafka's rule: a name is a protocol unless the map says which one it means. */
static bool is_plain(const struct broker_settings *settings, const char *name)
{
    size_t length = strlen(name);
    const char *protocol = find_in_list(settings->listener_security_protocol_map, name, &length);
    if (!protocol)
        protocol = name;
    return memmem(protocol, length, "SSL", 3) == NULL &&
           memmem(protocol, length, "SASL", 4) == NULL;
}

static int read_entry(const char *setting, const char *text, size_t length, struct entry *entry)
{
    while (length && isspace((unsigned char)*text))
        text++, length--;
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length == 0 || length >= ENTRY_SIZE)
        return error_set(MAPLOG_INVALID,
                         "%s: an address is \"HOST:PORT\", \"NAME://HOST:PORT\" or "
                         "\"unix:///PATH\", not \"%.*s\"",
                         setting, (int)length, text);
    const char *slashes = memmem(text, length, "://", 3);
    bool is_unix = length > 5 && memcmp(text, "unix:", 5) == 0;
    size_t name = slashes && !is_unix ? (size_t)(slashes - text) : 0;
    if (name >= LISTENER_NAME_SIZE)
        return error_set(MAPLOG_INVALID, "%s: the name in \"%.*s\" has more than %d bytes", setting,
                         (int)length, text, LISTENER_NAME_SIZE - 1);
    snprintf(entry->name, sizeof entry->name, "%.*s", name ? (int)name : (int)sizeof "PLAINTEXT",
             name ? text : "PLAINTEXT");
    size_t skip = name ? name + 3 : 0;
    snprintf(entry->address, sizeof entry->address, "%.*s", (int)(length - skip), text + skip);
    return 0;
}

/* Calls visit for each entry of a comma-separated list. */
static int each_entry(const char *setting, const char *list,
                      int (*visit)(void *context, const struct entry *entry), void *context)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        struct entry entry;
        int result = read_entry(setting, list, length, &entry);
        if (!result)
            result = visit(context, &entry);
        if (result)
            return result;
        list += length + (list[length] == ',');
    }
    return 0;
}

static bool is_everywhere(const char *address)
{
    return strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0 ||
           address[0] == '*' || address[0] == ':';
}

/* A server that was killed may have its port for a moment yet: the kernel gives back what io_uring
 * held when the process is gone already. */
static int listen_soon(const char *address, int fds[static SOCKET_LISTENERS])
{
    int64_t last_ms = clock_monotonic_ms() + PORT_WAIT_MS;
    int count;
    while ((count = socket_listen(address, BACKLOG, fds)) == MAPLOG_BUSY &&
           clock_monotonic_ms() < last_ms)
        clock_sleep_ns(PORT_PAUSE_NS);
    return count;
}

static int bind_entry(void *context, const struct entry *entry)
{
    const struct binding *binding = context;
    struct listeners *listeners = binding->listeners;
    size_t length;
    if (find_in_list(binding->settings->controller_listener_names, entry->name, &length))
        return 0; /* a Kafka broker's own quorum; there is none here */
    if (!is_plain(binding->settings, entry->name))
        return error_set(MAPLOG_UNSUPPORTED,
                         "listeners: %s means TLS or SASL, which is not offered: listen in "
                         "PLAINTEXT behind a proxy",
                         entry->name);
    int fds[SOCKET_LISTENERS];
    int count = listen_soon(entry->address, fds);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (listeners->count == LISTENERS) {
            while (i < count)
                socket_close_listener(fds[i++]);
            return error_set(MAPLOG_LIMIT, "listeners: more than %d sockets", LISTENERS);
        }
        struct listener_socket *socket = &listeners->sockets[listeners->count++];
        *socket = (struct listener_socket){.accept.fd = fds[i],
                                           .is_unix = socket_is_unix(entry->address),
                                           .everywhere = is_everywhere(entry->address)};
        memcpy(socket->name, entry->name, sizeof socket->name);
    }
    return 0;
}

static int advertise_entry(void *context, const struct entry *entry)
{
    struct listeners *listeners = context;
    char host[SOCKET_HOST];
    uint16_t port;
    int result = socket_split(entry->address, host, &port);
    if (result)
        return error_prefix(result, "advertised.listeners");
    if (!host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        return error_set(MAPLOG_INVALID,
                         "advertised.listeners: clients cannot connect to \"%s\"; name the host or "
                         "address by which they reach this machine",
                         entry->address);
    bool found = false;
    for (unsigned i = 0; i < listeners->count; i++) {
        struct listener_socket *socket = &listeners->sockets[i];
        if (socket->is_unix || strcmp(socket->name, entry->name) != 0)
            continue;
        memcpy(socket->advertised_host, host, sizeof host);
        socket->advertised_port = port ? port : socket_port(socket->accept.fd);
        found = true;
    }
    if (!found)
        note('W', "advertised.listeners: no listener has the name %s", entry->name);
    return 0;
}

int listeners_open(const struct broker_settings *settings, struct listeners *listeners)
{
    struct binding binding = {listeners, settings};
    *listeners = (struct listeners){0};
    int result = each_entry("listeners", settings->listeners, bind_entry, &binding);
    if (!result && listeners->count == 0)
        result = error_set(MAPLOG_INVALID, "listeners names no address: try localhost:9092");
    if (!result && settings->advertised_listeners)
        result = each_entry("advertised.listeners", settings->advertised_listeners, advertise_entry,
                            listeners);
    if (result)
        listeners_close(listeners);
    return result;
}

void listeners_close(struct listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        socket_close_listener(listeners->sockets[i].accept.fd);
    listeners->count = 0;
}

void listeners_describe(const struct listeners *listeners, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < listeners->count && length < size; i++) {
        char address[SOCKET_TEXT];
        socket_local(listeners->sockets[i].accept.fd, address);
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? "," : "", address);
    }
}

struct broker_address listener_advertised(const struct listener_socket *listener, int fd,
                                          char host[static SOCKET_TEXT])
{
    if (listener->advertised_host[0])
        return (struct broker_address){listener->advertised_host, listener->advertised_port};
    char address[SOCKET_TEXT], split[SOCKET_HOST];
    uint16_t port = 0;
    socket_local(fd, address);
    host[0] = '\0';
    if (socket_split(address, split, &port) == 0)
        snprintf(host, SOCKET_TEXT, "%.*s", SOCKET_TEXT - 1, split);
    return (struct broker_address){host, port};
}
