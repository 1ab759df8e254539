/* futex_test.c - sleeping on words that other processes change. */
#include "os/futex.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/map.h"
#include "scratch.h"

#include <stdatomic.h>
#include <sys/time.h>

/* One file, mapped twice: as a writer's and as a read-only consumer's. */
static atomic_uint *written;
static const uint32_t *seen;

static int map_words(void **state)
{
    int fd;
    void *address;
    if (scratch_make(state) != 0 ||
        file_open(scratch_fd, "words", O_RDWR | O_CREAT, 0600, &fd) != 0 ||
        file_truncate(fd, "words", MAP_PAGE_BYTES) != 0 ||
        map_file(fd, "words", 0, MAP_PAGE_BYTES, MAP_MODE_WRITE, &address) != 0)
        return -1;
    written = address;
    if (map_file(fd, "words", 0, MAP_PAGE_BYTES, MAP_MODE_READ, &address) != 0)
        return -1;
    seen = address;
    file_close(fd);
    return 0;
}

static void another_value_returns_at_once(void **state)
{
    (void)state;
    assert_int_equal(futex_wait(seen, *seen + 1, -1), 0);
}

static void the_time_limit_is_kept(void **state)
{
    (void)state;
    int64_t before = clock_monotonic_ns();
    assert_int_equal(futex_wait(seen, *seen, 20 * 1000000), MAPLOG_TIMED_OUT);
    assert_true(clock_monotonic_ns() - before >= 20 * 1000000);
    assert_int_equal(futex_wait(seen, *seen, 0), MAPLOG_TIMED_OUT);
}

/* Changes word number *context once per turn; the parent may or may not sleep already. */
static int change_and_wake(void *context, struct child_ends ends)
{
    unsigned word = *(unsigned *)context;
    for (int turn = 0; turn < 200; turn++) {
        child_wait(ends);
        if (turn % 2)
            clock_sleep_ns(100000);
        written[word]++;
        futex_wake_all((const uint32_t *)(const void *)&written[word]);
    }
    return 0;
}

static void another_process_wakes_a_read_only_mapping(void **state)
{
    (void)state;
    unsigned word = 0;
    struct child child = child_start(change_and_wake, &word);
    for (int turn = 0; turn < 200; turn++) {
        uint32_t before = written[word];
        child_tell(&child);
        while (written[word] == before)
            assert_int_equal(futex_wait(seen + word, before, -1), 0);
    }
    assert_int_equal(child_end(&child), 0);
}

static void one_of_many_words_is_enough(void **state)
{
    (void)state;
    struct futex_wait_on words[FUTEX_WAIT_MANY_LIMIT];
    for (unsigned i = 0; i < FUTEX_WAIT_MANY_LIMIT; i++)
        words[i] = (struct futex_wait_on){.word = seen + i, .expected = written[i]};
    int result = futex_wait_many(words, FUTEX_WAIT_MANY_LIMIT, 0);
    if (result == MAPLOG_UNSUPPORTED)
        skip();
    assert_int_equal(result, MAPLOG_TIMED_OUT);
    int64_t start = clock_monotonic_ns();
    assert_int_equal(futex_wait_many(words, 2, 1020 * (int64_t)1000000), MAPLOG_TIMED_OUT);
    assert_true(clock_monotonic_ns() - start >= 1020 * (int64_t)1000000);

    unsigned word = FUTEX_WAIT_MANY_LIMIT - 1;
    struct child child = child_start(change_and_wake, &word);
    for (int turn = 0; turn < 200; turn++) {
        words[word].expected = written[word];
        child_tell(&child);
        while (written[word] == words[word].expected)
            assert_int_equal(futex_wait_many(words, FUTEX_WAIT_MANY_LIMIT, -1), 0);
    }
    assert_int_equal(child_end(&child), 0);
    words[3].expected++;
    assert_int_equal(futex_wait_many(words, FUTEX_WAIT_MANY_LIMIT, -1), 0);
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    struct futex_wait_on words[FUTEX_WAIT_MANY_LIMIT + 1] = {{NULL, 0}};
    assert_int_equal(futex_wait_many(words, FUTEX_WAIT_MANY_LIMIT + 1, -1), MAPLOG_LIMIT);
    assert_int_equal(futex_wait_many(words, 0, -1), MAPLOG_LIMIT);
}

static void nothing(int signal)
{
    (void)signal;
}

static void a_signal_ends_the_wait(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = nothing}, before;
    /* Again and again, in case one comes before the wait. */
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_int_equal(futex_wait(seen, *seen, -1), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_value_returns_at_once),
        cmocka_unit_test(the_time_limit_is_kept),
        cmocka_unit_test(another_process_wakes_a_read_only_mapping),
        cmocka_unit_test(one_of_many_words_is_enough),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(a_signal_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, map_words, scratch_remove);
}
