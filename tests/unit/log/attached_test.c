/* attached_test.c - a look at who is attached, from outside. */
#define _GNU_SOURCE 1
#include "log/attached.h"

#include "log_fixture.h"

#include "log/attach.h"
#include "os/lock.h"
#include "os/process.h"
#include "shm/order.h"

static void an_attached_process_is_seen(void **state)
{
    (void)state;
    struct attached attached;
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.count, 1);
    const struct attached_process *self = &attached.processes[0];
    assert_int_equal(self->info.pid, process_id());
    assert_int_equal(self->producers, 0);
    assert_int_equal(self->leases.count, 0);
    assert_false(self->stopped);
    attached_close(&attached);

    struct directory *second = log_attach();
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.count, 2);
    attached_close(&attached);
    directory_drop(second);
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.count, 1);
    attached_close(&attached);
}

static void seats_leases_and_appends_belong_to_their_process(void **state)
{
    (void)state;
    struct partition *first = log_topic("first", NULL, NULL, NULL);
    struct partition *second = log_topic("second", NULL, NULL, NULL);
    struct writer writers[3];
    writer_open(first, &writers[0]);
    writer_open(second, &writers[1]);
    writer_open(second, &writers[2]);
    writer_put(&writers[0], 10, 0);
    writer_put(&writers[1], 10, 0);
    struct attached attached;
    assert_ok(attached_open(log_path, &attached));
    const struct attached_process *self = &attached.processes[0];
    assert_int_equal(self->producers, 3);
    assert_int_equal(self->leases.count, 2);
    assert_int_equal(self->appending.count, 0);
    char name[64];
    attached_partition_name(&attached, self->leases.slots[0], name, sizeof name);
    assert_string_equal(name, "first-0");
    attached_partition_name(&attached, self->leases.slots[1], name, sizeof name);
    assert_string_equal(name, "second-0");
    attached_partition_name(&attached, 12345, name, sizeof name);
    assert_string_equal(name, "?");
    attached_close(&attached);

    assert_int_equal(lease_enter(&writers[1].appender.lease, 0), 0);
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.processes[0].appending.count, 1);
    assert_int_equal(attached.processes[0].appending.slots[0], second->slot);
    attached_close(&attached);
    lease_leave(&writers[1].appender.lease);
    for (int i = 0; i < 3; i++)
        writer_close(&writers[i]);
}

static void the_keeper_is_who_holds_its_lock(void **state)
{
    (void)state;
    struct attached attached;
    uint64_t self = log_directory->view.process + 1;
    /* Left by one that was killed: its slot is ours now. */
    store_release(&log_directory->view.control->header.keeper, self);
    assert_ok(attached_open(log_path, &attached));
    assert_false(attached.processes[0].keeper);
    attached_close(&attached);
    assert_ok(lock_try(log_directory->view.lock_fd, LOCK_FILE, LOCK_KEEPER, true));
    assert_ok(attached_open(log_path, &attached));
    assert_true(attached.processes[0].keeper);
    attached_close(&attached);
    lock_release(log_directory->view.lock_fd, LOCK_KEEPER);
}

static void more_partitions_than_are_named_are_counted(void **state)
{
    (void)state;
    assert_ok(directory_create_topic(log_directory, "many", ATTACHED_NAMED + 3, NULL));
    struct writer writers[ATTACHED_NAMED + 3];
    for (int32_t i = 0; i < ATTACHED_NAMED + 3; i++) {
        struct partition *partition;
        assert_ok(directory_partition(log_directory, "many", i, &partition));
        writer_open(partition, &writers[i]);
        writer_put(&writers[i], 10, 0);
    }
    struct attached attached;
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.processes[0].leases.count, ATTACHED_NAMED + 3);
    attached_close(&attached);
    for (int i = 0; i < ATTACHED_NAMED + 3; i++)
        writer_close(&writers[i]);
}

static void a_directory_nobody_is_attached_to(void **state)
{
    (void)state;
    struct attached attached;
    directory_drop(log_directory);
    log_directory = NULL;
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.count, 0);
    attached_close(&attached);
    /* Never attached: none of the files is there. */
    char empty[80];
    snprintf(empty, sizeof empty, "%s/empty", log_path);
    assert_ok(file_make_directory(AT_FDCWD, empty, 0700));
    assert_ok(attached_open(empty, &attached));
    assert_int_equal(attached.count, 0);
    attached_close(&attached);
    assert_code(MAPLOG_NOT_FOUND, attached_open("/tmp/maplog-test-none", &attached));
}

static void a_control_file_gone_mad_is_an_error_or_nothing(void **state)
{
    (void)state;
    log_topic("t", NULL, NULL, NULL);
    struct attached attached;
    struct control *control = log_directory->view.control;
    /* Words of a process that went mad: huge limits, seats and leases of nobody. */
    store_release(&control->header.process_limit, UINT64_MAX);
    store_release(&control->header.seat_limit, UINT64_MAX);
    store_release(&control->header.partition_limit, UINT64_MAX);
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        store_release(&control->seats[i].owner, 0xfedcba9876543210ull + i);
        store_release(&control->seats[i].in_append, UINT32_MAX - i);
    }
    uint64_t lease = load_acquire(&control->partitions[0].lease);
    store_release(&control->partitions[0].lease, UINT64_MAX);
    assert_ok(attached_open(log_path, &attached));
    assert_int_equal(attached.count, 1);
    attached_close(&attached);
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        store_release(&control->seats[i].owner, 0);
        store_release(&control->seats[i].in_append, 0);
    }
    store_release(&control->header.seat_limit, 0);
    store_release(&control->header.process_limit, 1);
    store_release(&control->header.partition_limit, 1);
    store_release(&control->partitions[0].lease, lease);

    uint32_t version = control->header.version;
    control->header.version = version + 1;
    assert_code(MAPLOG_VERSION, attached_open(log_path, &attached));
    control->header.version = version;
}

static void a_short_control_file_is_refused(void **state)
{
    (void)state;
    directory_drop(log_directory);
    log_directory = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", log_path, CONTROL_FILE);
    assert_int_equal(truncate(path, 100), 0);
    struct attached attached;
    assert_code(MAPLOG_VERSION, attached_open(log_path, &attached));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_attached_process_is_seen, log_make, log_remove),
        cmocka_unit_test_setup_teardown(seats_leases_and_appends_belong_to_their_process, log_make,
                                        log_remove),
        cmocka_unit_test_setup_teardown(the_keeper_is_who_holds_its_lock, log_make, log_remove),
        cmocka_unit_test_setup_teardown(more_partitions_than_are_named_are_counted, log_make,
                                        log_remove),
        cmocka_unit_test_setup_teardown(a_directory_nobody_is_attached_to, log_make, log_remove),
        cmocka_unit_test_setup_teardown(a_control_file_gone_mad_is_an_error_or_nothing, log_make,
                                        log_remove),
        cmocka_unit_test_setup_teardown(a_short_control_file_is_refused, log_make, log_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
