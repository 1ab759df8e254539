/* reader_test.c - src/shm/ring_reader on the true module, for each kind of memory. */
#include "device.h"

#include "shm/ring_reader.h"

/* A record of each CPU and context has the number that is due. */
struct intake {
    uint64_t next[CPUS_MAX][EMITTED_CONTEXTS];
    uint64_t records, dropped;
};

static uint64_t take_all(struct ring_reader *reader, struct intake *intake, uint32_t longest)
{
    uint64_t taken = 0;
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++) {
        struct ring_entry entry;
        int found;
        while ((found = ring_reader_next(reader, i, &entry)) == 1) {
            const struct emitted *emitted = emitted_in(entry.payload, entry.length, longest);
            assert_int_equal(emitted->number, intake->next[emitted->cpu][emitted->context]++);
            assert_int_equal(entry.cpu, emitted->cpu);
            assert_int_equal(entry.source, RING_SOURCE_EMIT);
            intake->dropped += entry.dropped;
            taken++;
        }
        assert_int_equal(found, 0);
        ring_reader_release(reader, i);
    }
    intake->records += taken;
    return taken;
}

static void read_emitted(const char *memory, const char *parameters)
{
    char all[96];
    snprintf(all, sizeof all, "memory=%s %s", memory, parameters);
    load_with_emitter(all);
    int fd = open_device(O_RDWR);
    struct ring_reader *reader;
    assert_int_equal(ring_reader_open(fd, DEVICE, RING_READER, &reader), 0);
    struct emission emission = {.threads = cpus_online(),
                                .records = 30000,
                                .longest = 200,
                                .timer_us = 500,
                                .nmi_every = 50,
                                .again = 1};
    struct intake *intake = calloc(1, sizeof *intake);
    assert_non_null(intake);
    pid_t child = begin_to_emit(&emission);
    while (!has_ended(child))
        if (take_all(reader, intake, emission.longest) == 0)
            usleep(500);
    (void)take_all(reader, intake, emission.longest);
    uint64_t emitted = 0, records = 0;
    for (uint32_t cpu = 0; cpu < cpus_online(); cpu++)
        for (uint32_t context = 0; context < EMITTED_CONTEXTS; context++)
            emitted += emitted_count(cpu, context).emitted;
    for (uint32_t i = 0; i < ring_reader_rings(reader); i++) {
        struct ring_status status;
        ring_reader_status(reader, i, &status);
        records += status.records;
        assert_int_equal(status.filled, 0);
        assert_int_equal(status.refused_tails, 0);
    }
    assert_int_equal(intake->records, emitted);
    assert_int_equal(records, emitted);
    free(intake);
    ring_reader_close(reader);
    close(fd);
    unload_with_emitter();
}

static void one_ring_is_read_while_all_emit(void **state)
{
    read_emitted(*state, "size=65536");
}

static void rings_of_cpus_are_read_while_all_emit(void **state)
{
    read_emitted(*state, "size=32768 per_cpu=1");
}

static void an_observer_sees_how_full_it_is(void **state)
{
    load_kind(state, "size=4096");
    int producer = open_device(O_WRONLY), fd = open_device(O_RDONLY);
    struct ring_reader *reader;
    struct ring_status status;
    assert_int_equal(ring_reader_open(fd, DEVICE, RING_OBSERVER, &reader), 0);
    assert_int_equal(write(producer, "record", 6), 6);
    ring_reader_status(reader, 0, &status);
    assert_int_equal(status.filled, RING_RECORD_BYTES(6));
    assert_int_equal(status.records, 1);
    assert_int_equal(status.data_bytes, 4096);
    assert_int_equal(status.cpu, RING_EVERY_CPU);
    ring_reader_close(reader);
    close(fd);
    close(producer);
    unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_ring_is_read_while_all_emit),
        cmocka_unit_test(rings_of_cpus_are_read_while_all_emit),
        cmocka_unit_test(an_observer_sees_how_full_it_is),
    };
    return run_for_each_memory(tests, sizeof tests / sizeof *tests);
}
