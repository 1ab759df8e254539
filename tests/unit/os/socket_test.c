/* socket_test.c - addresses, listening, connecting, transfers with deadlines. */
#include "os/socket.h"

#include "scratch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "os/clock.h"

#define SOON(ms) (clock_monotonic_ns() + (ms)*1000000LL)

static int fds[SOCKET_LISTENERS];
static char text[SOCKET_TEXT];
static char name[256];

static bool says(const char *part)
{
    return strstr(error_text(), part) != NULL;
}

static bool has_ipv6; /* this machine */

static int set_up(void **state)
{
    int count = socket_listen("[::1]:0", 1, fds);
    has_ipv6 = count > 0;
    socket_close_listener(has_ipv6 ? fds[0] : -1);
    return scratch_make(state);
}

static void close_all(int count)
{
    while (count > 0)
        socket_close_listener(fds[--count]);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void expect_split(const char *address, const char *host, uint16_t port)
{
    char found[SOCKET_HOST];
    uint16_t number = 1;
    assert_int_equal(socket_split(address, found, &number), 0);
    assert_string_equal(found, host);
    assert_int_equal(number, port);
}

static void addresses_are_split(void **state)
{
    (void)state;
    expect_split("localhost:9092", "localhost", 9092);
    expect_split("10.0.0.7:0", "10.0.0.7", 0);
    expect_split("[::1]:65535", "::1", 65535);
    expect_split(":9092", "", 9092);
    expect_split("*:9092", "*", 9092);
    expect_split("unix:///run/maplog.sock", "/run/maplog.sock", 0);
    expect_split("unix:maplog.sock", "maplog.sock", 0);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        "localhost", "localhost:", "localhost:x", "localhost:-1", "localhost:65536",
        "h: 9",    "h:9 ",      "::1:9092",   "[::1]",       "[::1:9092",    "[::1]9092",
        "unix://", "unix:",
    };
    char host[SOCKET_HOST] = "untouched";
    uint16_t port = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(socket_split(bad[i], host, &port), MAPLOG_INVALID);
    char long_name[SOCKET_HOST + 10];
    memset(long_name, 'a', sizeof long_name);
    snprintf(long_name + SOCKET_HOST, 10, ":9");
    assert_int_equal(socket_split(long_name, host, &port), MAPLOG_INVALID);
    assert_string_equal(host, "untouched");
    assert_int_equal(port, 7);
    assert_int_equal(socket_split("::1:9", host, &port), MAPLOG_INVALID);
    assert_true(says("as in [::1]:9092"));
}

/* ---- listening ------------------------------------------------------------------------------- */

static int option(int fd, int level, int which)
{
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(fd, level, which, &value, &size), 0);
    return value;
}

/* A connection to listener: ends[0] is accepted, ends[1] the client. */
static void connect_to(int listener, int ends[2])
{
    socket_local(listener, text);
    assert_int_equal(socket_connect(text, 10000, &ends[1]), 0);
    do
        ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (ends[0] < 0 && errno == EAGAIN);
    assert_true(ends[0] >= 0);
}

static void a_picked_port_is_told_and_options_are_inherited(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socket_listen("127.0.0.1:0", 16, fds), 1);
    assert_true(socket_port(fds[0]) > 0);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    connect_to(fds[0], ends);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(option(ends[i], IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option(ends[i], SOL_SOCKET, SO_KEEPALIVE), 1);
    }
    char local[SOCKET_TEXT];
    socket_local(ends[1], local);
    socket_peer(ends[0], text);
    assert_string_equal(text, local);
    snprintf(local, sizeof local, "127.0.0.1:%u", socket_port(fds[0]));
    socket_peer(ends[1], text);
    assert_string_equal(text, local);
    socket_close(ends[0]);
    socket_close(ends[1]);
    socket_close_listener(fds[0]);
}

static void localhost_is_both_loopbacks_with_one_port(void **state)
{
    (void)state;
    int count = socket_listen("localhost:0", 16, fds), ends[2];
    assert_int_equal(count, has_ipv6 ? 2 : 1);
    for (int i = 0; i < count; i++) {
        assert_int_equal(socket_port(fds[i]), socket_port(fds[0]));
        snprintf(name, sizeof name, i == 0 ? "127.0.0.1:%u" : "[::1]:%u", socket_port(fds[0]));
        socket_local(fds[i], text);
        assert_string_equal(text, name);
        connect_to(fds[i], ends);
        socket_close(ends[0]);
        socket_close(ends[1]);
    }
    close_all(count);
}

