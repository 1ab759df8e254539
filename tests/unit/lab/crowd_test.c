/* crowd_test.c - a crowd asks a bare echo, and servers that fail it. */
#include "lab/crowd.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <maplog.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lab/roof.h"
#include "lab/subject.h"
#include "../os/scratch.h"

#define REQUEST 20
#define ANSWER 300

static const struct pins anywhere; /* not pinned */
static uint8_t bytes[REQUEST];
static const struct request request = {.bytes = bytes, .size = REQUEST, .step = 1, .end = 10};
static struct roof_echo echo = {REQUEST, ANSWER};
static struct crowd_result result; /* large */

static struct subject *start(void (*serve)(int listener, void *context), bool local)
{
    struct subject *subject = NULL;
    const struct subject_options options = {
        .pins = &anywhere, .directory = scratch, .serve = serve, .context = &echo, .local = local};
    assert_int_equal(subject_start(&options, &subject), 0);
    return subject;
}

static int open_crowd(struct subject *subject, bool local, unsigned depth, struct crowd **crowd)
{
    const struct crowd_plan plan = {.address = subject_address(subject, local),
                                    .request = &request,
                                    .connections = 150,
                                    .depth = depth};
    return crowd_open(&plan, crowd);
}

static void every_request_is_answered_and_timed(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        struct subject *subject = start(roof_echo, local);
        struct crowd *crowd;
        if (open_crowd(subject, local, 1, &crowd) != 0)
            fail_msg("%s", error_text());
        assert_int_equal(crowd_answer_bytes(crowd), ANSWER);
        assert_int_equal(crowd_run(crowd, 150, 0.02, &result), 0);
        assert_true(result.answers >= 150);
        assert_true(result.seconds >= 0.02);
        assert_int_equal(result.latency.count, result.answers);
        assert_true(histogram_percentile(&result.latency, 50) > 0);
        assert_int_equal(crowd_run(crowd, 3, 0, &result), 0); /* each of them once */
        assert_int_equal(result.answers, 3);
        crowd_close(crowd);
        assert_int_equal(subject_stop(subject), 0);
    }
}

static void several_requests_go_at_a_time(void **state)
{
    (void)state;
    struct subject *subject = start(roof_echo, false);
    struct crowd *crowd;
    assert_int_equal(open_crowd(subject, false, CROWD_DEPTH, &crowd), 0);
    assert_int_equal(crowd_run(crowd, 150, 0, &result), 0);
    assert_int_equal(result.answers, 150 * CROWD_DEPTH);
    assert_int_equal(result.latency.count, 0);
    crowd_close(crowd);
    subject_stop(subject);
}

/* Takes some connections and drops all others, as a server at its limit does. */
static void drop_most(int listener, void *context)
{
    (void)context;
    uint8_t answer[ANSWER] = {0};
    bytes_store32(answer, ANSWER - 4);
    fcntl(listener, F_SETFL, 0);
    for (int taken = 0;; taken++) {
        int fd = accept4(listener, NULL, NULL, 0);
        if (taken >= 70)
            close(fd);
        else if (recv(fd, answer + 4, REQUEST, MSG_WAITALL) == REQUEST)
            send(fd, answer, ANSWER, 0);
    }
}

static void it_says_how_many_came_about(void **state)
{
    (void)state;
    struct subject *subject = start(drop_most, false);
    struct crowd *crowd;
    assert_true(open_crowd(subject, false, 1, &crowd) < 0);
    assert_int_equal(strncmp(error_text(), "after 70 of 150 connections: ", 29), 0);
    subject_stop(subject);
}

/* Answers of another length than the first. */
static void grow(int listener, void *context)
{
    (void)context;
    uint8_t answer[ANSWER] = {0};
    fcntl(listener, F_SETFL, 0);
    int fd = accept4(listener, NULL, NULL, 0);
    for (uint32_t size = ANSWER - 1;; size++) {
        uint8_t taken[REQUEST];
        bytes_store32(answer, size - 4);
        if (recv(fd, taken, REQUEST, MSG_WAITALL) != REQUEST || send(fd, answer, size, 0) < 0)
            _exit(0);
    }
}

static void an_answer_of_another_length_is_an_error(void **state)
{
    (void)state;
    struct subject *subject = start(grow, false);
    struct crowd *crowd;
    const struct crowd_plan plan = {.address = subject_address(subject, false),
                                    .request = &request,
                                    .connections = 1,
                                    .depth = 1};
    assert_int_equal(crowd_open(&plan, &crowd), 0);
    assert_int_equal(crowd_run(crowd, 1, 0.01, &result), MAPLOG_CORRUPT);
    assert_string_equal(error_text(), "an answer of 300 bytes where 299 were expected");
    crowd_close(crowd);
    subject_stop(subject);
}

static void a_server_that_dies_ends_the_run(void **state)
{
    (void)state;
    struct subject *subject = start(roof_echo, false);
    struct crowd *crowd;
    assert_int_equal(open_crowd(subject, false, 1, &crowd), 0);
    subject_stop(subject);
    assert_true(crowd_run(crowd, 10, 1, &result) < 0);
    crowd_close(crowd);
    crowd_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_is_answered_and_timed),
        cmocka_unit_test(several_requests_go_at_a_time),
        cmocka_unit_test(it_says_how_many_came_about),
        cmocka_unit_test(an_answer_of_another_length_is_an_error),
        cmocka_unit_test(a_server_that_dies_ends_the_run),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
