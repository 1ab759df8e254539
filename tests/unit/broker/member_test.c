/* member_test.c - what is kept of a member. */
#include "broker/member.h"

#include <maplog.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct join_group_request_protocols offers[2];
static struct join_group_request asked;

static struct wire_bytes as_bytes(const char *text)
{
    return (struct wire_bytes){(const uint8_t *)text, (int32_t)strlen(text)};
}

static struct member *make(const char *client, const char *peer)
{
    struct broker_request request = {.peer = peer, .body = &asked};
    request.header.client_id = wire_text(client);
    struct member *member = member_create(wire_text("id"), &request);
    assert_non_null(member);
    return member;
}

static int setup(void **state)
{
    (void)state;
    wire_init(&wire_join_group_request, &asked);
    offers[0] = (struct join_group_request_protocols){wire_text("range"), as_bytes("one")};
    offers[1] = (struct join_group_request_protocols){wire_text("sticky"), as_bytes("")};
    asked.protocols = offers;
    asked.protocols_count = 2;
    asked.session_timeout_ms = 7000;
    asked.rebalance_timeout_ms = 9000;
    return 0;
}

static void hosts_are_shown_without_ports(void **state)
{
    (void)state;
    const char *const peers[][2] = {
        {"10.1.2.3:4567", "/10.1.2.3"}, {"[::1]:4567", "/::1"}, {"local", "/local"}, {"", "/"}};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        struct member *member = make(NULL, peers[i][0]);
        assert_true(wire_equal(member->client_host, peers[i][1]));
        assert_true(wire_equal(member->client_id, ""));
        assert_int_equal(member->instance_id.size, -1);
        member_free(member);
    }
    member_free(NULL);
}

static void offers_are_kept_and_compared(void **state)
{
    (void)state;
    struct member *member = make("client", "host:1");
    assert_true(wire_equal(member->client_id, "client"));
    assert_int_equal(member->session_ms, 7000);
    assert_int_equal(member->rebalance_ms, 9000);
    assert_true(member_offers_same(member, &asked));
    assert_int_equal(member_metadata(member, wire_text("range")).size, 3);
    assert_memory_equal(member_metadata(member, wire_text("range")).at, "one", 3);
    assert_int_equal(member_metadata(member, wire_text("sticky")).size, 0);
    assert_int_equal(member_metadata(member, wire_text("other")).size, 0);
    offers[0].metadata = as_bytes("two");
    assert_false(member_offers_same(member, &asked));
    offers[0].metadata = as_bytes("one");
    offers[1].name = wire_text("range");
    assert_false(member_offers_same(member, &asked));
    asked.protocols_count = 1;
    assert_false(member_offers_same(member, &asked));
    asked.rebalance_timeout_ms = -1;
    assert_int_equal(member_update(member, &asked), 0);
    assert_true(member_offers_same(member, &asked));
    assert_int_equal(member->rebalance_ms, 7000);
    member_free(member);
}

static void memory_is_counted(void **state)
{
    (void)state;
    static uint8_t large[1000];
    struct member *member = make("client", "host:1");
    size_t before = member->bytes;
    assert_int_equal(member_assign(member, (struct wire_bytes){large, 1000}), 0);
    assert_int_equal(member->bytes, before + 1000);
    assert_int_equal(member_assign(member, (struct wire_bytes){large, 10}), 0);
    assert_int_equal(member->bytes, before + 10);
    offers[0].metadata = (struct wire_bytes){large, 503};
    assert_int_equal(member_update(member, &asked), 0);
    assert_int_equal(member->bytes, before + 10 + 500);
    member_free(member);
}

static void silence_counts_where_heartbeats_could_be(void **state)
{
    (void)state;
    struct group_wait wait = {0};
    struct member member = {.is_new = true};
    assert_false(member_waits(&member));
    member.join = &wait;
    assert_false(member_waits(&member)); /* it does not know its id yet */
    member.is_new = false;
    assert_true(member_waits(&member));
    member.join = NULL;
    member.sync = &wait;
    assert_true(member_waits(&member));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hosts_are_shown_without_ports, setup),
        cmocka_unit_test_setup(offers_are_kept_and_compared, setup),
        cmocka_unit_test_setup(memory_is_counted, setup),
        cmocka_unit_test_setup(silence_counts_where_heartbeats_could_be, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
