/* drain_loop_test.c - rings go into a topic: order and partitions, headers, and that a ring keeps
 * what the log does not have. */
#include "cmd/drain_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/ring_kernel.h"

#include "base/error.h"
#include "cmd/report.h"
#include "os/fault.h"
#include "os/file.h"

#define DATA 8192
#define TOPIC "events"

struct scene {
    char directory[32];
    struct ring_kernel kernel;
    struct door door;
    struct door_producer producer;
    struct ring_reader *reader;
    struct meter meter;
    struct drain_loop loop;
};

static void check(int result)
{
    if (result)
        fail_msg("%s", error_text());
}

static void open_both(struct scene *scene)
{
    const struct maplog_producer_options options = {.batch_bytes = DATA};
    check(door_producer_open(&scene->door, TOPIC, &options, &scene->producer));
    check(ring_reader_open(scene->kernel.fd, "/dev/rings", RING_READER, &scene->reader));
    scene->loop.reader = scene->reader;
}

/* Rings, and a topic to drain them into. */
static void begin(struct scene *scene, uint32_t rings, int32_t partitions)
{
    *scene = (struct scene){.directory = "/tmp/maplog-test-XXXXXX"};
    assert_non_null(mkdtemp(scene->directory));
    ring_kernel_open(&scene->kernel, rings, DATA);
    scene->door.place.data = scene->directory;
    check(attach_or_create(scene->directory, &scene->door.log));
    check(maplog_topic_create(scene->door.log, TOPIC, partitions,
                              (const char *const[]){"retention.ms=-1", NULL})); /* old times */
    meter_begin(&scene->meter, "drained", false);
    scene->loop = (struct drain_loop){
        .fd = scene->kernel.fd,
        .path = "/dev/rings",
        .producer = &scene->producer,
        .partitions = partitions,
        .chunk = DATA / 8,
        .until_empty = true,
        .meter = &scene->meter,
    };
    open_both(scene);
}

static void end(struct scene *scene)
{
    ring_reader_close(scene->reader);
    (void)door_producer_close(&scene->producer);
    door_close(&scene->door);
    ring_kernel_close(&scene->kernel);
    check(file_remove_tree(AT_FDCWD, scene->directory));
}

static void emit(struct scene *scene, uint32_t ring, const char *text)
{
    assert_true(ring_kernel_emit(&scene->kernel, ring, text, (uint32_t)strlen(text)));
}

static uint64_t filled(struct scene *scene, uint32_t ring)
{
    const struct ring_header *header = ring_kernel_header(&scene->kernel, ring);
    return header->head - header->tail;
}

/* A consumer of one partition of the topic. */
static maplog_consumer *consume(struct scene *scene, int32_t partition)
{
    maplog_consumer *consumer;
    const struct maplog_consumer_options options = {.partitions = &partition, .partition_count = 1};
    check(maplog_consumer_open(scene->door.log, TOPIC, &options, &consumer));
    return consumer;
}

static void assert_value(maplog_consumer *consumer, const char *text)
{
    struct maplog_message message;
    assert_int_equal(maplog_consume(consumer, &message, 0), 1);
    assert_int_equal(message.value_size, strlen(text));
    assert_memory_equal(message.value, text, message.value_size);
}

static void assert_end(maplog_consumer *consumer)
{
    struct maplog_message message;
    assert_int_equal(maplog_consume(consumer, &message, 0), 0);
    maplog_consumer_close(consumer);
}

static void assert_header(const struct maplog_message *message, int32_t index, const char *name,
                          const char *value)
{
    const char *found;
    const void *bytes;
    size_t name_size, size;
    assert_int_equal(maplog_message_header(message, index, &found, &name_size, &bytes, &size), 0);
    assert_int_equal(name_size, strlen(name));
    assert_memory_equal(found, name, name_size);
    assert_int_equal(size, strlen(value));
    assert_memory_equal(bytes, value, size);
}

/* ---- what comes over ------------------------------------------------------------------------- */

static void each_ring_keeps_its_order_in_its_partition(void **state)
{
    (void)state;
    struct scene scene;
    char text[32];
    begin(&scene, 3, 2);
    for (int i = 0; i < 100; i++) {
        for (uint32_t ring = 0; ring < 3; ring++) {
            snprintf(text, sizeof text, "%u: %d", ring, i);
            emit(&scene, ring, text);
        }
    }
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    assert_int_equal(scene.loop.records, 300);
    assert_int_equal(scene.loop.drops, 0);
    int next[3] = {0};
    for (int32_t partition = 0; partition < 2; partition++) {
        maplog_consumer *consumer = consume(&scene, partition);
        struct maplog_message message;
        while (maplog_consume(consumer, &message, 0) == 1) {
            uint32_t ring;
            int number;
            snprintf(text, sizeof text, "%.*s", (int)message.value_size,
                     (const char *)message.value);
            assert_int_equal(sscanf(text, "%u: %d", &ring, &number), 2);
            assert_int_equal(ring % 2, partition);
            assert_int_equal(number, next[ring]);
            next[ring]++;
            assert_null(message.key);
            assert_int_equal(message.header_count, 0);
            assert_int_equal(message.timestamp, 1700000000123 + number);
        }
        maplog_consumer_close(consumer);
    }
    for (uint32_t ring = 0; ring < 3; ring++) {
        assert_int_equal(next[ring], 100);
        assert_int_equal(filled(&scene, ring), 0);
    }
    end(&scene);
}

