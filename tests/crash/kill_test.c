/*
 * kill_test.c - kill -9 of producers, consumers, keepers and lease takers, at random moments and at
 * named points, while others go on: what was acknowledged is there once, in order, and nothing is
 * left that needs a hand. MAPLOG_LONG=1 does it for minutes instead of seconds.
 *
 * The longest time that an append or a read took in a process that lived on is printed, not judged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maplog.h>

#include "../support/workers.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/file.h"

#define WORKERS_LIMIT 8
#define MS 1000000ll
#ifdef __SANITIZE_ADDRESS__
#define LEAST_KILLS 8 /* a process with shadow memory takes its time to come and go */
#else
#define LEAST_KILLS 25
#endif

static char path[64];
static struct ledger *ledger;
static unsigned random_state = 1;

static unsigned draw(unsigned below)
{
    random_state = random_state * 1103515245 + 12345;
    return (random_state >> 8) % below;
}

static bool is_long(void)
{
    const char *wanted = getenv("MAPLOG_LONG");
    return wanted && strcmp(wanted, "1") == 0;
}

/* ---- keeping them going, and killing them
 * ---------------------------------------------------------- */

struct worker {
    pid_t pid;
    unsigned kind; /* index among the round's workers */
};

static void start_worker(const struct round *round, struct worker *worker, const char *point,
                         unsigned nth)
{
    uint32_t life = ledger->lives++;
    assert_true(life < LEDGER_LIVES);
    worker->pid = fork();
    assert_true(worker->pid >= 0);
    if (worker->pid == 0) {
        fault_signal_at(point, nth, SIGKILL);
        workers_run(&(struct workplace){path, ledger, round}, worker->kind, life);
    }
}

static void end_worker(struct worker *worker, int signal_number)
{
    int status;
    if (signal_number)
        kill(worker->pid, signal_number);
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        ledger_fail(ledger, "a process died by signal %d", WTERMSIG(status));
    else if (!WIFSIGNALED(status) && status != 0)
        ledger_fail(ledger, "a process ended with status %x", (unsigned)status);
}

static void assert_fine(const char *name)
{
    if (ledger->failed)
        fail_msg("%s: %s", name, ledger->failure);
}

/* Makes the directory and its topic; nobody is attached afterwards. */
static void make_log(const struct round *round)
{
    snprintf(path, sizeof path, "%s/maplog-crash-XXXXXX", round->place ? round->place : "/tmp");
    assert_non_null(mkdtemp(path));
    ledger = ledger_make();
    assert_non_null(ledger);
    if (round->writer)
        setenv("MAPLOG_WRITER", round->writer, 1);
    maplog *log = workers_open(&(struct workplace){path, ledger, round}, MAPLOG_CREATE);
    if (maplog_topic_create(log, "t", round->partitions, round->configs))
        fail_msg("%s", maplog_error_text());
    maplog_close(log);
    unsetenv("MAPLOG_WRITER");
}

/* Attaches afresh, checks everything, appends, detaches, and looks at what is left. */
static struct ledger_found check_log(const struct round *round)
{
    assert_fine(round->name);
    maplog *log = workers_open(&(struct workplace){path, ledger, round}, 0);
    struct ledger_found found = ledger_check(ledger, log, "t", false);
    assert_fine(round->name);
    for (int32_t p = 0; p < round->partitions; p++) {
        int64_t committed;
        if (maplog_group_committed(log, "g", "t", p, &committed))
            ledger_fail(ledger, "%s", maplog_error_text());
        if (committed < ledger->committed[p] && ledger->committed[p] > 0)
            ledger_fail(ledger, "%lld is committed, %lld was", (long long)committed,
                        (long long)ledger->committed[p]);
        struct maplog_partition described;
        if (maplog_partition_describe(log, "t", p, &described))
            ledger_fail(ledger, "%s", maplog_error_text());
        found.epoch = described.leader_epoch > found.epoch ? described.leader_epoch : found.epoch;
    }
    maplog_close(log);
    ledger_inspect(ledger, path);
    assert_fine(round->name);
    return found;
}

/* After each test, a failed one too: its processes were told to die with us or have died. */
static int remove_log(void **state)
{
    (void)state;
    if (ledger) {
        ledger->stop = 1;
        while (waitpid(-1, NULL, 0) > 0)
            ;
        ledger_remove(ledger);
    }
    ledger = NULL;
    return file_remove_tree(AT_FDCWD, path);
}

