/* mapping_test.c - what of the device may be mapped, how and by whom; for each kind of memory. */
#include "device.h"

#include <sys/resource.h>

#define SIZE ((size_t)65536)
#define DATA PAGE /* offset of the data in the ring */

/* A machine of one ring with SIZE bytes of data, and its reader. */
static int reader_of(void **state)
{
    load_kind(state, "size=65536");
    return open_device(O_RDWR);
}

static void end(int fd)
{
    close(fd);
    unload();
}

/* Does a store kill who does it? */
static bool store_is_fatal(volatile uint8_t *at)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka has a handler of its own */
        *at = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void the_header_says_what_the_ring_is(void **state)
{
    int fd = reader_of(state);
    struct ring ring = map_ring(fd, 0);
    const struct ring_header *header = ring.header;
    uint32_t memory = strcmp(*state, "vmalloc") == 0      ? RING_MEMORY_VMALLOC
                      : strcmp(*state, "contiguous") == 0 ? RING_MEMORY_CONTIGUOUS
                                                          : RING_MEMORY_FAULT;
    assert_int_equal(header->magic, RING_MAGIC);
    assert_int_equal(header->version, RING_VERSION);
    assert_int_equal(header->rings, 1);
    assert_true(header->ring_stride >= PAGE + SIZE && header->ring_stride % PAGE == 0);
    assert_int_equal(header->data_bytes, SIZE);
    assert_int_equal(header->data_offset, DATA);
    assert_int_equal(header->record_max, RING_RECORD_MAX(SIZE));
    assert_int_equal(header->ring, 0);
    assert_int_equal(header->cpu, RING_EVERY_CPU);
    assert_int_equal(header->memory, memory);
    assert_int_equal(header->reserved, 0);
    assert_int_equal(header->head, 0);
    assert_int_equal(header->tail, 0);
    assert_int_equal(header->records + header->dropped + header->dropped_bytes, 0);
    assert_int_equal(header->refused_tails, 0);
    const uint8_t *bytes = (const void *)header;
    for (size_t i = sizeof *header; i < PAGE; i++)
        assert_int_equal(bytes[i], 0);
    unmap_ring(&ring);
    end(fd);
}

static void every_cpu_has_a_ring_of_its_own(void **state)
{
    load_kind(state, "size=65536 per_cpu=1");
    int fd = open_device(O_RDWR);
    struct ring first = map_ring(fd, 0);
    uint32_t rings = first.header->rings;
    assert_true(rings >= cpus_online());
    for (uint32_t i = 0; i < rings; i++) {
        struct ring ring = map_ring(fd, i);
        assert_int_equal(ring.header->ring, i);
        assert_int_equal(ring.header->cpu, i); /* the machine's CPUs have no gaps */
        assert_int_equal(ring.header->rings, rings);
        assert_int_equal(ring.header->data_bytes, SIZE);
        unmap_ring(&ring);
    }
    uint64_t behind = rings * first.header->ring_stride;
    assert_int_equal(try_map(fd, PAGE, PROT_READ, MAP_SHARED, behind), EINVAL);
    assert_int_equal(try_map(fd, PAGE, PROT_READ, MAP_SHARED, behind + DATA), EINVAL);
    unmap_ring(&first);
    end(fd);
}

static void all_of_the_data_can_be_read_in_any_parts(void **state)
{
    int fd = reader_of(state);
    char text[6000];
    for (unsigned i = 0; i < 9; i++) { /* runs over most of the data */
        memset(text, 'a' + (int)i, sizeof text);
        assert_int_equal(write(fd, text, sizeof text), sizeof text);
    }
    uint8_t *whole = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(whole, MAP_FAILED);
    for (size_t at = 0; at < SIZE; at += PAGE) {
        for (size_t length = PAGE; at + length <= SIZE; length += 5 * PAGE) {
            uint8_t *part = map_device(fd, length, PROT_READ, DATA + at);
            assert_ptr_not_equal(part, MAP_FAILED);
            assert_memory_equal(part, whole + at, length);
            munmap(part, length);
        }
    }
    munmap(whole, SIZE);
    end(fd);
}

