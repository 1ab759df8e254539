/* control_test.c - process slots, proof of death, seats, and the making of the area. */
#define _GNU_SOURCE 1
#include "shm/control.h"

#include "../../support/control_area.h"
#include "../os/scratch.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/lock.h"
#include "shm/order.h"

#include <string.h>

static struct control_area area;

static int make_area(void **state)
{
    (void)state;
    control_area_make(&area, WRITER_LEASE, 2);
    return 0;
}

static int remove_area(void **state)
{
    (void)state;
    control_area_remove(&area);
    return 0;
}

/* ---- the header ------------------------------------------------------------------------------ */

static void a_formatted_area_passes_the_check(void **state)
{
    (void)state;
    assert_int_equal(control_check(area.control, "x.control"), 0);
}

static void a_strange_header_is_refused_and_the_file_named(void **state)
{
    (void)state;
    struct control_header good = area.control->header;
    struct control_header *header = &area.control->header;

    header->magic++;
    assert_int_equal(control_check(area.control, "x.control"), MAPLOG_CORRUPT);
    assert_non_null(strstr(error_text(), "x.control"));
    header->magic = good.magic;

    header->version++;
    assert_int_equal(control_check(area.control, "x.control"), MAPLOG_VERSION);
    assert_non_null(strstr(error_text(), "x.control"));
    header->version = good.version;

    header->mutex_abi ^= 1;
    assert_int_equal(control_check(area.control, "x.control"), MAPLOG_VERSION);
    assert_non_null(strstr(error_text(), "C library"));
    header->mutex_abi = good.mutex_abi;

    header->writers = 3;
    assert_int_equal(control_check(area.control, "x.control"), MAPLOG_CORRUPT);
    header->writers = good.writers;
    assert_int_equal(control_check(area.control, "x.control"), 0);
}

/* ---- process slots --------------------------------------------------------------------------- */

static void attachments_get_slots_of_their_own(void **state)
{
    (void)state;
    struct control_view a, b;
    struct control_process_info info;
    control_area_attach(&area, "producer", &a);
    control_area_attach(&area, "a role that is longer than the field", &b);
    assert_int_not_equal(a.process, b.process);
    assert_true(a.barrier);
    assert_int_equal(load_relaxed(&area.control->header.process_limit), 2);

    control_read_process(&a, b.process, &info);
    assert_true(info.alive);
    assert_int_equal(info.pid, getpid());
    assert_int_equal(info.start, process_start(getpid()));
    assert_string_equal(info.role, "a role that is ");
    control_read_process(&b, a.process, &info);
    assert_string_equal(info.role, "producer");

    char name[PROCESS_NAME_SIZE], wanted[64], text[64];
    process_name(name);
    snprintf(wanted, sizeof wanted, "%d (%s)", getpid(), name);
    control_describe_process(&b, a.process, text, sizeof text);
    assert_string_equal(text, wanted);
    control_describe_process(&b, LIMIT_PROCESSES, text, sizeof text);
    assert_string_equal(text, "an unknown process");

    uint32_t slot = a.process;
    control_area_detach(&a);
    control_read_process(&b, slot, &info);
    assert_false(info.alive);
    assert_int_equal(info.pid, 0);
    control_area_detach(&b);
}

static void a_slot_is_alive_to_itself_and_to_others_until_left(void **state)
{
    (void)state;
    struct control_view a, b;
    control_area_attach(&area, "a", &a);
    control_area_attach(&area, "b", &b);
    uint32_t slot = a.process;
    assert_false(control_process_dead(&a, slot));
    assert_false(control_process_dead(&b, slot));
    control_leave_process(&a);
    assert_true(control_process_dead(&b, slot));
    control_leave_process(&a); /* nothing left to leave */
    control_area_detach(&a);
    control_area_detach(&b);
}

static int attach_and_wait(void *context, struct child_ends ends)
{
    struct control_view view;
    control_area_attach(context, "child", &view);
    child_say(ends, (char)view.process);
    child_wait(ends);
    control_area_detach(&view);
    return 0;
}

