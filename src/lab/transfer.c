/*
 * transfer.c - the experiment `transfer`: every way of the real server to send records from their
 * file, one client that asks as fast as it is answered.
 *
 * Rounds of all methods in turn, so that a drift of the machine meets all alike; a round of its own
 * for the kernel's counters, which make system calls slower.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/error.h"
#include "io/engine.h"
#include "lab/crowd.h"
#include "lab/experiment.h"
#include "lab/roof.h"
#include "lab/scratch.h"
#include "lab/subject.h"
#include "lab/transfer_words.h"
#include "os/clock.h"
#include "os/map.h"
#include "os/socket.h"

#define LOG_BYTES (256ll << 20)
#define LOG_QUICK_BYTES (32ll << 20)
#define UNDER_WAY                                                                                  \
    (4u << 20) /* bytes that are asked for at a time, or a few answers of any size                 \
                */
#define FEW_ANSWERS 4
#define TAKEN (256u << 10) /* bytes that the roof's client receives with a call */
#define PATIENCE_MS 2000
#define MOST_CHUNK ((size_t)8 << 20)

struct stand {
    struct lab *lab;
    struct pins pins;
    char data[512];
    int64_t batches;
    double seconds, counted_seconds;
    unsigned rounds;
    struct scratch scratch; /* what the roofs send and copy */
    uint8_t *buffer;        /* MOST_CHUNK */
    struct transfers *transfers;
    struct crowd_result result;
};

/* A measurement: what, and whether the kernel counts. */
struct turn {
    struct transfer_method *method;
    unsigned chunk; /* index */
    bool local, counted;
};

static struct transfer_point *point_of(const struct turn *turn)
{
    return &turn->method->points[turn->local][turn->chunk];
}

/* ---- what was seen --------------------------------------------------------------------------- */

/* What came between two looks at what the subject uses. */
struct seen {
    struct subject_use use[2];
    double chunks, bytes, seconds;
};

static void note_time(struct transfer_point *point, double bytes, double seconds, double cpu)
{
    point->rates[point->rounds] = bytes / seconds / 1e9;
    point->cpus[point->rounds] = cpu / bytes * 1e9;
    point->rounds++;
}

static void note_counts(struct transfer_point *point, const struct subject *subject,
                        const struct seen *seen)
{
    for (int i = 0; i < COUNTERS; i++) {
        const char *refusal = subject_refusal(subject, (enum counter)i);
        point->counted[i] = seen->use[1].counted[i];
        point->counts[i] = (double)(seen->use[1].counts[i] - seen->use[0].counts[i]) / seen->chunks;
        if (refusal)
            snprintf(point->refusals[i], TRANSFER_WHY, "%s", refusal);
    }
}

static void note(const struct turn *turn, const struct subject *subject, const struct seen *seen)
{
    if (turn->counted)
        note_counts(point_of(turn), subject, seen);
    else
        note_time(point_of(turn), seen->bytes, seen->seconds,
                  seen->use[1].cpu_seconds - seen->use[0].cpu_seconds);
}

/* ---- the server ------------------------------------------------------------------------------ */

static int run_crowd(struct stand *stand, const struct turn *turn, struct subject *subject,
                     struct crowd *crowd, size_t bytes)
{
    struct seen seen;
    struct crowd_result *result = &stand->result;
    double seconds = turn->counted ? stand->counted_seconds : stand->seconds;
    int failed = crowd_run(crowd, 1, seconds / 5, result); /* warms up */
    if (!failed)
        failed = subject_use(subject, &seen.use[0]);
    if (!failed)
        failed = crowd_run(crowd, 1, seconds, result);
    if (!failed)
        failed = subject_use(subject, &seen.use[1]);
    if (failed)
        return failed;
    seen.chunks = (double)result->answers;
    seen.bytes = seen.chunks * (double)bytes;
    seen.seconds = result->seconds;
    note(turn, subject, &seen);
    return 0;
}