static long minor_faults(void)
{
    struct rusage usage;
    assert_works(getrusage(RUSAGE_SELF, &usage));
    return usage.ru_minflt;
}

/* Filled when it is mapped, or page by page as it is touched. */
static void a_mapping_takes_the_faults_of_its_kind(void **state)
{
    int fd = reader_of(state);
    const volatile uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    for (int round = 0; round < 2; round++) {
        long before = minor_faults();
        for (size_t at = 0; at < SIZE; at += PAGE)
            (void)data[at];
        long faults = minor_faults() - before;
        bool one_a_page = strcmp(*state, "fault") == 0 && round == 0;
        assert_int_equal(faults, one_a_page ? SIZE / PAGE : 0);
    }
    munmap((void *)(uintptr_t)data, SIZE);
    end(fd);
}

static void what_is_no_part_of_a_ring_is_refused(void **state)
{
    int fd = reader_of(state);
    const struct {
        uint64_t offset;
        size_t length;
    } wrong[] = {
        {0, 2 * PAGE},       /* over the end of the header */
        {0, PAGE + SIZE},    /* the whole ring */
        {DATA, SIZE + PAGE}, /* over the end of the data */
        {DATA + PAGE, SIZE}, /* the same */
        {DATA + SIZE, PAGE}, /* behind the data */
        {DATA + SIZE - PAGE, 2 * PAGE},
        {1ull << 40, PAGE}, /* far behind all rings */
        {1ull << 62, PAGE},
        {INT64_MAX & ~(PAGE - 1), PAGE}, /* the last page of all */
        {DATA, (size_t)1 << 40},         /* a length that is no memory's */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int error = try_map(fd, wrong[i].length, PROT_READ, MAP_SHARED, wrong[i].offset);
        /* The kernel itself refuses what runs over the largest offset. */
        if (wrong[i].offset + wrong[i].length > INT64_MAX)
            assert_true(error == EOVERFLOW || error == EINVAL);
        else
            assert_int_equal(error, EINVAL);
    }
    assert_int_equal(try_map(fd, PAGE, PROT_READ, MAP_SHARED, 100), EINVAL);
    end(fd);
}

static void a_private_mapping_of_the_header_is_refused(void **state)
{
    int fd = reader_of(state);
    assert_int_equal(try_map(fd, PAGE, PROT_READ, MAP_PRIVATE, 0), EINVAL);
    assert_int_equal(try_map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0), EINVAL);
    end(fd);
}

static void data_is_never_writable(void **state)
{
    int fd = reader_of(state);
    assert_int_equal(try_map(fd, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, DATA), EPERM);
    assert_int_equal(try_map(fd, PAGE, PROT_WRITE, MAP_SHARED, DATA), EPERM);
    assert_int_equal(try_map(fd, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, DATA), EPERM);
    assert_int_equal(try_map(fd, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, DATA), EPERM);
    uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_errno(mprotect(data, SIZE, PROT_READ | PROT_WRITE), EACCES);
    assert_errno(mprotect(data + PAGE, PAGE, PROT_WRITE), EACCES);
    assert_errno(mprotect(data, SIZE, PROT_READ | PROT_EXEC), EACCES);
    assert_true(store_is_fatal(data));
    /* Taking rights away and giving them back is the reader's business. */
    assert_works(mprotect(data, SIZE, PROT_NONE));
    assert_works(mprotect(data, SIZE, PROT_READ));
    assert_int_equal(data[0], 0);
    munmap(data, SIZE);
    end(fd);
}

static void the_kernel_does_not_write_through_a_data_mapping_either(void **state)
{
    int fd = reader_of(state), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_errno(read(zero, data, 16), EFAULT);
    /* /proc/self/mem passes by the rights of a page, but not by those of a mapping. */
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    assert_true(memory >= 0);
    assert_true(pwrite(memory, "scribble", 8, (off_t)(uintptr_t)data) < 0);
    assert_int_equal(data[0], 0);
    close(memory);
    close(zero);
    munmap(data, SIZE);
    end(fd);
}

