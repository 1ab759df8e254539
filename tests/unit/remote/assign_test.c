/* assign_test.c - partitions shared out as Kafka's own assignors do. */
#include "remote/assign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>
#include <string.h>

static const char *both[] = {"t0", "t1"};

static void expect(const struct assign_topic *topic, const struct assign_member *members,
                   const char *owners)
{
    for (int32_t i = 0; i < topic->partitions; i++) {
        char found = topic->owners[i] < 0 ? '-' : members[topic->owners[i]].id[0];
        assert_int_equal(found, owners[i]);
    }
}

/* The example of RangeAssignor's own documentation: two members, two topics of three partitions. */
static void ranges(void **state)
{
    (void)state;
    int32_t owners[2][3];
    struct assign_member members[] = {{"B", NULL, both, 2}, {"A", NULL, both, 2}};
    struct assign_topic topics[] = {{"t1", 3, owners[1]}, {"t0", 3, owners[0]}};
    assign_sort(members, 2, topics, 2);
    assign_range(members, 2, topics, 2);
    assert_string_equal(topics[0].name, "t0");
    expect(&topics[0], members, "AAB");
    expect(&topics[1], members, "AAB");
}

/* RoundRobinAssignor's: C0 has t0p0, t0p2, t1p1; C1 the others. */
static void in_turn(void **state)
{
    (void)state;
    int32_t owners[2][3];
    struct assign_member members[] = {{"A", NULL, both, 2}, {"B", NULL, both, 2}};
    struct assign_topic topics[] = {{"t0", 3, owners[0]}, {"t1", 3, owners[1]}};
    assign_sort(members, 2, topics, 2);
    assign_round_robin(members, 2, topics, 2);
    expect(&topics[0], members, "ABA");
    expect(&topics[1], members, "BAB");
}

static void only_those_who_want_a_topic_get_it(void **state)
{
    (void)state;
    int32_t owners[3][3];
    struct assign_member members[] = {{"A", NULL, both, 1}, {"B", NULL, both, 2}};
    struct assign_topic topics[] = {
        {"t0", 3, owners[0]}, {"t1", 3, owners[1]}, {"t2", 2, owners[2]}};
    assign_sort(members, 2, topics, 3);
    assign_range(members, 2, topics, 3);
    expect(&topics[0], members, "AAB");
    expect(&topics[1], members, "BBB");
    expect(&topics[2], members, "--");
    assign_round_robin(members, 2, topics, 3);
    expect(&topics[0], members, "ABA");
    expect(&topics[1], members, "BBB");
    expect(&topics[2], members, "--");
}

static void more_members_than_partitions(void **state)
{
    (void)state;
    int32_t owners[2];
    struct assign_member members[] = {
        {"C", NULL, both, 1}, {"B", NULL, both, 1}, {"A", NULL, both, 1}};
    struct assign_topic topic = {"t0", 2, owners};
    assign_sort(members, 3, &topic, 1);
    assign_range(members, 3, &topic, 1);
    expect(&topic, members, "AB");
}

static void static_members_come_first(void **state)
{
    (void)state;
    int32_t owners[3];
    struct assign_member members[] = {
        {"A", NULL, both, 1}, {"C", "one", both, 1}, {"B", "two", both, 1}};
    struct assign_topic topic = {"t0", 3, owners};
    assign_sort(members, 3, &topic, 1);
    assign_range(members, 3, &topic, 1);
    expect(&topic, members, "CBA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(in_turn),
        cmocka_unit_test(only_those_who_want_a_topic_get_it),
        cmocka_unit_test(more_members_than_partitions),
        cmocka_unit_test(static_members_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
