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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <maplog.h>

#include "../support/ledger.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/file.h"

#define WORKERS_LIMIT 8
#define MS 1000000ll

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

/* ---- what the processes do
 * ------------------------------------------------------------------------ */

/* A test's kinds of processes, how they append, and what befalls them. */
struct round {
    const char *name;
    const char *place; /* parent of the directory */
    const char *configs[4];
    int32_t partitions;
    unsigned producers, consumers, group_consumers, changers;
    size_t batch_bytes; /* 0: a record is a batch */
    enum maplog_compression compression;
    enum maplog_acks acks;
    unsigned kill_us;   /* average time between two kills */
    const char *writer; /* MAPLOG_WRITER */
    bool all_die;       /* also while one of them recovers: then the epoch rises */
};

static maplog *open_log(unsigned flags)
{
    struct maplog_open_options options = {.flags = flags, .timeout_ms = 60000};
    maplog *log = NULL;
    if (maplog_open(path, &options, &log)) {
        ledger_fail(ledger, "open: %s", maplog_error_text());
        _exit(1);
    }
    return log;
}

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    ledger_fail(ledger, "%s: %s", what, maplog_error_text());
    _exit(1);
}

/* Appends until it is killed or told to stop; tells the ledger what was acknowledged. */
static void produce(const struct round *round, uint32_t life)
{
    struct maplog_producer *producer;
    struct maplog_producer_options options = {.acks = round->acks,
                                              .compression = round->compression,
                                              .batch_bytes = round->batch_bytes,
                                              .timeout_ms = 60000};
    maplog *log = open_log(0);
    must(maplog_producer_open(log, "t", &options, &producer), "producer");
    int32_t partition = (int32_t)(life % (uint32_t)round->partitions);
    struct ledger_life *own = &ledger->life[life];
    uint8_t value[LEDGER_VALUE_MAX];
    for (uint32_t number = 0; !ledger->stop && !ledger->failed; number++) {
        struct maplog_record record = {.value = value,
                                       .value_size = ledger_value(life, number, value)};
        int64_t begun = clock_monotonic_ns();
        must(maplog_produce_to(producer, partition, &record, NULL), "produce");
        if (round->batch_bytes && number % 16 == 15)
            must(maplog_flush(producer), "flush");
        ledger_note_time(ledger, begun);
        if (!round->batch_bytes || number % 16 == 15) {
            own->acknowledged = number + 1;
            if (round->acks == MAPLOG_ACKS_DISK)
                own->durable = number + 1;
        }
        if (number % 64 == 63)
            clock_sleep_ns(200000); /* others have their turn, the log stays small */
    }
    must(maplog_producer_close(producer), "close");
    maplog_close(log);
}