/* Who gives pages of the ring away has them no more, or gets them again at the next touch. */
static void advice_hurts_only_who_gives_it(void **state)
{
    int fd = reader_of(state);
    assert_int_equal(write(fd, "record", 6), 6);
    uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    const int advices[] = {MADV_DONTNEED, MADV_REMOVE,    MADV_FREE,
                           MADV_DONTFORK, MADV_COLD,      MADV_PAGEOUT,
                           MADV_HUGEPAGE, MADV_MERGEABLE, MADV_POPULATE_WRITE};
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGBUS, SIG_DFL);
            signal(SIGSEGV, SIG_DFL);
            (void)madvise(data, SIZE, advices[i]);
            _exit(memcmp(data + sizeof(struct ring_record), "record", 6) == 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS));
        assert_memory_equal(data + sizeof(struct ring_record), "record", 6);
    }
    munmap(data, SIZE);
    end(fd);
}

static void the_header_cannot_become_executable(void **state)
{
    int fd = reader_of(state);
    void *header = map_device(fd, PAGE, PROT_READ | PROT_WRITE, 0);
    assert_ptr_not_equal(header, MAP_FAILED);
    assert_errno(mprotect(header, PAGE, PROT_READ | PROT_EXEC), EACCES);
    munmap(header, PAGE);
    end(fd);
}

static void an_observer_reads_headers_and_nothing_else(void **state)
{
    int reader = reader_of(state);
    struct ring ring = map_ring(reader, 0);
    int observer = open_device(O_RDONLY), second = open_device(O_RDONLY);
    struct ring_header *header = map_device(observer, PAGE, PROT_READ, 0);
    assert_ptr_not_equal(header, MAP_FAILED);
    assert_int_equal(write(reader, "record", 6), 6);
    assert_int_equal(header->head, ring.header->head);
    assert_int_equal(header->records, 1);
    assert_errno(mprotect(header, PAGE, PROT_READ | PROT_WRITE), EACCES);
    assert_int_equal(try_map(observer, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0), EACCES);
    assert_int_equal(try_map(observer, SIZE, PROT_READ, MAP_SHARED, DATA), EACCES);
    assert_int_equal(try_map(observer, PAGE, PROT_READ, MAP_SHARED, DATA + PAGE), EACCES);
    assert_errno(write(observer, "x", 1), EBADF);
    assert_int_equal(try_map(second, PAGE, PROT_READ, MAP_SHARED, 0), 0);
    munmap(header, PAGE);
    unmap_ring(&ring);
    close(second);
    close(observer);
    end(reader);
}

static void a_producer_maps_nothing(void **state)
{
    load_kind(state, "size=65536");
    int fd = open_device(O_WRONLY);
    assert_int_equal(write(fd, "record", 6), 6);
    assert_int_equal(try_map(fd, PAGE, PROT_READ, MAP_SHARED, 0), EACCES);
    assert_int_equal(try_map(fd, SIZE, PROT_READ, MAP_SHARED, DATA), EACCES);
    end(fd);
}

static void one_reader_at_a_time(void **state)
{
    int fd = reader_of(state);
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    int observer = open_device(O_RDONLY), producer = open_device(O_WRONLY);
    close(observer);
    close(producer);
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    /* The seat belongs to all copies of the descriptor. */
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    close(copy);
    fd = open_device(O_RDWR | O_NONBLOCK);
    end(fd);
}

/* A mapping keeps its file open: the seat, and the module. */
static void a_mapping_alone_keeps_the_seat_and_the_module(void **state)
{
    int fd = reader_of(state);
    const uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_int_equal(write(fd, "still there", 11), 11);
    close(fd);
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    assert_errno(syscall(SYS_delete_module, "maplog", O_NONBLOCK), EWOULDBLOCK);
    assert_memory_equal(data + sizeof(struct ring_record), "still there", 11);
    munmap((void *)data, PAGE); /* a part of it is not enough */
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    munmap((void *)(data + PAGE), SIZE - PAGE);
    fd = open_device(O_RDWR);
    end(fd);
}

