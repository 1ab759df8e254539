/*
 * wake.c - the experiment `wake`: what it costs to hand over to another thread or process, and to
 * be handed back. Both are pinned, each to a CPU of its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/histogram.h"
#include "lab/experiment.h"
#include "lab/hands.h"
#include "lab/pins.h"
#include "os/clock.h"
#include "os/counters.h"
#include "os/thread.h"

#define WARM_TRIPS 200
#define COUNTED_TRIPS 2000
#define ROUNDS 7
#define QUICK_ROUNDS 3
#define ROUND_NS 150000000
#define QUICK_ROUND_NS 40000000
#define KINDS 2 /* threads, processes */
#define WHY 160

/* A way between two threads or two processes, and what was found. */
struct trial {
    enum hands_way way;
    bool processes;
    struct histogram histogram; /* of round trips, in nanoseconds, all rounds */
    unsigned rounds;
    double medians[ROUNDS]; /* of each round */
    double cpu_seconds;
    uint64_t trips;
    bool counted[COUNTERS];
    double counts[COUNTERS]; /* for a round trip */
    char refusals[COUNTERS][WHY];
    char why[WHY]; /* it could not be had; "" */
};

struct wake {
    struct lab *lab;
    struct pins pins;
    struct trial trials[HANDS_WAYS][KINDS];
};

/* ---- the other side -------------------------------------------------------------------------- */

struct peer {
    struct hands hands; /* its own, in lines of its own */
    const struct pins *pins;
    bool is_process;
    pthread_t thread;
    pid_t pid;
};

static void *answer(void *context)
{
    struct hands hands = ((struct peer *)context)->hands;
    hands.stopped = NULL; /* it ends when the first side says so */
    pins_move_child(((struct peer *)context)->pins);
    while (hands_await(&hands, 0) == 0 && hands_post(&hands, 1) == 0)
        ;
    return NULL;
}

static int start_peer(struct peer *peer, const struct hands *hands)
{
    peer->hands = *hands;
    if (!peer->is_process)
        return thread_start(&peer->thread, "lab-wake", answer, peer);
    peer->pid = fork();
    if (peer->pid < 0)
        return error_set(MAPLOG_LIMIT, "cannot start a process");
    if (peer->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer(peer);
        _exit(0);
    }
    return 0;
}

static void end_peer(struct peer *peer, struct hands *hands)
{
    hands_end(hands);
    hands_post(hands, 0);
    if (peer->is_process)
        waitpid(peer->pid, NULL, 0);
    else
        thread_join(peer->thread);
}

/* CPU seconds of both sides up to now. */
static double cpu_seconds(const struct peer *peer)
{
    struct timespec own = {0}, other = {0};
    clockid_t clock;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    if (peer->is_process && clock_getcpuclockid(peer->pid, &clock) == 0)
        clock_gettime(clock, &other);
    return (double)(own.tv_sec + other.tv_sec) + 1e-9 * (double)(own.tv_nsec + other.tv_nsec);
}

/* ---- measuring ------------------------------------------------------------------------------- */

static bool stopped(const void *lab)
{
    return lab_stopped(lab);
}

static int trip(struct hands *hands)
{
    int result = hands_post(hands, 0);
    return result ? result : hands_await(hands, 1);
}

static int make_trips(struct hands *hands, unsigned count)
{
    int result = 0;
    for (unsigned i = 0; !result && i < count; i++)
        result = trip(hands);
    return result;
}

static int time_trips(struct hands *hands, int64_t limit_ns, struct histogram *histogram)
{
    double ns_per_tick = 1e3 / (double)clock_ticks_per_us();
    int64_t end = clock_monotonic_ns() + limit_ns;
    int result = 0;
    uint64_t before = clock_ticks();
    for (unsigned i = 0; !result && (i % 64 != 0 || clock_monotonic_ns() < end); i++) {
        if (i % 64 == 0)
            before = clock_ticks();
        result = trip(hands);
        uint64_t now = clock_ticks();
        histogram_add(histogram, (uint64_t)((double)(now - before) * ns_per_tick));
        before = now;
    }
    return result;
}

static int timed_round(struct wake *wake, struct trial *trial, struct hands *hands,
                       const struct peer *peer)
{
    static struct histogram histogram;
    histogram_clear(&histogram);
    double cpu = cpu_seconds(peer);
    int result = time_trips(hands, lab_quick(wake->lab) ? QUICK_ROUND_NS : ROUND_NS, &histogram);
    trial->cpu_seconds += cpu_seconds(peer) - cpu;
    trial->trips += histogram.count;
    trial->medians[trial->rounds++] = (double)histogram_percentile(&histogram, 50);
    histogram_merge(&trial->histogram, &histogram);
    return result;
}