static void a_killed_process_is_proven_dead_before_it_is_reaped(void **state)
{
    (void)state;
    struct control_view view;
    control_area_attach(&area, "watcher", &view);
    struct child child = child_start(attach_and_wait, &area);
    uint32_t slot = (uint8_t)child_hear(&child);
    assert_false(control_process_dead(&view, slot));
    kill(child.pid, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_state(child.pid), 'Z');
    assert_true(control_process_dead(&view, slot));
    child_end(&child);
    control_area_detach(&view);
}

static void a_stopped_process_is_alive_and_described_as_stopped(void **state)
{
    (void)state;
    struct control_view view;
    char text[64];
    control_area_attach(&area, "watcher", &view);
    struct child child = child_start(attach_and_wait, &area);
    uint32_t slot = (uint8_t)child_hear(&child);
    int status;
    kill(child.pid, SIGSTOP);
    assert_int_equal(waitpid(child.pid, &status, WUNTRACED), child.pid);
    assert_false(control_process_dead(&view, slot));
    control_describe_process(&view, slot, text, sizeof text);
    assert_non_null(strstr(text, ", which is stopped"));
    kill(child.pid, SIGCONT);
    child_tell(&child);
    assert_int_equal(child_end(&child), 0);
    control_area_detach(&view);
}

static int attach_fork_and_die(void *context, struct child_ends ends)
{
    struct control_view view;
    control_area_attach(context, "parent", &view);
    uint32_t slot = view.process;
    pid_t grandchild = fork();
    if (grandchild == 0) {
        child_say(ends, (char)slot);
        child_wait(ends); /* outlives its parent */
        _exit(0);
    }
    pause();
    return 0;
}

static void a_forked_child_does_not_keep_its_parent_alive(void **state)
{
    (void)state;
    struct control_view view;
    control_area_attach(&area, "watcher", &view);
    struct child child = child_start(attach_fork_and_die, &area);
    uint32_t slot = (uint8_t)child_hear(&child);
    assert_false(control_process_dead(&view, slot));
    int status;
    kill(child.pid, SIGKILL);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_true(control_process_dead(&view, slot)); /* the grandchild lives, with the mapping */
    child_tell(&child);
    close(child.said);
    close(child.told);
    control_area_detach(&view);
}

static void all_process_slots_taken_is_a_limit_that_has_a_name(void **state)
{
    (void)state;
    struct control_view *views = calloc(LIMIT_PROCESSES, sizeof *views);
    struct control_view late;
    for (int i = 0; i < LIMIT_PROCESSES; i++)
        control_area_attach(&area, "crowd", &views[i]);
    control_area_attach(&area, NULL, &late);
    assert_int_equal(control_take_process(&late, "late"), MAPLOG_LIMIT);
    assert_non_null(strstr(error_text(), "LIMIT_PROCESSES"));
    control_area_detach(&views[100]);
    assert_int_equal(control_take_process(&late, "late"), 0);
    assert_int_equal(late.process, 100);
    control_area_detach(&late);
    for (int i = 0; i < LIMIT_PROCESSES; i++)
        if (i != 100)
            control_area_detach(&views[i]);
    free(views);
}

static int attach_without_membarrier(void *context, struct child_ends ends)
{
    (void)ends;
    struct control_area mutexes;
    struct control_view view;
    control_area_refuse_membarrier();
    control_area_attach(context, NULL, &view);
    if (control_take_process(&view, "producer") != MAPLOG_UNSUPPORTED)
        return 1;
    if (view.process != UINT32_MAX)
        return 2;
    control_area_make(&mutexes, WRITER_MUTEX, 1); /* where writers need none, it is welcome */
    control_area_attach(&mutexes, "producer", &view);
    return view.barrier ? 3 : 0;
}

static void a_writer_that_membarrier_cannot_reach_is_refused(void **state)
{
    (void)state;
    struct child child = child_start(attach_without_membarrier, &area);
    assert_int_equal(child_end(&child), 0);
}