static void every_address_means_both_families(void **state)
{
    (void)state;
    static const char *const all[] = {"*:0", ":0", "0.0.0.0:0", "[::]:0"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int client, accepted;
        assert_int_equal(socket_listen(all[i], 16, fds), 1);
        for (int six = 0; six <= has_ipv6; six++) {
            snprintf(name, sizeof name, six ? "[::1]:%u" : "127.0.0.1:%u", socket_port(fds[0]));
            assert_int_equal(socket_connect(name, 10000, &client), 0);
            while ((accepted = accept4(fds[0], NULL, NULL, 0)) < 0)
                assert_int_equal(errno, EAGAIN);
            char local[SOCKET_TEXT];
            socket_local(client, local);
            socket_peer(accepted, text);
            assert_string_equal(text, local); /* an IPv4 peer is shown as one */
            socket_close(client);
            socket_close(accepted);
        }
        close_all(1);
    }
}

static void a_port_in_use_is_named(void **state)
{
    (void)state;
    int other[SOCKET_LISTENERS];
    assert_int_equal(socket_listen("127.0.0.1:0", 16, fds), 1);
    socket_local(fds[0], name);
    assert_int_equal(socket_listen(name, 16, other), MAPLOG_BUSY);
    snprintf(text, sizeof text, "port %u on 127.0.0.1 is in use; ", socket_port(fds[0]));
    assert_true(says(text));
    snprintf(name, sizeof name, "localhost:%u", socket_port(fds[0]));
    assert_int_equal(socket_listen(name, 16, other), MAPLOG_BUSY);
    assert_true(says(text));
    socket_close_listener(fds[0]);
    assert_int_equal(socket_listen(name, 16, fds), has_ipv6 ? 2 : 1);
    close_all(has_ipv6 ? 2 : 1);
}

