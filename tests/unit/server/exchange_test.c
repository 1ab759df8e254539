/* A worker's inbox and the helpers that write to it, without connections: what is warmed, woken and
 * forgotten while threads race. */
#include "server/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/partition.h"
#include "log/segment.h"
#include "os/clock.h"
#include "server/helpers.h"

#define MANY 200

static _Atomic unsigned done;
static _Atomic unsigned at_once, most_at_once;

static void work_a_while(struct broker_request *request)
{
    (void)request;
    unsigned now = add_full(&at_once, 1) + 1;
    unsigned most = load_relaxed(&most_at_once);
    while (now > most && !compare_swap_full(&most_at_once, &most, now))
        ;
    clock_sleep_ns(2000000);
    add_full(&at_once, (unsigned)-1);
    add_full(&done, 1);
}

/* A worker without a thread: only its inbox is used. */
static void begin_inbox(struct worker *worker)
{
    static struct workplace place;
    const struct io_limits limits = {.descriptors = 1, .buffer_bytes = 4096};
    *worker = (struct worker){.place = &place};
    worker->woken_end = &worker->woken;
    pthread_mutex_init(&worker->lock, NULL);
    assert_int_equal(io_open("epoll", &limits, &worker->engine), 0);
}

static void end_inbox(struct worker *worker)
{
    while (worker->spare) {
        struct exchange *next = worker->spare->next;
        free(worker->spare);
        worker->spare = next;
    }
    timers_free(&worker->deadlines);
    io_close(worker->engine);
    pthread_mutex_destroy(&worker->lock);
}

static unsigned count_woken(const struct worker *worker)
{
    unsigned count = 0;
    for (const struct exchange *each = worker->woken; each; each = each->next)
        count++;
    return count;
}

static void cold_work_is_done_by_several_at_once(void **state)
{
    (void)state;
    struct worker worker;
    struct helpers *helpers;
    struct exchange *exchanges[MANY];
    begin_inbox(&worker);
    assert_int_equal(helpers_open(&helpers), 0);
    for (int i = 0; i < MANY; i++) {
        exchanges[i] = exchange_new(&worker);
        exchanges[i]->request.work = work_a_while;
        helpers_submit(helpers, exchanges[i]);
    }
    helpers_close(helpers); /* waits for all that was submitted */
    assert_int_equal(load_relaxed(&done), MANY);
    assert_int_equal(count_woken(&worker), MANY);
    assert_true(load_relaxed(&most_at_once) > 1);
    assert_true(load_relaxed(&most_at_once) <= LIMIT_HELPERS);
    for (int i = 0; i < MANY; i++)
        exchange_free(exchanges[i]);
    end_inbox(&worker);
}

static void waking_twice_is_once(void **state)
{
    (void)state;
    struct worker worker;
    begin_inbox(&worker);
    struct exchange *exchange = exchange_new(&worker);
    exchange_wake(exchange);
    exchange_wake(exchange);
    assert_int_equal(count_woken(&worker), 1);
    exchange_free(exchange);
    end_inbox(&worker);
}

/* A request that ended is not resumed by a wake-up that came before. */
static void ended_exchange_leaves_the_inbox(void **state)
{
    (void)state;
    struct worker worker;
    struct exchange *exchanges[3];
    begin_inbox(&worker);
    for (int i = 0; i < 3; i++)
        exchange_wake(exchanges[i] = exchange_new(&worker));
    exchange_free(exchanges[1]);
    assert_int_equal(count_woken(&worker), 2);
    exchange_free(exchanges[2]); /* the last: the end moves back */
    exchange_wake(exchanges[1] = exchange_new(&worker));
    assert_int_equal(count_woken(&worker), 2);
    exchange_free(exchanges[0]);
    exchange_free(exchanges[1]);
    assert_int_equal(count_woken(&worker), 0);
    end_inbox(&worker);
}

static void an_answers_slice_has_the_name_of_its_file(void **state)
{
    (void)state;
    struct partition partition = {.name = "orders-0"};
    struct segment segment = {.partition = &partition, .base = 42};
    struct wire_slice slices[] = {{.size = 1}, {.size = 1, .source = &segment}};
    struct exchange exchange = {.request.output = {.slices = slices, .count = 2}};
    char text[EXCHANGE_FILE];
    assert_string_equal(exchange_file(&exchange, 0, text), "");
    assert_string_equal(exchange_file(&exchange, 1, text), "orders-0/00000000000000000042.log: ");
    assert_string_equal(exchange_file(&exchange, 2, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answers_slice_has_the_name_of_its_file),
        cmocka_unit_test(cold_work_is_done_by_several_at_once),
        cmocka_unit_test(waking_twice_is_once),
        cmocka_unit_test(ended_exchange_leaves_the_inbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
