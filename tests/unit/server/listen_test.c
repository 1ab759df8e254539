/* Where clients come in, and what they are told. */
#include "server/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

struct world {
    struct broker_settings settings;
    struct listeners listeners;
};

static int begin(void **state)
{
    static struct world world;
    world = (struct world){0};
    broker_settings_default(&world.settings);
    *state = &world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    listeners_close(&world->listeners);
    broker_settings_free(&world->settings);
    return 0;
}

static int listen_to(struct world *world, const char *listeners, const char *advertised)
{
    assert_int_equal(broker_settings_apply(&world->settings, "listeners", listeners), 0);
    if (advertised)
        assert_int_equal(
            broker_settings_apply(&world->settings, "advertised.listeners", advertised), 0);
    return listeners_open(&world->settings, &world->listeners);
}

/* What a client is told that connected to the first socket. */
static struct broker_address told(struct world *world, char host[static SOCKET_TEXT])
{
    char address[SOCKET_TEXT];
    int fd;
    socket_local(world->listeners.sockets[0].accept.fd, address);
    assert_int_equal(socket_connect(address, 1000, &fd), 0);
    /* Both ends of a loopback connection that came in unaltered have that address. */
    struct broker_address said = listener_advertised(&world->listeners.sockets[0],
                                                     world->listeners.sockets[0].accept.fd, host);
    socket_close(fd);
    return said;
}

static void clients_are_told_the_address_they_used(void **state)
{
    struct world *world = *state;
    char host[SOCKET_TEXT];
    assert_int_equal(listen_to(world, "127.0.0.1:0", NULL), 0);
    struct broker_address said = told(world, host);
    assert_string_equal(said.host, "127.0.0.1");
    assert_int_equal(said.port, socket_port(world->listeners.sockets[0].accept.fd));
}

static void advertised_listeners_go_by_name(void **state)
{
    struct world *world = *state;
    char host[SOCKET_TEXT];
    assert_int_equal(broker_settings_apply(&world->settings, "listener.security.protocol.map",
                                           "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT"),
                     0);
    assert_int_equal(listen_to(world, "INSIDE://127.0.0.1:0, OUTSIDE://127.0.0.1:0",
                               "OUTSIDE://broker.example.org:19092"),
                     0);
    assert_string_equal(told(world, host).host, "127.0.0.1");
    struct broker_address outside = listener_advertised(
        &world->listeners.sockets[1], world->listeners.sockets[1].accept.fd, host);
    assert_string_equal(outside.host, "broker.example.org");
    assert_int_equal(outside.port, 19092);
}

static void nobody_can_connect_to_every_address(void **state)
{
    struct world *world = *state;
    assert_int_equal(listen_to(world, "0.0.0.0:0", "PLAINTEXT://0.0.0.0:9092"), MAPLOG_INVALID);
    assert_non_null(strstr(error_text(), "advertised.listeners"));
    assert_int_equal(world->listeners.count, 0);
}

static void localhost_is_both_families(void **state)
{
    struct world *world = *state;
    char text[256];
    assert_int_equal(listen_to(world, "localhost:0", NULL), 0);
    listeners_describe(&world->listeners, text, sizeof text);
    assert_non_null(strstr(text, "127.0.0.1:"));
    assert_true(world->listeners.count >= 1);
}

static void controllers_of_kafka_are_not_opened(void **state)
{
    struct world *world = *state;
    assert_int_equal(
        broker_settings_apply(&world->settings, "controller.listener.names", "CONTROLLER"), 0);
    assert_int_equal(listen_to(world, "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0", NULL), 0);
    assert_int_equal(world->listeners.count, 1);
}

static void encrypted_ones_are_refused(void **state)
{
    struct world *world = *state;
    assert_int_equal(listen_to(world, "SSL://127.0.0.1:0", NULL), MAPLOG_UNSUPPORTED);
    assert_int_equal(listen_to(world, "127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0", NULL),
                     MAPLOG_UNSUPPORTED);
    assert_int_equal(
        broker_settings_apply(&world->settings, "listener.security.protocol.map", "WAN:SSL"), 0);
    assert_int_equal(listen_to(world, "WAN://127.0.0.1:0", NULL), MAPLOG_UNSUPPORTED);
    assert_non_null(strstr(error_text(), "WAN"));
}

static void unix_socket_listens_beside(void **state)
{
    struct world *world = *state;
    char entry[128];
    snprintf(entry, sizeof entry, "127.0.0.1:0,unix:///tmp/maplog-listen-test-%p.sock",
             (void *)world);
    assert_int_equal(listen_to(world, entry, NULL), 0);
    assert_int_equal(world->listeners.count, 2);
    assert_true(world->listeners.sockets[1].is_unix);
}

static void port_in_use_leaves_nothing_open(void **state)
{
    struct world *world = *state;
    struct listeners again;
    assert_int_equal(listen_to(world, "127.0.0.1:0", NULL), 0);
    char twice[64];
    snprintf(twice, sizeof twice, "127.0.0.1:0,127.0.0.1:%d",
             socket_port(world->listeners.sockets[0].accept.fd));
    assert_int_equal(broker_settings_apply(&world->settings, "listeners", twice), 0);
    assert_int_equal(listeners_open(&world->settings, &again), MAPLOG_BUSY);
    assert_int_equal(again.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_are_told_the_address_they_used, begin, end),
        cmocka_unit_test_setup_teardown(advertised_listeners_go_by_name, begin, end),
        cmocka_unit_test_setup_teardown(nobody_can_connect_to_every_address, begin, end),
        cmocka_unit_test_setup_teardown(localhost_is_both_families, begin, end),
        cmocka_unit_test_setup_teardown(controllers_of_kafka_are_not_opened, begin, end),
        cmocka_unit_test_setup_teardown(encrypted_ones_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(unix_socket_listens_beside, begin, end),
        cmocka_unit_test_setup_teardown(port_in_use_leaves_nothing_open, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
