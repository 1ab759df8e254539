/* sigio_test.c - what only this engine does: signals that come for somebody else, that do not come,
 * and that stay behind. The rest is in tests/engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/engine.h"
#include "os/socket.h"

#define PAIRS 100
#define FLOOD 2000 /* signals, each a byte */

static const struct io_limits limits = {PAIRS + 16, 4096, 4096};

/* Counts what comes; receives for ever. */
struct reader {
    struct io_operation operation; /* first */
    struct io_engine *engine;
    int peer;
    int bytes, ends;
};

static void note(struct io_operation *operation, int result)
{
    struct reader *reader = (struct reader *)operation;
    if (result > 0) {
        reader->bytes += result;
        io_receive(reader->engine, operation);
    } else {
        reader->ends++;
    }
}

static void reader_on(struct reader *reader, struct io_engine *engine, const int ends[2])
{
    *reader = (struct reader){
        .operation = {.fd = ends[0], .done = note}, .engine = engine, .peer = ends[1]};
    assert_int_equal(io_add(engine, ends[0]), 0);
    io_receive(engine, &reader->operation);
}

static void reader_begin(struct reader *reader, struct io_engine *engine)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    reader_on(reader, engine, ends);
}

/* The peer goes, and that is seen. */
static void reader_end(struct reader *reader)
{
    close(reader->peer);
    while (reader->ends == 0)
        assert_int_equal(io_wait(reader->engine, -1), 0);
    io_remove(reader->engine, reader->operation.fd);
    close(reader->operation.fd);
}

static void until(const struct reader *reader, int bytes)
{
    while (reader->bytes < bytes)
        assert_int_equal(io_wait(reader->engine, -1), 0);
    assert_int_equal(reader->bytes, bytes);
}

static void write_bytes(const struct reader *reader, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(write(reader->peer, "x", 1), 1);
}

static struct io_engine *engine;

static int set_up(void **state)
{
    (void)state;
    return io_open("sigio", &limits, &engine);
}

static int tear_down(void **state)
{
    (void)state;
    io_close(engine);
    return 0;
}

/* ---- signals that do not come ---------------------------------------------------------------- */

static void limit_signals(rlim_t count, struct rlimit *before)
{
    getrlimit(RLIMIT_SIGPENDING, before);
    struct rlimit few = {count, before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_SIGPENDING, &few), 0);
}

/* Every signal of sockets and wakes is lost. */
static void without_room_for_signals_all_goes_on(void **state)
{
    (void)state;
    static struct reader readers[PAIRS];
    struct rlimit before;
    for (int i = 0; i < PAIRS; i++)
        reader_begin(&readers[i], engine);
    limit_signals(0, &before);
    for (int round = 1; round <= 5; round++) {
        for (int i = 0; i < PAIRS; i++)
            write_bytes(&readers[i], 3);
        for (int i = PAIRS - 1; i >= 0; i--)
            until(&readers[i], 3 * round);
        io_wake(engine);
        assert_int_equal(io_wait(engine, -1), 0);
    }
    for (int i = 0; i < PAIRS; i++)
        reader_end(&readers[i]);
    setrlimit(RLIMIT_SIGPENDING, &before);
}

/* Bytes and an end whose signals were lost while nobody received: found by who receives later. */
static void what_was_lost_while_nobody_received_is_found(void **state)
{
    (void)state;
    struct reader idle, busy;
    struct rlimit before;
    reader_begin(&idle, engine);
    reader_begin(&busy, engine);
    write_bytes(&busy, 1);
    until(&busy, 1);
    io_cancel(engine, &idle.operation);
    while (idle.ends == 0)
        assert_int_equal(io_wait(engine, -1), 0);
    limit_signals(0, &before);
    write_bytes(&idle, 1);
    shutdown(idle.peer, SHUT_WR);
    write_bytes(&busy, 1);
    setrlimit(RLIMIT_SIGPENDING, &before);
    until(&busy, 2);
    idle.ends = 0;
    io_receive(engine, &idle.operation);
    until(&idle, 1);
    reader_end(&idle);
    reader_end(&busy);
}