static void texts_of_a_slot_are_fit_for_a_terminal(void **state)
{
    (void)state;
    struct control_view view;
    struct control_process_info info;
    control_area_attach(&area, "a\033[1mb\nc", &view);
    control_read_process(&view, view.process, &info);
    assert_string_equal(info.role, "a?[1mb?c");
    memset((void *)area.control->processes[view.process].name, 'x', PROCESS_NAME_SIZE);
    control_read_process(&view, view.process, &info);
    assert_int_equal(strlen(info.name), PROCESS_NAME_SIZE - 1);
    control_area_detach(&view);
}

/* ---- seats ----------------------------------------------------------------------------------- */

static void seats_are_taken_once_and_given_back(void **state)
{
    (void)state;
    struct control_view a, b;
    uint32_t first, second, third;
    control_area_attach(&area, "a", &a);
    control_area_attach(&area, "b", &b);
    assert_int_equal(control_take_seat(&a, &first), 0);
    assert_int_equal(control_take_seat(&b, &second), 0);
    assert_int_not_equal(first, second);
    assert_int_equal(control_seat_process(&b, first), a.process);
    assert_int_equal(control_seat_process(&a, second), b.process);
    assert_true(load_relaxed(&area.control->header.seat_limit) >= 2);
    control_leave_seat(&a, first);
    assert_int_equal(control_seat_process(&b, first), UINT32_MAX);
    assert_int_equal(control_take_seat(&b, &third), 0);
    assert_int_equal(third, first);
    control_area_detach(&b); /* takes its seats along */
    assert_int_equal(control_seat_process(&a, second), UINT32_MAX);
    assert_int_equal(control_seat_process(&a, third), UINT32_MAX);
    control_area_detach(&a);
}

static void all_seats_taken_is_a_limit_that_has_a_name(void **state)
{
    (void)state;
    struct control_view view;
    uint32_t seat;
    control_area_attach(&area, "crowd", &view);
    for (int i = 0; i < LIMIT_SEATS; i++)
        assert_int_equal(control_take_seat(&view, &seat), 0);
    assert_int_equal(control_take_seat(&view, &seat), MAPLOG_LIMIT);
    assert_non_null(strstr(error_text(), "LIMIT_SEATS"));
    control_leave_seat(&view, 1000);
    assert_int_equal(control_take_seat(&view, &seat), 0);
    assert_int_equal(seat, 1000);
    control_area_detach(&view);
}

/* Takes every seat, enters with one of them, and waits to be killed. */
static int take_all_seats(void *context, struct child_ends ends)
{
    struct control_view view;
    uint32_t seat;
    control_area_attach(context, "crowd", &view);
    while (control_take_seat(&view, &seat) == 0)
        store_release(&view.control->seats[seat].in_append, 1);
    child_say(ends, (char)view.process);
    pause();
    return 0;
}

static void seats_of_the_dead_are_reclaimed_when_none_is_free(void **state)
{
    (void)state;
    struct control_view view;
    uint32_t seat;
    control_area_attach(&area, "survivor", &view);
    struct child child = child_start(take_all_seats, &area);
    uint32_t slot = (uint8_t)child_hear(&child);
    assert_int_equal(control_take_seat(&view, &seat), MAPLOG_LIMIT); /* their owner lives */
    child_kill(&child);
    assert_int_equal(control_take_seat(&view, &seat), 0);
    assert_int_equal(control_seat_process(&view, seat), view.process);
    assert_int_equal(load_relaxed(&area.control->seats[seat].in_append), 0);

    /* Who takes the dead process's slot next clears the rest. */
    struct control_view next;
    control_area_attach(&area, "next", &next);
    assert_int_equal(next.process, slot);
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        if (i != seat) {
            assert_int_equal(load_relaxed(&area.control->seats[i].owner), 0);
            assert_int_equal(load_relaxed(&area.control->seats[i].in_append), 0);
        }
    }
    control_area_detach(&next);
    control_area_detach(&view);
}

static int take_a_seat(void *context, struct child_ends ends)
{
    struct control_view view;
    uint32_t seat;
    control_area_attach(context, "child", &view);
    if (control_take_seat(&view, &seat) != 0)
        return 1;
    child_say(ends, (char)seat);
    pause();
    return 0;
}