static int ask_server(struct stand *stand, const struct turn *turn, struct subject *subject)
{
    struct request request = {0};
    struct crowd *crowd = NULL;
    size_t chunk = stand->transfers->chunk[turn->chunk];
    size_t bytes = (size_t)request_batches((int32_t)chunk) * REQUESTS_BATCH;
    unsigned depth = (unsigned)(UNDER_WAY / chunk);
    depth = depth < FEW_ANSWERS ? FEW_ANSWERS : depth > CROWD_DEPTH ? CROWD_DEPTH : depth;
    int result = request_fetch((int32_t)chunk, stand->batches, &request);
    const struct crowd_plan plan = {.address = subject_address(subject, turn->local),
                                    .request = &request,
                                    .records = bytes,
                                    .connections = 1,
                                    .depth = depth};
    if (!result)
        result = crowd_open(&plan, &crowd);
    if (!result)
        result = run_crowd(stand, turn, subject, crowd, bytes);
    crowd_close(crowd);
    request_free(&request);
    return result;
}

/* ---- the roofs ------------------------------------------------------------------------------- */

/* Takes what comes for so long; how many bytes. */
static int take(struct stand *stand, int fd, double seconds, double *bytes)
{
    *bytes = 0;
    for (int64_t end = clock_monotonic_ns() + (int64_t)(seconds * 1e9);
         clock_monotonic_ns() < end;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) == 0)
            return error_set(MAPLOG_TIMED_OUT, "nothing came for %d s", PATIENCE_MS / 1000);
        ssize_t got = recv(fd, stand->buffer, TAKEN, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return error_errno(got ? errno : EPIPE, "the stream ended");
        *bytes += got > 0 ? (double)got : 0;
    }
    return 0;
}

static int take_stream(struct stand *stand, const struct turn *turn, struct subject *subject)
{
    struct seen seen;
    double seconds = turn->counted ? stand->counted_seconds : stand->seconds;
    int fd = -1;
    int result = socket_connect(subject_address(subject, turn->local), PATIENCE_MS, &fd);
    if (!result)
        result = take(stand, fd, seconds / 5, &seen.bytes); /* warms up */
    if (!result)
        result = subject_use(subject, &seen.use[0]);
    int64_t begin = clock_monotonic_ns();
    if (!result)
        result = take(stand, fd, seconds, &seen.bytes);
    seen.seconds = (double)(clock_monotonic_ns() - begin) * 1e-9;
    if (!result)
        result = subject_use(subject, &seen.use[1]);
    if (!result) {
        seen.chunks = seen.bytes / (double)stand->transfers->chunk[turn->chunk];
        note(turn, subject, &seen);
    }
    socket_abort(fd);
    return result;
}

