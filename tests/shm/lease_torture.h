/*
 * lease_torture.h - writers as real processes that append to one partition's make-believe log, are
 * killed at random points, and the audit of what they left.
 *
 * Under the lease, a writer adds one entry by plain stores and publishes it by the commit word. Two
 * writers at once show as: a foreign word in `inside`, a tail that moved although nobody else was
 * the writer, an entry that is torn, doubled or missing, an acknowledged one that is not there.
 */
#pragma once

#include "shm/lease.h"

#include "../support/control_area.h"
#include "../unit/os/scratch.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define ENTRIES (1u << 20)
#define WRITERS_LIMIT 8
#define LIVES_LIMIT (1u << 16) /* of one round: a writer that is killed gets another life */
#define COLD_WORDS (1u << 22)  /* 32 MiB */
#define SECOND 1000000000ll
#define PATIENCE (30 * SECOND) /* nobody may be kept waiting so long */

struct entry {
    uint32_t life;
    uint32_t sequence;
    uint64_t check;
};

struct arena {
    _Atomic uint32_t stop;
    _Atomic uint32_t full;
    _Atomic uint64_t violations;
    _Atomic uint64_t acquired;             /* leases, that is changes of writer */
    _Atomic uint64_t failures;             /* lease_enter failed though it should not */
    _Atomic uint64_t timeouts;             /* ... or as it may, in a torture with stops */
    _Atomic int64_t longest_ns;            /* wait for the lease */
    char text[128];                        /* of the last failure */
    _Alignas(64) volatile uint64_t inside; /* plain on purpose, like the entries */
    _Alignas(64) _Atomic uint32_t acknowledged[LIVES_LIMIT];
    struct entry entries[ENTRIES];
};

/* How the writers of a torture behave. */
struct torture {
    const char *name;
    enum writer_kind writers;
    unsigned processes;
    unsigned idle_ns;   /* an average pause between two appends; 0: flat out */
    unsigned work_ns;   /* the same for the time inside */
    unsigned trying;    /* so many of the writers never wait (timeout 0) */
    bool cold_stores;   /* fills the store buffer with slow stores before each enter */
    unsigned kills;     /* average time between two kills, in microseconds; 0: none */
    int64_t timeout_ns; /* of the others; 0: PATIENCE, and must not pass */
};

struct torturer {
    const struct torture *torture;
    struct control_area area;
    struct arena *arena;
    int arena_fd;
    uint64_t random;
    unsigned lives; /* begun in this round */
    pid_t pids[WRITERS_LIMIT];
    bool killed[LIVES_LIMIT];
    unsigned life[WRITERS_LIMIT];              /* of the process in pids */
    uint64_t kills, entries, acquired, rounds; /* over all rounds */
};

static inline uint64_t torture_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static inline uint64_t entry_check(uint64_t index, uint32_t life, uint32_t sequence)
{
    uint64_t x = (index << 40) ^ ((uint64_t)life << 32 | sequence);
    return torture_random(&(uint64_t){x * 0x9e3779b97f4a7c15ull + 1});
}

/* Spins for a random time of up to twice the average; exact enough, and no system call. */
static inline void torture_spin(uint64_t *random, unsigned average_ns)
{
    if (average_ns == 0)
        return;
    int64_t end = clock_monotonic_ns() + (int64_t)(torture_random(random) % (2 * average_ns));
    while (clock_monotonic_ns() < end)
        order_pause();
}

/* ---- a writer -------------------------------------------------------------------------------- */

struct torture_writer {
    struct torturer *torturer;
    struct arena *arena;
    struct control_view view;
    struct lease lease;
    uint64_t random;
    uint32_t life;
    uint32_t sequence;
    uint64_t tail;
    bool trying;
    uint64_t *cold; /* COLD_WORDS */
};

