/* crowd.c - connect, ask, wait for whoever answers, ask again. */
#include "lab/crowd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/socket.h"

#define PREFIX 4   /* bytes of a frame's length */
#define AT_ONCE 64 /* connections that begin together: fewer than a backlog */
#define READ_BYTES (256u << 10)
#define EVENTS 256
#define SILENCE_MS 2000 /* without any answer: the server hangs */
#define DRAIN_MS 10000  /* for what is under way at the end: so slow is as bad */

struct member {
    int fd;
    uint32_t got;    /* bytes of the present answer */
    int64_t offset;  /* to ask for next */
    int64_t sent_ns; /* the request under way */
};

struct crowd {
    struct crowd_plan plan;
    struct member *members;
    unsigned count; /* connected */
    int epoll;
    size_t answer_bytes; /* 0: none has come */
    uint8_t *buffer;     /* READ_BYTES, or a whole answer */
    uint8_t *asking;     /* CROWD_DEPTH requests */
};

/* ---- one connection -------------------------------------------------------------------------- */

static int ask(struct crowd *crowd, struct member *member, unsigned times)
{
    const struct request *request = crowd->plan.request;
    for (unsigned i = 0; i < times; i++) {
        request_write(request, member->offset, crowd->asking + i * request->size);
        member->offset = request_next(request, member->offset);
    }
    size_t size = times * request->size; /* little: a socket that hears its answers takes it */
    ssize_t sent = send(member->fd, crowd->asking, size, MSG_NOSIGNAL);
    if (sent == (ssize_t)size)
        return 0;
    return error_errno(sent < 0 ? errno : EAGAIN, "a request cannot be sent");
}

/* Takes what has come; *answers: how many ended with it. */
static int hear(struct crowd *crowd, struct member *member, unsigned *answers)
{
    *answers = 0;
    ssize_t got = recv(member->fd, crowd->buffer, READ_BYTES, 0);
    if (got < 0)
        return errno == EAGAIN ? 0 : error_errno(errno, "a connection broke");
    if (got == 0)
        return error_set(MAPLOG_CLOSED, "the server closed a connection");
    for (size_t at = 0, left = (size_t)got; left > 0;) {
        if (member->got == 0 && left >= PREFIX &&
            bytes_load32(crowd->buffer + at) + PREFIX != crowd->answer_bytes)
            return error_set(MAPLOG_CORRUPT, "an answer of %u bytes where %zu were expected",
                             bytes_load32(crowd->buffer + at) + PREFIX, crowd->answer_bytes);
        size_t take = crowd->answer_bytes - member->got;
        if (take > left)
            take = left;
        member->got += (uint32_t)take;
        at += take;
        left -= take;
        if (member->got == crowd->answer_bytes) {
            member->got = 0;
            ++*answers;
        }
    }
    return 0;
}

/* ---- all of them begin ----------------------------------------------------------------------- */

static int hear_first(struct crowd *crowd, struct member *member)
{
    uint8_t prefix[PREFIX];
    int64_t deadline = clock_monotonic_ns() + SILENCE_MS * 1000000ll;
    int result = socket_receive_all(member->fd, prefix, PREFIX, deadline);
    if (result)
        return result;
    size_t size = bytes_load32(prefix);
    if (size > LIMIT_ANSWER || (crowd->answer_bytes && size + PREFIX != crowd->answer_bytes))
        return error_set(MAPLOG_CORRUPT, "an answer of %zu bytes", size);
    bool first = !crowd->answer_bytes;
    if (first) {
        crowd->answer_bytes = size + PREFIX;
        crowd->buffer = malloc(size + PREFIX > READ_BYTES ? size + PREFIX : READ_BYTES);
        if (!crowd->buffer)
            return error_set(MAPLOG_NO_MEMORY, "no memory for an answer");
    }
    memcpy(crowd->buffer, prefix, PREFIX);
    result = socket_receive_all(member->fd, crowd->buffer + PREFIX, size, deadline);
    if (!result && first && crowd->plan.records)
        result = request_check(crowd->buffer, size + PREFIX, crowd->plan.records);
    return result;
}

static int connect_one(struct crowd *crowd, struct member *member)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
    *member = (struct member){.fd = -1};
    int result = socket_connect(crowd->plan.address, SILENCE_MS, &member->fd);
    if (result)
        return result;
    crowd->count++;
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, member->fd, &event) != 0)
        return error_errno(errno, "no place in the epoll set");
    return ask(crowd, member, 1);
}

