/*
 * How much of bare sendfile does an engine's send reach?
 *
 * 4 GiB over loopback in slices of 1 MiB, from a cached file of 1 GiB, sender on CPU 0, a reader on
 * CPU 1 that only takes the bytes. Roof: sendfile on a blocking socket, 1 MiB a call. Also from
 * memory: the same slices by sendmsg from the file's mapping.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"
#include "os/socket.h"
#include "support/bench.h"

#define SLICE_BYTES (1u << 20)
#define FILE_SLICES 1024
#define READ_BYTES (1u << 20)

static char address[SOCKET_TEXT];
static uint64_t slices;
static int file;
static const uint8_t *mapping;

static void take(void *argument)
{
    (void)argument;
    int fd;
    char *bytes = malloc(READ_BYTES);
    bench_pin(1);
    bench_check(socket_connect(address, 10000, &fd), "connect");
    if (!bytes || fcntl(fd, F_SETFL, 0) != 0)
        exit(1);
    while (recv(fd, bytes, READ_BYTES, 0) > 0)
        ;
    free(bytes);
}

/* ---- senders --------------------------------------------------------------------------------- */

static void send_bare(int fd)
{
    if (fcntl(fd, F_SETFL, 0) != 0)
        exit(1);
    for (uint64_t i = 0; i < slices; i++) {
        off_t position = (off_t)(i % FILE_SLICES * SLICE_BYTES);
        for (size_t left = SLICE_BYTES; left > 0;) {
            ssize_t moved = sendfile(fd, file, &position, left);
            if (moved <= 0)
                exit(1);
            left -= (size_t)moved;
        }
    }
}

static struct io_engine *engine;
static struct io_slice slice;
static uint64_t begun_slices, done_slices;

static void send_next(struct io_operation *operation)
{
    uint64_t position = begun_slices++ % FILE_SLICES * SLICE_BYTES;
    slice = (struct io_slice){mapping + position, SLICE_BYTES, file, position};
    operation->slices = &slice;
    operation->count = 1;
    io_send(engine, operation);
}

static void sent(struct io_operation *operation, int result)
{
    bench_check(result, "send");
    done_slices++;
    if (begun_slices < slices)
        send_next(operation);
}

static void send_by_engine(int fd, uint32_t memory_bytes)
{
    struct io_limits limits = {1, 64 << 10, memory_bytes};
    struct io_operation operation = {.fd = fd, .done = sent};
    bench_check(io_open("epoll", &limits, &engine), "engine");
    bench_check(io_add(engine, fd), "add");
    begun_slices = done_slices = 0;
    send_next(&operation);
    while (done_slices < slices)
        bench_check(io_wait(engine, -1), "wait");
    io_remove(engine, fd);
    io_close(engine);
}

/* ---- a run ----------------------------------------------------------------------------------- */

enum sender { BARE, BY_FILE, BY_MEMORY, SENDERS };

struct result {
    double rate, cpu; /* GB/s, and seconds a GB of the sender */
};

static double own_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static struct result run(enum sender sender)
{
    int listeners[SOCKET_LISTENERS], fd;
    bench_check(socket_listen("127.0.0.1:0", 1, listeners), "listen");
    socket_local(listeners[0], address);
    pid_t child = bench_child(take, NULL);
    bench_pin(0);
    do
        fd = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0);
    double begun = bench_now(), cpu = own_cpu_seconds();
    if (sender == BARE)
        send_bare(fd);
    else
        send_by_engine(fd, sender == BY_FILE ? SLICE_BYTES : UINT32_MAX);
    socket_close(fd);
    bench_wait(child); /* it has taken everything */
    double gigabytes = (double)slices * SLICE_BYTES / 1e9;
    struct result result = {gigabytes / (bench_now() - begun),
                            (own_cpu_seconds() - cpu) / gigabytes};
    socket_close_listener(listeners[0]);
    return result;
}

/* Written as records are: by stores into its mapping. */
static void make_file(void)
{
    const size_t size = (size_t)FILE_SLICES * SLICE_BYTES;
    char path[256];
    snprintf(path, sizeof path, "%s/file", bench_directory(false));
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || posix_fallocate(file, 0, (off_t)size) != 0)
        exit(1);
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED)
        exit(1);
    for (size_t i = 0; i < size; i += 512)
        bytes[i] = (uint8_t)(i >> 9);
    mapping = bytes;
}

int main(int argc, char **argv)
{
    double rate[SENDERS][BENCH_RUNS], cpu[SENDERS][BENCH_RUNS];
    bench_begin(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    slices = bench_quick() ? 512 : 4096;
    make_file();
    bench_note("sendfile: slices of %u KiB over 127.0.0.1, cached file", SLICE_BYTES >> 10);
    for (int i = 0; i < BENCH_RUNS; i++) {
        for (enum sender sender = BARE; sender < SENDERS; sender++) {
            struct result result = run(sender);
            rate[sender][i] = result.rate;
            cpu[sender][i] = result.cpu;
        }
    }
    double roof = bench_median(rate[BARE], BENCH_RUNS),
           roof_cpu = bench_median(cpu[BARE], BENCH_RUNS);
    bench_rate("send_sendfile", bench_median(rate[BY_FILE], BENCH_RUNS), "GB/s", roof);
    bench_time("send_sendfile_cpu", bench_median(cpu[BY_FILE], BENCH_RUNS), "s/GB", roof_cpu);
    bench_rate("send_memory", bench_median(rate[BY_MEMORY], BENCH_RUNS), "GB/s", roof);
    bench_time("send_memory_cpu", bench_median(cpu[BY_MEMORY], BENCH_RUNS), "s/GB", roof_cpu);
    return 0;
}
