/* sender_test.c - single attempts to send, by every method. */
#include "io/sender.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "io/methods.h"
#include "os/socket.h"

#define FILE_BYTES (3u << 20)
#define MEMORY_BYTES (32u << 10)

static int ends[2]; /* [0] is ours and does not block */
static struct sender *sender;

/* A file of which each byte tells its position, and its mapping. */
static int file;
static uint8_t *mapping;

static int open_file(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    file = memfd_create("sender-test", MFD_CLOEXEC);
    if (ftruncate(file, FILE_BYTES) != 0)
        return 1;
    mapping = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (size_t i = 0; i < FILE_BYTES; i++)
        mapping[i] = (uint8_t)(i * 31 + i / 251);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    return munmap(mapping, FILE_BYTES) || close(file);
}

static int connect_unix(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static int connect_tcp(void **state)
{
    (void)state;
    int listeners[SOCKET_LISTENERS];
    char address[SOCKET_TEXT];
    if (socket_listen("127.0.0.1:0", 1, listeners) != 1)
        return 1;
    socket_local(listeners[0], address);
    if (socket_connect(address, 10000, &ends[1]) != 0 || fcntl(ends[1], F_SETFL, 0) != 0)
        return 1;
    do
        ends[0] = accept4(listeners[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (ends[0] < 0);
    socket_close_listener(listeners[0]);
    int room = 64 << 10; /* small, so that sends block */
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return 0;
}

static int close_ends(void **state)
{
    (void)state;
    return close(ends[0]) || close(ends[1]);
}

static struct sender *sender_by(const char *method, uint32_t memory_bytes)
{
    struct io_limits limits = {.memory_bytes = memory_bytes, .send = method};
    struct sender *opened;
    assert_int_equal(sender_open(&limits, &opened), 0);
    return opened;
}

static struct io_slice file_slice(size_t from, size_t size)
{
    return (struct io_slice){mapping + from, size, file, from};
}

static struct io_slice memory_slice(const void *at, size_t size)
{
    return (struct io_slice){at, size, -1, 0};
}

static struct io_operation begin(struct io_slice *slices, uint32_t count)
{
    struct io_operation operation = {
        .fd = ends[0], .kind = IO_SEND, .slices = slices, .count = count};
    sender_begin(sender, &operation);
    return operation;
}

/* Sends, with a peer that takes what there is when the socket is full, until the operation is over.
 * The last attempt's result; how often the socket was full. */
static enum transfer exchange(struct io_operation *operation, uint8_t *in, size_t size,
                              unsigned *blocked)
{
    size_t have = 0;
    for (;;) {
        enum transfer transfer = sender_send(sender, operation);
        ssize_t got;
        *blocked += transfer == TRANSFER_BLOCKED;
        if (transfer == TRANSFER_MORE)
            continue;
        bool over = transfer == TRANSFER_DONE || transfer == TRANSFER_FAILED;
        while (have < size &&
               (got = recv(ends[1], in + have, size - have, over ? 0 : MSG_DONTWAIT)) > 0)
            have += (size_t)got;
        if (over) {
            sender_end(sender, operation);
            return transfer;
        }
    }
}

/* ---- by every method ------------------------------------------------------------------------- */

static void a_send_that_does_not_fit_goes_on_where_it_ended(void **state)
{
    (void)state;
    enum { BIG = 2000000, ODD = 4097, SMALL = 1000 };
    static uint8_t header[100];
    memset(header, 'h', sizeof header);
    for (unsigned i = 0; io_send_name(i); i++) {
        struct io_slice slices[] = {memory_slice(NULL, 0),         memory_slice(header, 100),
                                    file_slice(ODD, BIG),          file_slice(0, 0),
                                    memory_slice(header, 100),     file_slice(BIG, SMALL),
                                    file_slice(4096, MEMORY_BYTES)};
        const size_t size = 100 + BIG + 100 + SMALL + MEMORY_BYTES;
        uint8_t *in = malloc(size);
        unsigned blocked = 0;
        sender = sender_by(io_send_name(i), MEMORY_BYTES);
        struct io_operation operation = begin(slices, 7);
        assert_int_equal(exchange(&operation, in, size, &blocked), TRANSFER_DONE);
        assert_true(blocked > 0);
        assert_null(operation.hold);
        assert_int_equal(operation.unsettled, 0);
        assert_memory_equal(in, header, 100);
        assert_memory_equal(in + 100, mapping + ODD, BIG);
        assert_memory_equal(in + 100 + BIG, header, 100);
        assert_memory_equal(in + 200 + BIG, mapping + BIG, SMALL);
        assert_memory_equal(in + 200 + BIG + SMALL, mapping + 4096, MEMORY_BYTES);
        sender_close(sender);
        free(in);
    }
}

static void a_slice_beyond_the_end_of_its_file_fails(void **state)
{
    (void)state;
    enum { LEFT = 100000 };
    for (unsigned i = 0; io_send_name(i); i++) {
        struct io_slice slice = file_slice(0, 500000);
        static uint8_t in[500000];
        unsigned blocked = 0;
        sender = sender_by(io_send_name(i), MEMORY_BYTES);
        assert_int_equal(ftruncate(file, LEFT), 0);
        struct io_operation operation = begin(&slice, 1);
        assert_int_equal(exchange(&operation, in, 4096, &blocked), TRANSFER_FAILED);
        assert_true(operation.error == SENDER_FILE_ENDED || operation.error == EFAULT);
        assert_int_equal(transfer_error(&operation), MAPLOG_CORRUPT);
        assert_non_null(strstr(error_text(), "the file ends"));
        sender_close(sender);
        while (recv(ends[1], in, sizeof in, MSG_DONTWAIT) > 0)
            ;
        close_file(NULL);
        open_file(NULL);
    }
}

static void a_peer_that_is_gone_is_an_error(void **state)
{
    for (unsigned i = 0; io_send_name(i); i++) {
        struct io_slice slice = file_slice(0, FILE_BYTES);
        sender = sender_by(io_send_name(i), MEMORY_BYTES);
        connect_tcp(state);
        struct io_operation operation = begin(&slice, 1);
        enum transfer transfer;
        while ((transfer = sender_send(sender, &operation)) == TRANSFER_MORE)
            ;
        assert_int_equal(transfer, TRANSFER_BLOCKED);
        socket_abort(ends[1]);
        while ((transfer = sender_send(sender, &operation)) == TRANSFER_BLOCKED)
            poll(&(struct pollfd){ends[0], POLLOUT, 0}, 1, -1);
        assert_int_equal(transfer, TRANSFER_FAILED);
        assert_true(operation.error == ECONNRESET || operation.error == EPIPE);
        sender_end(sender, &operation);
        sender_close(sender);
        close(ends[0]);
    }
}

static unsigned descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* What was on its way is the ended operation's: the next one begins with its own bytes. */
static void an_operation_that_ends_early_leaves_nothing_behind(void **state)
{
    (void)state;
    for (unsigned i = 0; io_send_name(i); i++) {
        unsigned before = descriptors();
        sender = sender_by(io_send_name(i), MEMORY_BYTES);
        connect_tcp(state);
        struct io_slice slice = file_slice(0, FILE_BYTES);
        struct io_operation operation = begin(&slice, 1);
        while (sender_send(sender, &operation) == TRANSFER_MORE)
            ;
        sender_end(sender, &operation);
        assert_null(operation.hold);
        close_ends(state);
        connect_tcp(state);
        slice = file_slice(1000000, 50000);
        operation = begin(&slice, 1);
        static uint8_t in[50000];
        unsigned blocked = 0;
        assert_int_equal(exchange(&operation, in, sizeof in, &blocked), TRANSFER_DONE);
        assert_memory_equal(in, mapping + 1000000, sizeof in);
        close_ends(state);
        sender_close(sender);
        assert_int_equal(descriptors(), before);
    }
}

/* As the engines whose threads wait in the call do it. */
struct blocking_send {
    pthread_t thread;
    int ends[2];
    size_t from;
};

static void *blocking_run(void *argument)
{
    struct blocking_send *each = argument;
    for (int round = 0; round < 20; round++) {
        struct io_slice slice = file_slice(each->from, 1u << 20);
        struct io_operation operation = {
            .fd = each->ends[0], .kind = IO_SEND, .slices = &slice, .count = 1};
        enum transfer transfer;
        sender_begin(sender, &operation);
        while ((transfer = sender_send(sender, &operation)) != TRANSFER_DONE) {
            assert_int_not_equal(transfer, TRANSFER_FAILED);
            if (transfer == TRANSFER_SETTLING)
                poll(&(struct pollfd){.fd = operation.fd}, 1, -1);
        }
        sender_end(sender, &operation);
    }
    shutdown(each->ends[0], SHUT_WR);
    return NULL;
}

static void threads_share_a_sender_on_blocking_descriptors(void **state)
{
    enum { THREADS = 3 };
    static uint8_t in[1u << 20];
    for (unsigned i = 0; io_send_name(i); i++) {
        struct blocking_send sends[THREADS];
        sender = sender_by(io_send_name(i), MEMORY_BYTES);
        for (size_t j = 0; j < THREADS; j++) {
            connect_tcp(state);
            fcntl(ends[0], F_SETFL, 0);
            sends[j] = (struct blocking_send){.ends = {ends[0], ends[1]}, .from = j * 5000};
            pthread_create(&sends[j].thread, NULL, blocking_run, &sends[j]);
        }
        for (int round = 0; round < 20; round++) {
            for (size_t j = 0; j < THREADS; j++) {
                assert_int_equal(recv(sends[j].ends[1], in, sizeof in, MSG_WAITALL), sizeof in);
                assert_memory_equal(in, mapping + sends[j].from, sizeof in);
            }
        }
        for (size_t j = 0; j < THREADS; j++) {
            pthread_join(sends[j].thread, NULL);
            close(sends[j].ends[0]);
            close(sends[j].ends[1]);
        }
        sender_close(sender);
    }
}

/* /dev/null takes everything, so that only the turn ends an attempt. */
static void an_attempt_moves_one_turn(void **state)
{
    (void)state;
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
        struct io_slice slice = file_slice(0, LIMIT_TURN_BYTES + 10);
        sender = sender_by(by_pipe ? "splice" : "sendfile", 0);
        struct io_operation operation = begin(&slice, 1);
        operation.fd = sink;
        assert_int_equal(sender_send(sender, &operation), TRANSFER_MORE);
        assert_int_equal(slice.size, 10);
        assert_int_equal(slice.position, LIMIT_TURN_BYTES);
        assert_int_equal(sender_send(sender, &operation), TRANSFER_DONE);
        sender_end(sender, &operation);
        sender_close(sender);
    }
    close(sink);
}

/* ---- where the bytes come from ----------------------------------------------------------------
 */

/* What is in memory is not what is in the file, to tell them apart. */
static void slices_come_from_where_the_method_says(void **state)
{
    (void)state;
    const struct {
        const char *method;
        uint32_t memory_bytes;
        const char *from;
    } cases[] = {{"auto", 4, "file"},    {"auto", 5, "memo"},     {"copy", 5, "file"},
                 {"mmap", 4, "memo"},    {"sendfile", 5, "file"}, {"splice", 5, "file"},
                 {"zerocopy", 4, "memo"}};
    int other = memfd_create("sender-test", MFD_CLOEXEC);
    assert_int_equal(write(other, "file", 4), 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char in[5] = "";
        struct io_slice slice = {(const uint8_t *)"memo", 4, other, 0};
        sender = sender_by(cases[i].method, cases[i].memory_bytes);
        struct io_operation operation = begin(&slice, 1);
        unsigned blocked = 0;
        assert_int_equal(exchange(&operation, (uint8_t *)in, 4, &blocked), TRANSFER_DONE);
        assert_string_equal(in, cases[i].from);
        sender_close(sender);
    }
    close(other);
}

static void splice_without_descriptors_for_a_pipe_sends_all_the_same(void **state)
{
    (void)state;
    static uint8_t in[100000];
    struct rlimit before, few;
    unsigned blocked = 0;
    struct io_slice slice = file_slice(5, sizeof in);
    sender = sender_by("splice", 0);
    struct io_operation operation = begin(&slice, 1);
    getrlimit(RLIMIT_NOFILE, &before);
    few = (struct rlimit){3, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    enum transfer transfer = exchange(&operation, in, sizeof in, &blocked);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(transfer, TRANSFER_DONE);
    assert_memory_equal(in, mapping + 5, sizeof in);
    sender_close(sender);
}

/* ---- zerocopy -------------------------------------------------------------------------------- */

static void zerocopy_tells_that_loopback_copies(void **state)
{
    (void)state;
    static uint8_t in[100000];
    unsigned blocked = 0;
    struct io_slice slice = file_slice(0, sizeof in);
    sender = sender_by("zerocopy", 0);
    struct io_operation operation = begin(&slice, 1);
    assert_int_equal(exchange(&operation, in, sizeof in, &blocked), TRANSFER_DONE);
    assert_true(operation.copied);
    sender_close(sender);
}

/* Without room for them at the peer the pages stay with the kernel, however often one asks. */
static void zerocopy_is_done_when_the_kernel_gave_the_pages_back(void **state)
{
    (void)state;
    enum { SIZE = 2000 };
    static uint8_t in[1u << 20];
    struct io_slice filling = memory_slice(mapping, FILE_BYTES), slice = file_slice(0, SIZE);
    sender = sender_by("zerocopy", 0);
    int room = 1 << 20;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    struct io_operation operation = begin(&filling, 1);
    while (sender_send(sender, &operation) == TRANSFER_MORE)
        ;
    sender_end(sender, &operation);
    size_t sent = FILE_BYTES - filling.size;
    room = 4 << 20;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    operation = begin(&slice, 1);
    assert_int_equal(sender_send(sender, &operation), TRANSFER_SETTLING);
    assert_int_equal(sender_send(sender, &operation), TRANSFER_SETTLING);
    assert_true(operation.unsettled > 0);
    for (size_t left = sent + SIZE; left > 0;) {
        ssize_t got = recv(ends[1], in, left < sizeof in ? left : sizeof in, 0);
        assert_true(got > 0);
        left -= (size_t)got;
    }
    while (sender_send(sender, &operation) == TRANSFER_SETTLING)
        poll(&(struct pollfd){.fd = ends[0]}, 1, -1);
    assert_int_equal(operation.unsettled, 0);
    sender_end(sender, &operation);
    sender_close(sender);
}

/* A file slice behind so much memory is one more note for the kernel to keep until the peer has
 * read it; it keeps less than two hundred a socket (net.core.optmem_max). */
static void zerocopy_goes_on_where_the_kernel_keeps_no_more_notes(void **state)
{
    (void)state;
    enum { PAIRS = 250, MEMORY = 70000, PIECE = 10 };
    static struct io_slice slices[2 * PAIRS];
    const size_t size = (size_t)PAIRS * (MEMORY + PIECE);
    uint8_t *in = malloc(size);
    unsigned blocked = 0;
    int room = 64 << 20; /* for all, where one may ask for so much */
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    for (size_t i = 0; i < PAIRS; i++) {
        slices[2 * i] = memory_slice(mapping, MEMORY);
        slices[2 * i + 1] = file_slice(MEMORY, PIECE);
    }
    sender = sender_by("zerocopy", 0);
    struct io_operation operation = begin(slices, 2 * PAIRS);
    assert_int_equal(exchange(&operation, in, size, &blocked), TRANSFER_DONE);
    for (size_t i = 0; i < PAIRS; i++)
        assert_memory_equal(in + i * (MEMORY + PIECE), mapping, MEMORY + PIECE);
    sender_close(sender);
    free(in);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void methods_have_names(void **state)
{
    (void)state;
    struct io_limits limits = {.send = "pigeon"};
    assert_string_equal(io_send_name(0), "auto");
    assert_null(io_send_name(6));
    assert_int_equal(sender_open(&limits, &sender), MAPLOG_INVALID);
    assert_string_equal(error_text(), "no way to send is called pigeon; there are auto, copy, "
                                      "mmap, sendfile, splice, zerocopy");
}

int main(void)
{
#define OVER(test, connect)                                                                        \
    {                                                                                              \
#test " (" #connect ")", test, connect, close_ends, NULL                                   \
    }
    const struct CMUnitTest tests[] = {
        OVER(a_send_that_does_not_fit_goes_on_where_it_ended, connect_tcp),
        OVER(a_send_that_does_not_fit_goes_on_where_it_ended, connect_unix),
        OVER(a_slice_beyond_the_end_of_its_file_fails, connect_tcp),
        OVER(a_slice_beyond_the_end_of_its_file_fails, connect_unix),
        cmocka_unit_test(a_peer_that_is_gone_is_an_error),
        cmocka_unit_test(an_operation_that_ends_early_leaves_nothing_behind),
        cmocka_unit_test(threads_share_a_sender_on_blocking_descriptors),
        cmocka_unit_test(an_attempt_moves_one_turn),
        OVER(slices_come_from_where_the_method_says, connect_tcp),
        OVER(slices_come_from_where_the_method_says, connect_unix),
        OVER(splice_without_descriptors_for_a_pipe_sends_all_the_same, connect_tcp),
        OVER(zerocopy_tells_that_loopback_copies, connect_tcp),
        OVER(zerocopy_is_done_when_the_kernel_gave_the_pages_back, connect_tcp),
        OVER(zerocopy_goes_on_where_the_kernel_keeps_no_more_notes, connect_tcp),
        cmocka_unit_test(methods_have_names),
    };
    return cmocka_run_group_tests(tests, open_file, close_file);
}
