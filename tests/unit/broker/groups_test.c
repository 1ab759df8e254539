/* groups_test.c - the table: many groups, large groups, many threads, and its limit. */
#include <pthread.h>

#include "group_fixture.h"

#include "broker/groups.h"

#define CROWD 1000

static void a_thousand_members(void **state)
{
    (void)state;
    static struct client all[CROWD];
    for (int i = 0; i < CROWD; i++)
        all[i] = client_of("g", "one of many");
    form(all, CROWD);
    assert_int_equal(all[0].members, CROWD);
    assert_string_equal(description("g"), "Stable 1000 range");
    int32_t generation = all[0].generation;
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(heartbeat(&all[i]), KAFKA_NONE);
    /* One goes, all others join anew. */
    assert_int_equal(leave(&all[500]), KAFKA_NONE);
    for (int i = 0; i < CROWD - 1; i++) {
        if (i != 500)
            join_parks(&all[i]);
    }
    assert_int_equal(join(&all[CROWD - 1]), KAFKA_NONE);
    for (int i = 0; i < CROWD - 1; i++) {
        if (i != 500)
            assert_int_equal(join_woken(&all[i]), KAFKA_NONE);
    }
    assert_int_equal(all[0].members, CROWD - 1);
    assert_int_equal(all[0].generation, generation + 1);
    /* And all vanish. */
    tick(REBALANCE_MS);
    assert_string_equal(description("g"), "Empty 0 ");
}

static void many_groups(void **state)
{
    (void)state;
    static struct client all[CROWD];
    static char names[CROWD][16];
    settings.group_initial_rebalance_delay_ms = 0;
    broker_configure(broker, &settings);
    for (int i = 0; i < CROWD; i++) {
        snprintf(names[i], sizeof names[i], "g%d", i);
        all[i] = client_of(names[i], "a");
        assert_int_equal(join(&all[i]), KAFKA_NONE);
        assert_int_equal(sync_now(&all[i], &all[i], 1), KAFKA_NONE);
    }
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(heartbeat(&all[i]), KAFKA_NONE);
    assert_true(broker_tick(broker, now_ms + SESSION_MS - 100) <= now_ms + SESSION_MS);
    tick(SESSION_MS);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(heartbeat(&all[i]), KAFKA_UNKNOWN_MEMBER_ID);
}

#define LARGE (16 << 20)
#define MOST ((int)(LIMIT_GROUPS_BYTES / LARGE))

static void memory_has_a_limit(void **state)
{
    (void)state;
    static char metadata[LARGE + 1];
    static struct client all[MOST];
    int count = 0;
    memset(metadata, 'm', LARGE);
    for (; count < MOST; count++) {
        all[count] = client_of("g", "a");
        all[count].metadata = metadata;
        if (join_begin(&all[count]) == BROKER_ANSWER)
            break;
        call_end(&all[count].join);
    }
    assert_int_equal(count, MOST - 1);
    assert_int_equal(join_take(&all[count]), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_non_null(strstr(last_note, "a member is refused"));
    /* It comes back when they go. */
    tick(SESSION_MS);
    assert_string_equal(description("g"), "Empty 0 ");
    all[0].member[0] = 0;
    join_parks(&all[0]);
    call_end(&all[0].join);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 100

static _Atomic int living = THREADS;
static _Atomic int wrong;            /* what must not be was seen so often */
static _Atomic int led[1 << 12];     /* by generation: who leads, + 1 */
static _Atomic int generations_seen; /* that some thread came through */

/* As a server does: waits for the wake, and resumes. */
static void wait_for(struct call *call)
{
    while (call->outcome == BROKER_PARK) {
        while (!atomic_load(&call->woken))
            clock_sleep_ns(10000);
        resume(call);
    }
}

/* Joins until it is in a generation. Now and then its connection vanishes meanwhile. */
static void member_joins(struct client *client, unsigned *dice)
{
    for (;;) {
        int16_t error;
        join_begin(client);
        if (client->join.outcome == BROKER_PARK && rand_r(dice) % 8 == 0) {
            call_end(&client->join);
            continue;
        }
        wait_for(&client->join);
        error = join_take(client);
        if (!error)
            return;
        if (error == KAFKA_UNKNOWN_MEMBER_ID)
            client->member[0] = 0;
        else if (error != KAFKA_REBALANCE_IN_PROGRESS)
            atomic_fetch_add(&wrong, 1);
    }
}

/* A leader assigns to each the generation's number under its name: here its own only, and the
 * others must not see it. */
static bool member_syncs(struct client *client)
{
    sync_begin(client, client, 1);
    wait_for(&client->sync);
    int16_t error = sync_take(client);
    if (error && error != KAFKA_REBALANCE_IN_PROGRESS && error != KAFKA_ILLEGAL_GENERATION &&
        error != KAFKA_UNKNOWN_MEMBER_ID)
        atomic_fetch_add(&wrong, 1);
    if (!error && client->assignment[0] != 0 && !leads(client))
        atomic_fetch_add(&wrong, 1);
    return !error;
}

static void *member_lives(void *context)
{
    struct client *client = context;
    unsigned dice = (unsigned)(client->session_ms - SESSION_MS);
    int number = client->session_ms - SESSION_MS + 1;
    for (int round = 0; round < ROUNDS; round++) {
        member_joins(client, &dice);
        if (leads(client)) {
            int nobody = 0;
            _Atomic int *leader = &led[client->generation & ((1 << 12) - 1)];
            if (!atomic_compare_exchange_strong(leader, &nobody, number) && nobody != number)
                atomic_fetch_add(&wrong, 1); /* two led one generation */
        }
        if (!member_syncs(client))
            continue;
        atomic_fetch_add(&generations_seen, 1);
        int beats = (int)(rand_r(&dice) % 4);
        while (beats-- > 0 && heartbeat(client) == KAFKA_NONE)
            commit(client, number % 4, round);
        if (rand_r(&dice) % 4 == 0) {
            leave(client);
            client->member[0] = 0;
        }
    }
    leave(client);
    atomic_fetch_sub(&living, 1);
    return NULL;
}

static void many_threads_in_one_group(void **state)
{
    (void)state;
    static struct client all[THREADS];
    pthread_t threads[THREADS];
    settings.group_initial_rebalance_delay_ms = 0;
    broker_configure(broker, &settings);
    for (int i = 0; i < THREADS; i++) {
        all[i] = client_of("g", "thread");
        all[i].session_ms = SESSION_MS + i; /* its number */
        all[i].version = (int16_t)(i % 2 ? 9 : 5);
        assert_int_equal(pthread_create(&threads[i], NULL, member_lives, &all[i]), 0);
    }
    while (atomic_load(&living) > 0) {
        broker_tick(broker, now_ms);
        description("g");
        clock_sleep_ns(100000);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(wrong, 0);
    assert_true(generations_seen > 0);
    tick(SESSION_MS + THREADS);
    assert_string_equal(description("g"), "Empty 0 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, groups_setup, broker_remove)
        TEST(a_thousand_members),
        TEST(many_groups),
        TEST(memory_has_a_limit),
        TEST(many_threads_in_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
