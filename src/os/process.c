/* process.c - /proc, membarrier, and descriptors that must not outlive fork(). */
#include "os/process.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HEAP_PIECE_BYTES                                                                           \
    (256 << 10)             /* a piece of the heap from this size on is mapped on its own */
#define STAT_START_FIELD 22 /* of /proc/PID/stat, from 1; see proc(5) */

int process_id(void)
{
    return getpid();
}

int process_folder(char *folder, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", folder, size);
    if (length < 0)
        return error_errno(errno, "cannot read /proc/self/exe");
    if ((size_t)length == size)
        return error_set(MAPLOG_LIMIT, "the program's path is longer than %zu bytes", size - 1);
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    return 0;
}

int process_execute(const char *path, char *const *words)
{
    execv(path, words);
    return error_errno(errno, "cannot execute %s", path);
}

/* Reads a small file of /proc into text, NUL-terminated; its length, or -1. */
static ssize_t read_small(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got;
    do
        got = read(fd, text, size - 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    if (got >= 0)
        text[got] = '\0';
    return got;
}

/* The given field (from 3 on) of /proc/pid/stat, in text; NULL when there is none. */
static const char *stat_field(int pid, int field, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_small(path, text, size) <= 0)
        return NULL;
    /* The name in field 2 may hold blanks and parentheses of its own. */
    const char *at = strrchr(text, ')');
    for (int i = 2; at && i < field; i++)
        at = strchr(at + 1, ' ');
    return at ? at + 1 : NULL;
}

uint64_t process_start(int pid)
{
    char text[1024];
    const char *field = stat_field(pid, STAT_START_FIELD, text, sizeof text);
    return field ? strtoull(field, NULL, 10) : 0;
}

char process_state(int pid)
{
    char text[1024];
    const char *field = stat_field(pid, 3, text, sizeof text);
    return field ? *field : 0;
}

void process_name(char name[static PROCESS_NAME_SIZE])
{
    ssize_t length = read_small("/proc/self/comm", name, PROCESS_NAME_SIZE);
    if (length <= 0)
        snprintf(name, PROCESS_NAME_SIZE, "%s", program_invocation_short_name);
    name[strcspn(name, "\n")] = '\0';
}

int process_boot_id(uint8_t id[static PROCESS_BOOT_ID_SIZE])
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    char text[64];
    uint8_t parsed[PROCESS_BOOT_ID_SIZE];
    unsigned digits = 0;
    if (read_small(path, text, sizeof text) < 0)
        return error_errno(errno, "cannot read %s", path);
    for (const char *at = text; *at && digits < 2 * PROCESS_BOOT_ID_SIZE; at++) {
        char digit[2] = {*at, '\0'};
        char *end;
        unsigned long value = strtoul(digit, &end, 16);
        if (end == digit)
            continue; /* a dash */
        uint8_t *byte = &parsed[digits / 2];
        *byte = (uint8_t)(digits % 2 ? *byte << 4 | value : value);
        digits++;
    }
    if (digits != 2 * PROCESS_BOOT_ID_SIZE)
        return error_set(MAPLOG_IO, "%s does not hold a UUID", path);
    memcpy(id, parsed, sizeof parsed);
    return 0;
}

unsigned process_cpus(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        return (unsigned)CPU_COUNT(&cpus);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set can hold */
    return online > 0 ? (unsigned)online : 1;
}

unsigned process_cpus_online(void)
{
    static atomic_uint cached; /* two threads may both ask */
    if (cached == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cached = online > 0 ? (unsigned)online : 1;
    }
    return cached;
}

void process_fill_standard(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        /* The lowest free number is taken. The wrong direction: using it is an error, as before. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return;
    }
}

int process_random(void *to, unsigned length)
{
    for (unsigned filled = 0; filled < length;) {
        ssize_t got = getrandom((char *)to + filled, length - filled, 0);
        if (got < 0 && errno != EINTR)
            return error_errno(errno, "cannot get %u random bytes", length);
        if (got > 0)
            filled += (unsigned)got;
    }
    return 0;
}

static int membarrier(int command)
{
    if (syscall(SYS_membarrier, command, 0, 0) == 0)
        return 0;
    return error_set(MAPLOG_UNSUPPORTED, "membarrier is refused here: %s", strerror(errno));
}

int process_barrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

int process_barrier(void)
{
    return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

/* Descriptors to close in forked children. */
static struct {
    int *fds;
    size_t count;
    size_t room;
} closing;
static pthread_mutex_t closing_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER; /* taken before closing_mutex */
static pthread_once_t closing_once = PTHREAD_ONCE_INIT;
static int closing_errnum;

static void before_fork(void)
{
    pthread_mutex_lock(&fork_mutex);
    pthread_mutex_lock(&closing_mutex);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&closing_mutex);
    pthread_mutex_unlock(&fork_mutex);
}

static void in_child(void)
{
    for (size_t i = 0; i < closing.count; i++)
        close(closing.fds[i]);
    closing.count = 0;
    after_fork();
}

static void watch_forks(void)
{
    closing_errnum = pthread_atfork(before_fork, after_fork, in_child);
}

void process_fork_hold(void)
{
    pthread_once(&closing_once, watch_forks);
    pthread_mutex_lock(&fork_mutex);
}

void process_fork_release(void)
{
    pthread_mutex_unlock(&fork_mutex);
}

int process_close_in_child(int fd)
{
    pthread_once(&closing_once, watch_forks);
    if (closing_errnum)
        return error_errno(closing_errnum, "cannot watch fork()");
    int result = 0;
    pthread_mutex_lock(&closing_mutex);
    if (closing.count == closing.room) {
        size_t room = closing.room ? 2 * closing.room : 16;
        int *fds = realloc(closing.fds, room * sizeof *fds);
        if (fds) {
            closing.fds = fds;
            closing.room = room;
        } else {
            result = error_errno(ENOMEM, "cannot watch descriptor %d", fd);
        }
    }
    if (result == 0)
        closing.fds[closing.count++] = fd;
    pthread_mutex_unlock(&closing_mutex);
    return result;
}

void process_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* else it goes on with what it has */
    }
}

void process_return_memory(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, HEAP_PIECE_BYTES); /* a fixed one, that is: it no longer adapts */
#endif
}

void process_keep_in_child(int fd)
{
    pthread_mutex_lock(&closing_mutex);
    for (size_t i = 0; i < closing.count; i++) {
        if (closing.fds[i] == fd) {
            closing.fds[i] = closing.fds[--closing.count];
            break;
        }
    }
    pthread_mutex_unlock(&closing_mutex);
}