/* Reads what is there and what comes; every record is whole, no offset is missing. */
static void consume(const struct round *round, uint32_t life)
{
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {.check_crcs = 1};
    maplog *log = open_log(life % 2 ? MAPLOG_READ_ONLY : 0);
    must(maplog_consumer_open(log, "t", &options, &consumer), "consumer");
    int64_t next[LEDGER_PARTITIONS];
    for (int32_t p = 0; p < round->partitions; p++) {
        struct maplog_partition found;
        must(maplog_partition_describe(log, "t", p, &found), "describe");
        int64_t behind = found.end_offset - found.start_offset;
        must(maplog_seek(consumer, p, found.end_offset - behind / (1 + life % 7)), "seek");
        must(maplog_position(consumer, p, &next[p]), "position");
    }
    while (!ledger->stop && !ledger->failed) {
        struct maplog_message message;
        int result = maplog_consume(consumer, &message, 20);
        if (result == MAPLOG_OFFSET_OUT_OF_RANGE && round->configs[1]) { /* retention */
            must(maplog_seek(consumer, -1, MAPLOG_BEGIN), "seek");
            for (int32_t p = 0; p < round->partitions; p++)
                next[p] = -1;
            continue;
        }
        must(result, "consume");
        if (result == 0)
            continue;
        uint32_t writer, number;
        if (next[message.partition] >= 0 && message.offset != next[message.partition])
            ledger_fail(ledger, "a consumer got offset %lld, not %lld", (long long)message.offset,
                        (long long)next[message.partition]);
        if (!ledger_read_value(message.value, message.value_size, &writer, &number))
            ledger_fail(ledger, "a consumer got a torn record");
        next[message.partition] = message.offset + 1;
        ledger->reads++;
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
}

/* Reads as a group and commits; who comes next goes on where that was acknowledged. */
static void consume_in_group(const struct round *round)
{
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {.group = "g"};
    maplog *log = open_log(0);
    int result;
    while ((result = maplog_consumer_open(log, "t", &options, &consumer)) == MAPLOG_GROUP_BUSY &&
           !ledger->stop && !ledger->failed)
        clock_sleep_ns(MS);
    if (result == MAPLOG_GROUP_BUSY)
        _exit(0);
    must(result, "group consumer");
    for (int32_t p = 0; p < round->partitions; p++) {
        int64_t position;
        if (maplog_position(consumer, p, &position)) /* another one has it */
            continue;
        if (position < ledger->committed[p])
            ledger_fail(ledger, "the group begins at %lld, %lld was committed", (long long)position,
                        (long long)ledger->committed[p]);
    }
    while (!ledger->stop && !ledger->failed) {
        struct maplog_message message;
        for (int i = 0; i < 20 && (result = maplog_consume(consumer, &message, 5)) == 1; i++)
            ledger->reads++;
        must(result, "consume");
        int64_t begun = clock_monotonic_ns();
        must(maplog_commit(consumer), "commit");
        ledger_note_time(ledger, begun);
        for (int32_t p = 0; p < round->partitions; p++) {
            int64_t position;
            if (maplog_position(consumer, p, &position) == 0 && position > ledger->committed[p])
                ledger->committed[p] = position;
        }
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
}

/* Attaches, makes a topic, uses it, changes it, deletes it, detaches; again and again. */
static void change(uint32_t life)
{
    for (uint32_t turn = 0; !ledger->stop && !ledger->failed; turn++) {
        maplog *log = open_log(0);
        struct maplog_producer *producer;
        char topic[32];
        snprintf(topic, sizeof topic, "x-%u-%u", life, turn);
        const char *configs[] = {"segment.bytes=4096", NULL};
        const char *later[] = {turn % 2 ? "segment.bytes=8192" : "retention.ms=1000000", NULL};
        must(maplog_topic_create(log, topic, 1 + (int32_t)(turn % 3), configs), "create");
        must(maplog_producer_open(log, topic, NULL, &producer), "producer of a new topic");
        uint8_t value[LEDGER_VALUE_MAX] = {0};
        struct maplog_record record = {.value = value, .value_size = 700};
        for (int i = 0; i < 20; i++)
            must(maplog_produce(producer, &record, NULL), "produce to a new topic");
        must(maplog_topic_alter(log, topic, later), "alter");
        must(maplog_delete_records(log, topic, 0, -1), "delete records");
        must(maplog_producer_close(producer), "close");
        if (turn % 4)
            must(maplog_topic_delete(log, topic), "delete");
        maplog_close(log);
    }
}

/* ---- keeping them going, and killing them
 * ---------------------------------------------------------- */

struct worker {
    pid_t pid;
    unsigned kind; /* index among the round's workers */
};

static void run_worker(const struct round *round, unsigned kind, uint32_t life)
{
    if (round->writer)
        setenv("MAPLOG_WRITER", round->writer, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kind < round->producers)
        produce(round, life);
    else if ((kind -= round->producers) < round->consumers)
        consume(round, life);
    else if ((kind -= round->consumers) < round->group_consumers)
        consume_in_group(round);
    else
        change(life);
    _exit(0);
}

static void start_worker(const struct round *round, struct worker *worker, const char *point,
                         unsigned nth)
{
    uint32_t life = ledger->lives++;
    assert_true(life < LEDGER_LIVES);
    worker->pid = fork();
    assert_true(worker->pid >= 0);
    if (worker->pid == 0) {
        fault_signal_at(point, nth, SIGKILL);
        run_worker(round, worker->kind, life);
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
    maplog *log = open_log(MAPLOG_CREATE);
    if (maplog_topic_create(log, "t", round->partitions, round->configs))
        fail_msg("%s", maplog_error_text());
    maplog_close(log);
    unsetenv("MAPLOG_WRITER");
}

/* Attaches afresh, checks everything, appends, detaches, and looks at what is left. */
static struct ledger_found check_log(const struct round *round)
{
    assert_fine(round->name);
    maplog *log = open_log(0);
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
        else if (described.leader_epoch != 0 && !round->all_die)
            ledger_fail(ledger, "the epoch is %d", described.leader_epoch);
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
    struct worker workers[WORKERS_LIMIT];
    unsigned count = round->producers + round->consumers + round->group_consumers + round->changers;
    unsigned kills = 0;
    assert_true(count <= WORKERS_LIMIT);
    make_log(round);
    for (unsigned i = 0; i < count; i++) {
        workers[i].kind = i;
        start_worker(round, &workers[i], NULL, 0);
    }
    while (clock_monotonic_ns() < until && !ledger->failed && ledger->lives < LEDGER_LIVES - 10) {
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
        "call %.1f ms\n",
        round->name, kills, (long long)found.records, (long long)found.unacknowledged,
        (unsigned long long)ledger->reads, (double)ledger->longest_ns / 1e6);
    assert_true(kills > 10 && found.records > 100);
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
                                .all_die = true,
                                .configs = {"segment.bytes=16384"},
                                .partitions = 2,
                                .producers = 4,
                                .consumers = 1,
                                .group_consumers = 1};
    struct worker workers[6];
    unsigned crowds = is_long() ? 1000 : 25;
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
