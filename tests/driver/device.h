/*
 * device.h - what the tests of the kernel module share: loading it, mapping its rings by
 * ring_layout.h alone, reading records, and the module maplog_emitter. They run as root in a
 * machine of their own.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emitted.h"
#include "shm/ring_layout.h"

#define DEVICE "/dev/maplog"
#define PAGE ((size_t)4096)
#define CPUS_MAX 8
#define EMITTER "/sys/kernel/debug/maplog_emitter/"

/* What a call gave: 0, or the errno that it failed with. */
#define OUTCOME(call) ((call) < 0 ? errno : 0)
#define assert_errno(call, expected) assert_int_equal(OUTCOME(call), expected)
#define assert_works(call) assert_int_equal(OUTCOME(call), 0)

/* ---- modules --------------------------------------------------------------------------------- */

/* 0, or the errno of a module that does not load. */
static inline int load_module(const char *name, const char *parameters)
{
    char path[64];
    snprintf(path, sizeof path, "/modules/%s.ko", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    int error = OUTCOME(syscall(SYS_finit_module, fd, parameters, 0));
    close(fd);
    return error;
}

/* 0, or the errno of a module that stays. The last close of a file of the kernel ends a moment
 * after the process that had it. */
static inline int unload_module(const char *name)
{
    int error = 0;
    for (int tries = 0; tries < 100; tries++) {
        error = OUTCOME(syscall(SYS_delete_module, name, O_NONBLOCK));
        if (error != EAGAIN && error != EBUSY)
            break;
        usleep(10000);
    }
    return error;
}

static inline void load(const char *parameters)
{
    assert_int_equal(load_module("maplog", parameters), 0);
}

static inline void unload(void)
{
    assert_int_equal(unload_module("maplog"), 0);
}

static inline void load_with_emitter(const char *parameters)
{
    load(parameters);
    assert_int_equal(load_module("maplog_emitter", ""), 0);
}

static inline void unload_with_emitter(void)
{
    assert_int_equal(unload_module("maplog_emitter"), 0);
    unload();
}

static pid_t emitting; /* the process of begin_to_emit(), until has_ended() */

/* After a test, which may have ended in its middle: its process, its descriptors and mappings, then
 * the modules. */
static inline int unload_all(void **state)
{
    (void)state;
    if (emitting > 0 && kill(emitting, SIGKILL) == 0)
        waitpid(emitting, NULL, 0);
    emitting = 0;
    close_range(3, ~0u, 0);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    while (maps && fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        if (strstr(line, DEVICE) && sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2)
            munmap((void *)begin, end - begin);
    }
    if (maps)
        fclose(maps);
    (void)unload_module("maplog_emitter");
    int error = unload_module("maplog");
    return error == 0 || error == ENOENT ? 0 : -1;
}

static inline unsigned cpus_online(void)
{
    return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- the device ------------------------------------------------------------------------------ */

static inline int open_device(int flags)
{
    int fd = open(DEVICE, flags | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline void *map_device(int fd, size_t length, int protection, uint64_t offset)
{
    return mmap(NULL, length, protection, MAP_SHARED, fd, (off_t)offset);
}

/* 0, or the errno of a mapping that is refused; one that is not is removed again. */
static inline int try_map(int fd, size_t length, int protection, int flags, uint64_t offset)
{
    void *at = mmap(NULL, length, protection, flags, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return errno;
    munmap(at, length);
    return 0;
}

/* ---- a ring ---------------------------------------------------------------------------------- */

struct ring {
    struct ring_header *header;
    const uint8_t *data; /* twice, one behind the other */
    size_t size;
    uint64_t at; /* bytes read */
};

static inline struct ring map_ring(int fd, uint32_t number)
{
    const struct ring_header *first = map_device(fd, PAGE, PROT_READ, 0);
    assert_ptr_not_equal(first, MAP_FAILED);
    assert_true(first->magic == RING_MAGIC && number < first->rings);
    uint64_t begin = number * first->ring_stride;
    struct ring ring = {.header = map_device(fd, PAGE, PROT_READ | PROT_WRITE, begin),
                        .size = first->data_bytes};
    assert_ptr_not_equal(ring.header, MAP_FAILED);
    uint8_t *place =
        mmap(NULL, 2 * ring.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(place, MAP_FAILED);
    for (int i = 0; i < 2; i++)
        assert_ptr_not_equal(mmap(place + (size_t)i * ring.size, ring.size, PROT_READ,
                                  MAP_SHARED | MAP_FIXED, fd, (off_t)(begin + first->data_offset)),
                             MAP_FAILED);
    munmap((void *)first, PAGE);
    ring.data = place;
    ring.at = ring.header->tail;
    return ring;
}

static inline void unmap_ring(struct ring *ring)
{
    munmap((void *)ring->data, 2 * ring->size);
    munmap(ring->header, PAGE);
}

/* The next record, or NULL when the ring has none; its payload lies behind it. */
static inline const struct ring_record *next_record(struct ring *ring)
{
    /* Pairs with the kernel's release after it filled a record. */
    uint64_t head = __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE);
    if (ring->at == head)
        return NULL;
    const void *at = ring->data + (ring->at & (ring->size - 1));
    const struct ring_record *record = at;
    assert_true(record->length <= ring->header->record_max);
    assert_true(RING_RECORD_BYTES(record->length) <= head - ring->at);
    ring->at += RING_RECORD_BYTES(record->length);
    return record;
}

/* Gives back to the kernel what was read. */
static inline void release_records(struct ring *ring)
{
    /* Pairs with the kernel's acquire before it overwrites. */
    __atomic_store_n(&ring->header->tail, ring->at, __ATOMIC_RELEASE);
}

static inline bool record_is(const struct ring_record *record, const void *bytes, size_t length)
{
    return record && record->length == length && memcmp(record + 1, bytes, length) == 0;
}

/* ---- the emitting module --------------------------------------------------------------------- */

struct emission {
    uint32_t threads, records, longest, timer_us, nmi_every, again;
};

static inline bool emitter_write(const char *name, uint32_t value)
{
    char path[96], text[16];
    snprintf(path, sizeof path, EMITTER "%s", name);
    int length = snprintf(text, sizeof text, "%" PRIu32, value);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, (size_t)length) == length;
    close(fd);
    return written;
}

/* Returns when all threads are done. */
static inline bool emit(const struct emission *emission)
{
    return emitter_write("threads", emission->threads) &&
           emitter_write("records", emission->records) &&
           emitter_write("longest", emission->longest) &&
           emitter_write("timer_us", emission->timer_us) &&
           emitter_write("nmi_every", emission->nmi_every) &&
           emitter_write("again", emission->again) && emitter_write("run", 1);
}

/* The same by another process, while this one reads. */
static inline pid_t begin_to_emit(const struct emission *emission)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(emit(emission) ? 0 : 1);
    return emitting = child;
}

static inline bool has_ended(pid_t child)
{
    int status;
    pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == 0)
        return false;
    emitting = 0;
    assert_true(ended == child && status == 0);
    return true;
}

/* The emitted record in these bytes; it is whole. */
static inline const struct emitted *emitted_in(const void *bytes, size_t length, uint32_t longest)
{
    const struct emitted *emitted = bytes;
    assert_true(length >= sizeof *emitted);
    assert_true(emitted->cpu < CPUS_MAX && emitted->context < EMITTED_CONTEXTS);
    uint32_t fill = emitted_fill(emitted->number, longest);
    assert_int_equal(length, sizeof *emitted + fill);
    for (uint32_t i = 0; i < fill; i++)
        if (emitted->fill[i] != emitted_byte(emitted, i))
            fail_msg("record %" PRIu64 " of CPU %" PRIu32 " is torn", (uint64_t)emitted->number,
                     emitted->cpu);
    return emitted;
}

/* What was emitted and refused in the last run, of one CPU in one context. */
struct emitted_count {
    uint64_t emitted, refused;
};

static inline struct emitted_count emitted_count(uint32_t cpu, uint32_t context)
{
    FILE *lines = fopen(EMITTER "report", "re");
    assert_non_null(lines);
    struct emitted_count count = {0}, line;
    uint32_t of_cpu, in_context;
    while (fscanf(lines, "%" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64, &of_cpu, &in_context,
                  &line.emitted, &line.refused) == 4)
        if (of_cpu == cpu && in_context == context)
            count = line;
    fclose(lines);
    return count;
}

/* ---- the same tests for each kind of memory -------------------------------------------------- */

/* Tests find the word for memory= in *state. */
static inline int run_for_each_memory(const struct CMUnitTest *tests, size_t count)
{
    static const char *const kinds[] = {"vmalloc", "contiguous", "fault"};
    int failed = 0;
    for (size_t i = 0; i < 3; i++) {
        struct CMUnitTest *named = calloc(count, sizeof *named);
        for (size_t j = 0; named && j < count; j++) {
            named[j] = tests[j];
            if (asprintf((char **)&named[j].name, "%s: %s", kinds[i], tests[j].name) < 0)
                abort();
            named[j].initial_state = (void *)kinds[i];
            named[j].teardown_func = unload_all;
        }
        failed += _cmocka_run_group_tests("maplog.ko", named, count, NULL, NULL);
        for (size_t j = 0; named && j < count; j++)
            free((void *)named[j].name);
        free(named);
    }
    return failed;
}

/* Loads with memory=*state and what else there is. */
static inline void load_kind(void **state, const char *parameters)
{
    char all[128];
    snprintf(all, sizeof all, "memory=%s %s", (const char *)*state, parameters);
    load(all);
}
