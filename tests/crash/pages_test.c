/*
 * pages_test.c - power cuts in a model (pages_model.h), at random moments of a random life of
 * a log, within calls too. Whatever is left, recovery finds every record that was acknowledged as
 * durable, cuts everything behind the first damage, once, and says so by the leader epoch.
 * MAPLOG_LONG=1 does it for minutes; SEED repeats one life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <maplog.h>

#include "../support/ledger.h"
#include "pages_model.h"
#include "os/clock.h"
#include "os/file.h"

#define MS 1000000ll
#define WRITERS 3
#define CUTS 4 /* of one life */

static char home[64], live[80];
static struct ledger *ledger;
static unsigned random_state;

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

#define must(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("seed %u: %s: %s", seed, #call, maplog_error_text());                         \
    } while (0)

/* ---- one life
 * ------------------------------------------------------------------------------------- */

/* A cut, and what was promised when it came. */
struct cut {
    char path[100];
    uint32_t durable[WRITERS], published[WRITERS];
    bool topic_made;
    int32_t epoch;
};

static struct cut cuts[CUTS];
static unsigned cut_count, calls_to_cut; /* calls until the next one */
static bool topic_made;
static int32_t live_epoch;

static void make_cut(void)
{
    struct cut *cut = &cuts[cut_count];
    snprintf(cut->path, sizeof cut->path, "%s/cut-%u", home, cut_count);
    for (unsigned i = 0; i < WRITERS; i++) {
        cut->durable[i] = ledger->life[i].durable;
        cut->published[i] = ledger->life[i].acknowledged;
    }
    cut->topic_made = topic_made;
    cut->epoch = live_epoch;
    cut_count++;
    pages_cut(cut->path, random_state ^ cut_count);
}

static void on_call(void)
{
    if (calls_to_cut && --calls_to_cut == 0 && cut_count < CUTS)
        make_cut();
}

struct life {
    unsigned seed;
    maplog *log;
    struct maplog_producer *producers[WRITERS]; /* the last one is durable */
    uint32_t next[WRITERS];
};

static void open_all(struct life *life)
{
    unsigned seed = life->seed;
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    must(maplog_open(live, &options, &life->log));
    if (!topic_made) {
        const char *configs[] = {"segment.bytes=20000", "index.interval.bytes=1000", NULL};
        must(maplog_topic_create(life->log, "t", 1, configs));
        topic_made = true;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        struct maplog_producer_options producer = {.acks = i == WRITERS - 1 ? MAPLOG_ACKS_DISK
                                                                            : MAPLOG_ACKS_MEMORY,
                                                   .batch_bytes = i == 1 ? 4000 : 0};
        must(maplog_producer_open(life->log, "t", &producer, &life->producers[i]));
    }
}

static void close_all(struct life *life)
{
    unsigned seed = life->seed;
    for (unsigned i = 0; i < WRITERS; i++)
        must(maplog_producer_close(life->producers[i]));
    ledger->life[1].acknowledged = life->next[1];
    maplog_close(life->log);
}

static void append(struct life *life, unsigned writer)
{
    unsigned seed = life->seed;
    uint8_t value[LEDGER_VALUE_MAX];
    uint32_t number = life->next[writer];
    struct maplog_record record = {.value = value,
                                   .value_size = ledger_value(writer, number, value)};
    must(maplog_produce(life->producers[writer], &record, NULL));
    life->next[writer] = number + 1;
    if (writer == 1 && draw(5))
        return; /* it lies in an open batch */
    must(maplog_flush(life->producers[writer]));
    ledger->life[writer].acknowledged = number + 1;
    if (writer == WRITERS - 1) {
        /* Durable up to here means all that was published before. */
        for (unsigned i = 0; i < WRITERS; i++)
            ledger->life[i].durable = ledger->life[i].acknowledged;
    }
}

static void step(struct life *life)
{
    unsigned seed = life->seed;
    unsigned what = draw(100);
    if (what < 80) {
        append(life, what < 40 ? 0 : what < 70 ? 1 : 2);
    } else if (what < 85) {
        must(maplog_flush(life->producers[1]));
        ledger->life[1].acknowledged = life->next[1];
        must(maplog_sync(life->log));
        for (unsigned i = 0; i < WRITERS; i++)
            ledger->life[i].durable = ledger->life[i].acknowledged;
    } else if (what < 88) {
        close_all(life);
        open_all(life);
    } else if (what < 92) {
        const char *configs[] = {draw(2) ? "segment.bytes=20000" : "segment.bytes=9000", NULL};
        must(maplog_topic_alter(life->log, "t", configs));
    } else if (what < 96) {
        char topic[16];
        snprintf(topic, sizeof topic, "x%u", draw(3));
        if (maplog_topic_create(life->log, topic, 1, NULL) == MAPLOG_EXISTS)
            must(maplog_topic_delete(life->log, topic));
    }
}

/* ---- after the cut
 * --------------------------------------------------------------------------------- */

static void damage_control(const char *path)
{
    char file[200];
    snprintf(file, sizeof file, "%s/maplog.control", path);
    unsigned what = draw(3);
    if (what == 0)
        unlink(file);
    if (what != 1)
        return;
    int fd = open(file, O_RDWR);
    for (int i = 0; fd >= 0 && i < 2000; i++) {
        unsigned word = draw(1u << 24);
        if (pwrite(fd, &word, 4, (off_t)draw(1 << 20) * 4) != 4)
            break;
    }
    if (fd >= 0)
        close(fd);
}