static double own_cpu(void)
{
    struct timespec used = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* One copy of each byte, from the file's mapping to a buffer of a chunk. */
static void copy_memory(struct stand *stand, const struct turn *turn)
{
    size_t chunk = stand->transfers->chunk[turn->chunk], at = 0;
    double bytes = 0, cpu = own_cpu();
    int64_t begin = clock_monotonic_ns(), end = begin + (int64_t)(stand->seconds * 1e9 / 2);
    while (clock_monotonic_ns() < end) {
        if (at + chunk > stand->scratch.size)
            at = 0;
        memcpy(stand->buffer, stand->scratch.map + at, chunk);
        __asm__ volatile("" : : "r"(stand->buffer) : "memory"); /* no compiler leaves it out */
        at += chunk;
        bytes += (double)chunk;
    }
    note_time(point_of(turn), bytes, (double)(clock_monotonic_ns() - begin) * 1e-9,
              own_cpu() - cpu);
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Why there are no figures, or no counts. */
static void refuse(const struct turn *turn, const char *complaint)
{
    struct transfer_point *point = point_of(turn);
    char why[TRANSFER_WHY];
    snprintf(why, sizeof why, "%.90s%s%.90s", error_text(), complaint[0] ? "; the server: " : "",
             complaint);
    if (!turn->counted)
        memcpy(point->why, why, sizeof why);
    for (int i = 0; i < COUNTERS; i++)
        if (!point->counted[i])
            memcpy(point->refusals[i], why, sizeof why);
}

/* All sizes over both kinds of sockets from one server. */
static void turn_server(struct stand *stand, struct transfer_method *method, bool counted)
{
    const struct subject_options options = {.pins = &stand->pins,
                                            .directory = lab_directory(stand->lab, false),
                                            .counted = counted,
                                            .program = lab_program(stand->lab),
                                            .data = stand->data,
                                            .send = method->name};
    struct subject *subject = NULL;
    int result = subject_start(&options, &subject);
    for (int local = 0; local < 2; local++) {
        for (unsigned i = 0; i < stand->transfers->chunks; i++) {
            const struct turn turn = {method, i, local, counted};
            if (point_of(&turn)->why[0])
                continue;
            if (!result)
                result = ask_server(stand, &turn, subject);
            if (result)
                refuse(&turn, subject ? subject_complaint(subject) : "");
        }
    }
    subject_stop(subject);
}

static void turn_stream(struct stand *stand, const struct turn *turn)
{
    struct roof_stream stream = {stand->scratch.fd, stand->scratch.size,
                                 stand->transfers->chunk[turn->chunk]};
    const struct subject_options options = {.pins = &stand->pins,
                                            .directory = lab_directory(stand->lab, false),
                                            .counted = turn->counted,
                                            .serve = roof_stream,
                                            .context = &stream,
                                            .local = turn->local};
    struct subject *subject = NULL;
    int result = subject_start(&options, &subject);
    if (!result)
        result = take_stream(stand, turn, subject);
    if (result)
        refuse(turn, "");
    subject_stop(subject);
}

static void turn_roof(struct stand *stand, struct transfer_method *method, bool counted)
{
    for (int local = 0; local < 2; local++) {
        for (unsigned i = 0; i < stand->transfers->chunks; i++) {
            const struct turn turn = {method, i, local, counted};
            if (method->kind == TRANSFER_STREAM && !point_of(&turn)->why[0])
                turn_stream(stand, &turn);
            else if (method->kind == TRANSFER_MEMCPY && !counted)
                copy_memory(stand, &turn);
        }
    }
}

/* ---- the experiment -------------------------------------------------------------------------- */

static void list(struct stand *stand)
{
    static const size_t all[TRANSFER_CHUNKS] = {4u << 10,   16u << 10, 32u << 10, 64u << 10,
                                                256u << 10, 1u << 20,  MOST_CHUNK};
    static const size_t few[] = {4u << 10, 64u << 10, 1u << 20};
    struct transfers *transfers = stand->transfers;
    bool quick = lab_quick(stand->lab);
    transfers->chunks = quick ? sizeof few / sizeof few[0] : TRANSFER_CHUNKS;
    memcpy(transfers->chunk, quick ? few : all, transfers->chunks * sizeof few[0]);
    struct transfer_method *methods = transfers->methods;
    methods[transfers->count++] =
        (struct transfer_method){.name = "bare sendfile", .kind = TRANSFER_STREAM};
    methods[transfers->count++] =
        (struct transfer_method){.name = "bare memcpy", .kind = TRANSFER_MEMCPY};
    for (unsigned i = 0; io_send_name(i) && transfers->count < TRANSFER_METHODS; i++)
        methods[transfers->count++] = (struct transfer_method){.name = io_send_name(i)};
}

static int measure_all(struct stand *stand)
{
    struct transfers *transfers = stand->transfers;
    unsigned done = 0, all = (stand->rounds + 1) * transfers->count;
    for (unsigned round = 0; round <= stand->rounds; round++) {
        bool counted = round == stand->rounds;
        for (unsigned turn = 0; turn < transfers->count; turn++) {
            /* Another one is the first each time: what the last one left in caches differs. */
            struct transfer_method *method = &transfers->methods[(turn + round) % transfers->count];
            if (counted)
                lab_progress(stand->lab, done++, all, "transfer: %s, counting", method->name);
            else
                lab_progress(stand->lab, done++, all, "transfer: %s, round %u of %u", method->name,
                             round + 1, stand->rounds);
            if (method->kind == TRANSFER_SERVER)
                turn_server(stand, method, counted);
            else
                turn_roof(stand, method, counted);
            if (lab_stopped(stand->lab))
                return MAPLOG_CLOSED;
        }
    }
    return 0;
}

static void prove(struct stand *stand)
{
    for (int local = 0; local < 2; local++) {
        for (int way = 0; way < PROOF_WAYS; way++) {
            struct transfer_proof *proof = &stand->transfers->proofs[local][way];
            proof->result = proof_run(lab_directory(stand->lab, false), local, (enum proof_way)way,
                                      &proof->proof);
            if (proof->result)
                snprintf(proof->why, TRANSFER_WHY, "%s", error_text());
        }
    }
}

static int prepare(struct stand *stand)
{
    const char *directory = lab_directory(stand->lab, false);
    bool quick = lab_quick(stand->lab);
    int64_t bytes = quick ? LOG_QUICK_BYTES : LOG_BYTES;
    if (!directory)
        return MAPLOG_IO;
    stand->seconds = quick ? 0.06 : 0.2;
    stand->counted_seconds = stand->seconds / 3;
    stand->rounds = quick ? 2 : TRANSFER_ROUNDS;
    stand->batches = bytes / REQUESTS_BATCH;
    stand->transfers->pinned = stand->pins.pinned;
    list(stand);
    snprintf(stand->data, sizeof stand->data, "%s/transfer", directory);
    stand->buffer = malloc(MOST_CHUNK);
    int result = stand->buffer ? 0 : error_set(MAPLOG_NO_MEMORY, "no memory for a buffer");
    if (!result)
        result = requests_make_log(stand->data, stand->batches);
    if (!result)
        result = scratch_open(&stand->scratch, directory, (size_t)bytes);
    if (!result)
        result = scratch_fill(&stand->scratch);
    if (!result)
        map_populate(stand->scratch.map, stand->scratch.size, false); /* or it faults, once */
    return result;
}

static int report(struct lab *lab, const struct transfers *transfers)
{
    struct sheet *sheets[] = {
        lab_sheet(lab, "transfer-tcp", "Sending a file: over TCP on the loopback"),
        lab_sheet(lab, "transfer-unix", "Sending a file: over a Unix socket"),
        lab_sheet(lab, "transfer-copies", "Sending a file: which steps copy the bytes"),
    };
    if (!sheets[0] || !sheets[1] || !sheets[2])
        return error_set(MAPLOG_NO_MEMORY, "no memory for a sheet");
    transfer_words(sheets[0], transfers, false);
    transfer_words(sheets[1], transfers, true);
    transfer_proof_words(sheets[2], transfers);
    return 0;
}

static int run_stand(struct stand *stand)
{
    int result = prepare(stand);
    if (result)
        return result;
    prove(stand);
    result = measure_all(stand);
    transfer_settle(stand->transfers);
    int worded = report(stand->lab, stand->transfers);
    return result ? result : worded;
}

static int run(struct lab *lab)
{
    struct stand *stand = calloc(1, sizeof *stand);
    struct transfers *transfers = calloc(1, sizeof *transfers);
    int result = error_set(MAPLOG_NO_MEMORY, "no memory for figures");
    if (stand && transfers) {
        stand->lab = lab;
        stand->transfers = transfers;
        stand->scratch.fd = -1;
        pins_take(&stand->pins);
        result = run_stand(stand);
        pins_release(&stand->pins);
        scratch_close(&stand->scratch);
        free(stand->buffer);
    }
    free(stand);
    free(transfers);
    return result;
}

const struct experiment lab_transfer = {
    "transfer", "What does each way to send a file to a socket cost, and who copies the bytes?",
    run, 150, 14};