/* Workers run, and one after the other is killed and comes back, for some time. */
static void torture(const struct round *round)
{
    int64_t until = clock_monotonic_ns() + (is_long() ? 60000 : 700) * MS;
    unsigned least = is_long() ? 1000 : LEAST_KILLS;
    struct worker workers[WORKERS_LIMIT];
    unsigned count = round->producers + round->consumers + round->group_consumers + round->changers;
    unsigned kills = 0;
    assert_true(count <= WORKERS_LIMIT);
    make_log(round);
    for (unsigned i = 0; i < count; i++) {
        workers[i].kind = i;
        start_worker(round, &workers[i], NULL, 0);
    }
    while ((clock_monotonic_ns() < until || kills < least) && !ledger->failed &&
           ledger->lives < LEDGER_LIVES - 10) {
        clock_sleep_ns(draw(2 * round->kill_us) * 1000ll);
        struct worker *victim = &workers[draw(count)];
        end_worker(victim, SIGKILL);
        start_worker(round, victim, NULL, 0);
        kills++;
    }
    /* Half of them by themselves, then the others all at once. */
    ledger->stop = 1;
    for (unsigned i = 0; i < count; i++)
        end_worker(&workers[i], i % 2 ? 0 : SIGKILL);
    struct ledger_found found = check_log(round);
    print_message(
        "%s: %u kills, %lld records, %lld of them never acknowledged, %llu reads, longest "
        "call %.1f ms, epoch %d\n",
        round->name, kills, (long long)found.records, (long long)found.unacknowledged,
        (unsigned long long)ledger->reads, (double)ledger->longest_ns / 1e6, found.epoch);
    assert_true(kills >= least && found.records > 100);
}

/* ---- the tests
 * -------------------------------------------------------------------------------------- */

static void producers_of_single_records(void **state)
{
    (void)state;
    torture(&(struct round){.name = "single records",
                            .configs = {"segment.bytes=16384"},
                            .partitions = 1,
                            .producers = 3,
                            .consumers = 1,
                            .kill_us = 1500});
}

static void producers_of_batches(void **state)
{
    (void)state;
    torture(&(struct round){.name = "compressed batches",
                            .configs = {"segment.bytes=16384", NULL},
                            .partitions = 2,
                            .producers = 5,
                            .consumers = 2,
                            .group_consumers = 1,
                            .batch_bytes = 8000,
                            .compression = MAPLOG_COMPRESSION_LZ4,
                            .kill_us = 1500});
}

static void producers_that_want_it_on_disk(void **state)
{
    (void)state;
    torture(&(struct round){.name = "durable",
                            .configs = {"segment.bytes=32768"},
                            .partitions = 1,
                            .producers = 4,
                            .acks = MAPLOG_ACKS_DISK,
                            .kill_us = 4000});
}

static void a_log_in_shared_memory(void **state)
{
    (void)state;
    torture(&(struct round){.name = "tmpfs",
                            .place = "/dev/shm",
                            .configs = {"segment.bytes=16384"},
                            .partitions = 1,
                            .producers = 2,
                            .consumers = 2,
                            .kill_us = 1500});
}

static void writers_that_share_a_mutex(void **state)
{
    (void)state;
    torture(&(struct round){.name = "mutex",
                            .configs = {"segment.bytes=16384"},
                            .partitions = 1,
                            .producers = 3,
                            .consumers = 1,
                            .kill_us = 1500,
                            .writer = "mutex"});
}

static void groups_that_commit(void **state)
{
    (void)state;
    torture(&(struct round){.name = "groups",
                            .configs = {"segment.bytes=16384"},
                            .partitions = 2,
                            .producers = 2,
                            .group_consumers = 4,
                            .kill_us = 3000});
}

static void retention_and_changes_of_topics(void **state)
{
    (void)state;
    torture(&(struct round){.name = "changes",
                            .configs = {"segment.bytes=16384", "retention.bytes=200000"},
                            .partitions = 1,
                            .producers = 3,
                            .consumers = 1,
                            .changers = 3,
                            .kill_us = 2500});
}