static void an_empty_record_has_an_empty_value(void **state)
{
    (void)state;
    struct scene scene;
    struct maplog_message message;
    begin(&scene, 1, 1);
    emit(&scene, 0, "");
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    maplog_consumer *consumer = consume(&scene, 0);
    assert_int_equal(maplog_consume(consumer, &message, 0), 1);
    assert_int_equal(message.value_size, 0);
    assert_non_null(message.value);
    assert_end(consumer);
    end(&scene);
}

static void a_record_after_drops_tells_of_them(void **state)
{
    (void)state;
    struct scene scene;
    struct maplog_message message;
    char bytes[1000] = "x";
    begin(&scene, 1, 1);
    int held = 0;
    while (ring_kernel_emit(&scene.kernel, 0, bytes, sizeof bytes))
        held++;
    assert_false(ring_kernel_emit(&scene.kernel, 0, bytes, sizeof bytes));
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    emit(&scene, 0, "after two drops");
    emit(&scene, 0, "after none");
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    assert_int_equal(scene.loop.records, held + 2);
    assert_int_equal(scene.loop.drops, 2);
    maplog_consumer *consumer = consume(&scene, 0);
    for (int i = 0; i < held; i++) {
        assert_int_equal(maplog_consume(consumer, &message, 0), 1);
        assert_int_equal(message.header_count, 0);
    }
    assert_int_equal(maplog_consume(consumer, &message, 0), 1);
    assert_int_equal(message.header_count, 1);
    assert_header(&message, 0, "drops", "2");
    assert_value(consumer, "after none");
    assert_end(consumer);
    end(&scene);
}

static void meta_are_headers(void **state)
{
    (void)state;
    struct scene scene;
    struct maplog_message message;
    begin(&scene, 2, 1);
    scene.loop.meta = true;
    emit(&scene, 1, "x");
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    maplog_consumer *consumer = consume(&scene, 0);
    assert_int_equal(maplog_consume(consumer, &message, 0), 1);
    assert_int_equal(message.header_count, 3);
    assert_header(&message, 0, "cpu", "1");
    assert_header(&message, 1, "source", "emit");
    assert_header(&message, 2, "time_ns", "1700000000123456789");
    maplog_consumer_close(consumer);
    end(&scene);
}

/* ---- what the log does not take -------------------------------------------------------------- */

static void a_record_that_is_too_large_stays_and_those_before_it_are_in_the_log(void **state)
{
    (void)state;
    struct scene scene;
    char bytes[1000];
    memset(bytes, 'x', sizeof bytes);
    begin(&scene, 1, 1);
    check(maplog_topic_alter(scene.door.log, TOPIC,
                             (const char *const[]){"max.message.bytes=500", NULL}));
    emit(&scene, 0, "before");
    assert_true(ring_kernel_emit(&scene.kernel, 0, bytes, sizeof bytes));
    emit(&scene, 0, "behind");
    for (int i = 0; i < 2; i++) { /* again: nothing comes twice */
        assert_int_equal(drain_loop_run(&scene.loop), MAPLOG_TOO_LARGE);
        assert_non_null(strstr(error_text(), "max.message.bytes"));
        assert_false(scene.loop.device_failed);
        assert_int_equal(filled(&scene, 0), RING_RECORD_BYTES(1000) + RING_RECORD_BYTES(6));
    }
    check(maplog_topic_alter(scene.door.log, TOPIC,
                             (const char *const[]){"max.message.bytes=", NULL}));
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    assert_int_equal(scene.loop.records, 3);
    struct maplog_message message;
    maplog_consumer *consumer = consume(&scene, 0);
    assert_value(consumer, "before");
    assert_int_equal(maplog_consume(consumer, &message, 0), 1);
    assert_int_equal(message.value_size, sizeof bytes);
    assert_value(consumer, "behind");
    assert_end(consumer);
    end(&scene);
}