/* One append, between enter and leave. False when the log is full. */
static inline bool torture_append(struct torture_writer *writer, bool acquired)
{
    struct arena *arena = writer->arena;
    _Atomic uint64_t *published = &writer->lease.partition->published[0];
    const uint64_t me = writer->life + 1;
    if (acquired) {
        arena->inside = 0; /* a killed writer may have left its word */
        writer->tail = load_relaxed(published);
    }
    bool alone = arena->inside == 0 && load_relaxed(published) == writer->tail;
    arena->inside = me;
    bool room = writer->tail < ENTRIES;
    if (room) {
        struct entry *entry = &arena->entries[writer->tail];
        entry->life = writer->life;
        entry->sequence = writer->sequence;
        torture_spin(&writer->random, writer->torturer->torture->work_ns);
        entry->check = entry_check(writer->tail, writer->life, writer->sequence);
        alone &= arena->inside == me && load_relaxed(published) == writer->tail;
        store_release(published, ++writer->tail);
    }
    alone &= arena->inside == me;
    arena->inside = 0;
    if (!alone)
        add_full(&arena->violations, 1);
    return room;
}

static inline void torture_note_wait(struct arena *arena, int64_t ns)
{
    int64_t seen = load_relaxed(&arena->longest_ns);
    while (seen < ns && !compare_swap_full(&arena->longest_ns, &seen, ns))
        ;
}

/* Stores that miss the caches: the one of in_append waits behind them in the store buffer, while
 * the load of the lease word does not. */
static inline void torture_store_cold(struct torture_writer *writer)
{
    for (int i = 0; i < 16; i++)
        writer->cold[torture_random(&writer->random) % COLD_WORDS] = writer->sequence;
}

/* One turn of a writer; false when it should end. */
static inline bool torture_turn(struct torture_writer *writer)
{
    const struct torture *torture = writer->torturer->torture;
    struct arena *arena = writer->arena;
    int64_t timeout_ns = torture->timeout_ns ? torture->timeout_ns : PATIENCE;
    int64_t begun = 0;
    if (writer->lease.token == 0)
        begun = clock_monotonic_ns();
    if (writer->cold)
        torture_store_cold(writer);
    int result = lease_enter(&writer->lease, writer->trying ? 0 : timeout_ns);
    if (result < 0) {
        bool fine = result == (writer->trying ? MAPLOG_BUSY : MAPLOG_TIMED_OUT);
        if (fine && (writer->trying || torture->timeout_ns)) {
            add_full(&arena->timeouts, 1);
            torture_spin(&writer->random, 2000);
            return true;
        }
        snprintf(arena->text, sizeof arena->text, "%s", error_text());
        add_full(&arena->failures, 1);
        return false;
    }
    if (result == 1) {
        add_full(&arena->acquired, 1);
        if (begun)
            torture_note_wait(arena, clock_monotonic_ns() - begun);
    }
    bool room = torture_append(writer, result == 1);
    lease_leave(&writer->lease);
    if (!room) {
        store_release(&arena->full, 1);
        return false;
    }
    store_relaxed(&arena->acknowledged[writer->life], ++writer->sequence);
    torture_spin(&writer->random, torture->idle_ns);
    return true;
}

static inline _Noreturn void torture_write(struct torturer *torturer, unsigned number,
                                           uint32_t life)
{
    struct torture_writer writer = {
        .torturer = torturer,
        .arena = torturer->arena,
        .random = torturer->random ^ (life * 0x9e3779b97f4a7c15ull + 1),
        .life = life,
        .trying = number < torturer->torture->trying,
    };
    uint32_t seat;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    control_area_attach(&torturer->area, "torture", &writer.view);
    if (control_take_seat(&writer.view, &seat) < 0)
        _exit(1);
    lease_init(&writer.lease, &writer.view, 0, seat);
    void *cold = NULL;
    if (torturer->torture->cold_stores &&
        map_anonymous(COLD_WORDS * sizeof *writer.cold, &cold) < 0)
        _exit(1);
    writer.cold = cold;
    while (!load_acquire(&torturer->arena->stop) && torture_turn(&writer))
        ;
    lease_drop(&writer.lease);
    control_leave_seat(&writer.view, seat);
    control_area_detach(&writer.view);
    _exit(0);
}

/* ---- the torturer ---------------------------------------------------------------------------- */

static inline void torture_begin(struct torturer *torturer, const struct torture *torture)
{
    void *arena;
    *torturer = (struct torturer){.torture = torture, .random = 88172645463325252ull};
    assert_int_equal(file_memory("arena", &torturer->arena_fd), 0);
    assert_int_equal(file_truncate(torturer->arena_fd, "arena", sizeof(struct arena)), 0);
    assert_int_equal(
        map_file(torturer->arena_fd, "arena", 0, sizeof(struct arena), MAP_MODE_WRITE, &arena), 0);
    torturer->arena = arena;
}