static int counted_round(struct trial *trial, struct hands *hands, const struct counters *counters)
{
    uint64_t begin[COUNTERS] = {0}, end[COUNTERS] = {0};
    for (int i = COUNTERS - 1; i >= 0; i--) /* system calls last: reading is one, too */
        counters_read(counters, (enum counter)i, &begin[i]);
    int result = make_trips(hands, COUNTED_TRIPS);
    for (int i = 0; i < COUNTERS; i++) {
        const char *refusal = counters_refusal(counters, (enum counter)i);
        trial->counted[i] = !refusal && counters_read(counters, (enum counter)i, &end[i]);
        trial->counts[i] = (double)(end[i] - begin[i]) / COUNTED_TRIPS;
        snprintf(trial->refusals[i], WHY, "%s", refusal ? refusal : "it could not be read");
    }
    return result;
}

/* counters: NULL for a round that is timed. Who is counted begins after they are open. */
static int run_round(struct wake *wake, struct trial *trial, const struct counters *counters)
{
    struct hands hands;
    int result = hands_open(&hands, trial->way);
    if (result)
        return result;
    struct peer peer = {.pins = &wake->pins, .is_process = trial->processes};
    hands.stopped = stopped;
    hands.context = wake->lab;
    result = start_peer(&peer, &hands);
    if (!result) {
        result = make_trips(&hands, WARM_TRIPS);
        if (!result)
            result = counters ? counted_round(trial, &hands, counters)
                              : timed_round(wake, trial, &hands, &peer);
        end_peer(&peer, &hands);
    }
    hands_close(&hands);
    return result;
}

static void run_trial(struct wake *wake, struct trial *trial, bool count)
{
    struct counters counters;
    if (trial->why[0])
        return;
    if (trial->way == HANDS_SPIN && !wake->pins.pinned) {
        snprintf(trial->why, WHY, "with one CPU, who spins keeps the other from running");
        return;
    }
    if (count)
        counters_open(&counters, 0);
    if (run_round(wake, trial, count ? &counters : NULL) != 0)
        snprintf(trial->why, WHY, "%.150s", lab_stopped(wake->lab) ? "interrupted" : error_text());
    if (count)
        counters_close(&counters);
}

static int measure(struct wake *wake)
{
    unsigned rounds = lab_quick(wake->lab) ? QUICK_ROUNDS : ROUNDS, done = 0;
    unsigned all = (rounds + 1) * HANDS_WAYS * KINDS;
    for (unsigned round = 0; round <= rounds; round++) {
        for (int way = 0; way < HANDS_WAYS; way++) {
            for (int kind = 0; kind < KINDS; kind++) {
                if (lab_stopped(wake->lab))
                    return error_set(MAPLOG_CLOSED, "interrupted");
                lab_progress(wake->lab, done++, all, "wake: %s", hands_name((enum hands_way)way));
                run_trial(wake, &wake->trials[way][kind], round == 0);
            }
        }
    }
    return 0;
}

/* ---- the sheet ------------------------------------------------------------------------------- */

enum { WAY, BETWEEN, ONE_WAY, TRIP, SLOW, CPU, SWITCHES, CALLS, SPREAD, COLUMNS };

static double trip_us(const struct trial *trial, double percent)
{
    return (double)histogram_percentile(&trial->histogram, percent) / 1e3;
}

static void put_count(struct sheet *sheet, const struct trial *trial, enum counter counter)
{
    if (trial->why[0])
        sheet_refused(sheet, "%s", trial->why);
    else if (!trial->counted[counter])
        sheet_refused(sheet, "%s", trial->refusals[counter]);
    else
        sheet_number(sheet, trial->counts[counter]);
}

/* Between the fastest and the slowest round's median, in percent of the smallest. */
static double spread_percent(const struct trial *trial)
{
    double least = trial->medians[0], most = least;
    for (unsigned i = 1; i < trial->rounds; i++) {
        least = trial->medians[i] < least ? trial->medians[i] : least;
        most = trial->medians[i] > most ? trial->medians[i] : most;
    }
    return 100 * (most - least) / least;
}

static void put_trial(struct sheet *sheet, const struct trial *trial)
{
    sheet_row(sheet, trial->way == HANDS_SPIN ? SHEET_ROOF : SHEET_MEASURED);
    sheet_text(sheet, "%s", hands_name(trial->way));
    sheet_text(sheet, trial->processes ? "processes" : "threads");
    if (!trial->trips) {
        for (int i = ONE_WAY; i < COLUMNS; i++)
            sheet_refused(sheet, "%s", trial->why[0] ? trial->why : "interrupted");
        return;
    }
    sheet_number(sheet, trip_us(trial, 50) / 2);
    sheet_number(sheet, trip_us(trial, 50));
    sheet_number(sheet, trip_us(trial, 99));
    sheet_number(sheet, trial->cpu_seconds * 1e6 / (double)trial->trips);
    put_count(sheet, trial, COUNTER_SWITCHES);
    put_count(sheet, trial, COUNTER_CALLS);
    sheet_number(sheet, spread_percent(trial));
}

/* The fastest of those that sleep, between processes. */
static const struct trial *best_sleeper(const struct wake *wake)
{
    const struct trial *best = NULL;
    for (int way = HANDS_SPIN + 1; way < HANDS_WAYS; way++) {
        const struct trial *trial = &wake->trials[way][1];
        if (trial->trips && (!best || trip_us(trial, 50) < trip_us(best, 50)))
            best = trial;
    }
    return best;
}