/* More than is taken at a time, and than may be held: SIGIO stands before and behind others. */
static void a_flood_of_signals_is_survived(void **state)
{
    (void)state;
    struct reader flooded, quiet;
    struct rlimit before;
    reader_begin(&flooded, engine);
    reader_begin(&quiet, engine);
    for (int limited = 0; limited < 2; limited++) {
        limit_signals(limited ? FLOOD / 20 : FLOOD * 20, &before);
        flooded.bytes = quiet.bytes = 0;
        for (int i = 0; i < FLOOD / 200; i++) {
            write_bytes(&flooded, 200);
            write_bytes(&quiet, 1);
            until(&quiet, i + 1);
        }
        until(&flooded, FLOOD);
        setrlimit(RLIMIT_SIGPENDING, &before);
    }
    reader_end(&flooded);
    reader_end(&quiet);
}

/* ---- signals for somebody else --------------------------------------------------------------- */

static void signals_of_a_closed_socket_do_not_confuse_its_successor(void **state)
{
    (void)state;
    struct reader reader;
    int number = -1;
    for (int i = 0; i < 50; i++) {
        reader_begin(&reader, engine);
        assert_true(number < 0 || reader.operation.fd == number);
        number = reader.operation.fd;
        if (i % 2)
            write_bytes(&reader, 1);
        assert_int_equal(io_wait(engine, 0), 0);
        assert_int_equal(reader.bytes, i % 2);
        assert_int_equal(reader.ends, 0);
        write_bytes(&reader, 10); /* their signals are pending when it goes */
        io_cancel(engine, &reader.operation);
        while (reader.ends == 0)
            assert_int_equal(io_wait(engine, 0), 0);
        write_bytes(&reader, 10);
        io_remove(engine, reader.operation.fd);
        close(reader.peer);
        close(reader.operation.fd);
    }
}

static void two_engines_of_one_thread(void **state)
{
    (void)state;
    struct io_engine *second;
    struct reader first_reader, second_reader;
    struct rlimit before;
    assert_int_equal(io_open("sigio", &limits, &second), 0);
    reader_begin(&first_reader, engine);
    reader_begin(&second_reader, second);
    for (int lost = 0; lost < 2; lost++) {
        write_bytes(&first_reader, 1);
        write_bytes(&second_reader, 1);
        until(&second_reader, 2 * lost + 1);
        until(&first_reader, 2 * lost + 1);
        limit_signals(0, &before); /* one SIGIO for both */
        write_bytes(&first_reader, 1);
        write_bytes(&second_reader, 1);
        setrlimit(RLIMIT_SIGPENDING, &before);
        until(&second_reader, 2 * lost + 2);
        until(&first_reader, 2 * lost + 2);
    }
    reader_end(&second_reader);
    io_close(second);
    write_bytes(&first_reader, 1);
    until(&first_reader, 5);
    reader_end(&first_reader);
}

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    int ends[2] = {reader->operation.fd, reader->peer};
    reader_on(reader, reader->engine, ends);
    while (reader->ends == 0)
        if (io_wait(reader->engine, -1) != 0)
            return NULL;
    io_remove(reader->engine, reader->operation.fd);
    return NULL;
}

/* Opened and closed here, used and woken there: each engine's signals go to its own thread. */
static void engines_of_several_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct reader readers[THREADS]; /* the threads' as long as they run */
    struct io_engine *engines[THREADS];
    int peers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        peers[i] = ends[1];
        assert_int_equal(io_open("sigio", &limits, &engines[i]), 0);
        io_wake(engines[i]); /* before it has a thread */
        readers[i] =
            (struct reader){.operation.fd = ends[0], .peer = ends[1], .engine = engines[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
    }
    for (int round = 0; round < 200; round++)
        for (int i = 0; i < THREADS; i++)
            while (write(peers[i], "x", 1) < 0) /* full: it is behind */
                io_wake(engines[i]);
    for (int i = 0; i < THREADS; i++) {
        shutdown(peers[i], SHUT_WR);
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].bytes, 200);
        assert_int_equal(readers[i].ends, 1);
        io_wake(engines[i]); /* nobody is there any more */
        close(readers[i].operation.fd);
        close(peers[i]);
        io_close(engines[i]);
    }
}

static void a_wake_before_the_first_wait_ends_it(void **state)
{
    (void)state;
    io_wake(engine);
    io_wake(engine);
    assert_int_equal(io_wait(engine, -1), 0);
}

