/* anonymous_test.c - a log in a memfd: made, passed on, attached by strangers and children. */
#include "log_fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "log/anonymous.h"
#include "log/durable.h"

static void its_options_are_checked(void **state)
{
    (void)state;
    struct directory *directory = NULL;
    const struct maplog_anonymous_options wrong[] = {
        {.segment_bytes = 65535}, {.segment_bytes = (1ull << 30) + 1},
        {.segments = 1},          {.segments = 65},
        {.topic = "a/b"},         {.topic = ".."},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_code(MAPLOG_INVALID, anonymous_open(&wrong[i], &directory));
    assert_null(directory);
    struct maplog_anonymous_options options = {
        .topic = "tiny", .segment_bytes = 65536, .segments = 2};
    assert_ok(anonymous_open(&options, &directory));
    struct maplog_topic topic;
    assert_ok(directory_topic(directory, "tiny", &topic));
    assert_int_equal(topic.partitions, 1);
    struct settings settings;
    uint64_t generation;
    assert_ok(partition_settings(log_partition(directory, "tiny"), &settings, &generation));
    assert_int_equal(settings.segment_bytes, 65536);
    directory_drop(directory);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct directory *directory;
    assert_ok(anonymous_open(NULL, &directory));
    struct partition *partition = log_partition(directory, "anonymous");
    assert_int_equal(log_walk(partition), 0);
    log_fill(partition, 1000, 100, 1);
    assert_int_equal(log_walk(partition), 1000);
    directory_drop(directory);
}

static void every_attachment_sees_the_same_log(void **state)
{
    (void)state;
    struct directory *first, *second;
    assert_ok(anonymous_open(NULL, &first));
    assert_ok(anonymous_attach(first->memory_fd, &second));
    assert_int_not_equal(first->view.process, second->view.process);
    struct maplog_topic one, two;
    assert_ok(directory_topic(first, "anonymous", &one));
    assert_ok(directory_topic(second, "anonymous", &two));
    assert_string_equal(one.id, two.id);
    log_fill(log_partition(first, "anonymous"), 10, 100, 1);
    log_fill(log_partition(second, "anonymous"), 10, 100, 1);
    assert_int_equal(log_walk(log_partition(first, "anonymous")), 20);
    directory_drop(first);
    /* The memory lives on with whoever is left. */
    log_fill(log_partition(second, "anonymous"), 10, 100, 1);
    assert_int_equal(log_walk(log_partition(second, "anonymous")), 30);
    directory_drop(second);
}

static int flags_of(int fd)
{
    return fcntl(fd, F_GETFD);
}

static void only_the_descriptor_to_pass_on_is_inherited(void **state)
{
    (void)state;
    struct directory *directory, *other;
    assert_ok(anonymous_open(NULL, &directory));
    assert_ok(anonymous_attach(directory->memory_fd, &other));
    assert_int_equal(flags_of(directory->memory_fd), 0);
    assert_int_equal(flags_of(directory->view.lock_fd), FD_CLOEXEC);
    assert_int_equal(flags_of(other->memory_fd), 0);
    assert_int_equal(flags_of(other->view.lock_fd), FD_CLOEXEC);
    /* It shares no lock with us: a copy of it left open somewhere does not keep us alive. */
    int copy = dup(directory->memory_fd);
    uint32_t process = directory->view.process;
    assert_false(control_process_dead(&other->view, process));
    directory_drop(directory);
    assert_true(control_process_dead(&other->view, process));
    close(copy);
    directory_drop(other);
}

static void a_child_attaches_what_it_inherited(void **state)
{
    (void)state;
    struct directory *directory;
    assert_ok(anonymous_open(NULL, &directory));
    struct partition *partition = log_partition(directory, "anonymous");
    log_fill(partition, 5, 100, 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct directory *own;
        if (!directory_forked(directory) || anonymous_attach(directory->memory_fd, &own))
            _exit(1);
        directory_drop(directory); /* frees here, disturbs nobody */
        log_fill(log_partition(own, "anonymous"), 5, 100, 1);
        if (log_walk(log_partition(own, "anonymous")) != 10)
            _exit(2);
        directory_drop(own);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(log_walk(partition), 10);
    log_fill(partition, 5, 100, 1);
    assert_int_equal(log_walk(partition), 15);
    directory_drop(directory);
}

static void a_stranger_attaches_what_a_socket_brought(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    pid_t child = fork(); /* before there is a log */
    if (child == 0) {
        char control[CMSG_SPACE(sizeof(int))], word;
        struct iovec part = {&word, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        if (recvmsg(ends[1], &message, 0) != 1)
            _exit(1);
        int fd;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
        struct directory *own;
        if (anonymous_attach(fd, &own))
            _exit(2);
        close(fd);
        log_fill(log_partition(own, "mail"), 3, 100, 1);
        _exit(log_walk(log_partition(own, "mail")) == 4 ? 0 : 3); /* without a detach */
    }
    struct directory *directory;
    struct maplog_anonymous_options options = {.topic = "mail"};
    assert_ok(anonymous_open(&options, &directory));
    struct partition *partition = log_partition(directory, "mail");
    log_fill(partition, 1, 100, 1);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {"", 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &directory->memory_fd, sizeof(int));
    assert_int_equal(sendmsg(ends[0], &message, 0), 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    log_fill(partition, 1, 100, 1); /* takes over from a process that just ended */
    assert_int_equal(log_walk(partition), 5);
    directory_drop(directory);
}

static void nothing_else_is_taken_for_a_log(void **state)
{
    (void)state;
    struct directory *directory = NULL;
    int pipes[2], sockets[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    char path[] = "/tmp/maplog-test-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, 64 << 20), 0);
    int zeroes = memfd_create("zeroes", MFD_CLOEXEC);
    int noise = memfd_create("noise", MFD_CLOEXEC);
    assert_int_equal(ftruncate(zeroes, 64 << 20), 0);
    for (int i = 0; i < 1 << 20; i++) {
        uint32_t word = (uint32_t)i * 2654435761u;
        assert_int_equal(write(noise, &word, sizeof word), sizeof word);
    }
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
    const int others[] = {pipes[0], pipes[1], sockets[0], file, zeroes, noise,
                          null,     zero,     folder,     -1,   1000};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_code(MAPLOG_INVALID, anonymous_attach(others[i], &directory));
    assert_null(directory);
    const int opened[] = {pipes[0], pipes[1], sockets[0], sockets[1], file,
                          zeroes,   noise,    null,       zero,       folder};
    for (size_t i = 0; i < sizeof opened / sizeof *opened; i++)
        close(opened[i]);
    unlink(path);
}

/* The header's words are foreign: none of them is believed unchecked. */
static void a_damaged_header_is_refused(void **state)
{
    (void)state;
    struct directory *directory, *again;
    assert_ok(anonymous_open(NULL, &directory));
    struct memory_header *header = directory->anonymous->header;
    struct memory_header good = *header;
    header->slots = 1u << 31;
    assert_code(MAPLOG_INVALID, anonymous_attach(directory->memory_fd, &again));
    header->slots = good.slots + 1;
    assert_code(MAPLOG_INVALID, anonymous_attach(directory->memory_fd, &again));
    header->slots = good.slots;
    header->segment_bytes = UINT64_MAX;
    assert_code(MAPLOG_INVALID, anonymous_attach(directory->memory_fd, &again));
    header->segment_bytes = good.segment_bytes;
    header->version++;
    assert_code(MAPLOG_VERSION, anonymous_attach(directory->memory_fd, &again));
    header->version = good.version;
    memset(header->topic, 'x', sizeof header->topic);
    header->topic[4] = '/';
    assert_code(MAPLOG_INVALID, anonymous_attach(directory->memory_fd, &again));
    memcpy(header->topic, good.topic, sizeof header->topic);
    directory->view.control->header.mutex_abi ^= 1;
    assert_code(MAPLOG_VERSION, anonymous_attach(directory->memory_fd, &again));
    directory->view.control->header.mutex_abi ^= 1;
    assert_ok(anonymous_attach(directory->memory_fd, &again));
    directory_drop(again);
    directory_drop(directory);
}

/* Its bytes in another file do not make a log: locks and mappings would be of two files. */
static void a_copy_is_refused(void **state)
{
    (void)state;
    struct directory *directory, *again;
    struct maplog_anonymous_options options = {.segment_bytes = 65536, .segments = 2};
    assert_ok(anonymous_open(&options, &directory));
    struct file_identity file;
    assert_ok(file_identify(directory->memory_fd, "log", &file));
    int copy;
    assert_ok(file_memory("copy", &copy));
    assert_ok(file_truncate(copy, "copy", file.size));
    assert_ok(file_copy(directory->memory_fd, copy, "copy", 0, file.size));
    assert_code(MAPLOG_INVALID, anonymous_attach(copy, &again));
    file_close(copy);
    directory_drop(directory);
}

static void a_failed_attempt_leaves_nothing(void **state)
{
    (void)state;
    struct directory *directory = NULL, *again = NULL;
    assert_ok(anonymous_open(NULL, &directory));
    int before = dup(0);
    close(before);
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_MAP, FAULT_READ};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (unsigned nth = 1; nth <= 4; nth++) {
            fault_set(kinds[k], nth, ENOMEM, 0);
            if (anonymous_attach(directory->memory_fd, &again) == 0)
                directory_drop(again);
            fault_clear();
        }
    static const enum fault_kind making[] = {FAULT_OPEN, FAULT_TRUNCATE, FAULT_ALLOCATE, FAULT_MAP};
    for (size_t k = 0; k < sizeof making / sizeof *making; k++) {
        fault_set(making[k], 1, ENOMEM, 0);
        assert_code(MAPLOG_NO_MEMORY, anonymous_open(NULL, &again));
        fault_clear();
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before); /* no descriptor is left open */
    directory_drop(directory);
}

static void a_mutex_serves_where_membarrier_is_not_wanted(void **state)
{
    (void)state;
    struct directory *directory, *other;
    setenv("MAPLOG_WRITER", "mutex", 1);
    assert_ok(anonymous_open(NULL, &directory));
    unsetenv("MAPLOG_WRITER");
    assert_int_equal(directory->view.control->header.writers, WRITER_MUTEX);
    assert_ok(anonymous_attach(directory->memory_fd, &other));
    log_fill(log_partition(directory, "anonymous"), 3, 10, 1);
    log_fill(log_partition(other, "anonymous"), 3, 10, 1);
    assert_int_equal(log_walk(log_partition(other, "anonymous")), 6);
    directory_drop(directory);
    directory_drop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_options_are_checked),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_attachment_sees_the_same_log),
        cmocka_unit_test(only_the_descriptor_to_pass_on_is_inherited),
        cmocka_unit_test(a_child_attaches_what_it_inherited),
        cmocka_unit_test(a_stranger_attaches_what_a_socket_brought),
        cmocka_unit_test(nothing_else_is_taken_for_a_log),
        cmocka_unit_test(a_damaged_header_is_refused),
        cmocka_unit_test(a_copy_is_refused),
        cmocka_unit_test(a_failed_attempt_leaves_nothing),
        cmocka_unit_test(a_mutex_serves_where_membarrier_is_not_wanted),
    };
    return cmocka_run_group_tests_name("anonymous", tests, NULL, NULL);
}
