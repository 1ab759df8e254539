/* kernel_log_test.c - kernel_log=new|all: what printk shows on a console becomes records. */
#include "device.h"

#define LONG_MS 20000 /* more than any machine needs */

static void say(const char *line)
{
    int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    close(fd);
}

/* The number of records whose text ends so. The kernel may say other things between. */
static unsigned records_that_end(struct ring *ring, const char *end)
{
    unsigned found = 0;
    size_t length = strlen(end);
    for (const struct ring_record *record; (record = next_record(ring));) {
        const char *text = (const char *)(record + 1);
        assert_int_equal(record->source, RING_SOURCE_KERNEL_LOG);
        found +=
            record->length >= length && memcmp(text + record->length - length, end, length) == 0;
    }
    return found;
}

/* printk may leave its consoles to a thread, as it does on PREEMPT_RT. */
static void await_record_that_ends(struct ring *ring, const char *end)
{
    for (int ticks = 0; records_that_end(ring, end) == 0; ticks++) {
        assert_true(ticks < LONG_MS);
        usleep(1000);
    }
}

static void new_lines_of_the_kernels_log_are_records(void **state)
{
    (void)state;
    say("<3>before it was loaded\n");
    load("kernel_log=new");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    say("<3>after it was loaded\n");
    say("<3>\n");
    say("<7>not for consoles\n"); /* of this level: dmesg -n 5 */
    say("<3>the last one\n");
    const uint64_t begin = ring.at;
    await_record_that_ends(&ring, "the last one");
    ring.at = begin;
    assert_int_equal(records_that_end(&ring, "after it was loaded"), 1);
    ring.at = begin;
    assert_int_equal(records_that_end(&ring, "before it was loaded"), 0);
    ring.at = begin;
    assert_int_equal(records_that_end(&ring, "not for consoles"), 0);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void all_lines_are_those_of_before_as_well(void **state)
{
    (void)state;
    say("<3>long before it was loaded\n");
    load("kernel_log=all");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    await_record_that_ends(&ring, "long before it was loaded");
    unmap_ring(&ring);
    close(fd);
    unload();
}

/* Each line has its number: they come in order, none twice. */
static void a_flood_of_lines_comes_in_order(void **state)
{
    (void)state;
    load("kernel_log=new size=4194304 per_cpu=0");
    int fd = open_device(O_RDWR), log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
    struct ring ring = map_ring(fd, 0);
    char line[64];
    for (unsigned i = 0; i < 2000; i++) {
        int length = snprintf(line, sizeof line, "<4>line %u of a flood\n", i);
        assert_int_equal(write(log, line, (size_t)length), length);
    }
    const uint64_t begin = ring.at;
    await_record_that_ends(&ring, "line 1999 of a flood");
    ring.at = begin;
    unsigned due = 0;
    for (const struct ring_record *record; (record = next_record(&ring));) {
        char text[256] = "";
        assert_true(record->length < sizeof text);
        memcpy(text, record + 1, record->length);
        const char *at = strstr(text, "line ");
        unsigned number;
        if (at && sscanf(at, "line %u of a flood", &number) == 1)
            assert_int_equal(number, due++);
    }
    assert_int_equal(due, 2000);
    close(log);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void it_goes_while_the_kernel_talks(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
        while (write(log, "<3>talking\n", 11) == 11)
            usleep(200); /* who writes without end keeps printk busy without end */
        _exit(1);
    }
    for (int i = 0; i < 20; i++) {
        load(i % 2 ? "kernel_log=new" : "kernel_log=all per_cpu=1 memory=fault");
        unload();
    }
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(new_lines_of_the_kernels_log_are_records, unload_all),
        cmocka_unit_test_teardown(all_lines_are_those_of_before_as_well, unload_all),
        cmocka_unit_test_teardown(a_flood_of_lines_comes_in_order, unload_all),
        cmocka_unit_test_teardown(it_goes_while_the_kernel_talks, unload_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