static void addresses_of_others_and_unknown_names_are_refused(void **state)
{
    (void)state;
    assert_int_equal(socket_listen("192.0.2.1:0", 16, fds), MAPLOG_NOT_FOUND);
    assert_true(says("192.0.2.1 is no address of this machine"));
    assert_int_equal(socket_listen("no.such.host.invalid:0", 16, fds), MAPLOG_NOT_FOUND);
    assert_true(says("no.such.host.invalid"));
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

static void a_unix_socket_lives_as_long_as_its_listener(void **state)
{
    (void)state;
    int ends[2], other[SOCKET_LISTENERS];
    snprintf(name, sizeof name, "unix://%s/a.sock", scratch);
    assert_int_equal(socket_listen(name, 16, fds), 1);
    socket_local(fds[0], text);
    assert_string_equal(text, name);
    assert_int_equal(socket_port(fds[0]), 0);
    connect_to(fds[0], ends);
    char who[SOCKET_TEXT];
    snprintf(who, sizeof who, "unix:pid=%d", (int)getpid());
    socket_peer(ends[0], text);
    assert_string_equal(text, who);
    assert_int_equal(socket_listen(name, 16, other), MAPLOG_BUSY);
    assert_true(says("another program listens on"));
    socket_close(ends[0]);
    socket_close(ends[1]);
    socket_close_listener(fds[0]);
    assert_false(file_exists(scratch_fd, "a.sock"));
}

static void a_stale_unix_socket_is_replaced_and_nothing_else(void **state)
{
    (void)state;
    int file;
    snprintf(name, sizeof name, "unix://%s/b.sock", scratch);
    assert_int_equal(socket_listen(name, 16, fds), 1);
    close(fds[0]); /* as a killed process does: the file stays */
    assert_true(file_exists(scratch_fd, "b.sock"));
    assert_int_equal(socket_listen(name, 16, fds), 1);
    socket_close_listener(fds[0]);
    assert_int_equal(file_open(scratch_fd, "b.sock", O_CREAT | O_WRONLY, 0600, &file), 0);
    file_close(file);
    assert_int_equal(socket_listen(name, 16, fds), MAPLOG_EXISTS);
    assert_true(file_exists(scratch_fd, "b.sock"));
    snprintf(name, sizeof name, "unix://%s/%0120d", scratch, 0);
    assert_int_equal(socket_listen(name, 16, fds), MAPLOG_INVALID);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void a_connect_that_is_refused_says_so(void **state)
{
    (void)state;
    int fd = -7;
    assert_int_equal(socket_listen("127.0.0.1:0", 16, fds), 1);
    socket_local(fds[0], name);
    socket_close_listener(fds[0]);
    assert_int_equal(socket_connect(name, 10000, &fd), MAPLOG_IO);
    assert_true(says("Connection refused; does a server run there?"));
    assert_int_equal(socket_connect("unix:///nowhere/x.sock", 10000, &fd), MAPLOG_IO);
    assert_int_equal(socket_connect(":9092", 10000, &fd), MAPLOG_INVALID);
    assert_int_equal(fd, -7);
}

static void a_connect_ends_at_its_time_limit(void **state)
{
    (void)state;
    int first, second, fd;
    snprintf(name, sizeof name, "unix://%s/full.sock", scratch);
    assert_int_equal(socket_listen(name, 0, fds), 1); /* a queue of one */
    assert_int_equal(socket_connect(name, 10000, &first), 0);
    second = socket_connect(name, 20, &fd);
    assert_int_equal(second, MAPLOG_TIMED_OUT);
    assert_true(says("within 20 ms"));
    socket_close(first);
    socket_close_listener(fds[0]);
}

static void transfers_keep_their_deadlines_and_name_the_peer(void **state)
{
    (void)state;
    int ends[2];
    size_t got = 99;
    static char much[16u << 20];
    assert_int_equal(socket_listen("127.0.0.1:0", 16, fds), 1);
    connect_to(fds[0], ends);
    assert_int_equal(socket_receive(ends[1], much, 10, SOON(20), &got), MAPLOG_TIMED_OUT);
    socket_peer(ends[1], text);
    assert_true(says(text));
    assert_int_equal(got, 99);
    assert_int_equal(socket_send_all(ends[0], "abcdef", 6, SOCKET_NO_DEADLINE), 0);
    assert_int_equal(socket_receive_all(ends[1], much, 4, SOON(10000)), 0);
    assert_int_equal(socket_receive(ends[1], much, 10, SOON(10000), &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(socket_send_all(ends[0], much, sizeof much, SOON(50)), MAPLOG_TIMED_OUT);
    socket_close(ends[0]);
    socket_close(ends[1]);
    socket_close_listener(fds[0]);
}

static void ends_are_told_from_broken_messages(void **state)
{
    (void)state;
    int ends[2];
    size_t got = 99;
    char in[10];
    assert_int_equal(socket_listen("127.0.0.1:0", 16, fds), 1);
    connect_to(fds[0], ends);
    assert_int_equal(socket_send_all(ends[0], "abc", 3, SOCKET_NO_DEADLINE), 0);
    socket_end_sending(ends[0]);
    assert_int_equal(socket_receive_all(ends[1], in, 10, SOON(10000)), MAPLOG_IO);
    assert_true(says("after 3 bytes of 10"));
    assert_int_equal(socket_receive_all(ends[1], in, 10, SOON(10000)), MAPLOG_CLOSED);
    assert_int_equal(socket_receive(ends[1], in, 10, SOON(10000), &got), 0);
    assert_int_equal(got, 0);
    assert_int_equal(socket_send_all(ends[1], "abc", 3, SOON(10000)), 0); /* half-closed only */
    socket_abort(ends[0]);
    assert_int_equal(socket_send_all(ends[1], "abc", 3, SOON(10000)), MAPLOG_IO);
    socket_close(ends[1]);
    socket_peer(ends[0], text);
    assert_string_equal(text, "?");
    socket_close(-1);
    socket_abort(-1);
    socket_close_listener(fds[0]);
    socket_close_listener(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_picked_port_is_told_and_options_are_inherited),
        cmocka_unit_test(localhost_is_both_loopbacks_with_one_port),
        cmocka_unit_test(every_address_means_both_families),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(addresses_of_others_and_unknown_names_are_refused),
        cmocka_unit_test(a_unix_socket_lives_as_long_as_its_listener),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_and_nothing_else),
        cmocka_unit_test(a_connect_that_is_refused_says_so),
        cmocka_unit_test(a_connect_ends_at_its_time_limit),
        cmocka_unit_test(transfers_keep_their_deadlines_and_name_the_peer),
        cmocka_unit_test(ends_are_told_from_broken_messages),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_remove);
}
