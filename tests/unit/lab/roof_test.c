/* roof_test.c - what bare servers send. The echo is asked by crowds in crowd_test.c too. */
#include "lab/roof.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/bytes.h"
#include "lab/subject.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/socket.h"
#include "../os/scratch.h"

#define SIZE 10000
#define PATIENCE_NS 5000000000ll

static const struct pins anywhere; /* not pinned */

static int connect_to(const struct subject_options *options, struct subject **subject)
{
    int fd;
    assert_int_equal(subject_start(options, subject), 0);
    assert_int_equal(socket_connect(subject_address(*subject, options->local), 5000, &fd), 0);
    return fd;
}

static void a_stream_is_the_file_again_and_again(void **state)
{
    (void)state;
    static uint8_t wrote[SIZE], got[SIZE];
    int file;
    assert_int_equal(file_memory("stream", &file), 0);
    for (int i = 0; i < SIZE; i++)
        wrote[i] = (uint8_t)(i * 7 + (i >> 8));
    assert_int_equal(write(file, wrote, SIZE), SIZE);
    struct roof_stream stream = {file, SIZE, 3000}; /* the last piece of a round is shorter */
    for (int local = 0; local < 2; local++) {
        const struct subject_options options = {.pins = &anywhere,
                                                .directory = scratch,
                                                .serve = roof_stream,
                                                .context = &stream,
                                                .local = local};
        struct subject *subject;
        int fd = connect_to(&options, &subject);
        for (int round = 0; round < 3; round++) {
            int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
            assert_int_equal(socket_receive_all(fd, got, SIZE, deadline), 0);
            assert_memory_equal(got, wrote, SIZE);
        }
        socket_abort(fd);
        assert_int_equal(socket_connect(subject_address(subject, local), 5000, &fd), 0);
        assert_int_equal(socket_receive_all(fd, got, 1, clock_monotonic_ns() + PATIENCE_NS), 0);
        socket_abort(fd);
        subject_stop(subject);
    }
    close(file);
}

static void an_answer_is_a_frame(void **state)
{
    (void)state;
    struct roof_echo echo = {10, 50};
    const struct subject_options options = {
        .pins = &anywhere, .directory = scratch, .serve = roof_echo, .context = &echo};
    struct subject *subject;
    uint8_t got[150];
    int fd = connect_to(&options, &subject);
    int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    assert_int_equal(socket_send_all(fd, "0123456789", 10, deadline), 0);
    assert_int_equal(socket_receive_all(fd, got, 50, deadline), 0);
    assert_int_equal(bytes_load32(got), 46);
    assert_int_equal(socket_send_all(fd, "0123456789012345678901234567890", 30, deadline), 0);
    assert_int_equal(socket_receive_all(fd, got, 150, deadline), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bytes_load32(got + 50 * i), 46);
    socket_abort(fd);
    subject_stop(subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_the_file_again_and_again),
        cmocka_unit_test(an_answer_is_a_frame),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
