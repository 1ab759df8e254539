/*
 * receive.c - the experiment `receive`: how bytes get from a socket into the log. recv into a
 * buffer and a copy into the mapping, recv straight into the mapping, recv and write, splice; with
 * and without the checksum that a log makes of each batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "lab/experiment.h"
#include "lab/passes.h"
#include "lab/receive_sender.h"
#include "lab/receive_words.h"
#include "lab/scratch.h"

struct receiving {
    struct scratch scratch;
    struct receive_sender *sender;
    enum scratch_pages pages;
    size_t chunk;
    uint8_t *buffer; /* a chunk */
    int pipe[2];
    uint32_t crc; /* of the last chunk, so that no compiler leaves the work out */
};

/* Work of the table: one way, with or without the check. */
struct receive_work {
    struct receiving *receiving;
    int (*take)(struct receiving *receiving, size_t at); /* a chunk, to position `at` */
    bool check;
    bool in_buffer; /* where the check finds the bytes: in the buffer, or in the mapping */
};

/* ---- ways ------------------------------------------------------------------------------------ */

/* As a server does: what is there, until the chunk is whole. */
static int receive_all(struct receiving *receiving, uint8_t *to)
{
    for (size_t got = 0; got < receiving->chunk;) {
        ssize_t some =
            recv(receive_sender_socket(receiving->sender), to + got, receiving->chunk - got, 0);
        if (some <= 0)
            return error_errno(some ? errno : EPIPE, "cannot receive");
        got += (size_t)some;
    }
    return 0;
}

static int take_copy(struct receiving *receiving, size_t at)
{
    int result = receive_all(receiving, receiving->buffer);
    if (!result)
        memcpy(receiving->scratch.map + at, receiving->buffer, receiving->chunk);
    return result;
}

static int take_direct(struct receiving *receiving, size_t at)
{
    return receive_all(receiving, receiving->scratch.map + at);
}

static int take_write(struct receiving *receiving, size_t at)
{
    int result = receive_all(receiving, receiving->buffer);
    if (!result && pwrite(receiving->scratch.fd, receiving->buffer, receiving->chunk, (off_t)at) !=
                       (ssize_t)receiving->chunk)
        result = error_errno(errno, "cannot write");
    return result;
}

static int take_splice(struct receiving *receiving, size_t at)
{
    loff_t position = (loff_t)at;
    for (size_t left = receiving->chunk; left > 0;) {
        ssize_t some = splice(receive_sender_socket(receiving->sender), NULL, receiving->pipe[1],
                              NULL, left, SPLICE_F_MOVE);
        if (some <= 0)
            return error_errno(some ? errno : EPIPE, "cannot splice from the socket");
        for (left -= (size_t)some; some > 0;) {
            ssize_t out = splice(receiving->pipe[0], NULL, receiving->scratch.fd, &position,
                                 (size_t)some, SPLICE_F_MOVE);
            if (out <= 0)
                return error_errno(out ? errno : EIO, "cannot splice to the file");
            some -= out;
        }
    }
    return 0;
}

/* ---- a pass ---------------------------------------------------------------------------------- */

static int prepare(void *context)
{
    const struct receive_work *work = context;
    return scratch_prepare(&work->receiving->scratch, work->receiving->pages);
}

static int run_work(void *context)
{
    const struct receive_work *work = context;
    struct receiving *receiving = work->receiving;
    size_t size = receiving->scratch.size;
    int result = receive_sender_order(receiving->sender, size);
    for (size_t at = 0; at < size && !result; at += receiving->chunk) {
        result = work->take(receiving, at);
        if (work->check && !result)
            receiving->crc =
                crc32c(0, work->in_buffer ? receiving->buffer : receiving->scratch.map + at,
                       receiving->chunk);
    }
    return result;
}

/* The order of enum receive_way. The copy checks its buffer before it copies in a server; here
 * behind: the bytes are as warm. */
static const struct {
    int (*take)(struct receiving *receiving, size_t at);
    bool in_buffer;
} ways[RECEIVE_WAYS] = {
    [RECEIVE_COPY] = {take_copy, true},
    [RECEIVE_DIRECT] = {take_direct, false},
    [RECEIVE_WRITE] = {take_write, true},
    [RECEIVE_SPLICE] = {take_splice, false},
};