static void mremap_moves_and_shrinks_but_does_not_grow(void **state)
{
    int fd = reader_of(state);
    assert_int_equal(write(fd, "record", 6), 6);
    uint8_t *data = map_device(fd, SIZE, PROT_READ, DATA);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_true(mremap(data, SIZE, 2 * SIZE, MREMAP_MAYMOVE) == MAP_FAILED);
    uint8_t *moved = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_equal(mremap(data, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, moved), moved);
    assert_memory_equal(moved + sizeof(struct ring_record), "record", 6);
    assert_ptr_equal(mremap(moved, SIZE, PAGE, 0), moved);
    assert_memory_equal(moved + sizeof(struct ring_record), "record", 6);
    /* Not even back to what it was. */
    assert_true(mremap(moved, PAGE, SIZE, MREMAP_MAYMOVE) == MAP_FAILED);
    munmap(moved, PAGE);
    end(fd);
}

static void a_forked_child_keeps_the_mapping(void **state)
{
    int fd = reader_of(state);
    struct ring ring = map_ring(fd, 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool written = write(fd, "of the child", 12) == 12;
        bool read = record_is(next_record(&ring), "of the child", 12);
        release_records(&ring);
        _exit(written && read ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(ring.header->tail, ring.header->head);
    assert_int_equal(write(fd, "of the parent", 13), 13);
    ring.at = ring.header->tail;
    assert_true(record_is(next_record(&ring), "of the parent", 13));
    unmap_ring(&ring);
    end(fd);
}

/* The child alone holds the mapping when the parent has let go. */
static void the_seat_is_free_when_the_last_process_let_go(void **state)
{
    int fd = reader_of(state), pipes[2];
    assert_works(pipe2(pipes, O_CLOEXEC));
    struct ring ring = map_ring(fd, 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        close(pipes[1]);
        _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* until the parent closes it */
    }
    unmap_ring(&ring);
    close(fd);
    assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    fd = open_device(O_RDWR);
    close(pipes[0]);
    close(pipes[1]);
    end(fd);
}

static void calls_that_are_not_there_say_so(void **state)
{
    int fd = reader_of(state);
    char byte;
    assert_errno(read(fd, &byte, 1), EINVAL);
    assert_errno(syscall(SYS_ioctl, fd, 0x4d00, 0), ENOTTY);
    assert_errno(lseek(fd, 0, SEEK_SET), ESPIPE);
    assert_errno(ftruncate(fd, 0), EINVAL);
    assert_errno(fsync(fd), EINVAL);
    end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_says_what_the_ring_is),
        cmocka_unit_test(every_cpu_has_a_ring_of_its_own),
        cmocka_unit_test(all_of_the_data_can_be_read_in_any_parts),
        cmocka_unit_test(a_mapping_takes_the_faults_of_its_kind),
        cmocka_unit_test(what_is_no_part_of_a_ring_is_refused),
        cmocka_unit_test(a_private_mapping_of_the_header_is_refused),
        cmocka_unit_test(data_is_never_writable),
        cmocka_unit_test(the_kernel_does_not_write_through_a_data_mapping_either),
        cmocka_unit_test(advice_hurts_only_who_gives_it),
        cmocka_unit_test(the_header_cannot_become_executable),
        cmocka_unit_test(an_observer_reads_headers_and_nothing_else),
        cmocka_unit_test(a_producer_maps_nothing),
        cmocka_unit_test(one_reader_at_a_time),
        cmocka_unit_test(a_mapping_alone_keeps_the_seat_and_the_module),
        cmocka_unit_test(mremap_moves_and_shrinks_but_does_not_grow),
        cmocka_unit_test(a_forked_child_keeps_the_mapping),
        cmocka_unit_test(the_seat_is_free_when_the_last_process_let_go),
        cmocka_unit_test(calls_that_are_not_there_say_so),
    };
    return run_for_each_memory(tests, sizeof tests / sizeof *tests);
}
