/* misuse_file_test.c - every maplog_file_ call with arguments that are wrong; see misuse_test.c. */
#include "misuse.h"

#include <maplog_file.h>

#include "../../support/death.h"

static char path[128];
static struct maplog_file *file, *reader, *private;

static const struct maplog_file_options creating = {
    .flags = MAPLOG_FILE_CREATE, .size = 10000, .reserve_bytes = 1 << 20};

static int open_all(void **state)
{
    const struct maplog_file_options read_only = {.flags = MAPLOG_FILE_READ_ONLY},
                                     own = {.flags = MAPLOG_FILE_PRIVATE};
    if (fixture_make(state))
        return -1;
    snprintf(path, sizeof path, "%s/file", fixture_path);
    assert_ok(maplog_file_open(path, &creating, &file));
    assert_ok(maplog_file_open(path, &read_only, &reader));
    assert_ok(maplog_file_open(path, &own, &private));
    return 0;
}

static int close_all(void **state)
{
    maplog_file_close(private);
    maplog_file_close(reader);
    maplog_file_close(file);
    return fixture_remove(state);
}

static void opening(void **state)
{
    (void)state;
    struct maplog_file *made = UNTOUCHED;
    const struct maplog_file_options flags = {.flags = 0x80},
                                     both = {.flags = MAPLOG_FILE_READ_ONLY | MAPLOG_FILE_PRIVATE},
                                     read_made = {.flags =
                                                      MAPLOG_FILE_READ_ONLY | MAPLOG_FILE_CREATE},
                                     mode = {.flags = MAPLOG_FILE_CREATE, .mode = 0777777},
                                     small = {.reserve_bytes = 4096},
                                     endless = {.reserve_bytes = UINT64_MAX},
                                     huge = {.size = UINT64_MAX}, newer = {.reserved = {0, 0, 1}};
    refused(MAPLOG_INVALID, maplog_file_open(NULL, NULL, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, NULL, NULL));
    refused(MAPLOG_NOT_FOUND, maplog_file_open("", NULL, &made));
    refused(MAPLOG_INVALID, maplog_file_open(fixture_path, NULL, &made));
    refused(MAPLOG_INVALID, maplog_file_open("/dev/null", NULL, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, &flags, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, &both, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, &read_made, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, &mode, &made));
    refused(MAPLOG_LIMIT, maplog_file_open(path, &small, &made));
    refused(MAPLOG_LIMIT, maplog_file_open(path, &endless, &made));
    refused(MAPLOG_LIMIT, maplog_file_open(path, &huge, &made));
    refused(MAPLOG_INVALID, maplog_file_open(path, &newer, &made));
    accepted(maplog_file_close(NULL));
    assert_null(accepted(maplog_file_address(NULL)));
    assert_int_equal(accepted(maplog_file_size(NULL)), 0);
    assert_ptr_equal(made, UNTOUCHED);
}

static void changing_its_size(void **state)
{
    (void)state;
    uint64_t size = maplog_file_size(file);
    refused(MAPLOG_INVALID, maplog_file_refresh(NULL, &size));
    refused(MAPLOG_INVALID, maplog_file_grow(NULL, 1));
    refused(MAPLOG_LIMIT, maplog_file_grow(file, UINT64_MAX));
    refused(MAPLOG_LIMIT, maplog_file_grow(file, (uint64_t)INT64_MAX + 1));
    refused(MAPLOG_DENIED, maplog_file_grow(reader, 20000));
    refused(MAPLOG_DENIED, maplog_file_grow(private, 20000));
    refused(MAPLOG_INVALID, maplog_file_shrink(NULL, 1));
    refused(MAPLOG_DENIED, maplog_file_shrink(reader, 1));
    refused(MAPLOG_BUSY, maplog_file_shrink(file, 1));
    assert_ok(maplog_file_refresh(file, NULL));
    assert_int_equal(maplog_file_size(file), size);
}

