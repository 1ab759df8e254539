/* poll_test.c - waiting for records with poll(2) and epoll(7), which sleep in the same place. */
#include "device.h"

#include <sys/epoll.h>

#define SHORT_MS 50
#define LONG_MS 20000 /* more than any machine needs */

static short poll_for(int fd, int milliseconds)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN | POLLOUT};
    int ready = poll(&wanted, 1, milliseconds);
    assert_true(ready >= 0 && (ready == 0) == (wanted.revents == 0));
    return wanted.revents & ~(POLLRDNORM | POLLWRNORM);
}

/* Writes a record after a while, from a process of its own. */
static pid_t write_later(const char *text)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(DEVICE, O_WRONLY | O_CLOEXEC);
        usleep(SHORT_MS * 1000);
        _exit(write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1);
    }
    return child;
}

static void join(pid_t child)
{
    while (!has_ended(child))
        usleep(1000);
}

static void an_empty_ring_is_waited_for_until_the_time_is_over(void **state)
{
    (void)state;
    load("size=65536");
    int fd = open_device(O_RDWR);
    assert_int_equal(poll_for(fd, 0) & POLLIN, 0);
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wanted, 1, SHORT_MS), 0);
    close(fd);
    unload();
}

static void a_record_wakes_the_reader(void **state)
{
    (void)state;
    load("size=65536");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    for (int i = 0; i < 5; i++) {
        pid_t child = write_later("wake up");
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wanted, 1, LONG_MS), 1);
        assert_int_equal(wanted.revents & (POLLIN | POLLERR), POLLIN);
        assert_true(record_is(next_record(&ring), "wake up", 7));
        /* It stays readable until the reader says that it is done. */
        assert_int_equal(poll_for(fd, 0) & POLLIN, POLLIN);
        release_records(&ring);
        assert_int_equal(poll_for(fd, 0) & POLLIN, 0);
        join(child);
    }
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void epoll_tells_of_each_record_that_comes(void **state)
{
    (void)state;
    load("size=65536");
    int fd = open_device(O_RDWR | O_NONBLOCK), set = epoll_create1(EPOLL_CLOEXEC);
    struct ring ring = map_ring(fd, 0);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.fd = fd}, got;
    assert_works(epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted));
    assert_int_equal(epoll_wait(set, &got, 1, 0), 0);
    for (int i = 0; i < 5; i++) {
        pid_t child = write_later("edge");
        assert_int_equal(epoll_wait(set, &got, 1, LONG_MS), 1);
        assert_int_equal(got.events & (EPOLLIN | EPOLLERR), EPOLLIN);
        assert_true(record_is(next_record(&ring), "edge", 4));
        release_records(&ring);
        join(child);
    }
    unmap_ring(&ring);
    close(set);
    close(fd);
    unload();
}

static void a_record_of_any_ring_wakes_the_reader(void **state)
{
    (void)state;
    load_with_emitter("size=65536 per_cpu=1");
    int fd = open_device(O_RDWR);
    struct emission emission = {.threads = cpus_online(), .records = 1};
    pid_t child = begin_to_emit(&emission);
    for (uint32_t i = 0; i < emission.threads; i++) {
        struct ring ring = map_ring(fd, i);
        const struct ring_record *record;
        while (!(record = next_record(&ring))) {
            struct pollfd wanted = {.fd = fd, .events = POLLIN};
            assert_int_equal(poll(&wanted, 1, LONG_MS), 1);
        }
        assert_int_equal(record->cpu, i);
        unmap_ring(&ring);
    }
    join(child);
    close(fd);
    unload_with_emitter();
}

/* What an interrupt or an NMI emits wakes as well, with nobody in the kernel to do it at once. */
static void records_of_interrupts_wake_the_reader(void **state)
{
    (void)state;
    load_with_emitter("size=1048576");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    struct emission emission = {
        .threads = 1, .records = 3000, .timer_us = 1000, .nmi_every = 100, .again = 1};
    pid_t child = begin_to_emit(&emission);
    uint64_t came[EMITTED_CONTEXTS] = {0};
    while (came[EMITTED_THREAD] < emission.records) {
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&wanted, 1, LONG_MS), 1);
        for (const struct ring_record *record; (record = next_record(&ring));)
            came[((const struct emitted *)(record + 1))->context]++;
        release_records(&ring);
    }
    join(child);
    assert_true(came[EMITTED_NMI] > 0);
    unmap_ring(&ring);
    close(fd);
    unload_with_emitter();
}

static void a_tail_that_is_nonsense_is_an_error(void **state)
{
    (void)state;
    load("size=65536");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    assert_int_equal(write(fd, "record", 6), 6);
    uint64_t good = ring.header->tail;
    ring.header->tail = ring.header->head + 8;
    assert_int_equal(poll_for(fd, 0) & POLLERR, POLLERR);
    ring.header->tail = good;
    assert_int_equal(poll_for(fd, 0) & (POLLERR | POLLIN), POLLIN);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void others_than_the_reader_do_not_wait(void **state)
{
    (void)state;
    load("size=65536");
    int reader = open_device(O_RDWR), observer = open_device(O_RDONLY);
    int producer = open_device(O_WRONLY);
    assert_int_equal(write(producer, "record", 6), 6);
    assert_int_equal(poll_for(observer, LONG_MS) & (POLLERR | POLLIN), POLLERR);
    assert_int_equal(poll_for(producer, LONG_MS) & (POLLERR | POLLIN | POLLOUT), POLLOUT);
    close(producer);
    close(observer);
    close(reader);
    unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_empty_ring_is_waited_for_until_the_time_is_over, unload_all),
        cmocka_unit_test_teardown(a_record_wakes_the_reader, unload_all),
        cmocka_unit_test_teardown(epoll_tells_of_each_record_that_comes, unload_all),
        cmocka_unit_test_teardown(a_record_of_any_ring_wakes_the_reader, unload_all),
        cmocka_unit_test_teardown(records_of_interrupts_wake_the_reader, unload_all),
        cmocka_unit_test_teardown(a_tail_that_is_nonsense_is_an_error, unload_all),
        cmocka_unit_test_teardown(others_than_the_reader_do_not_wait, unload_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
