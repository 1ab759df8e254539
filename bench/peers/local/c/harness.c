/*
 * harness.c - the command line, the load and the checks of every peer that is written in C.
 *
 *     PEER throughput|latency --size N --count N --directory D [--warm N] [--rate R] [--profile P]
 *                             [--cpus S,R]
 *
 * The sender (a child) runs on CPU S, the receiver on CPU R. Every record has its number, the time
 * when it was due, and bytes that follow from its number; the receiver checks number, length and
 * each byte. throughput: when the receiver has the `warm` records the clock starts; it ends when
 * the receiver has checked the last one. latency: record i is due at start + i / rate however late
 * those before it were, and its time is taken from then. One JSON object on stdout; exit 1 with a
 * sentence on a failure.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/histogram.h"
#include "transport.h"

#define HEADER_BYTES 16 /* number, time due */
#define LARGEST_RECORD (64 << 10)
#define NOISE_PLACES 4096
#define PATIENCE_SECONDS 30

/* What the two processes tell each other. */
struct meeting {
    _Alignas(64) _Atomic int ready;
    _Alignas(64) _Atomic bool warm; /* the receiver has all records of the warm-up */
    _Atomic bool done;              /* the receiver has all records */
    _Alignas(64) _Atomic uint64_t begun;
    struct histogram late; /* from due until the sender's call, of the measured records */
};

static struct plan plan = {.size = 100, .count = 1000000, .rate = 100000, .directory = ""};
static struct meeting *meeting;
static unsigned char *noise;
static int sender_cpu = 0, receiver_cpu = 1;
static pid_t sender;

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", transport_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fail("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static void *shared_memory(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        fail("no memory: %s", strerror(errno));
    return memory;
}

/* ---- records --------------------------------------------------------------------------------- */

static void make_noise(void)
{
    noise = shared_memory(NOISE_PLACES + LARGEST_RECORD);
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < NOISE_PLACES + LARGEST_RECORD; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise[i] = (unsigned char)(state >> 32);
    }
}

static void fill(unsigned char *value, uint64_t number, uint64_t due)
{
    memcpy(value, &number, sizeof number);
    memcpy(value + 8, &due, sizeof due);
    memcpy(value + HEADER_BYTES, noise + number % NOISE_PLACES, plan.size - HEADER_BYTES);
}

/* Checks a record and returns when it was due. */
static uint64_t check(const unsigned char *value, size_t size, uint64_t number)
{
    uint64_t found, due;
    if (size != plan.size)
        fail("record %llu has %zu bytes", (unsigned long long)number, size);
    memcpy(&found, value, sizeof found);
    memcpy(&due, value + 8, sizeof due);
    if (found != number)
        fail("record %llu came, not %llu", (unsigned long long)found, (unsigned long long)number);
    if (memcmp(value + HEADER_BYTES, noise + number % NOISE_PLACES, size - HEADER_BYTES) != 0)
        fail("record %llu has other bytes than were sent", (unsigned long long)number);
    return due;
}

/* ---- the sender ------------------------------------------------------------------------------ */

static void wait_until(_Atomic bool *flag)
{
    while (!atomic_load_explicit(flag, memory_order_acquire))
        __builtin_ia32_pause();
}

static void meet(void)
{
    atomic_fetch_add(&meeting->ready, 1);
    while (atomic_load(&meeting->ready) < 2)
        usleep(100);
}

static void send_all(uint64_t from, uint64_t to)
{
    unsigned char value[LARGEST_RECORD];
    for (uint64_t i = from; i < to; i++) {
        fill(value, i, 0);
        transport_send(value, plan.size);
    }
    transport_flush();
}

static void send_on_schedule(void)
{
    unsigned char value[LARGEST_RECORD];
    uint64_t start = now_ns() + 1000000;
    double interval = 1e9 / plan.rate;
    for (uint64_t i = 0; i < plan.warm + plan.count; i++) {
        uint64_t due = start + (uint64_t)((double)i * interval), now;
        while ((now = now_ns()) < due)
            __builtin_ia32_pause();
        fill(value, i, due);
        transport_send(value, plan.size);
        if (i >= plan.warm)
            histogram_add(&meeting->late, now - due);
        if (i == plan.warm)
            atomic_store(&meeting->begun, due);
    }
    transport_flush();
}

static _Noreturn void send_and_exit(bool latency)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    transport_open_sender();
    pin(sender_cpu);
    meet();
    if (latency) {
        send_on_schedule();
    } else {
        send_all(0, plan.warm);
        wait_until(&meeting->warm);
        atomic_store(&meeting->begun, now_ns());
        send_all(plan.warm, plan.warm + plan.count);
    }
    wait_until(&meeting->done);
    _exit(0);
}

/* ---- the receiver ---------------------------------------------------------------------------- */

/* Nothing came for a while: has the sender failed, or does it hang? */
static void look_after_sender(uint64_t waits_since)
{
    int status;
    if (sender && waitpid(sender, &status, WNOHANG) == sender)
        exit(1); /* it said why */
    if (now_ns() - waits_since > PATIENCE_SECONDS * 1000000000ul)
        fail("no record came for %d seconds", PATIENCE_SECONDS);
}

