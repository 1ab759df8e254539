/* sender_test.c - single attempts to send. */
#include "io/sender.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/methods.h"

static int ends[2]; /* [0] is ours and does not block */

static int connect_ends(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int close_ends(void **state)
{
    (void)state;
    return close(ends[0]) || close(ends[1]);
}

static struct sender *sender_from(uint32_t memory_bytes)
{
    struct io_limits limits = {.memory_bytes = memory_bytes};
    struct sender *sender;
    assert_int_equal(sender_open(&limits, &sender), 0);
    return sender;
}

static void a_send_that_does_not_fit_goes_on_where_it_ended(void **state)
{
    (void)state;
    enum { SIZE = 600000 };
    uint8_t *out = malloc(SIZE), *in = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        out[i] = (uint8_t)(i * 7 + i / 256);
    struct io_slice slices[] = {
        {out, 0, -1, 0}, {out, 1000, -1, 0}, {out + 1000, SIZE - 1000, -1, 0}};
    struct io_operation operation = {.fd = ends[0], .kind = IO_SEND, .slices = slices, .count = 3};
    struct sender *sender = sender_from(UINT32_MAX);
    sender_begin(sender, &operation);
    size_t have = 0;
    unsigned blocked = 0;
    for (enum transfer transfer = TRANSFER_MORE; transfer != TRANSFER_DONE;) {
        transfer = sender_send(sender, &operation);
        blocked += transfer == TRANSFER_BLOCKED;
        assert_true(transfer == TRANSFER_BLOCKED || transfer == TRANSFER_DONE);
        ssize_t got;
        while (have < SIZE && (got = recv(ends[1], in + have, SIZE - have, MSG_DONTWAIT)) > 0)
            have += (size_t)got;
    }
    assert_true(blocked > 0);
    assert_int_equal(have, SIZE);
    assert_memory_equal(in, out, SIZE);
    free(out);
    free(in);
    sender_end(sender, &operation);
    sender_close(sender);
}

/* /dev/null takes everything, so that only the turn ends an attempt. */
static void an_attempt_moves_one_turn(void **state)
{
    (void)state;
    enum { SIZE = LIMIT_TURN_BYTES + 10 };
    int file = memfd_create("sender-test", MFD_CLOEXEC), sink = open("/dev/null", O_WRONLY);
    assert_int_equal(ftruncate(file, SIZE), 0);
    struct io_slice slice = {NULL, SIZE, file, 0};
    struct io_operation operation = {.fd = sink, .kind = IO_SEND, .slices = &slice, .count = 1};
    struct sender *sender = sender_from(0);
    sender_begin(sender, &operation);
    assert_int_equal(sender_send(sender, &operation), TRANSFER_MORE);
    assert_int_equal(slice.size, 10);
    assert_int_equal(slice.position, LIMIT_TURN_BYTES);
    assert_int_equal(sender_send(sender, &operation), TRANSFER_DONE);
    sender_end(sender, &operation);
    sender_close(sender);
    close(file);
    close(sink);
}

static void slices_below_the_limit_come_from_memory_and_others_from_the_file(void **state)
{
    (void)state;
    int file = memfd_create("sender-test", MFD_CLOEXEC);
    assert_int_equal(write(file, "file", 4), 4);
    for (uint32_t memory_bytes = 4; memory_bytes <= 5; memory_bytes++) {
        char in[5] = "";
        struct io_slice slice = {(const uint8_t *)"memo", 4, file, 0};
        struct io_operation operation = {
            .fd = ends[0], .kind = IO_SEND, .slices = &slice, .count = 1};
        struct sender *sender = sender_from(memory_bytes);
        sender_begin(sender, &operation);
        assert_int_equal(sender_send(sender, &operation), TRANSFER_DONE);
        assert_int_equal(read(ends[1], in, 4), 4);
        assert_string_equal(in, memory_bytes == 4 ? "file" : "memo");
        sender_end(sender, &operation);
        sender_close(sender);
    }
    close(file);
}

int main(void)
{
#define ENDS(test) cmocka_unit_test_setup_teardown(test, connect_ends, close_ends)
    const struct CMUnitTest tests[] = {
        ENDS(a_send_that_does_not_fit_goes_on_where_it_ended),
        ENDS(an_attempt_moves_one_turn),
        ENDS(slices_below_the_limit_come_from_memory_and_others_from_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