static inline void torture_end(struct torturer *torturer)
{
    map_remove(torturer->arena, sizeof(struct arena));
    file_close(torturer->arena_fd);
}

static inline void torture_start_writer(struct torturer *torturer, unsigned number)
{
    uint32_t life = torturer->lives++;
    assert_true(life < LIVES_LIMIT);
    torturer->killed[life] = false;
    torturer->life[number] = life;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        torture_write(torturer, number, life);
    torturer->pids[number] = pid;
}

static inline void torture_round_begin(struct torturer *torturer)
{
    struct arena *arena = torturer->arena;
    control_area_make(&torturer->area, torturer->torture->writers, 1);
    torturer->lives = 0;
    torturer->rounds++;
    memset((void *)arena, 0, offsetof(struct arena, entries));
    for (unsigned i = 0; i < torturer->torture->processes; i++)
        torture_start_writer(torturer, i);
}

/* Kills a writer at random and gives it another life. */
static inline void torture_kill(struct torturer *torturer)
{
    unsigned victim = torture_random(&torturer->random) % torturer->torture->processes;
    int status;
    kill(torturer->pids[victim], SIGKILL);
    assert_int_equal(waitpid(torturer->pids[victim], &status, 0), torturer->pids[victim]);
    torturer->killed[torturer->life[victim]] = true;
    torturer->kills++;
    torture_start_writer(torturer, victim);
}

/* Ends the writers of the round. */
static inline void torture_stop(struct torturer *torturer)
{
    store_release(&torturer->arena->stop, 1);
    for (unsigned i = 0; i < torturer->torture->processes; i++) {
        int status;
        assert_int_equal(waitpid(torturer->pids[i], &status, 0), torturer->pids[i]);
        assert_int_equal(status, 0);
    }
}

/* Counts what is wrong in the log that the writers left. */
static inline uint64_t torture_audit(struct torturer *torturer)
{
    struct arena *arena = torturer->arena;
    uint64_t published = load_acquire(&torturer->area.control->partitions[0].published[0]);
    uint64_t wrong = load_relaxed(&arena->violations) + load_relaxed(&arena->failures);
    uint32_t *seen = calloc(LIVES_LIMIT, sizeof *seen);
    assert_non_null(seen);
    wrong += published > ENTRIES;
    for (uint64_t i = 0; i < published && i < ENTRIES; i++) {
        struct entry entry = arena->entries[i];
        bool good = entry.life < torturer->lives && entry.sequence == seen[entry.life] &&
                    entry.check == entry_check(i, entry.life, entry.sequence);
        wrong += !good;
        if (entry.life < torturer->lives)
            seen[entry.life] = entry.sequence + 1;
    }
    for (uint32_t life = 0; life < torturer->lives; life++) {
        /* A killed writer may have published one that it did not come to acknowledge. */
        uint32_t acknowledged = load_relaxed(&arena->acknowledged[life]);
        wrong += seen[life] != acknowledged &&
                 !(torturer->killed[life] && seen[life] == acknowledged + 1);
    }
    free(seen);
    torturer->entries += published;
    torturer->acquired += load_relaxed(&arena->acquired);
    return wrong;
}

static inline uint64_t torture_round_end(struct torturer *torturer)
{
    torture_stop(torturer);
    uint64_t wrong = torture_audit(torturer);
    control_area_remove(&torturer->area);
    return wrong;
}

/* Rounds, each until the log is full, for so long; stops at the first in which anything is wrong,
 * and returns how much. */
static inline uint64_t torture_run(struct torturer *torturer, int64_t duration_ns)
{
    const struct torture *torture = torturer->torture;
    int64_t end = clock_monotonic_ns() + duration_ns;
    uint64_t wrong = 0;
    while (wrong == 0 && clock_monotonic_ns() < end) {
        torture_round_begin(torturer);
        while (!load_acquire(&torturer->arena->full) && clock_monotonic_ns() < end &&
               load_relaxed(&torturer->arena->violations) == 0 &&
               torturer->lives < LIVES_LIMIT - 1) {
            uint64_t pause_us = torture->kills ? torture->kills : 1000;
            clock_sleep_ns((int64_t)(torture_random(&torturer->random) % (2000 * pause_us)));
            if (torture->kills)
                torture_kill(torturer);
        }
        wrong = torture_round_end(torturer);
    }
    return wrong;
}
