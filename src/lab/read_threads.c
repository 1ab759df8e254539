/*
 * read_threads.c - several readers of one file in memory: threads of one mapping, processes with a
 * mapping each, threads that call pread; and one reader while another maps and unmaps.
 */
#include "lab/read_threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "lab/passes.h"
#include "shm/order.h"

#define READERS_MAX 4
#define HURTS 1.2                       /* times as long: more than noise */
#define REPEATS 4                       /* of each reader, through its part of the file */
#define CHUNK ((size_t)64 << 10)        /* of a pread, and what a fault maps around itself */
#define MAPPED_BESIDE ((size_t)1 << 20) /* what the other one maps and unmaps */

enum kind { THREADS, PROCESSES, PREAD, KINDS };
enum beside { NOBODY, A_THREAD, A_PROCESS };

struct readers {
    struct scratch *scratch;
    enum kind kind;
    enum beside beside;
    unsigned count;
    pid_t pids[READERS_MAX]; /* of PROCESSES, waiting for the word to begin */
    int begin[2], done[2];   /* pipes to them, and back */
    pid_t neighbour;         /* of A_PROCESS */
    _Atomic uint32_t stop;   /* of A_THREAD */
};

struct part {
    const struct readers *readers;
    unsigned number;
    int errnum;
};

/* ---- one reader ------------------------------------------------------------------------------ */

/* A look at each page: faults are all that it costs. */
static void touch(const uint8_t *from, size_t length)
{
    for (size_t at = 0; at < length; at += SCRATCH_PAGE)
        (void)*(const volatile uint8_t *)(from + at);
}

static void *read_part(void *context)
{
    struct part *part = context;
    const struct readers *readers = part->readers;
    size_t length = readers->scratch->size / readers->count, begin = part->number * length;
    for (int again = 0; readers->kind != PREAD && again < REPEATS; again++) {
        uint8_t *map = readers->scratch->map + begin;
        if (again && madvise(map, length, MADV_DONTNEED) != 0)
            part->errnum = errno;
        touch(map, length);
    }
    if (readers->kind != PREAD)
        return NULL;
    uint8_t buffer[CHUNK];
    for (size_t done = 0; done < REPEATS * length && !part->errnum; done += CHUNK) {
        size_t at = done % length;
        if (pread(readers->scratch->fd, buffer, CHUNK, (off_t)(begin + at)) != (ssize_t)CHUNK)
            part->errnum = errno ? errno : EIO;
        touch(buffer, CHUNK);
    }
    return NULL;
}

