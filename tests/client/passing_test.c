/* passing_test.c - an anonymous log reaches processes by its descriptor: fork, exec, a socket. */
#include "children.h"

#include <sys/socket.h>

static void must_produce_into(int fd, const char *text)
{
    struct maplog *log;
    struct maplog_producer *producer;
    struct maplog_record record = text_record(text);
    must(maplog_attach(fd, &log) == 0);
    must(maplog_producer_open(log, "anonymous", NULL, &producer) == 0);
    for (int i = 0; i < 1000; i++)
        must(maplog_produce(producer, &record, NULL) == 0);
    must(maplog_producer_close(producer) == 0);
    maplog_close(log);
}

/* Receives a descriptor over the socket. */
static int receive(int from)
{
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    must(recvmsg(from, &message, MSG_CMSG_CLOEXEC) == 1);
    int fd;
    must(CMSG_FIRSTHDR(&message) != NULL);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void pass(int to, int fd)
{
    struct iovec data = {.iov_base = "d", .iov_len = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    assert_int_equal(sendmsg(to, &message, 0), 1);
}

static void an_anonymous_log_reaches_children_and_strangers(void **state)
{
    (void)state;
    struct maplog *log;
    assert_ok(maplog_open_anonymous(NULL, &log));
    int fd = maplog_descriptor(log);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid_t stranger = fork();
    assert_true(stranger >= 0);
    if (stranger == 0) {
        maplog_close(log);
        close(fd); /* as if it had never had it */
        must_produce_into(receive(pair[1]), "stranger");
        _exit(0);
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        must(maplog_descriptor(log) == MAPLOG_FORKED);
        must_produce_into(fd, "child");
        _exit(0);
    }
    pid_t heir = fork();
    assert_true(heir >= 0);
    if (heir == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", fd);
        execl("/proc/self/exe", "passing_test", "--produce-into", number, NULL);
        _exit(2);
    }
    pass(pair[0], fd);
    struct maplog_consumer *consumer;
    struct maplog_message message;
    assert_ok(maplog_consumer_open(log, "anonymous", NULL, &consumer));
    int seen[128] = {0};
    for (int i = 0; i < 3000; i++) {
        assert_code(1, maplog_consume(consumer, &message, LONG_MS));
        assert_int_equal(message.offset, i);
        seen[*(const unsigned char *)message.value]++;
    }
    assert_int_equal(seen['s'], 1000);
    assert_int_equal(seen['c'], 1000);
    assert_int_equal(seen['h'], 1000);
    assert_child_ends_well(stranger);
    assert_child_ends_well(child);
    assert_child_ends_well(heir);
    assert_nothing(consumer);
    maplog_consumer_close(consumer);
    maplog_close(log);
    close(pair[0]);
    close(pair[1]);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--produce-into") == 0) {
        must_produce_into((int)strtol(argv[2], NULL, 10), "heir");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anonymous_log_reaches_children_and_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