static void a_closed_engine_leaves_no_signal(void **state)
{
    (void)state;
    sigset_t before, after, pending;
    struct io_engine *other;
    struct reader reader;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(io_open("sigio", &limits, &other), 0);
    reader_begin(&reader, other);
    write_bytes(&reader, 100);
    io_cancel(other, &reader.operation);
    while (reader.ends == 0)
        assert_int_equal(io_wait(other, 0), 0);
    write_bytes(&reader, 100);
    io_wake(other);
    io_remove(other, reader.operation.fd);
    assert_false(fcntl(reader.operation.fd, F_GETFL) & O_ASYNC);
    assert_true(fcntl(reader.operation.fd, F_GETFL) & O_NONBLOCK);
    io_close(other);
    close(reader.operation.fd);
    close(reader.peer);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    sigpending(&pending);
    for (int i = 1; i <= SIGRTMAX; i++) {
        assert_int_equal(sigismember(&after, i), sigismember(&before, i));
        assert_int_not_equal(sigismember(&pending, i), 1);
    }
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void a_descriptor_without_signals_is_refused(void **state)
{
    (void)state;
    int file = memfd_create("sigio-test", MFD_CLOEXEC);
    for (int i = 0; i < 2; i++) { /* nothing is left of the first time */
        assert_int_equal(io_add(engine, file), MAPLOG_IO);
        assert_non_null(strstr(error_text(), "has no signals"));
    }
    close(file);
    assert_int_equal(io_add(engine, file), MAPLOG_IO);
}

/* One signal for "ab!cd" when it comes as one, while reads stop at the mark. */
static void bytes_behind_urgent_ones_need_no_signal(void **state)
{
    (void)state;
    int listeners[SOCKET_LISTENERS], ends[2];
    char address[SOCKET_TEXT];
    struct reader reader;
    assert_int_equal(socket_listen("127.0.0.1:0", 8, listeners), 1);
    socket_local(listeners[0], address);
    assert_int_equal(socket_connect(address, 10000, &ends[1]), 0);
    do
        ends[0] = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK);
    while (ends[0] < 0);
    reader_on(&reader, engine, ends);
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(send(ends[1], "ab", 2, MSG_MORE), 2);
        assert_int_equal(send(ends[1], "!", 1, MSG_OOB | MSG_MORE), 1);
        assert_int_equal(send(ends[1], "cd", 2, 0), 2);
        while (reader.bytes < 4 * i)
            assert_int_equal(io_wait(engine, -1), 0);
    }
    reader_end(&reader);
    socket_close_listener(listeners[0]);
}

struct sent {
    struct io_operation operation; /* first */
    int result, ends;
};

static void note_sent(struct io_operation *operation, int result)
{
    struct sent *sent = (struct sent *)operation;
    sent->result = result;
    sent->ends++;
}

/* The kernel stops where the page is gone: short, in a Unix socket that is not full, which
 * would not signal room. */
static void a_send_whose_pages_go_away_ends(void **state)
{
    (void)state;
    const size_t size = 1 << 20, left = 120 << 10;
    char drain[4096];
    int ends[2], file = memfd_create("sigio", MFD_CLOEXEC);
    assert_int_equal(ftruncate(file, (off_t)size), 0);
    uint8_t *at = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    assert_true(at != MAP_FAILED);
    assert_int_equal(ftruncate(file, (off_t)left), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(io_add(engine, ends[0]), 0);
    struct io_slice slice = {at, size, -1, 0};
    struct sent sent = {
        .operation = {.fd = ends[0], .done = note_sent, .slices = &slice, .count = 1}};
    io_send(engine, &sent.operation);
    for (int i = 0; i < 1000 && sent.ends == 0; i++) {
        while (recv(ends[1], drain, sizeof drain, 0) > 0)
            ;
        assert_int_equal(io_wait(engine, 10 * 1000 * 1000), 0);
    }
    assert_int_equal(sent.ends, 1);
    assert_int_equal(sent.result, MAPLOG_CORRUPT);
    io_remove(engine, ends[0]);
    close(ends[0]), close(ends[1]);
    munmap(at, size);
    close(file);
}

int main(void)
{
#define ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ENGINE(without_room_for_signals_all_goes_on),
        ENGINE(what_was_lost_while_nobody_received_is_found),
        ENGINE(a_flood_of_signals_is_survived),
        ENGINE(signals_of_a_closed_socket_do_not_confuse_its_successor),
        ENGINE(two_engines_of_one_thread),
        ENGINE(engines_of_several_threads),
        ENGINE(a_wake_before_the_first_wait_ends_it),
        ENGINE(a_closed_engine_leaves_no_signal),
        ENGINE(a_descriptor_without_signals_is_refused),
        ENGINE(bytes_behind_urgent_ones_need_no_signal),
        ENGINE(a_send_whose_pages_go_away_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
