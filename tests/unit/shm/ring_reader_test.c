/* ring_reader_test.c - rings read in place: order, the seam, drops, and headers that lie. */
#include "../../support/ring_kernel.h"

#include "base/error.h"
#include "shm/ring_reader.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATA 4096
#define DEVICE "/dev/rings"

static struct ring_reader *open_reader(struct ring_kernel *kernel)
{
    struct ring_reader *reader = NULL;
    int result = ring_reader_open(kernel->fd, DEVICE, RING_READER, &reader);
    if (result)
        fail_msg("%s", error_text());
    return reader;
}

static void emit_text(struct ring_kernel *kernel, uint32_t ring, const char *text)
{
    assert_true(ring_kernel_emit(kernel, ring, text, (uint32_t)strlen(text)));
}

static void assert_next(struct ring_reader *reader, uint32_t ring, const char *text)
{
    struct ring_entry entry;
    assert_int_equal(ring_reader_next(reader, ring, &entry), 1);
    assert_int_equal(entry.length, strlen(text));
    assert_memory_equal(entry.payload, text, entry.length);
}

static void assert_empty(struct ring_reader *reader, uint32_t ring)
{
    struct ring_entry entry;
    assert_int_equal(ring_reader_next(reader, ring, &entry), 0);
}

/* ---- honest rings ---------------------------------------------------------------------------- */

