/* What a connection keeps of what it received: frames stay in place, memory is counted. */
#include "server/inflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

#define LIMIT 1000000u

static void frame_header(uint8_t bytes[4], int32_t size)
{
    bytes_store32(bytes, (uint32_t)size);
}

/* Receives `size` bytes of one frame's body as a socket would, in whatever room there is. */
static void receive(struct inflow *inflow, struct workplace *place, uint32_t size)
{
    while (size) {
        struct inflow_room room;
        assert_int_equal(inflow_room(inflow, place, false, &room), 0);
        assert_non_null(room.at);
        assert_true(room.size > 0);
        uint32_t part = room.size < size ? (uint32_t)room.size : size;
        memset(room.at, 'x', part);
        inflow->end += part;
        size -= part;
    }
}

static void empty_one_receives_into_the_engine(void **state)
{
    (void)state;
    struct workplace place = {0};
    struct inflow inflow = {0};
    struct inflow_room room = {.at = (uint8_t *)1, .thirsty = true};
    assert_int_equal(inflow_room(&inflow, &place, false, &room), 0);
    assert_null(room.at);
    assert_false(room.thirsty);
}

static void frame_is_whole_only_with_its_last_byte(void **state)
{
    (void)state;
    struct workplace place = {0};
    struct inflow inflow = {0};
    uint8_t frame[12] = {0};
    uint32_t size = 0;
    frame_header(frame, 8);
    for (size_t i = 0; i < sizeof frame; i++) {
        assert_int_equal(inflow_frame(&inflow, LIMIT, &size), 0);
        assert_int_equal(inflow_keep(&inflow, &place, frame + i, 1), 0);
    }
    assert_int_equal(inflow_frame(&inflow, LIMIT, &size), 1);
    assert_int_equal(size, sizeof frame);
    inflow_drop(&inflow, &place, size, false);
    assert_null(inflow.bytes);
    assert_int_equal(load_relaxed(&place.memory_used), 0);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct workplace place = {0};
    struct inflow inflow = {0};
    uint8_t prefix[4];
    uint32_t size;
    frame_header(prefix, -1);
    assert_int_equal(inflow_keep(&inflow, &place, prefix, 4), 0);
    assert_int_equal(inflow_frame(&inflow, LIMIT, &size), MAPLOG_CORRUPT);
    frame_header(inflow.bytes, (int32_t)LIMIT + 1);
    assert_int_equal(inflow_frame(&inflow, LIMIT, &size), MAPLOG_TOO_LARGE);
    inflow_free(&inflow, &place);
}

/* A peer that announces much and sends little costs little. */
static void memory_grows_with_the_bytes_that_come(void **state)
{
    (void)state;
    struct workplace place = {0};
    struct inflow inflow = {0};
    uint8_t prefix[4];
    uint32_t size;
    frame_header(prefix, 100 << 20);
    assert_int_equal(inflow_keep(&inflow, &place, prefix, 4), 0);
    receive(&inflow, &place, 70000);
    assert_true(inflow.capacity < 1 << 20);
    receive(&inflow, &place, (100 << 20) - 70000);
    assert_int_equal(inflow_frame(&inflow, UINT32_MAX >> 1, &size), 1);
    assert_int_equal(size, (100 << 20) + 4);
    inflow_free(&inflow, &place);
    assert_int_equal(load_relaxed(&place.memory_used), 0);
}

static void large_frames_wait_for_memory_that_others_have(void **state)
{
    (void)state;
    struct workplace place = {.memory_limit = 1 << 20};
    struct inflow first = {0}, second = {0};
    uint8_t prefix[4];
    struct inflow_room room;
    frame_header(prefix, 700000);
    assert_int_equal(inflow_keep(&first, &place, prefix, 4), 0);
    receive(&first, &place, 300000); /* enough of it to be given all that it needs */
    assert_int_equal(inflow_keep(&second, &place, prefix, 4), 0);
    while (inflow_room(&second, &place, false, &room) == 0)
        second.end += (uint32_t)room.size; /* what it gets at first is filled */
    assert_true(room.thirsty);
    inflow_free(&first, &place);
    assert_int_equal(inflow_room(&second, &place, false, &room), 0);
    assert_false(room.thirsty);
    inflow_free(&second, &place);
    assert_int_equal(load_relaxed(&place.memory_used), 0);
}

/* While a request is under way its bytes do not move, and what is received meanwhile is behind. */
static void frame_in_use_stays_where_it_is(void **state)
{
    (void)state;
    struct workplace place = {0};
    struct inflow inflow = {0};
    uint8_t frame[12] = {0};
    struct inflow_room room;
    frame_header(frame, 8);
    assert_int_equal(inflow_keep(&inflow, &place, frame, sizeof frame), 0);
    const uint8_t *before = inflow.bytes;
    assert_int_equal(inflow_room(&inflow, &place, true, &room), 0);
    assert_ptr_equal(room.at, before + sizeof frame);
    inflow_drop(&inflow, &place, sizeof frame, true); /* answered while that receive waits */
    assert_ptr_equal(inflow.bytes, before);
    memcpy(room.at, frame, sizeof frame);
    inflow.end += sizeof frame;
    uint32_t size;
    assert_int_equal(inflow_frame(&inflow, LIMIT, &size), 1);
    inflow.end = inflow.capacity;
    assert_int_equal(inflow_room(&inflow, &place, true, &room), MAPLOG_BUSY);
    assert_false(room.thirsty);
    inflow_free(&inflow, &place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_one_receives_into_the_engine),
        cmocka_unit_test(frame_is_whole_only_with_its_last_byte),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(memory_grows_with_the_bytes_that_come),
        cmocka_unit_test(large_frames_wait_for_memory_that_others_have),
        cmocka_unit_test(frame_in_use_stays_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
