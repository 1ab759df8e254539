/*
 * hostile_test.c - a reader that writes nonsense into the page that it may write. It can hurt
 * itself: its ring fills, and drops. It cannot hurt the kernel, nor the reader after it.
 */
#include "device.h"
#include "program.h"

#include <jansson.h>

#define SIZE 65536u

/* Nonsense of every kind, seen from what is true now. */
static uint64_t nonsense(uint32_t kind, uint64_t head, uint64_t tail)
{
    switch (kind % 10) {
    case 0:
        return head + 8; /* read what is not there */
    case 1:
        return head + SIZE;
    case 2:
        return UINT64_MAX;
    case 3:
        return UINT64_MAX - 7;
    case 4:
        return 1ull << 63;
    case 5:
        return tail - 8; /* backwards */
    case 6:
        return head - SIZE - 8; /* more than fits */
    case 7:
        return tail + (1ull << 32); /* right in its lower half */
    case 8:
        return ~tail;
    default:
        return head + 1;
    }
}

static struct ring_header *map_header(int fd)
{
    struct ring_header *header = map_device(fd, PAGE, PROT_READ | PROT_WRITE, 0);
    assert_ptr_not_equal(header, MAP_FAILED);
    return header;
}

static void a_nonsense_tail_is_refused_and_counted(void **state)
{
    load_kind(state, "size=65536");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    /* The kernel takes a true tail before, so that there is a backwards. */
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "record", 6), 6);
    while (next_record(&ring))
        ;
    release_records(&ring);
    for (int i = 0; i < 3000; i++) { /* runs into the old tail, so that it looks at the new one */
        ssize_t written = write(fd, "record", 6);
        assert_true(written == 6 || errno == ENOSPC);
    }
    uint64_t head = ring.header->head, tail = ring.at;
    assert_int_equal(ring.header->refused_tails, 0);
    for (uint32_t kind = 0; kind < 10; kind++) {
        uint64_t refused = ring.header->refused_tails, dropped = ring.header->dropped;
        ring.header->tail = nonsense(kind, head, tail);
        assert_errno(write(fd, "no room", 7), ENOSPC);
        assert_int_equal(ring.header->head, head);
        assert_int_equal(ring.header->dropped, dropped + 1);
        assert_true(ring.header->refused_tails > refused);
    }
    /* With a true one all goes on. */
    while (next_record(&ring))
        ;
    release_records(&ring);
    assert_int_equal(write(fd, "room", 4), 4);
    assert_true(record_is(next_record(&ring), "room", 4));
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void a_tail_within_a_record_does_no_harm(void **state)
{
    load_kind(state, "size=4096");
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    char text[400] = "";
    for (int i = 0; i < 1000; i++) {
        ring.header->tail = ring.header->head - (ring.header->head ? 5 : 0);
        ssize_t written = write(fd, text, sizeof text);
        assert_true(written == sizeof text || errno == ENOSPC);
        assert_true(ring.header->head <= ring.header->tail + 4096 + 424);
    }
    unmap_ring(&ring);
    close(fd);
    fd = open_device(O_RDWR);
    close(fd);
    unload();
}

/* Threads, timers and NMIs emit, while the tail is nonsense of one kind after the other. */
static void nonsense_while_everything_emits(void **state)
{
    const char *const parameters[] = {"size=65536 per_cpu=0", "size=65536 per_cpu=1"};
    for (int i = 0; i < 2; i++) {
        char all[64];
        snprintf(all, sizeof all, "memory=%s %s", (const char *)*state, parameters[i]);
        load_with_emitter(all);
        int fd = open_device(O_RDWR);
        struct ring_header *header = map_header(fd);
        struct emission emission = {.threads = cpus_online(),
                                    .records = 60000,
                                    .longest = 100,
                                    .timer_us = 200,
                                    .nmi_every = 50};
        pid_t child = begin_to_emit(&emission);
        for (uint32_t kind = 0; !has_ended(child); kind++) {
            header->tail = nonsense(kind, header->head, header->tail);
            if (kind % 64 == 0)
                header->tail = header->head; /* now and then a true one, so that there is work */
            usleep(kind % 128 ? 0 : 100);
        }
        uint64_t emitted = 0, refused = 0;
        for (uint32_t cpu = 0; cpu < (i == 0 ? cpus_online() : 1); cpu++) {
            for (uint32_t context = 0; context < EMITTED_CONTEXTS; context++) {
                struct emitted_count count = emitted_count(cpu, context);
                emitted += count.emitted;
                refused += count.refused;
            }
        }
        assert_int_equal(header->records, emitted);
        assert_int_equal(header->dropped, refused);
        assert_true(header->refused_tails > 0);
        munmap(header, PAGE);
        close(fd);
        unload_with_emitter();
    }
}

/* All of the page, not the tail alone: the kernel believes nothing that stands there. */
static void the_next_reader_finds_a_scribbled_header_whole(void **state)
{
    load_kind(state, "size=65536");
    int fd = open_device(O_RDWR);
    struct ring_header *header = map_header(fd), before = *header;
    assert_int_equal(write(fd, "one", 3), 3);
    before.head = header->head;
    before.records = 1;
    for (int byte = 0; byte < 256; byte += 51) {
        memset(header, byte, PAGE);
        /* The kernel goes on with what it knows, whatever stands there. */
        ssize_t written = write(fd, "more", 4);
        assert_int_equal(written, 4);
        before.head += RING_RECORD_BYTES(4);
        before.records++;
    }
    munmap(header, PAGE);
    close(fd);
    fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    assert_memory_equal(ring.header, &before, offsetof(struct ring_header, head));
    assert_int_equal(ring.header->head, before.head);
    assert_int_equal(ring.header->records, before.records);
    assert_int_equal(ring.header->dropped, 0);
    assert_int_equal(ring.header->tail, 0);
    const uint8_t *bytes = (const void *)ring.header;
    for (size_t i = offsetof(struct ring_header, unused_reader); i < PAGE; i++)
        assert_int_equal(bytes[i], 0);
    assert_true(record_is(next_record(&ring), "one", 3));
    for (int i = 0; i < 6; i++)
        assert_true(record_is(next_record(&ring), "more", 4));
    assert_null(next_record(&ring));
    unmap_ring(&ring);
    close(fd);
    unload();
}

/* Nor does it mislead who looks: a fill that cannot be is no number. */
static void device_shows_no_fill_when_the_tail_is_nonsense(void **state)
{
    load_kind(state, "size=65536");
    int fd = open_device(O_RDWR);
    struct ring_header *header = map_header(fd);
    header->tail = header->head + 8;
    int pipes[2];
    assert_works(pipe2(pipes, O_CLOEXEC));
    assert_exit(start((const char *const[WORDS_MAX]){"device", "--json"}, pipes[1]), 0);
    close(pipes[1]);
    json_t *rings = json_loadfd(pipes[0], 0, NULL);
    close(pipes[0]);
    assert_true(json_is_null(json_object_get(json_array_get(rings, 0), "fill")));
    json_decref(rings);
    munmap(header, PAGE);
    close(fd);
    unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nonsense_tail_is_refused_and_counted),
        cmocka_unit_test(a_tail_within_a_record_does_no_harm),
        cmocka_unit_test(nonsense_while_everything_emits),
        cmocka_unit_test(the_next_reader_finds_a_scribbled_header_whole),
        cmocka_unit_test(device_shows_no_fill_when_the_tail_is_nonsense),
    };
    return run_for_each_memory(tests, sizeof tests / sizeof *tests);
}