static void ranges(void **state)
{
    (void)state;
    const enum maplog_file_advice none = (enum maplog_file_advice)0,
                                  other = (enum maplog_file_advice)99;
    refused(MAPLOG_INVALID, maplog_file_sync(NULL, 0, 0));
    refused(MAPLOG_INVALID, maplog_file_sync(file, UINT64_MAX, 1));
    refused(MAPLOG_INVALID, maplog_file_sync(file, 1, UINT64_MAX));
    refused(MAPLOG_DENIED, maplog_file_sync(private, 0, 0));
    refused(MAPLOG_INVALID, maplog_file_advise(NULL, 0, 0, MAPLOG_FILE_COLD));
    refused(MAPLOG_INVALID, maplog_file_advise(file, 0, 0, none));
    refused(MAPLOG_INVALID, maplog_file_advise(file, 0, 0, other));
    refused(MAPLOG_INVALID, maplog_file_advise(file, 1 << 20, 1, MAPLOG_FILE_COLD));
    refused(MAPLOG_INVALID, maplog_file_advise(file, 2, UINT64_MAX - 1, MAPLOG_FILE_COLD));
    refused(MAPLOG_INVALID, maplog_file_punch(NULL, 0, 1));
    refused(MAPLOG_INVALID, maplog_file_punch(file, UINT64_MAX, UINT64_MAX));
    refused(MAPLOG_DENIED, maplog_file_punch(reader, 0, 1));
    refused(MAPLOG_INVALID, maplog_file_fill(NULL, 0, 1));
    refused(MAPLOG_INVALID, maplog_file_fill(file, 9999, UINT64_MAX));
    refused(MAPLOG_DENIED, maplog_file_fill(private, 0, 1));
}

static int touch(void *context)
{
    return context ? 0 : 1;
}

static void guarding(void **state)
{
    (void)state;
    refused(MAPLOG_INVALID, maplog_file_guard(NULL, touch, NULL));
    refused(MAPLOG_INVALID, maplog_file_guard(file, NULL, NULL));
    assert_int_equal(maplog_file_guard(file, touch, NULL), 1);
}

static bool all_answer_forked(void)
{
    const struct answer answers[] = {
        asked(maplog_file_refresh(file, NULL)),
        asked(maplog_file_grow(file, 20000)),
        asked(maplog_file_shrink(file, 1)),
        asked(maplog_file_sync(file, 0, 0)),
        asked(maplog_file_advise(file, 0, 0, MAPLOG_FILE_COLD)),
        asked(maplog_file_punch(file, 0, 1)),
        asked(maplog_file_fill(file, 0, 1)),
    };
    bool all = all_forked(answers, sizeof answers / sizeof *answers);
    maplog_file_close(file);
    return all;
}

static void handles_from_before_a_fork(void **state)
{
    (void)state;
    assert_child_agrees(all_answer_forked);
    assert_ok(maplog_file_grow(file, 20000));
}

#ifdef MAPLOG_CONTRACTS

static void grow_a_closed_file(void)
{
    struct maplog_file *made = NULL;
    maplog_file_open(path, NULL, &made);
    maplog_file_close(made);
    maplog_file_grow(made, 1);
}

static void a_closed_file_breaks_the_contract(void **state)
{
    (void)state;
    assert_true(death_by_contract(grow_a_closed_file, "this mapped file was closed already"));
}

#endif

static void no_exported_call_is_missing(void **state)
{
    (void)state;
    misuse_is_complete(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),
        cmocka_unit_test(changing_its_size),
        cmocka_unit_test(ranges),
        cmocka_unit_test(guarding),
        cmocka_unit_test(handles_from_before_a_fork),
#ifdef MAPLOG_CONTRACTS
        cmocka_unit_test(a_closed_file_breaks_the_contract),
#endif
        cmocka_unit_test(no_exported_call_is_missing),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