static int32_t epoch_of(maplog *log)
{
    struct maplog_partition found;
    return maplog_partition_describe(log, "t", 0, &found) ? -1 : found.leader_epoch;
}

/* Attaches what is left: all that was durable, nothing out of order, and it goes on. */
static void recover(const struct cut *cut, unsigned seed)
{
    damage_control(cut->path);
    for (unsigned i = 0; i < WRITERS; i++) {
        ledger->life[i].durable = cut->durable[i];
        ledger->life[i].acknowledged = cut->published[i];
    }
    maplog *log;
    int result = maplog_open(cut->path, NULL, &log);
    if (result == MAPLOG_NOT_FOUND && !cut->topic_made)
        return; /* it was not made yet */
    if (result)
        fail_msg("seed %u: %s: %s", seed, cut->path, maplog_error_text());
    struct maplog_partition found;
    if (maplog_partition_describe(log, "t", 0, &found)) {
        if (cut->topic_made)
            fail_msg("seed %u: %s", seed, maplog_error_text());
        maplog_close(log);
        return;
    }
    struct ledger_found counted = ledger_check(ledger, log, "t", true);
    if (ledger->failed)
        fail_msg("seed %u: %s: %s", seed, cut->path, ledger->failure);
    int32_t epoch = epoch_of(log);
    if (found.segments > 0 && epoch != cut->epoch + 1)
        fail_msg("seed %u: %s: the epoch is %d after %d", seed, cut->path, epoch, cut->epoch);
    struct maplog_producer *producer;
    must(maplog_producer_open(log, "t", NULL, &producer));
    uint8_t value[LEDGER_VALUE_MAX];
    for (uint32_t number = 0; number < 30; number++) {
        struct maplog_record record = {.value = value,
                                       .value_size = ledger_value(WRITERS, number, value)};
        int64_t offset;
        must(maplog_produce(producer, &record, &offset));
        assert_int_equal(offset, counted.records + number);
    }
    must(maplog_producer_close(producer));
    maplog_close(log);
    /* The next one finds it in order, and cuts nothing more. */
    must(maplog_open(cut->path, NULL, &log));
    ledger->life[WRITERS].durable = 30;
    counted.records += 30;
    assert_int_equal(ledger_check(ledger, log, "t", true).records, counted.records);
    if (ledger->failed)
        fail_msg("seed %u: %s: %s", seed, cut->path, ledger->failure);
    assert_int_equal(epoch_of(log), epoch);
    maplog_close(log);
    ledger->life[WRITERS].durable = 0;
    ledger_inspect(ledger, cut->path);
    if (ledger->failed)
        fail_msg("seed %u: %s: %s", seed, cut->path, ledger->failure);
}

static void live_and_die(unsigned seed)
{
    struct life life = {.seed = seed};
    random_state = seed;
    cut_count = 0;
    topic_made = false;
    live_epoch = 0;
    memset(ledger, 0, sizeof *ledger);
    ledger->lives = WRITERS + 1;
    snprintf(live, sizeof live, "%s/live", home);
    pages_watch(live);
    pages_on_call(on_call);
    unsigned steps = 30 + draw(200);
    calls_to_cut = draw(3) ? 0 : 1 + draw(30); /* also while it is being made */
    open_all(&life);
    for (unsigned i = 0; i < steps; i++) {
        step(&life);
        if (i % (steps / CUTS) == 0)
            calls_to_cut = 1 + draw(30);
        if (i % (steps / CUTS) == steps / CUTS - 1 && cut_count < CUTS && draw(2))
            make_cut();
    }
    calls_to_cut = 0;
    if (cut_count < CUTS)
        make_cut();
    pages_on_call(NULL);
    close_all(&life);
    pages_forget();
    for (unsigned i = 0; i < cut_count; i++)
        recover(&cuts[i], seed);
    assert_int_equal(file_remove_tree(AT_FDCWD, live), 0);
    for (unsigned i = 0; i < cut_count; i++)
        assert_int_equal(file_remove_tree(AT_FDCWD, cuts[i].path), 0);
}

static void a_cut_keeps_what_is_durable(void **state)
{
    (void)state;
    const char *wanted = getenv("SEED");
    if (wanted) {
        live_and_die((unsigned)strtoul(wanted, NULL, 10));
        return;
    }
    int64_t until = clock_monotonic_ns() + (is_long() ? 600000 : 4000) * MS;
    unsigned seed = (unsigned)(clock_monotonic_ns() / 1000), lives = 0;
    while (clock_monotonic_ns() < until || lives < 5) {
        live_and_die(seed++);
        lives++;
    }
    print_message("%u lives of a log, each cut up to %d times\n", lives, CUTS);
}

static int make(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/maplog-pages-XXXXXX");
    ledger = ledger_make();
    return mkdtemp(home) && ledger ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    ledger_remove(ledger);
    return getenv("SEED") ? 0 : file_remove_tree(AT_FDCWD, home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_keeps_what_is_durable, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
