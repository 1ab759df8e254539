#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define PROGRAM "../maplog"
#define SAID "listeners=127.0.0.1:"

static void give_up(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void run_server(const char *directory, int notes)
{
    char own[4096], program[4096 + sizeof PROGRAM];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    char *name = strrchr(own, '/');
    if (!name)
        _exit(127);
    name[1] = '\0';
    snprintf(program, sizeof program, "%s%s", own, PROGRAM);
    bench_pin(BENCH_SERVER_CPU);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(notes, STDERR_FILENO);
    execl(program, "maplog", "serve", "--data", directory, "--listen", "127.0.0.1:0", (char *)NULL);
    _exit(127);
}

/* Reads its notes until it says where it listens; what comes later stays in the pipe. */
static void hear_port(struct bench_server *server)
{
    char text[65536];
    size_t have = 0;
    while (have < sizeof text - 1) {
        ssize_t got = read(server->notes, text + have, sizeof text - 1 - have);
        if (got <= 0) {
            fprintf(stderr, "bench: no server: %s\n", text);
            exit(1);
        }
        have += (size_t)got;
        text[have] = '\0';
        const char *said = strstr(text, SAID);
        if (said && strchr(said, '\n')) {
            server->port = (uint16_t)strtoul(said + strlen(SAID), NULL, 10);
            return;
        }
    }
    exit(1);
}

void bench_server_start(struct bench_server *server, const char *directory)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("pipe");
    fflush(stdout);
    server->pid = fork();
    if (server->pid < 0)
        give_up("fork");
    if (server->pid == 0)
        run_server(directory, ends[1]);
    close(ends[1]);
    server->notes = ends[0];
    hear_port(server);
}

void bench_server_stop(struct bench_server *server)
{
    kill(server->pid, SIGTERM);
    bench_wait(server->pid);
    close(server->notes);
}

double bench_process_cpu(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        give_up("clock of a process");
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

struct bench_memory bench_server_memory(const struct bench_server *server)
{
    char path[64], line[256];
    struct bench_memory memory = {0};
    long kib;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)server->pid);
    FILE *file = fopen(path, "r");
    if (!file)
        give_up(path);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Pss_Anon: %ld", &kib) == 1)
            memory.private = (double)kib / 1024;
        else if (sscanf(line, "Pss_File: %ld", &kib) == 1)
            memory.cache = (double)kib / 1024;
    }
    fclose(file);
    return memory;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int bench_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        give_up("connect");
    set_no_delay(fd);
    return fd;
}

int bench_listen(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 1024) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        give_up("listen");
    *port = ntohs(address.sin_port);
    return fd;
}

int bench_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        give_up("accept");
    set_no_delay(fd);
    return fd;
}

void bench_send(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            give_up("send");
        at += sent;
        size -= (size_t)sent;
    }
}

void bench_receive(int fd, void *bytes, size_t size)
{
    if (size > 0 && recv(fd, bytes, size, MSG_WAITALL) != (ssize_t)size)
        give_up("receive");
}