static void a_deleted_topic_takes_nothing_out_of_the_ring(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 1, 1);
    emit(&scene, 0, "taken");
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    check(maplog_topic_delete(scene.door.log, TOPIC));
    emit(&scene, 0, "kept");
    assert_int_equal(drain_loop_run(&scene.loop), MAPLOG_TOPIC_DELETED);
    assert_false(scene.loop.device_failed);
    assert_int_equal(scene.loop.records, 1);
    assert_int_equal(filled(&scene, 0), RING_RECORD_BYTES(4));
    end(&scene);
}

static void a_full_disk_takes_nothing_out_of_the_ring(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 1, 1);
    emit(&scene, 0, "kept, then taken");
    fault_set(FAULT_ALLOCATE, 1, ENOSPC, 1);
    assert_int_equal(drain_loop_run(&scene.loop), MAPLOG_DISK_FULL);
    assert_false(scene.loop.device_failed);
    assert_int_equal(scene.loop.records, 0);
    assert_int_equal(filled(&scene, 0), RING_RECORD_BYTES(16));
    /* It ends, and is started again when there is space. */
    assert_int_equal(door_producer_close(&scene.producer), MAPLOG_DISK_FULL);
    ring_reader_close(scene.reader);
    fault_clear();
    open_both(&scene);
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    maplog_consumer *consumer = consume(&scene, 0);
    assert_value(consumer, "kept, then taken");
    assert_end(consumer);
    end(&scene);
}

static void damage_is_the_devices_and_what_lies_before_it_is_in_the_log(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene, 1, 1);
    emit(&scene, 0, "good");
    emit(&scene, 0, "spoilt");
    struct ring_record *second =
        (struct ring_record *)(ring_kernel_data(&scene.kernel, 0) + RING_RECORD_BYTES(4));
    second->length = UINT32_MAX;
    assert_int_equal(drain_loop_run(&scene.loop), MAPLOG_CORRUPT);
    assert_true(scene.loop.device_failed);
    assert_non_null(strstr(error_text(), "ring 0 of /dev/rings is damaged at byte 32"));
    assert_int_equal(filled(&scene, 0), RING_RECORD_BYTES(6));
    assert_int_equal(ring_reader_skip(scene.reader, 0), RING_RECORD_BYTES(6));
    emit(&scene, 0, "behind it");
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    maplog_consumer *consumer = consume(&scene, 0);
    assert_value(consumer, "good");
    assert_value(consumer, "behind it");
    assert_end(consumer);
    end(&scene);
}

/* ---- until a signal comes -------------------------------------------------------------------- */

#define MANY 20000

static void *emit_many(void *argument)
{
    struct ring_kernel *kernel = argument;
    for (uint32_t i = 0; i < MANY;) {
        if (ring_kernel_emit(kernel, 0, &i, sizeof i))
            i++;
        else
            usleep(100);
    }
    while (__atomic_load_n(&ring_kernel_header(kernel, 0)->tail, __ATOMIC_ACQUIRE) !=
           ring_kernel_header(kernel, 0)->head)
        usleep(100);
    kill(getpid(), SIGTERM);
    return NULL;
}

/* The last test: from here on the process is interrupted. */
static void it_goes_on_until_a_signal_comes(void **state)
{
    (void)state;
    struct scene scene;
    pthread_t kernel;
    begin(&scene, 1, 1);
    scene.loop.until_empty = false;
    catch_signals();
    assert_int_equal(pthread_create(&kernel, NULL, emit_many, &scene.kernel), 0);
    assert_int_equal(drain_loop_run(&scene.loop), 0);
    assert_int_equal(interrupted(), SIGTERM);
    pthread_join(kernel, NULL);
    assert_int_equal(scene.loop.bytes, MANY * sizeof(uint32_t));
    maplog_consumer *consumer = consume(&scene, 0);
    uint64_t dropped = ring_kernel_header(&scene.kernel, 0)->dropped;
    for (uint32_t i = 0; i < MANY; i++) {
        struct maplog_message message;
        assert_int_equal(maplog_consume(consumer, &message, 0), 1);
        assert_int_equal(message.value_size, sizeof i);
        assert_memory_equal(message.value, &i, sizeof i);
    }
    assert_int_equal(scene.loop.drops, dropped);
    assert_end(consumer);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_ring_keeps_its_order_in_its_partition),
        cmocka_unit_test(an_empty_record_has_an_empty_value),
        cmocka_unit_test(a_record_after_drops_tells_of_them),
        cmocka_unit_test(meta_are_headers),
        cmocka_unit_test(a_record_that_is_too_large_stays_and_those_before_it_are_in_the_log),
        cmocka_unit_test(a_deleted_topic_takes_nothing_out_of_the_ring),
        cmocka_unit_test(a_full_disk_takes_nothing_out_of_the_ring),
        cmocka_unit_test(damage_is_the_devices_and_what_lies_before_it_is_in_the_log),
        cmocka_unit_test(it_goes_on_until_a_signal_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
