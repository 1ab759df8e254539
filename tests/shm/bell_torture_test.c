/*
 * bell_torture_test.c - readers as real processes that sleep between publications and are killed at
 * random points: the others miss no wake-up. The last of them is a listener, which sleeps for all
 * partitions at once. With MAPLOG_LONG=1 for minutes.
 *
 * The writer makes a move only when every reader saw the one before, so a lost wake-up is not
 * healed by the next ring: the reader sleeps until the writer's patience ends. There is no control
 * as for the lease: without the membarrier the window is a few nanoseconds, which
 * tests/model/bell.pml finds and a run of minutes did not.
 *
 * not under tsan: it sees nothing across processes; unit/shm/bell_test does the same with threads
 */
#define _GNU_SOURCE 1
/* Sleepers look again now and then because a writer may die; here only readers do. The library's
 * own bell.o is not linked. */
#define LOOK_AGAIN_NS INT64_MAX
#include "shm/bell.c"

#include "../support/control_area.h"
#include "../unit/os/scratch.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/map.h"

#include <stdlib.h>
#include <sys/prctl.h>

#define READERS 3 /* the last one listens */
#define SECOND 1000000000ll

struct bell_arena {
    _Alignas(64) _Atomic uint64_t seen[READERS]; /* moves that reader i saw, of its present life */
};

struct bell_torture {
    struct control_area area;
    struct bell_arena *arena;
    int arena_fd;
    struct control_view view; /* the writer's */
    pid_t pids[READERS];
    uint64_t random;
    uint64_t moves, kills;
};

static uint64_t bell_random(struct bell_torture *torture)
{
    uint64_t x = torture->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return torture->random = x;
}

/* Moves so far: each is a roll or one record in the segment after it. */
static uint64_t moves_of(const struct bell_watch *watch)
{
    return watch->published >> 32;
}

static struct bell_watch bell_look(const struct control_view *view)
{
    const struct control_partition *partition = &view->control->partitions[0];
    for (;;) {
        uint64_t rolls = load_acquire(&partition->rolls);
        uint64_t word = load_acquire(&partition->published[rolls & 1]);
        if (load_acquire(&partition->rolls) == rolls)
            return (struct bell_watch){0, rolls, word};
    }
}

static _Noreturn void bell_read(struct bell_torture *torture, unsigned number)
{
    struct control_view view;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    control_area_attach(&torture->area, NULL, &view);
    for (;;) {
        struct bell_watch watch = bell_look(&view);
        store_release(&torture->arena->seen[number], moves_of(&watch));
        if (bell_wait(&view, &watch, 1, -1) < 0)
            _exit(1);
    }
}

static void bell_heard(void *context, uint32_t partition)
{
    *(bool *)context |= partition == 0;
}

/* The same as a listener: mark, barrier, look, and only then wait. */
static _Noreturn void bell_read_by_ear(struct bell_torture *torture, unsigned number)
{
    struct control_view view;
    struct bell_listener *listener = calloc(1, sizeof *listener);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    control_area_attach(&torture->area, "listener", &view);
    bell_listen_begin(listener, &view);
    for (;;) {
        bool heard = false;
        bell_mark(listener, 0);
        bell_mark_barrier(listener);
        struct bell_watch watch = bell_look(&view);
        store_release(&torture->arena->seen[number], moves_of(&watch));
        while (!heard)
            bell_listen(listener, -1, bell_heard, &heard);
    }
}

static void bell_start_reader(struct bell_torture *torture, unsigned number)
{
    store_relaxed(&torture->arena->seen[number], 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0 && number == READERS - 1)
        bell_read_by_ear(torture, number);
    if (pid == 0)
        bell_read(torture, number);
    torture->pids[number] = pid;
}

static void bell_end_reader(struct bell_torture *torture, unsigned number)
{
    int status;
    kill(torture->pids[number], SIGKILL);
    assert_int_equal(waitpid(torture->pids[number], &status, 0), torture->pids[number]);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself */
}