/* All ways in turn, with and without the check. */
static void measure(struct receiving *receiving, unsigned rounds, struct receive_point *point)
{
    struct receive_work contexts[2 * RECEIVE_WAYS];
    struct work works[2 * RECEIVE_WAYS];
    struct measured measured[2 * RECEIVE_WAYS];
    for (int i = 0; i < 2 * RECEIVE_WAYS; i++) {
        contexts[i] = (struct receive_work){receiving, ways[i % RECEIVE_WAYS].take,
                                            i >= RECEIVE_WAYS, ways[i % RECEIVE_WAYS].in_buffer};
        works[i] = (struct work){prepare, run_work, &contexts[i]};
    }
    passes_run(works, 2 * RECEIVE_WAYS, rounds, measured);
    memcpy(point->plain, measured, sizeof point->plain);
    memcpy(point->checked, measured + RECEIVE_WAYS, sizeof point->checked);
}

/* What the socket gives when nobody keeps it, with and without the check. */
static int take_nowhere(struct receiving *receiving, size_t at)
{
    (void)at;
    return receive_all(receiving, receiving->buffer);
}

static void measure_roof(struct receiving *receiving, unsigned rounds, struct receive_table *table)
{
    struct receive_work contexts[2];
    struct work works[2];
    struct measured measured[2];
    receiving->pages = SCRATCH_RECYCLED; /* untouched by this */
    for (int i = 0; i < 2; i++) {
        contexts[i] = (struct receive_work){receiving, take_nowhere, i == 1, true};
        works[i] = (struct work){prepare, run_work, &contexts[i]};
    }
    passes_run(works, 2, rounds, measured);
    receive_table_roof(table, receiving->chunk, &measured[0], &measured[1]);
}

/* ---- running --------------------------------------------------------------------------------- */

static int measure_points(struct lab *lab, struct receiving *receiving, bool local)
{
    static const size_t chunks[] = {16u << 10, 1u << 20};
    unsigned all = 2 * SCRATCH_STATES, done = 0, rounds = lab_quick(lab) ? 3 : 4;
    struct receive_table *table = receive_table_new(lab, local, receiving->scratch.size);
    int result = table ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    for (unsigned i = 0; i < 2 && !result; i++) {
        receiving->chunk = chunks[i];
        measure_roof(receiving, rounds, table);
        for (int pages = 0; pages < SCRATCH_STATES && !result; pages++) {
            struct receive_point point = {.pages = (enum scratch_pages)pages, .chunk = chunks[i]};
            receiving->pages = point.pages;
            lab_progress(lab, done++, all, "receive: %s, %zu KiB, %s pages",
                         local ? "Unix socket" : "TCP", chunks[i] >> 10,
                         scratch_pages_name(point.pages));
            measure(receiving, rounds, &point);
            receive_table_add(table, &point);
            result = lab_stopped(lab) ? MAPLOG_CLOSED : 0;
        }
    }
    if (!result)
        receive_table_words(table);
    free(table);
    return result;
}

static int run_transport(struct lab *lab, struct receiving *receiving, bool local)
{
    int result = receive_sender_start(&receiving->sender, local);
    if (!result)
        result = measure_points(lab, receiving, local);
    receive_sender_stop(receiving->sender);
    receiving->sender = NULL;
    return result;
}

static int run(struct lab *lab)
{
    struct receiving receiving = {.pipe = {-1, -1}};
    const char *directory = lab_directory(lab, false);
    int result = directory ? 0 : MAPLOG_IO;
    if (!result)
        result = scratch_open(&receiving.scratch, directory,
                              lab_quick(lab) ? SCRATCH_QUICK_BYTES / 2 : SCRATCH_BYTES / 4);
    if (!result && !(receiving.buffer = malloc(RECEIVE_CHUNK_MAX)))
        result = error_set(MAPLOG_NO_MEMORY, "no memory for a buffer");
    if (!result && pipe2(receiving.pipe, O_CLOEXEC) != 0)
        result = error_errno(errno, "cannot make a pipe");
    if (!result) {
        fcntl(receiving.pipe[1], F_SETPIPE_SZ, RECEIVE_CHUNK_MAX); /* smaller is slower, no more */
        result = run_transport(lab, &receiving, false);
    }
    if (!result)
        result = run_transport(lab, &receiving, true);
    for (int i = 0; i < 2; i++)
        if (receiving.pipe[i] >= 0)
            close(receiving.pipe[i]);
    free(receiving.buffer);
    scratch_close(&receiving.scratch);
    return result;
}

const struct experiment lab_receive = {
    "receive", "Should bytes from a socket go through a buffer, or straight into the log?", run, 45,
    7};