/* Some round of this one was as fast as some round of the best. */
static bool is_alike(const struct trial *trial, const struct trial *best)
{
    double least = trial->medians[0], most = best->medians[0];
    for (unsigned i = 1; i < trial->rounds; i++)
        least = trial->medians[i] < least ? trial->medians[i] : least;
    for (unsigned i = 1; i < best->rounds; i++)
        most = best->medians[i] > most ? best->medians[i] : most;
    return least <= most;
}

/* "futex, pipe": what cannot be told from the best. */
static void name_alike(const struct wake *wake, const struct trial *best, char *names, size_t size)
{
    size_t length = 0;
    names[0] = '\0';
    for (int way = HANDS_SPIN + 1; way < HANDS_WAYS; way++) {
        const struct trial *trial = &wake->trials[way][1];
        if (trial != best && trial->trips && is_alike(trial, best) && length < size)
            length += (size_t)snprintf(names + length, size - length, "%s%s", length ? ", " : "",
                                       hands_name(trial->way));
    }
}

static void say(struct sheet *sheet, const struct wake *wake)
{
    const struct trial *spin = &wake->trials[HANDS_SPIN][1], *best = best_sleeper(wake);
    const struct trial *tcp = &wake->trials[HANDS_TCP][1];
    sheet_say(sheet,
              "A round trip is a post, and an await of the post that answers it; one way is "
              "half of its median. Eight bytes go along where there is room for bytes. %s",
              wake->pins.pinned
                  ? "Each side had a CPU of its own."
                  : "Both sides shared the only CPU: a switch is in every hand-over.");
    sheet_say(sheet,
              "Switches and system calls are of both sides, counted by the kernel in a round "
              "of its own that was not timed.");
    if (!best)
        return;
    double sleeping = trip_us(best, 50) / 2;
    if (spin->trips) {
        double spinning = trip_us(spin, 50) / 2;
        sheet_say(sheet,
                  "A line that is looked at all the time arrives %.0f times as fast as the "
                  "fastest waking of who sleeps (%s): most of %.1f us is the kernel's waking, "
                  "not the bytes' way.",
                  sleeping / spinning, hands_name(best->way), sleeping);
        sheet_advise(sheet,
                     "Spin at most about %.0f us before going to sleep: so much a hand-over "
                     "to a sleeper costs anyway, and who spins longer only heats the CPU.",
                     sleeping);
    }
    char alike[256];
    name_alike(wake, best, alike, sizeof alike);
    sheet_advise(sheet,
                 "To wake another process, %s is fastest here: %.1f us one way, %.1f us of CPU for "
                 "a round trip%s%s.",
                 hands_name(best->way), sleeping, best->cpu_seconds * 1e6 / (double)best->trips,
                 alike[0] ? "; no slower than the rounds were apart: " : "", alike);
    if (tcp->trips && !is_alike(tcp, best))
        sheet_advise(sheet,
                     "Over TCP on this machine the same takes %.1f us, %.1f times as long: "
                     "who shares the machine should share memory.",
                     trip_us(tcp, 50) / 2, trip_us(tcp, 50) / trip_us(best, 50));
}

static void report(struct sheet *sheet, const struct wake *wake)
{
    static const struct sheet_column columns[COLUMNS] = {
        [WAY] = {"way", "", 0},
        [BETWEEN] = {"between", "", 0},
        [ONE_WAY] = {"one way", "us", 2},
        [TRIP] = {"round trip p50", "us", 2},
        [SLOW] = {"round trip p99", "us", 2},
        [CPU] = {"CPU", "us per trip", 2},
        [SWITCHES] = {"switches", "per trip", 2},
        [CALLS] = {"system calls", "per trip", 2},
        [SPREAD] = {"spread", "%", 0},
    };
    sheet_columns(sheet, columns, COLUMNS);
    for (int way = 0; way < HANDS_WAYS; way++)
        for (int kind = 0; kind < KINDS; kind++)
            put_trial(sheet, &wake->trials[way][kind]);
    sheet_plot(sheet, &(struct sheet_plot){"One way, median", SHEET_BARS, WAY, ONE_WAY, BETWEEN,
                                           false, true});
    say(sheet, wake);
}

static int run(struct lab *lab)
{
    struct wake *wake = calloc(1, sizeof *wake);
    struct sheet *sheet = lab_sheet(lab, "wake", "From one thread or process to another and back");
    if (!wake || !sheet) {
        free(wake);
        return error_set(MAPLOG_NO_MEMORY, "no memory for the experiment");
    }
    wake->lab = lab;
    for (int way = 0; way < HANDS_WAYS; way++)
        for (int kind = 0; kind < KINDS; kind++)
            wake->trials[way][kind] =
                (struct trial){.way = (enum hands_way)way, .processes = kind == 1};
    pins_take(&wake->pins);
    int result = measure(wake);
    pins_release(&wake->pins);
    report(sheet, wake);
    free(wake);
    return result;
}

const struct experiment lab_wake = {
    "wake",
    "What does waking another thread or process take: futex, pipe, socket, queue, spinning?",
    run,
    25,
    4,
};
