/*
 * How long until a server answers, and how much memory has it then?
 *
 * From fork() to the answer of the first request (ApiVersions); an empty directory that is made,
 * and one with 100 topics. Roof: this program run anew, which only listens and answers. Memory:
 * private bytes of the idle server, and beside it the page cache that it has mapped. Sizes: the
 * files as they are installed, stripped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "support/bench.h"
#include "support/kafka.h"
#include "support/server.h"

#define STARTS 15
#define TOPICS 100
#define BARE "--bare" /* argument of the bare server: the write end for its port */

static struct bench_bytes versions;
static size_t answer_bytes;

static double first_answer(const char *directory, struct bench_server *server)
{
    uint8_t answer[65536];
    double begun = bench_now();
    bench_server_start(server, directory);
    int fd = bench_connect(server->port);
    bench_send(fd, versions.at, versions.size);
    answer_bytes = bench_take_answer(fd, answer, sizeof answer);
    double ms = (bench_now() - begun) * 1e3;
    close(fd);
    return ms;
}

/* ---- the bare server ------------------------------------------------------------------------- */

static int serve_bare(int port_end)
{
    uint16_t port;
    char request[4096], answer[65536] = {0};
    int listener = bench_listen(&port);
    if (write(port_end, &port, sizeof port) != sizeof port)
        return 1;
    int fd = bench_accept(listener);
    bench_receive(fd, request, versions.size);
    bench_send(fd, answer, answer_bytes);
    return 0;
}

static double first_bare_answer(void)
{
    int ends[2];
    uint16_t port;
    char answer[65536], end[16], size[16];
    if (pipe(ends) != 0)
        exit(1);
    snprintf(end, sizeof end, "%d", ends[1]);
    snprintf(size, sizeof size, "%zu", answer_bytes);
    double begun = bench_now();
    pid_t child = fork();
    if (child == 0) {
        bench_pin(BENCH_SERVER_CPU);
        execl("/proc/self/exe", "start", BARE, end, size, (char *)NULL);
        _exit(127);
    }
    if (read(ends[0], &port, sizeof port) != sizeof port)
        exit(1);
    int fd = bench_connect(port);
    bench_send(fd, versions.at, versions.size);
    bench_receive(fd, answer, answer_bytes);
    double ms = (bench_now() - begun) * 1e3;
    close(fd);
    bench_wait(child);
    close(ends[0]);
    close(ends[1]);
    return ms;
}

/* ---- what is reported ------------------------------------------------------------------------ */

static void compare(const char *name, bool filled)
{
    double found[STARTS], bare[STARTS], private[STARTS], cache[STARTS];
    char text[64];
    struct bench_server server;
    for (int i = 0; i < STARTS; i++) {
        const char *directory = bench_directory(false);
        if (filled) {
            maplog *log = bench_log(directory, NULL);
            for (int topic = 0; topic < TOPICS; topic++) {
                snprintf(text, sizeof text, "topic%d", topic);
                bench_check(maplog_topic_create(log, text, 1, NULL), text);
            }
            maplog_close(log);
        }
        found[i] = first_answer(directory, &server);
        clock_sleep_ns(50000000);
        struct bench_memory memory = bench_server_memory(&server);
        private[i] = memory.private;
        cache[i] = memory.cache;
        bench_server_stop(&server);
        bench_forget(directory);
        bare[i] = first_bare_answer();
    }
    snprintf(text, sizeof text, "start_%s", name);
    bench_time(text, bench_median(found, STARTS), "ms", bench_median(bare, STARTS));
    snprintf(text, sizeof text, "start_%s_private_memory", name);
    bench_time(text, bench_median(private, STARTS), "MiB", 0);
    snprintf(text, sizeof text, "start_%s_mapped_files", name);
    bench_time(text, bench_median(cache, STARTS), "MiB", 0);
}

static void report_size(const char *name, const char *file)
{
    char command[8192], own[4096];
    struct stat status;
    const char *directory = bench_directory(false);
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    own[length > 0 ? length : 0] = '\0';
    snprintf(command, sizeof command, "strip -o %s/stripped $(dirname %s)/../%s", directory, own,
             file);
    int result = system(command);
    snprintf(command, sizeof command, "%s/stripped", directory);
    if (result == 0 && stat(command, &status) == 0)
        bench_time(name, (double)status.st_size / 1024, "KiB", 0);
}

int main(int argc, char **argv)
{
    versions = bench_versions_request();
    if (argc == 4 && strcmp(argv[1], BARE) == 0) {
        answer_bytes = strtoull(argv[3], NULL, 10);
        return serve_bare((int)strtol(argv[2], NULL, 10));
    }
    bench_begin(argc, argv);
    bench_pin(BENCH_CLIENT_CPU);
    bench_note("start: from fork() to the answer of ApiVersions");
    compare("empty", false);
    compare("100_topics", true);
    report_size("program_size", "maplog");
    return 0;
}
