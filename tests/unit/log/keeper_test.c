/* keeper_test.c - the clock, timers, and which process tidies. */
#include "log_fixture.h"

#include <pthread.h>

#include "log/keeper.h"

static bool near_now(int64_t ms)
{
    int64_t off = clock_wall_ms() - ms;
    return off > -1000 && off < 20000;
}

static void the_time_is_right_without_a_thread(void **state)
{
    (void)state;
    assert_true(near_now(keeper_now_ms(log_directory)));
    assert_int_equal(load_relaxed(&log_directory->clock_ms), 0);
    assert_null(log_directory->keeper);
    keeper_end(log_directory); /* was never begun */
}

static void the_clock_ticks_while_this_process_appends(void **state)
{
    (void)state;
    struct partition *partition = log_topic("ticks", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(keeper_begin(log_directory));
    assert_ok(keeper_begin(log_directory)); /* once is enough */
    for (int round = 0; round < 2; round++) {
        assert_soon(writer_put(&writer, 10, 0) >= 0 && load_relaxed(&log_directory->clock_ms));
        int64_t first = load_relaxed(&log_directory->clock_ms);
        assert_true(near_now(first));
        assert_soon(writer_put(&writer, 10, 0) >= 0 &&
                    load_relaxed(&log_directory->clock_ms) > first);
        assert_soon(load_relaxed(&log_directory->clock_ms) == 0); /* nobody appends: it sleeps */
        assert_true(near_now(keeper_now_ms(log_directory)));
    }
    writer_close(&writer);
    keeper_end(log_directory);
    assert_int_equal(load_relaxed(&log_directory->clock_ms), 0);
    assert_null(log_directory->keeper);
}

static void appended_memory_is_populated_ahead(void **state)
{
    (void)state;
    struct partition *partition = log_topic("warm", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    assert_ok(keeper_begin(log_directory));
    assert_soon(writer_put(&writer, 10, 0) >= 0 && ({
                    pthread_mutex_lock(&partition->lock);
                    bool populated = partition->active->populated;
                    pthread_mutex_unlock(&partition->lock);
                    populated;
                }));
    writer_close(&writer);
}

static void a_rolled_segment_is_dropped(void **state)
{
    (void)state;
    struct partition *partition = log_topic("rolled", NULL, NULL, NULL);
    struct writer writer;
    writer_open(partition, &writer);
    for (int round = 0; round < 2; round++) {
        assert_true(writer_put(&writer, 10, 0) >= 0);
        struct segment *old = segment_keep(writer.appender.segment);
        assert_ok(appender_roll(&writer.appender));
        if (round == 0) /* at once without threads, else by the worker */
            assert_int_equal(load_acquire(&old->references), 1);
        assert_soon(load_acquire(&old->references) == 1);
        segment_drop(old);
        assert_ok(keeper_begin(log_directory));
    }
    /* More than the worker is handed at a time. */
    for (int i = 0; i < 50; i++) {
        assert_true(writer_put(&writer, 10, 0) >= 0);
        assert_ok(appender_roll(&writer.appender));
    }
    keeper_retire(log_directory, NULL);
    writer_close(&writer);
}

struct counted {
    struct keeper_timer timer;
    _Atomic uint32_t fired;
    _Atomic uint32_t hold; /* fire waits while it is 1 */
};

static void count(struct keeper_timer *timer)
{
    struct counted *counted = (struct counted *)timer;
    add_full(&counted->fired, 1);
    while (load_acquire(&counted->hold))
        clock_sleep_ns(100000);
}

static void timers_fire_when_they_are_due(void **state)
{
    (void)state;
    struct counted soon = {.timer.fire = count}, later = {.timer.fire = count};
    assert_ok(keeper_begin(log_directory));
    keeper_timer_add(log_directory, &soon.timer);
    keeper_timer_add(log_directory, &later.timer);
    keeper_timer_set(log_directory, &later.timer, clock_wall_ms() + 1000000);
    for (uint32_t i = 1; i <= 3; i++) {
        if (i == 3) /* also out of a sleep */
            assert_soon(load_relaxed(&log_directory->clock_ms) == 0);
        int64_t due = clock_wall_ms() + 5;
        keeper_timer_set(log_directory, &soon.timer, due);
        assert_soon(load_acquire(&soon.fired) == i);
        assert_true(clock_wall_ms() >= due);
        assert_soon(load_acquire(&soon.timer.due_ms) == 0);
    }
    assert_int_equal(load_acquire(&later.fired), 0);
    keeper_timer_remove(log_directory, &later.timer);
    keeper_timer_remove(log_directory, &soon.timer);
}

static void *let_go(void *argument)
{
    clock_sleep_ns(20000000);
    store_release(&((struct counted *)argument)->hold, 0);
    return NULL;
}

static void removing_a_timer_waits_for_its_fire(void **state)
{
    (void)state;
    struct counted held = {.timer.fire = count, .hold = 1};
    assert_ok(keeper_begin(log_directory));
    keeper_timer_add(log_directory, &held.timer);
    keeper_timer_set(log_directory, &held.timer, 1);
    assert_soon(load_acquire(&held.fired) == 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, &held), 0);
    keeper_timer_remove(log_directory, &held.timer);
    assert_int_equal(load_acquire(&held.hold), 0);
    pthread_join(thread, NULL);
}

static uint64_t keeper_of(struct directory *directory)
{
    return load_acquire(&directory->view.control->header.keeper);
}

static void one_process_tidies_and_another_takes_over(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    assert_ok(keeper_begin(log_directory));
    assert_soon(keeper_of(log_directory) == log_directory->view.process + 1);
    assert_ok(keeper_begin(other));
    assert_soon(load_acquire(&other->view.control->header.keeper_seen_ms) != 0);
    assert_int_equal(keeper_of(other), log_directory->view.process + 1);
    keeper_end(log_directory);
    assert_soon(keeper_of(other) == other->view.process + 1);
    directory_drop(other);
    assert_int_equal(keeper_of(log_directory), 0);
}

static void a_killed_keeper_is_replaced(void **state)
{
    (void)state;
    int ends[2];
    char word;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct directory *own;
        if (directory_open(log_path, NULL, &own) || keeper_begin(own))
            _exit(1);
        while (keeper_of(own) != own->view.process + 1)
            clock_sleep_ns(1000000);
        if (write(ends[1], "", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &word, 1), 1);
    assert_ok(keeper_begin(log_directory));
    assert_int_not_equal(keeper_of(log_directory), log_directory->view.process + 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_soon(keeper_of(log_directory) == log_directory->view.process + 1);
    close(ends[0]);
    close(ends[1]);
}

static void a_forked_child_only_frees(void **state)
{
    (void)state;
    struct counted timer = {.timer.fire = count};
    assert_ok(keeper_begin(log_directory));
    keeper_timer_add(log_directory, &timer.timer);
    assert_soon(keeper_of(log_directory) != 0);
    pid_t child = fork();
    if (child == 0) {
        keeper_timer_remove(log_directory, &timer.timer);
        directory_drop(log_directory);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(keeper_of(log_directory), log_directory->view.process + 1);
    keeper_timer_remove(log_directory, &timer.timer);
}

static void an_anonymous_log_has_a_clock_too(void **state)
{
    (void)state;
    struct directory *memory;
    assert_ok(anonymous_open(NULL, &memory));
    struct writer writer;
    writer_open(log_partition(memory, "anonymous"), &writer);
    assert_ok(keeper_begin(memory));
    assert_soon(writer_put(&writer, 10, 0) >= 0 && load_relaxed(&memory->clock_ms));
    assert_soon(load_relaxed(&memory->clock_ms) == 0);
    assert_int_equal(keeper_of(memory), 0);
    writer_close(&writer);
    directory_drop(memory);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, log_make, log_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_time_is_right_without_a_thread),
        EACH(the_clock_ticks_while_this_process_appends),
        EACH(appended_memory_is_populated_ahead),
        EACH(a_rolled_segment_is_dropped),
        EACH(timers_fire_when_they_are_due),
        EACH(removing_a_timer_waits_for_its_fire),
        EACH(one_process_tidies_and_another_takes_over),
        EACH(a_killed_keeper_is_replaced),
        EACH(a_forked_child_only_frees),
        EACH(an_anonymous_log_has_a_clock_too),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