/* Returns when the record was due. */
static uint64_t receive(uint64_t number, bool spin)
{
    const void *value;
    size_t size = transport_receive(&value, spin);
    if (__builtin_expect(size == 0, 0)) {
        uint64_t since = 0;
        for (unsigned tries = 1; (size = transport_receive(&value, spin)) == 0; tries++) {
            __builtin_ia32_pause();
            if (tries % (1 << 20) == 0) {
                since = since ? since : now_ns();
                look_after_sender(since);
            }
        }
    }
    return check(value, size, number);
}

static void receive_all(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++)
        receive(i, false);
}

static void receive_on_schedule(struct histogram *times)
{
    for (uint64_t i = 0; i < plan.warm + plan.count; i++) {
        uint64_t due = receive(i, true);
        if (i >= plan.warm)
            histogram_add(times, now_ns() - due);
    }
}

static void print_times(const char *prefix, const struct histogram *times)
{
    static const struct {
        const char *name;
        double percent;
    } points[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p999", 99.9}};
    for (unsigned i = 0; i < sizeof points / sizeof points[0]; i++)
        printf(", \"%s%s\": %.3f", prefix, points[i].name,
               (double)histogram_percentile(times, points[i].percent) / 1000);
    printf(", \"%smax\": %.3f", prefix, (double)times->max / 1000);
}

/* Reads all records again, from the first on. */
static void replay(void)
{
    transport_replay();
    uint64_t begun = now_ns(), all = plan.warm + plan.count;
    for (uint64_t i = 0; i < all; i++)
        receive(i, false);
    printf(", \"replayed\": %llu, \"replay_rate\": %.0f", (unsigned long long)all,
           (double)all * 1e9 / (double)(now_ns() - begun));
}

static void receive_and_report(bool latency)
{
    static struct histogram times;
    transport_open_receiver();
    pin(receiver_cpu);
    meet();
    if (latency) {
        receive_on_schedule(&times);
    } else {
        receive_all(0, plan.warm);
        atomic_store(&meeting->warm, true);
        receive_all(plan.warm, plan.warm + plan.count);
    }
    double seconds = (double)(now_ns() - atomic_load(&meeting->begun)) / 1e9;
    atomic_store(&meeting->done, true);
    int status;
    if (waitpid(sender, &status, 0) != sender || status != 0)
        fail("the sender failed");
    sender = 0;
    printf("{\"mode\": \"%s\", \"peer\": \"%s\", \"version\": \"%s\", \"profile\": \"%s\", "
           "\"persistent\": %s, \"size\": %zu, \"warm\": %llu, \"records\": %llu, \"bytes\": %llu, "
           "\"seconds\": %.6f, \"rate\": %.0f, \"missing\": 0, \"wrong\": 0",
           plan.mode, transport_name, transport_version(), plan.profile,
           transport_persistent ? "true" : "false", plan.size, (unsigned long long)plan.warm,
           (unsigned long long)plan.count, (unsigned long long)(plan.count * plan.size), seconds,
           (double)plan.count / seconds);
    if (latency) {
        print_times("", &times);
        print_times("late_", &meeting->late);
    } else if (transport_persistent) {
        replay();
    }
    printf("}\n");
}

/* ---- the command line ------------------------------------------------------------------------ */

static _Noreturn void usage(void)
{
    fail("usage: throughput|latency --size N --count N --directory D [--warm N] [--rate R] "
         "[--profile P] [--cpus SENDER,RECEIVER]");
}

static void option(const char *name, const char *value)
{
    if (!strcmp(name, "--size"))
        plan.size = strtoull(value, NULL, 10);
    else if (!strcmp(name, "--count"))
        plan.count = strtoull(value, NULL, 10);
    else if (!strcmp(name, "--warm"))
        plan.warm = strtoull(value, NULL, 10);
    else if (!strcmp(name, "--rate"))
        plan.rate = strtod(value, NULL);
    else if (!strcmp(name, "--directory"))
        plan.directory = value;
    else if (!strcmp(name, "--profile"))
        plan.profile = value;
    else if (strcmp(name, "--cpus") || sscanf(value, "%d,%d", &sender_cpu, &receiver_cpu) != 2)
        usage();
}

static void check_plan(void)
{
    if (strcmp(plan.mode, "throughput") && strcmp(plan.mode, "latency"))
        usage();
    if (plan.size < HEADER_BYTES || plan.size > LARGEST_RECORD || !plan.count || plan.rate <= 0)
        fail("--size is %d to %d, --count and --rate are above 0", HEADER_BYTES, LARGEST_RECORD);
    for (const char *const *known = transport_profiles; *known; known++)
        if (!strcmp(*known, plan.profile))
            return;
    fail("there is no profile \"%s\"", plan.profile);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc % 2 != 0)
        usage();
    plan.mode = argv[1];
    plan.profile = transport_profiles[0];
    for (int i = 2; i < argc; i += 2)
        option(argv[i], argv[i + 1]);
    check_plan();
    bool latency = !strcmp(plan.mode, "latency");
    make_noise();
    meeting = shared_memory(sizeof *meeting);
    transport_prepare(&plan);
    fflush(stdout);
    sender = fork();
    if (sender < 0)
        fail("cannot fork: %s", strerror(errno));
    if (sender == 0)
        send_and_exit(latency);
    receive_and_report(latency);
    return 0;
}