static void bell_torture_begin(struct bell_torture *torture, enum writer_kind writers)
{
    void *arena;
    *torture = (struct bell_torture){.random = 88172645463325252ull};
    control_area_make(&torture->area, writers, 1);
    assert_int_equal(file_memory("arena", &torture->arena_fd), 0);
    assert_int_equal(file_truncate(torture->arena_fd, "arena", sizeof(struct bell_arena)), 0);
    assert_int_equal(
        map_file(torture->arena_fd, "arena", 0, sizeof(struct bell_arena), MAP_MODE_WRITE, &arena),
        0);
    torture->arena = arena;
    control_area_attach(&torture->area, "writer", &torture->view);
    for (unsigned i = 0; i < READERS; i++)
        bell_start_reader(torture, i);
}

static void bell_torture_end(struct bell_torture *torture)
{
    for (unsigned i = 0; i < READERS; i++)
        bell_end_reader(torture, i);
    control_area_detach(&torture->view);
    map_remove(torture->arena, sizeof(struct bell_arena));
    file_close(torture->arena_fd);
    control_area_remove(&torture->area);
}

static void bell_move(struct bell_torture *torture)
{
    struct control_partition *partition = &torture->area.control->partitions[0];
    uint64_t rolls = load_relaxed(&partition->rolls);
    uint64_t word = ++torture->moves << 32;
    if (torture->moves % 16 == 0) {
        store_release(&partition->published[(rolls + 1) & 1], word);
        store_release(&partition->rolls, rolls + 1);
    } else {
        store_release(&partition->published[rolls & 1], word | torture->moves);
    }
    bell_ring(&torture->view, 0);
}

/* Waits until all readers saw the last move; false when one still sleeps after patience_ns. */
static bool bell_all_saw(struct bell_torture *torture, int64_t patience_ns)
{
    int64_t begun = clock_monotonic_ns(), end = begun + patience_ns;
    for (unsigned i = 0; i < READERS; i++) {
        while (load_acquire(&torture->arena->seen[i]) != torture->moves) {
            int64_t now = clock_monotonic_ns();
            if (now > end)
                return false;
            if (now - begun > 200000)
                clock_sleep_ns(1000); /* it may need this CPU */
            else
                order_pause();
        }
    }
    return true;
}

/* Moves and kills for so long; false when a wake-up was lost. kills: one in so many moves, or 0. */
static bool bell_torture_run(struct bell_torture *torture, int64_t duration_ns, int64_t patience_ns,
                             unsigned kills)
{
    int64_t end = clock_monotonic_ns() + duration_ns;
    while (clock_monotonic_ns() < end) {
        /* From while they still look at the last move to when they sleep; most often just when they
         * stop spinning and go to sleep. */
        int64_t until = clock_monotonic_ns() + (int64_t)(bell_random(torture) % 40000);
        while (clock_monotonic_ns() < until)
            order_pause();
        bell_move(torture);
        if (kills && bell_random(torture) % kills == 0) {
            unsigned victim = bell_random(torture) % READERS;
            bell_end_reader(torture, victim);
            bell_start_reader(torture, victim);
            torture->kills++;
        }
        if (!bell_all_saw(torture, patience_ns))
            return false;
    }
    return true;
}

static void run(enum writer_kind writers, unsigned kills)
{
    const char *wanted = getenv("MAPLOG_LONG");
    int64_t duration_ns = wanted && *wanted == '1' ? 30 * SECOND : 2 * SECOND;
    struct bell_torture torture;
    bell_torture_begin(&torture, writers);
    bool good = bell_torture_run(&torture, duration_ns, 30 * SECOND, kills);
    print_message("%llu moves, %llu kills, %u wakes\n", (unsigned long long)torture.moves,
                  (unsigned long long)torture.kills,
                  load_relaxed(&torture.area.bell[0].waiters) / 2);
    assert_true(good);
    assert_true(torture.moves > 1);
    bell_torture_end(&torture);
}

static void no_reader_misses_a_move(void **state)
{
    (void)state;
    run(WRITER_LEASE, 0);
}

static void no_reader_misses_a_move_when_others_are_killed(void **state)
{
    (void)state;
    run(WRITER_LEASE, 8);
}

static void the_same_with_fences(void **state)
{
    (void)state;
    run(WRITER_MUTEX, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reader_misses_a_move),
        cmocka_unit_test(no_reader_misses_a_move_when_others_are_killed),
        cmocka_unit_test(the_same_with_fences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