static void records_come_in_order_with_all_that_was_said(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    struct ring_entry entry;
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    assert_empty(reader, 0);
    emit_text(&kernel, 0, "one");
    emit_text(&kernel, 0, "");
    assert_int_equal(ring_reader_next(reader, 0, &entry), 1);
    assert_memory_equal(entry.payload, "one", 3);
    assert_int_equal(entry.length, 3);
    assert_int_equal(entry.dropped, 0);
    assert_int_equal(entry.time_ns, 1700000000123456789ull);
    assert_int_equal(entry.source, RING_SOURCE_EMIT);
    assert_next(reader, 0, "");
    assert_empty(reader, 0);
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

static void a_record_over_the_end_is_in_one_piece(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    char text[200];
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    for (int i = 0; i < 500; i++) {
        int length = snprintf(text, sizeof text, "%0*d", 1 + i * 7 % 190, i);
        assert_true(ring_kernel_emit(&kernel, 0, text, (uint32_t)length));
        assert_next(reader, 0, text);
        ring_reader_release(reader, 0);
    }
    assert_true(ring_kernel_header(&kernel, 0)->head > 10 * DATA);
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

static void the_kernel_gets_room_by_release_alone(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    struct ring_entry entry;
    char bytes[1000] = "x";
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    for (int i = 0; i < 4; i++)
        assert_true(ring_kernel_emit(&kernel, 0, bytes, sizeof bytes));
    for (int i = 0; i < 4; i++)
        assert_int_equal(ring_reader_next(reader, 0, &entry), 1);
    assert_false(ring_kernel_emit(&kernel, 0, bytes, sizeof bytes));
    assert_false(ring_kernel_emit(&kernel, 0, bytes, sizeof bytes));
    ring_reader_release(reader, 0);
    assert_true(ring_kernel_emit(&kernel, 0, bytes, sizeof bytes));
    assert_int_equal(ring_reader_next(reader, 0, &entry), 1);
    assert_int_equal(entry.dropped, 2);
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

static void the_next_reader_begins_where_the_last_released(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    ring_kernel_open(&kernel, 2, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    emit_text(&kernel, 1, "done with");
    emit_text(&kernel, 1, "read, not released");
    assert_next(reader, 1, "done with");
    ring_reader_release(reader, 1);
    assert_next(reader, 1, "read, not released");
    ring_reader_close(reader);
    reader = open_reader(&kernel);
    assert_empty(reader, 0);
    assert_next(reader, 1, "read, not released");
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

static void an_observer_sees_what_headers_say(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    struct ring_reader *observer;
    struct ring_status status;
    ring_kernel_open(&kernel, 2, DATA);
    emit_text(&kernel, 1, "12345678");
    assert_int_equal(ring_reader_open(kernel.fd, DEVICE, RING_OBSERVER, &observer), 0);
    assert_int_equal(ring_reader_rings(observer), 2);
    ring_reader_status(observer, 0, &status);
    assert_int_equal(status.filled, 0);
    ring_reader_status(observer, 1, &status);
    assert_int_equal(status.filled, 32);
    assert_int_equal(status.records, 1);
    assert_int_equal(status.cpu, 1);
    assert_int_equal(status.data_bytes, DATA);
    assert_int_equal(status.memory, RING_MEMORY_VMALLOC);
    ring_reader_close(observer);
    ring_kernel_close(&kernel);
}

#define MANY 200000

static void *emit_many(void *argument)
{
    struct ring_kernel *kernel = argument;
    for (uint32_t i = 0; i < MANY;) {
        uint32_t words[16];
        for (int k = 0; k < 16; k++)
            words[k] = i;
        if (ring_kernel_emit(kernel, 0, words, 4 + i % 15 * 4))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static void records_are_whole_while_the_kernel_writes(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    struct ring_entry entry;
    pthread_t writer;
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    assert_int_equal(pthread_create(&writer, NULL, emit_many, &kernel), 0);
    for (uint32_t i = 0; i < MANY;) {
        int result = ring_reader_next(reader, 0, &entry);
        assert_in_range(result, 0, 1);
        if (!result) {
            sched_yield();
            continue;
        }
        assert_int_equal(entry.length, 4 + i % 15 * 4);
        for (uint32_t k = 0; k < entry.length / 4; k++)
            assert_int_equal(((const uint32_t *)entry.payload)[k], i);
        ring_reader_release(reader, 0);
        i++;
    }
    pthread_join(writer, NULL);
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

/* ---- rings that lie -------------------------------------------------------------------------- */

static void assert_refused(struct ring_kernel *kernel, int code, const char *says)
{
    struct ring_reader *reader = NULL;
    assert_int_equal(ring_reader_open(kernel->fd, DEVICE, RING_READER, &reader), code);
    assert_non_null(strstr(error_text(), says));
    assert_non_null(strstr(error_text(), DEVICE));
}

static void each_constant_of_a_header_is_checked(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    ring_kernel_open(&kernel, 2, DATA);
    struct ring_header *header = ring_kernel_header(&kernel, 0);
    const struct ring_header good = *header;
#define LIE(field, value, code, says)                                                              \
    header->field = (value);                                                                       \
    assert_refused(&kernel, code, says);                                                           \
    *header = good
    LIE(magic, 0, MAPLOG_CORRUPT, "does not begin");
    LIE(version, RING_VERSION + 1, MAPLOG_VERSION, "version 2");
    LIE(rings, 0, MAPLOG_CORRUPT, "no sense");
    LIE(rings, RING_LIMIT + 1, MAPLOG_CORRUPT, "no sense");
    LIE(ring, 1, MAPLOG_CORRUPT, "no sense");
    LIE(data_bytes, 0, MAPLOG_CORRUPT, "no sense");
    LIE(data_bytes, DATA + 8, MAPLOG_CORRUPT, "no sense");
    LIE(data_bytes, 2 * RING_DATA_MAX, MAPLOG_CORRUPT, "no sense");
    LIE(data_bytes, 2 * DATA, MAPLOG_CORRUPT, "no sense");
    LIE(data_offset, 0, MAPLOG_CORRUPT, "no sense");
    LIE(ring_stride, UINT64_MAX - 4095, MAPLOG_CORRUPT, "no sense");
    LIE(ring_stride, 4096, MAPLOG_CORRUPT, "no sense");
    LIE(record_max, UINT32_MAX, MAPLOG_CORRUPT, "no sense");
    LIE(record_max, 1, MAPLOG_CORRUPT, "disagrees");
    LIE(rings, 3, MAPLOG_CORRUPT, "ends before the last of its 3 rings");
    LIE(tail, 4, MAPLOG_CORRUPT, "between two records");
#undef LIE
    ring_reader_close(open_reader(&kernel));
    ring_kernel_close(&kernel);
}

static void assert_damaged(struct ring_reader *reader, const char *says)
{
    struct ring_entry entry;
    for (int i = 0; i < 2; i++) { /* and it stays so */
        assert_int_equal(ring_reader_next(reader, 0, &entry), MAPLOG_CORRUPT);
        assert_non_null(strstr(error_text(), says));
        assert_non_null(strstr(error_text(), "ring 0 of " DEVICE));
        assert_non_null(strstr(error_text(), "--reset"));
    }
}

static void a_head_that_cannot_be_is_damage(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    struct ring_header *header = ring_kernel_header(&kernel, 0);
    emit_text(&kernel, 0, "good");
    assert_next(reader, 0, "good");
    uint64_t head = header->head;
    const uint64_t lies[] = {head - 8, head + 4, head + DATA + 8, UINT64_MAX - 7, 0};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        header->head = lies[i];
        assert_damaged(reader, "its head");
    }
    header->head = head;
    emit_text(&kernel, 0, "good again");
    assert_next(reader, 0, "good again");
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

static void a_record_that_cannot_be_is_damage_until_it_is_skipped(void **state)
{
    (void)state;
    struct ring_kernel kernel;
    ring_kernel_open(&kernel, 1, DATA);
    struct ring_reader *reader = open_reader(&kernel);
    emit_text(&kernel, 0, "spoilt");
    struct ring_record *record = (struct ring_record *)ring_kernel_data(&kernel, 0);
    const struct ring_record good = *record;
#define LIE(field, value, says)                                                                    \
    record->field = (value);                                                                       \
    assert_damaged(reader, says);                                                                  \
    *record = good
    LIE(length, 7 + 8, "beyond the head");
    LIE(length, UINT32_MAX, "longer than records");
    LIE(length, RING_RECORD_MAX(DATA) + 1, "longer than records");
    LIE(source, 0, "no record");
    LIE(source, 4, "no record");
    LIE(reserved, 1, "no record");
#undef LIE
    ring_reader_close(reader);
    ring_kernel_header(&kernel, 0)->head = 16;
    reader = open_reader(&kernel);
    assert_damaged(reader, "beyond the head");
    assert_int_equal(ring_reader_skip(reader, 0), 16);
    assert_int_equal(ring_kernel_header(&kernel, 0)->tail, 16);
    emit_text(&kernel, 0, "behind it");
    assert_next(reader, 0, "behind it");
    ring_reader_close(reader);
    ring_kernel_close(&kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_order_with_all_that_was_said),
        cmocka_unit_test(a_record_over_the_end_is_in_one_piece),
        cmocka_unit_test(the_kernel_gets_room_by_release_alone),
        cmocka_unit_test(the_next_reader_begins_where_the_last_released),
        cmocka_unit_test(an_observer_sees_what_headers_say),
        cmocka_unit_test(records_are_whole_while_the_kernel_writes),
        cmocka_unit_test(each_constant_of_a_header_is_checked),
        cmocka_unit_test(a_head_that_cannot_be_is_damage),
        cmocka_unit_test(a_record_that_cannot_be_is_damage_until_it_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
