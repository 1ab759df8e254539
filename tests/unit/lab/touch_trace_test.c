/* touch_trace_test.c - the kernel's lines become pages of the file; those of others are left out.
 */
#include "lab/touch_trace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <maplog.h>
#include <stdio.h>
#include <string.h>

#include "lab/sheet_inside.h"

/* A mapping at 0x10000 and a private one at 0x200000, of inode 0x1f = 31. Nothing is touched. */
static struct touch file = {
    .scratch = {.map = (uint8_t *)0x10000}, .copies = (uint8_t *)0x200000, .inode = 31};
static struct touch_spans spans;
static uint64_t begin_us;

static void add(unsigned step, uint64_t at_us, const char *name, const char *fields)
{
    struct trace_event event = {1, at_us, name, fields};
    assert_int_equal(touch_spans_add(&spans, &file, step, &event, &begin_us), 0);
}

static int begin(void **state)
{
    (void)state;
    begin_us = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    touch_spans_free(&spans);
    return 0;
}

static void check(size_t index, unsigned times, uint64_t first, uint64_t last, const char *note)
{
    assert_true(index < spans.count);
    const struct touch_span *span = &spans.items[index];
    assert_int_equal(span->times, times);
    assert_int_equal(span->first, first);
    assert_int_equal(span->last, last);
    assert_string_equal(span->note, note);
}

static void a_fault_says_its_page_and_why(void **state)
{
    (void)state;
    add(0, 1000, "page_fault_user", "address=0x10008 ip=0x5555 error_code=0x4");
    add(0, 1007, "page_fault_user", "address=0x12000 ip=0x5555 error_code=0x7");
    add(0, 1009, "page_fault_user", "address=0x201fff ip=0x5555 error_code=0x6");
    add(0, 1010, "page_fault_user", "address=0x7ffff000 ip=0x5555 error_code=0x6");
    assert_int_equal(spans.count, 3);
    check(0, 1, 0, 0, "load, no entry");
    check(1, 1, 2, 2, "store, the entry is read-only");
    check(2, 1, 1, 1, "store, no entry");
    assert_int_equal(spans.items[0].at_us, 0);
    assert_int_equal(spans.items[2].at_us, 9);
}

static void pages_of_the_cache_are_put_together(void **state)
{
    (void)state;
    add(0, 1, "mm_filemap_add_to_page_cache", "dev 253:0 ino 1f pfn=0x1 ofs=0 order=2");
    add(0, 2, "mm_filemap_fault", "dev=253:0 ino=1f ofs=0");
    add(0, 3, "mm_filemap_add_to_page_cache", "dev 253:0 ino 1f pfn=0x9 ofs=16384 order=0");
    add(0, 4, "mm_filemap_add_to_page_cache", "dev 253:0 ino 20 pfn=0x9 ofs=20480 order=0");
    add(0, 5, "mm_filemap_map_pages", "dev=253:0 ino=1f ofs=0-65535");
    add(1, 6, "mm_filemap_add_to_page_cache", "dev 253:0 ino 1f pfn=0x9 ofs=20480");
    assert_int_equal(spans.count, 4);
    check(0, 2, 0, 4, "");
    check(1, 1, 0, 0, "");
    check(2, 1, 0, 15, "");
    check(3, 1, 5, 5, "");
}

static void write_back_counts_inodes_in_tens(void **state)
{
    (void)state;
    add(0, 1, "writeback_dirty_folio", "bdi 253:0: ino=31 index=7");
    add(0, 2, "writeback_dirty_folio", "bdi 253:0: ino=1 index=7");
    assert_int_equal(spans.count, 1);
    check(0, 1, 7, 7, "");
}

static void a_request_says_what_the_disk_does(void **state)
{
    (void)state;
    add(0, 1, "block_rq_issue", "253,0 RA 131072 () 7788 + 256 none,0,0 [maplog-lab]");
    add(0, 1, "block_rq_issue", "253,0 WS 4096 () 7788 + 8 none,0,0 [maplog-lab]");
    add(0, 1, "block_rq_issue", "253,0 FF 0 () 0 + 0 none,0,0 [kworker/1:1H]");
    assert_int_equal(spans.count, 3);
    check(0, 1, 0, 0, "read, 131072 bytes");
    check(1, 1, 0, 0, "write, 4096 bytes");
    check(2, 1, 0, 0, "flush, 0 bytes");
}

static void what_is_not_understood_is_left_out(void **state)
{
    (void)state;
    add(0, 1, "page_fault_user", "");
    add(0, 1, "mm_filemap_fault", "ino=1f");
    add(0, 1, "block_rq_issue", "253,0");
    add(0, 1, "no_such_event", "at all");
    assert_int_equal(spans.count, 0);
}

static void the_sheet_has_a_row_for_each(void **state)
{
    (void)state;
    char buffer[CELL_SIZE];
    add(TOUCH_LOAD, 5, "mm_filemap_map_pages", "dev=253:0 ino=1f ofs=0-65535");
    add(TOUCH_LOAD, 8, "block_rq_issue", "253,0 RA 131072 () 7788 + 256 none,0,0 [maplog-lab]");
    struct sheet *sheet = sheet_new("touch-trace", "title");
    touch_spans_print(&spans, sheet);
    assert_false(sheet_broken(sheet));
    assert_int_equal(sheet->row_count, 2);
    assert_string_equal(sheet_cell_text(sheet, 0, 0, buffer), touch_steps[TOUCH_LOAD].name);
    assert_string_equal(sheet_cell_text(sheet, 0, 4, buffer), "0-15");
    assert_string_equal(sheet_cell_text(sheet, 1, 1, buffer), "3");
    assert_string_equal(sheet_cell_text(sheet, 1, 4, buffer), "");
    sheet_free(sheet);
}

/* Where tracefs may be used, it is seen what was done; else it is told why not. */
static void the_real_kernel_is_understood(void **state)
{
    (void)state;
    int result = touch_trace("/tmp", &spans);
    if (result) {
        assert_true(result == MAPLOG_DENIED || result == MAPLOG_UNSUPPORTED);
        return;
    }
    bool cache = false;
    for (size_t i = 0; i < spans.count; i++) {
        assert_true(spans.items[i].last < 2 * TOUCH_PAGES);
        assert_int_not_equal(spans.items[i].step, TOUCH_LOAD_AGAIN);
        cache |= spans.items[i].step == TOUCH_STORE_ALLOCATED;
    }
    assert_true(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fault_says_its_page_and_why, begin, end),
        cmocka_unit_test_setup_teardown(pages_of_the_cache_are_put_together, begin, end),
        cmocka_unit_test_setup_teardown(write_back_counts_inodes_in_tens, begin, end),
        cmocka_unit_test_setup_teardown(a_request_says_what_the_disk_does, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_understood_is_left_out, begin, end),
        cmocka_unit_test_setup_teardown(the_sheet_has_a_row_for_each, begin, end),
        cmocka_unit_test_setup_teardown(the_real_kernel_is_understood, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
