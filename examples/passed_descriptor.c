/*
 * passed_descriptor - strangers share a log that has no name: one passes its descriptor to the
 * other over a Unix socket (SCM_RIGHTS). Who may connect to the socket may read the log.
 *
 *     passed_descriptor give /tmp/socket hello world &
 *     passed_descriptor take /tmp/socket
 *
 * cc passed_descriptor.c $(pkg-config --cflags --libs maplog)
 */
#include <errno.h>
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "passed_descriptor: %s: %s\n", what, why);
    exit(1);
}

/* Gives the answer of a call of the library back, or ends the program with what went wrong. */
static int check(int answer)
{
    if (answer < 0)
        fail("log", maplog_error_text());
    return answer;
}

/* A Unix socket, and in *address where it is to be found. */
static int unix_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        fail(path, "too long for a socket's path");
    memcpy(address->sun_path, path, strlen(path));
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* What a descriptor travels in, beside at least one byte of data. */
union control {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

static void give(const char *path, char **texts)
{
    struct sockaddr_un address;
    maplog *log;
    maplog_producer *producer;
    check(maplog_open_anonymous(NULL, &log));
    check(maplog_producer_open(log, "anonymous", NULL, &producer));
    int listener = unix_socket(path, &address), fd = maplog_descriptor(log), connection;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1) ||
        (connection = accept(listener, NULL, NULL)) < 0)
        fail(path, strerror(errno));
    unlink(path);
    union control control = {.head = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec data = {.iov_base = "", .iov_len = 1};
    struct msghdr parcel = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
    parcel.msg_controllen = sizeof control;
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (sendmsg(connection, &parcel, MSG_NOSIGNAL) != 1)
        fail(path, strerror(errno));
    for (; *texts; texts++) {
        struct maplog_record record = {.value = *texts, .value_size = strlen(*texts)};
        check(maplog_produce(producer, &record, NULL));
    }
    maplog_producer_close(producer);
    maplog_close(log); /* the taker keeps the memory, and is told of our end by the socket's */
}

static void take(const char *path)
{
    struct sockaddr_un address;
    int connection = unix_socket(path, &address), fd;
    for (int tries = 0; connect(connection, (struct sockaddr *)&address, sizeof address); tries++)
        if (usleep(10000), tries == 500) /* the giver may be about to start: wait five seconds */
            fail(path, strerror(errno));
    union control control = {0};
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr parcel = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
    parcel.msg_controllen = sizeof control;
    if (recvmsg(connection, &parcel, MSG_CMSG_CLOEXEC) != 1 ||
        control.head.cmsg_type != SCM_RIGHTS || control.head.cmsg_len != CMSG_LEN(sizeof fd))
        fail(path, "no descriptor came");
    memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);

    maplog *log;
    maplog_consumer *consumer;
    struct maplog_message message;
    check(maplog_attach(fd, &log));
    check(maplog_consumer_open(log, "anonymous", NULL, &consumer));
    close(fd); /* the log is mapped now */
    int taken, ended = 0;
    while ((taken = check(maplog_consume(consumer, &message, 100))) == 1 || !ended)
        if (taken)
            printf("%.*s\n", (int)message.value_size, (const char *)message.value);
        else /* nothing for a while: is the giver gone? then look once more */
            ended = recv(connection, &byte, 1, MSG_DONTWAIT) == 0;
    maplog_consumer_close(consumer);
    maplog_close(log);
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "give") == 0)
        return give(argv[2], argv + 3), 0;
    if (argc == 3 && strcmp(argv[1], "take") == 0)
        return take(argv[2]), 0;
    fprintf(stderr, "usage: passed_descriptor give SOCKET TEXT...\n"
                    "       passed_descriptor take SOCKET\n");
    return 2;
}