/* The whole crowd dies, and another one comes. */
static void all_at_once(void **state)
{
    (void)state;
    const struct round round = {.name = "all at once",
                                .configs = {"segment.bytes=16384"},
                                .partitions = 2,
                                .producers = 4,
                                .consumers = 1,
                                .group_consumers = 1};
    struct worker workers[6];
    unsigned crowds = is_long() ? 1000 : LEAST_KILLS;
    make_log(&round);
    for (unsigned crowd = 0; crowd < crowds && !ledger->failed; crowd++) {
        for (unsigned i = 0; i < 6; i++) {
            workers[i].kind = i;
            start_worker(&round, &workers[i], NULL, 0);
        }
        clock_sleep_ns(draw(40) * MS);
        for (unsigned i = 0; i < 6; i++)
            kill(workers[i].pid, SIGKILL);
        for (unsigned i = 0; i < 6; i++)
            end_worker(&workers[i], 0);
    }
    struct ledger_found found = check_log(&round);
    print_message("%s: %u crowds, %lld records, %lld of them never acknowledged\n", round.name,
                  crowds, (long long)found.records, (long long)found.unacknowledged);
}

/* A producer, a changer or a group dies at each point that has a name, while others go on. */
static void at_every_named_point(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned kind;  /* of who passes it: 0 producer, 2 changer, 3 group consumer */
        unsigned often; /* how often it is passed soon */
    } points[] = {
        {"append-begun", 0, 200}, {"append-copied", 0, 200}, {"append-published", 0, 200},
        {"index-begun", 0, 40},   {"index-put", 0, 40},      {"grow-allocated", 0, 1},
        {"roll-created", 0, 3},   {"roll-allocated", 0, 3},  {"roll-sealed", 0, 3},
        {"roll-published", 0, 3}, {"flush-synced", 0, 100},  {"topics-slots", 2, 3},
        {"topics-stored", 2, 6},  {"delete-noted", 2, 2},    {"delete-told", 2, 2},
        {"delete-renamed", 2, 3}, {"remove-part", 2, 20},
    };
    const struct round round = {.name = "named points",
                                .configs = {"segment.bytes=100000", "index.interval.bytes=1000"},
                                .partitions = 1,
                                .producers = 2,
                                .changers = 2,
                                .batch_bytes = 3000,
                                .acks = MAPLOG_ACKS_DISK};
    unsigned turns = is_long() ? 20 : 1, died = 0;
    make_log(&round);
    struct worker others[2] = {{.kind = 1}, {.kind = 3}};
    for (unsigned i = 0; i < 2; i++)
        start_worker(&round, &others[i], NULL, 0);
    for (unsigned turn = 0; turn < turns; turn++) {
        for (size_t i = 0; i < sizeof points / sizeof *points && !ledger->failed; i++) {
            struct worker victim = {.kind = points[i].kind};
            start_worker(&round, &victim, points[i].name, 1 + draw(points[i].often));
            int status;
            int64_t until = clock_monotonic_ns() + 20000 * MS;
            pid_t ended = 0;
            while (ended == 0 && clock_monotonic_ns() < until && !ledger->failed) {
                clock_sleep_ns(MS);
                ended = waitpid(victim.pid, &status, WNOHANG);
            }
            if (ended == 0) {
                end_worker(&victim, SIGKILL);
                assert_fine(points[i].name);
                fail_msg("%s was not passed", points[i].name);
            }
            assert_fine(points[i].name);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            died++;
        }
    }
    ledger->stop = 1;
    for (unsigned i = 0; i < 2; i++)
        end_worker(&others[i], 0);
    struct ledger_found found = check_log(&round);
    print_message("%s: %u deaths, %lld records, longest call %.1f ms\n", round.name, died,
                  (long long)found.records, (double)ledger->longest_ns / 1e6);
}

int main(void)
{
    const char *seed = getenv("SEED"); /* to repeat what was drawn, as far as that goes */
    random_state = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)clock_monotonic_ns();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(producers_of_single_records, remove_log),
        cmocka_unit_test_teardown(producers_of_batches, remove_log),
        cmocka_unit_test_teardown(producers_that_want_it_on_disk, remove_log),
        cmocka_unit_test_teardown(a_log_in_shared_memory, remove_log),
        cmocka_unit_test_teardown(writers_that_share_a_mutex, remove_log),
        cmocka_unit_test_teardown(groups_that_commit, remove_log),
        cmocka_unit_test_teardown(retention_and_changes_of_topics, remove_log),
        cmocka_unit_test_teardown(all_at_once, remove_log),
        cmocka_unit_test_teardown(at_every_named_point, remove_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