static void a_slot_that_is_used_again_owns_its_seats_under_another_word(void **state)
{
    (void)state;
    /* Else a proof of death made before could be used against the slot's next owner. */
    struct child child = child_start(take_a_seat, &area);
    uint32_t seat = (uint8_t)child_hear(&child);
    uint64_t before = load_acquire(&area.control->seats[seat].owner);
    child_kill(&child);
    child = child_start(take_a_seat, &area);
    assert_int_equal((uint8_t)child_hear(&child), seat);
    uint64_t after = load_acquire(&area.control->seats[seat].owner);
    assert_int_equal(before & 0xffff, after & 0xffff);
    assert_int_not_equal(before, after);
    child_kill(&child);
}

/* ---- partition slots ------------------------------------------------------------------------- */

static void a_formatted_slot_is_live_and_empty(void **state)
{
    (void)state;
    const uint8_t id[16] = {7, 8, 9};
    struct control_partition *slot = &area.control->partitions[5];
    assert_int_equal(load_acquire(&slot->state), PARTITION_FREE);
    assert_int_equal(control_format_partition(area.control, 5, id, 3), 0);
    assert_int_equal(load_acquire(&slot->state), PARTITION_LIVE);
    assert_int_equal(slot->partition, 3);
    assert_memory_equal(slot->topic_id, id, 16);
    assert_int_equal(load_relaxed(&slot->rolls), 0);
    assert_int_equal(load_relaxed(&slot->max_timestamp), UINT64_MAX);
    bool died = true;
    assert_int_equal(thread_mutex_lock(&slot->takers, 0, &died), 0);
    assert_int_equal(thread_mutex_lock(&slot->flusher, 0, &died), 0);
    assert_false(died);
    thread_mutex_unlock(&slot->takers);
    thread_mutex_unlock(&slot->flusher);
}

static void a_slot_that_is_used_again_keeps_mutexes_and_generation(void **state)
{
    (void)state;
    const uint8_t id[16] = {1};
    struct control_partition *slot = &area.control->partitions[6];
    bool died;
    assert_int_equal(control_format_partition(area.control, 6, id, 0), 0);
    uint32_t incarnation = load_relaxed(&slot->incarnation);
    store_relaxed(&slot->lease_generation, 41);
    store_relaxed(&slot->rolls, 9);
    store_relaxed(&slot->state, PARTITION_DELETED);
    assert_int_equal(thread_mutex_lock(&slot->takers, 0, &died), 0); /* a late process */
    assert_int_equal(control_format_partition(area.control, 6, id, 0), 0);
    thread_mutex_unlock(&slot->takers);
    assert_int_equal(thread_mutex_lock(&slot->takers, 0, &died), 0);
    thread_mutex_unlock(&slot->takers);
    assert_int_equal(load_relaxed(&slot->incarnation), incarnation + 1);
    assert_int_equal(load_relaxed(&slot->lease_generation), 41);
    assert_int_equal(load_relaxed(&slot->rolls), 0);
    assert_int_equal(load_relaxed(&slot->state), PARTITION_LIVE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_area, remove_area)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_formatted_area_passes_the_check),
        TEST(a_strange_header_is_refused_and_the_file_named),
        TEST(attachments_get_slots_of_their_own),
        TEST(a_slot_is_alive_to_itself_and_to_others_until_left),
        TEST(a_killed_process_is_proven_dead_before_it_is_reaped),
        TEST(a_stopped_process_is_alive_and_described_as_stopped),
        TEST(a_forked_child_does_not_keep_its_parent_alive),
        TEST(all_process_slots_taken_is_a_limit_that_has_a_name),
        TEST(a_writer_that_membarrier_cannot_reach_is_refused),
        TEST(texts_of_a_slot_are_fit_for_a_terminal),
        TEST(seats_are_taken_once_and_given_back),
        TEST(all_seats_taken_is_a_limit_that_has_a_name),
        TEST(seats_of_the_dead_are_reclaimed_when_none_is_free),
        TEST(a_slot_that_is_used_again_owns_its_seats_under_another_word),
        TEST(a_formatted_slot_is_live_and_empty),
        TEST(a_slot_that_is_used_again_keeps_mutexes_and_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
