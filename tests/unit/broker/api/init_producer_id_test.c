/* init_producer_id_test.c - ids that nobody had before, and what is refused. */
#include "../broker_fixture.h"

#include "log/producer_ids.h"
#include "os/lock.h"

#define INIT_PRODUCER_ID 22

static struct init_producer_id_response init(int16_t version, const char *transactional_id,
                                             int64_t id, int16_t epoch)
{
    struct call call;
    struct init_producer_id_request body;
    wire_init(&wire_init_producer_id_request, &body);
    body.transactional_id = wire_text(transactional_id);
    body.producer_id = id;
    body.producer_epoch = epoch;
    struct init_producer_id_response found = *(const struct init_producer_id_response *)call_ask(
        &call, INIT_PRODUCER_ID, version, &body);
    call_end(&call);
    return found;
}

static void each_producer_gets_an_id_of_its_own(void **state)
{
    (void)state;
    int64_t last = -1;
    for (int round = 0; round < 3; round++) {
        for (int16_t version = 0; version <= 5; version++) {
            struct init_producer_id_response found = init(version, NULL, -1, -1);
            assert_int_equal(found.error_code, KAFKA_NONE);
            assert_true(found.producer_id > last);
            assert_int_equal(found.producer_epoch, 0);
            last = found.producer_id;
        }
        broker_restart();
    }
}

static void who_wants_a_new_epoch_gets_a_new_id(void **state)
{
    (void)state;
    int64_t first = init(3, NULL, -1, -1).producer_id;
    struct init_producer_id_response found = init(3, NULL, first, 0);
    assert_int_equal(found.error_code, KAFKA_NONE);
    assert_true(found.producer_id > first);
    assert_int_equal(found.producer_epoch, 0);
    assert_int_equal(init(3, NULL, first, -1).error_code, KAFKA_INVALID_REQUEST);
    assert_int_equal(init(3, NULL, -1, 0).error_code, KAFKA_INVALID_REQUEST);
}

static void transactions_are_refused_for_good(void **state)
{
    (void)state;
    struct init_producer_id_response found = init(3, "mine", -1, -1);
    assert_int_equal(found.error_code, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_false(kafka_error_retriable(found.error_code));
    assert_int_equal(found.producer_id, -1);
    assert_int_equal(init(3, "", -1, -1).error_code, KAFKA_INVALID_REQUEST);
}

static void a_broken_disk_gives_no_id(void **state)
{
    (void)state;
    fault_set(FAULT_SYNC, 1, EIO, 1);
    int16_t error = KAFKA_NONE;
    for (int i = 0; !error && i <= PRODUCER_IDS_BLOCK; i++) /* a block may be reserved already */
        error = init(3, NULL, -1, -1).error_code;
    fault_clear();
    assert_int_equal(error, KAFKA_KAFKA_STORAGE_ERROR);
    assert_int_equal(init(3, NULL, -1, -1).error_code, KAFKA_NONE);
}

/* To change topics takes the same lock. */
static void a_change_of_topics_is_waited_for(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct init_producer_id_request body;
    struct call call;
    int64_t last = init(3, NULL, -1, -1).producer_id;
    assert_ok(lock_try(other->view.lock_fd, log_path, LOCK_CATALOG, true));
    wire_init(&wire_init_producer_id_request, &body);
    body.transactional_id = wire_text(NULL);
    for (int i = 0; i < PRODUCER_IDS_BLOCK; i++) { /* the next block is wanted at some time */
        if (call_begin(&call, INIT_PRODUCER_ID, 3, &body) == BROKER_PARK)
            break;
        last = ((struct init_producer_id_response *)call.answer)->producer_id;
        call_end(&call);
    }
    assert_int_equal(call.outcome, BROKER_PARK);
    assert_int_equal(call_resume(&call), BROKER_PARK);
    lock_release(other->view.lock_fd, LOCK_CATALOG);
    assert_int_equal(call_wait(&call), BROKER_ANSWER);
    const struct init_producer_id_response *answer = call.answer;
    assert_int_equal(answer->error_code, KAFKA_NONE);
    assert_int_equal(answer->producer_id, last + 1);
    call_end(&call);
    directory_drop(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_make, broker_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_producer_gets_an_id_of_its_own), TEST(who_wants_a_new_epoch_gets_a_new_id),
        TEST(transactions_are_refused_for_good),   TEST(a_broken_disk_gives_no_id),
        TEST(a_change_of_topics_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