/* "after 1017 of 10000 connections: ..." */
static int fail(const struct crowd *crowd, unsigned whole, int code)
{
    return error_prefix(code, "after %u of %u connections", whole, crowd->plan.connections);
}

static int connect_all(struct crowd *crowd)
{
    for (unsigned whole = 0; whole < crowd->plan.connections;) {
        unsigned end = whole + AT_ONCE;
        if (end > crowd->plan.connections)
            end = crowd->plan.connections;
        for (unsigned i = whole; i < end; i++) {
            int result = connect_one(crowd, &crowd->members[i]);
            if (result)
                return fail(crowd, i, result);
        }
        for (; whole < end; whole++) {
            int result = hear_first(crowd, &crowd->members[whole]);
            if (result)
                return fail(crowd, whole, result);
        }
    }
    return 0;
}

int crowd_open(const struct crowd_plan *plan, struct crowd **crowd)
{
    struct crowd *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for connections");
    process_raise_descriptors();
    made->plan = *plan;
    made->members = calloc(plan->connections, sizeof *made->members);
    made->asking = malloc(CROWD_DEPTH * plan->request->size);
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    int result = 0;
    if (!made->members || !made->asking)
        result = error_set(MAPLOG_NO_MEMORY, "no memory for %u connections", plan->connections);
    else if (made->epoll < 0)
        result = error_errno(errno, "cannot wait for connections");
    else
        result = connect_all(made);
    if (result) {
        crowd_close(made);
        return result;
    }
    *crowd = made;
    return 0;
}

void crowd_close(struct crowd *crowd)
{
    if (!crowd)
        return;
    for (unsigned i = 0; i < crowd->count; i++)
        socket_abort(crowd->members[i].fd); /* or their ports would be kept for a minute */
    if (crowd->epoll >= 0)
        close(crowd->epoll);
    free(crowd->members);
    free(crowd->asking);
    free(crowd->buffer);
    free(crowd);
}

size_t crowd_answer_bytes(const struct crowd *crowd)
{
    return crowd->answer_bytes;
}

/* ---- running --------------------------------------------------------------------------------- */

struct running {
    struct crowd *crowd;
    struct crowd_result *result;
    int64_t end_ns;
    uint64_t under_way;
};

static int take_answers(struct running *running, struct member *member)
{
    unsigned answers;
    int result = hear(running->crowd, member, &answers);
    if (result || !answers)
        return result;
    int64_t now = clock_monotonic_ns();
    running->result->answers += answers;
    if (running->crowd->plan.depth == 1)
        histogram_add(&running->result->latency, (uint64_t)(now - member->sent_ns));
    if (now >= running->end_ns) {
        running->under_way -= answers;
        return 0;
    }
    member->sent_ns = now;
    return ask(running->crowd, member, answers);
}

static int wait_for_answers(struct running *running)
{
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(running->crowd->epoll, events, EVENTS, SILENCE_MS);
    if (ready == 0)
        return error_set(MAPLOG_TIMED_OUT, "no answer for %d s, with %llu requests under way",
                         SILENCE_MS / 1000, (unsigned long long)running->under_way);
    if (ready < 0)
        return errno == EINTR ? 0 : error_errno(errno, "cannot wait for answers");
    if (clock_monotonic_ns() > running->end_ns + DRAIN_MS * 1000000ll)
        return error_set(MAPLOG_TIMED_OUT,
                         "%llu requests had no answer %d s after the last of them",
                         (unsigned long long)running->under_way, DRAIN_MS / 1000);
    int result = 0;
    for (int i = 0; i < ready && !result; i++)
        result = take_answers(running, events[i].data.ptr);
    return result;
}

int crowd_run(struct crowd *crowd, unsigned active, double seconds, struct crowd_result *result)
{
    struct running running = {.crowd = crowd, .result = result};
    int failed = 0;
    result->answers = 0;
    histogram_clear(&result->latency);
    if (active > crowd->count)
        active = crowd->count;
    int64_t begin = clock_monotonic_ns();
    running.end_ns = begin + (int64_t)(seconds * 1e9);
    for (unsigned i = 0; i < active && !failed; i++) {
        struct member *member = &crowd->members[(uint64_t)i * crowd->count / active];
        member->sent_ns = clock_monotonic_ns();
        failed = ask(crowd, member, crowd->plan.depth);
        running.under_way += crowd->plan.depth;
    }
    while (running.under_way > 0 && !failed)
        failed = wait_for_answers(&running);
    result->seconds = (double)(clock_monotonic_ns() - begin) * 1e-9;
    return failed;
}