static void map_and_unmap(void)
{
    uint8_t *map =
        mmap(NULL, MAPPED_BESIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return;
    *map = 1;
    munmap(map, MAPPED_BESIDE);
}

static void *disturb(void *context)
{
    struct readers *readers = context;
    while (!load_relaxed(&readers->stop))
        map_and_unmap();
    return NULL;
}

/* ---- threads --------------------------------------------------------------------------------- */

static int run_threads(struct readers *readers)
{
    pthread_t threads[READERS_MAX];
    struct part parts[READERS_MAX] = {0};
    unsigned started = 0;
    int errnum = 0;
    while (started < readers->count && !errnum) {
        parts[started] = (struct part){readers, started, 0};
        errnum = pthread_create(&threads[started], NULL, read_part, &parts[started]);
        started += !errnum;
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        errnum = errnum ? errnum : parts[i].errnum;
    }
    return errnum ? error_errno(errnum, "cannot read with %u threads", readers->count) : 0;
}

/* ---- processes ------------------------------------------------------------------------------- */

/* In the child: its own mapping, with page tables as the parent's has them, empty but there; then a
 * byte to say so, one to begin, and one back. */
static void read_as_process(struct readers *readers, unsigned number)
{
    char word;
    struct scratch own = *readers->scratch;
    close(readers->begin[1]); /* so that the end of the parent ends the pipe */
    own.map = mmap(NULL, own.size, PROT_READ, MAP_SHARED, own.fd, 0);
    readers->scratch = &own;
    struct part part = {readers, number, 0};
    if (own.map == MAP_FAILED)
        _exit(1);
    read_part(&part);
    if (scratch_unmap(&own) != 0 || write(readers->done[1], "", 1) != 1 ||
        read(readers->begin[0], &word, 1) != 1)
        _exit(1);
    read_part(&part);
    _exit(write(readers->done[1], "", 1) == 1 ? 0 : 1);
}

/* A byte from each of them. */
static int hear_processes(struct readers *readers)
{
    char words[READERS_MAX];
    for (unsigned heard = 0; heard < readers->count;) {
        ssize_t got = read(readers->done[0], words, readers->count - heard);
        if (got <= 0)
            return error_set(MAPLOG_IO, "a process that reads has ended before it was done");
        heard += (unsigned)got;
    }
    return 0;
}

static void close_pipes(struct readers *readers)
{
    for (int i = 0; i < 2; i++) {
        if (readers->begin[i] > 0)
            close(readers->begin[i]);
        if (readers->done[i] > 0)
            close(readers->done[i]);
        readers->begin[i] = readers->done[i] = 0;
    }
}

/* What the pass before left: its processes have ended, or end with their pipe. */
static void gather(struct readers *readers)
{
    close_pipes(readers);
    for (unsigned i = 0; i < READERS_MAX; i++)
        if (readers->pids[i] > 0)
            waitpid(readers->pids[i], NULL, 0);
    memset(readers->pids, 0, sizeof readers->pids);
}

static int start_processes(struct readers *readers)
{
    if (pipe(readers->begin) != 0 || pipe(readers->done) != 0)
        return error_errno(errno, "cannot make a pipe");
    for (unsigned i = 0; i < readers->count; i++) {
        readers->pids[i] = fork();
        if (readers->pids[i] < 0)
            return error_errno(errno, "cannot start a process");
        if (readers->pids[i] == 0)
            read_as_process(readers, i);
    }
    close(readers->done[1]); /* so that the end of all of them ends the pipe */
    readers->done[1] = 0;
    return hear_processes(readers);
}

static int run_processes(struct readers *readers)
{
    static const char words[READERS_MAX];
    if (write(readers->begin[1], words, readers->count) != (ssize_t)readers->count)
        return error_errno(errno, "cannot tell the processes to begin");
    return hear_processes(readers);
}

/* ---- a pass ---------------------------------------------------------------------------------- */

static int prepare(void *context)
{
    struct readers *readers = context;
    gather(readers);
    int result = scratch_unmap(readers->scratch);
    return result || readers->kind != PROCESSES ? result : start_processes(readers);
}

static int run_readers(struct readers *readers)
{
    return readers->kind == PROCESSES ? run_processes(readers) : run_threads(readers);
}

static int run(void *context)
{
    struct readers *readers = context;
    pthread_t thread;
    if (readers->beside != A_THREAD)
        return run_readers(readers);
    store_relaxed(&readers->stop, 0);
    int errnum = pthread_create(&thread, NULL, disturb, readers);
    if (errnum)
        return error_errno(errnum, "cannot start a thread");
    int result = run_readers(readers);
    store_relaxed(&readers->stop, 1);
    pthread_join(thread, NULL);
    return result;
}

static void start_neighbour(struct readers *readers)
{
    readers->neighbour = readers->beside == A_PROCESS ? fork() : 0;
    if (readers->beside == A_PROCESS && readers->neighbour == 0) {
        pid_t parent = getppid();
        while (getppid() == parent)
            map_and_unmap();
        _exit(0);
    }
}

static void stop_neighbour(struct readers *readers)
{
    if (readers->neighbour > 0) {
        kill(readers->neighbour, SIGKILL);
        waitpid(readers->neighbour, NULL, 0);
    }
}

/* ---- table ----------------------------------------------------------------------------------- */

static const struct way {
    enum kind kind;
    enum beside beside;
    unsigned count;
} ways[] = {
    {THREADS, NOBODY, 1},   {THREADS, NOBODY, 2},   {THREADS, NOBODY, 4},    {PROCESSES, NOBODY, 1},
    {PROCESSES, NOBODY, 2}, {PROCESSES, NOBODY, 4}, {PREAD, NOBODY, 1},      {PREAD, NOBODY, 2},
    {PREAD, NOBODY, 4},     {THREADS, A_THREAD, 1}, {THREADS, A_PROCESS, 1},
};
enum { COUNTS = 3 }; /* of readers, for each kind */
enum { WITH_THREAD = KINDS * COUNTS, WITH_PROCESS, WAYS = sizeof ways / sizeof *ways };

enum { WAY, COUNT, SPEED, PAGES, SCALING, FAULTS, CALLS, CPU, SPREAD, COLUMNS };

static const struct sheet_column columns[COLUMNS] = {
    [WAY] = {"way", "", 0},
    [COUNT] = {"readers", "", 0},
    [SPEED] = {"speed", "GB/s", 1},
    [PAGES] = {"pages", "millions per s", 2},
    [SCALING] = {"by one reader", "times", 2},
    [FAULTS] = {"page faults", "per MiB", 2},
    [CALLS] = {"system calls", "per MiB", 2},
    [CPU] = {"CPU", "s per GB", 3},
    [SPREAD] = {"spread", "%", 0},
};

static double times(const struct measured *a, const struct measured *b)
{
    return a->result || b->result ? 0 : b->seconds / a->seconds;
}

static const char *way_name(const struct way *way)
{
    if (way->beside != NOBODY)
        return way->beside == A_THREAD ? "mapped; another thread maps and unmaps"
                                       : "mapped; another process maps and unmaps";
    return way->kind == THREADS     ? "threads, one mapping"
           : way->kind == PROCESSES ? "processes, a mapping each"
                                    : "threads, pread";
}

static void add_row(struct sheet *sheet, const struct way *way, double bytes,
                    const struct measured *all)
{
    const struct measured *measured = &all[way - ways];
    const struct measured *one = &all[way->kind * COUNTS];
    double megabytes = bytes / (1 << 20), scaling = times(measured, one);
    sheet_row(sheet, SHEET_MEASURED);
    sheet_text(sheet, "%s", way_name(way));
    sheet_number(sheet, way->count);
    passes_speed(sheet, measured, bytes);
    if (scaling > 0) {
        sheet_number(sheet, bytes / SCRATCH_PAGE / measured->seconds / 1e6);
        sheet_number(sheet, scaling);
    } else {
        sheet_refused(sheet, "%s", measured->why);
        sheet_refused(sheet, "%s", measured->why);
    }
    if (way->kind == PROCESSES) {
        for (int i = 0; i < 3; i++)
            sheet_refused(sheet, "spent by processes of their own");
    } else if (way->beside == A_THREAD) {
        for (int i = 0; i < 3; i++)
            sheet_refused(sheet, "with those of the thread that maps");
    } else {
        passes_count(sheet, measured, COUNTER_FAULTS, megabytes);
        passes_count(sheet, measured, COUNTER_CALLS, megabytes);
        passes_cpu(sheet, measured, bytes);
    }
    passes_spread(sheet, measured);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Threads in one mapping by as many processes: times as long, where it is most. */
struct harm {
    double times;
    bool sure; /* in each pair of passes */
};

static struct harm harm_of(const struct measured *all)
{
    struct harm harm = {0};
    for (int i = 1; i < COUNTS; i++) { /* of one reader there is none */
        double least, most;
        double ratio = passes_ratio(&all[PROCESSES * COUNTS + i], &all[THREADS * COUNTS + i], false,
                                    &least, &most);
        if (ratio > harm.times)
            harm = (struct harm){ratio, ratio > HURTS && least > 1};
    }
    return harm;
}

static double scaling_of(const struct measured *all, enum kind kind)
{
    return times(&all[kind * COUNTS + 1], &all[kind * COUNTS]);
}

static void say(struct sheet *sheet, const struct measured *all, struct harm harm)
{
    double threads = scaling_of(all, THREADS), processes = scaling_of(all, PROCESSES);
    double preads = scaling_of(all, PREAD);
    double held_up = times(&all[WITH_PROCESS], &all[WITH_THREAD]);
    if (threads > 0 && processes > 0 && preads > 0)
        sheet_say(sheet,
                  "\"Threads that fault wait for the lock of their mapping\": two readers are %.2f "
                  "times as fast as one in one mapping, %.2f in processes with a mapping each, "
                  "%.2f with pread: that %s here. (Linux takes a lock for each mapped area since "
                  "6.4, and not one for the whole address space.)",
                  threads, processes, preads, harm.sure ? "holds" : "does not show");
    if (harm.times > 0)
        sheet_say(sheet,
                  "At worst threads in one mapping take %.2f times as long as as many processes%s; "
                  "this machine has %ld CPUs.",
                  harm.times, harm.sure ? "" : ", which is within the spread",
                  sysconf(_SC_NPROCESSORS_ONLN));
    if (held_up > 0)
        sheet_say(
            sheet,
            "While another thread of the process maps and unmaps memory, a reader that faults "
            "takes %.2f times as long as beside a process that does the same: it waits for "
            "the address space's lock, and for page tables to be flushed on every CPU.",
            held_up);
}

static void advise(struct sheet *sheet, const struct measured *all, struct harm harm)
{
    double held_up = times(&all[WITH_PROCESS], &all[WITH_THREAD]);
    if (harm.times > 0)
        sheet_advise(sheet, "%s",
                     harm.sure ? "Readers that scale need processes of their own, or pages "
                                 "populated before they are read."
                               : "Threads may share one mapping: it costs them nothing that "
                                 "processes would not pay.");
    if (held_up > HURTS)
        sheet_advise(sheet, "Map and unmap seldom, in large pieces, where other threads read: "
                            "each time holds them up.");
}

/* ---- running --------------------------------------------------------------------------------- */

/* So many readers of each kind, in turn. */
static void measure_kinds(struct scratch *scratch, int count, unsigned rounds,
                          struct measured *measured)
{
    struct readers readers[KINDS] = {0};
    struct work works[KINDS];
    struct measured found[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        const struct way *way = &ways[kind * COUNTS + count];
        readers[kind] = (struct readers){scratch, way->kind, way->beside, way->count};
        works[kind] = (struct work){prepare, run, &readers[kind]};
    }
    passes_run(works, KINDS, rounds, found);
    for (int kind = 0; kind < KINDS; kind++) {
        gather(&readers[kind]);
        measured[kind * COUNTS + count] = found[kind];
    }
}

static void measure_beside(struct scratch *scratch, const struct way *way, unsigned rounds,
                           struct measured *measured)
{
    struct readers readers = {scratch, way->kind, way->beside, way->count};
    const struct work work = {prepare, run, &readers};
    start_neighbour(&readers);
    passes_run(&work, 1, rounds, measured);
    stop_neighbour(&readers);
}

int read_threads(struct lab *lab, struct scratch *scratch)
{
    static const char title[] =
        "Several readers of a file in memory, a fault or a pread for each 64 KiB";
    struct measured measured[WAYS];
    unsigned rounds = lab_quick(lab) ? 3 : 9, steps = COUNTS + WAYS - WITH_THREAD;
    struct sheet *sheet = lab_sheet(lab, "read-threads", title);
    if (!sheet)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    for (unsigned i = 0; i < steps; i++) {
        lab_progress(lab, i, steps, "read: several readers");
        if (i < COUNTS)
            measure_kinds(scratch, (int)i, rounds, measured);
        else
            measure_beside(scratch, &ways[WITH_THREAD + i - COUNTS], rounds,
                           &measured[WITH_THREAD + i - COUNTS]);
        if (lab_stopped(lab))
            return MAPLOG_CLOSED;
    }
    sheet_columns(sheet, columns, COLUMNS);
    for (int i = 0; i < WAYS; i++)
        add_row(sheet, &ways[i], (double)scratch->size * REPEATS, measured);
    say(sheet, measured, harm_of(measured));
    advise(sheet, measured, harm_of(measured));
    sheet_plot(sheet, &(struct sheet_plot){title, SHEET_LINES, COUNT, SPEED, WAY, false, false});
    return 0;
}
