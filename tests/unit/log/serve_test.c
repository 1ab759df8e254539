/* serve_test.c - one server a directory, and no Kafka broker beside it. */
#include "log_fixture.h"

#include "log/serve.h"
#include "log/transfer.h"
#include "os/lock.h"

static void a_second_server_is_told_who_is_first(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    struct serve first, second;
    assert_ok(serve_begin(log_directory, &first));
    assert_code(MAPLOG_BUSY, serve_begin(other, &second));
    char pid[20];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_non_null(strstr(error_text(), pid));
    serve_end(&second);
    serve_end(&first);
    serve_end(&first);
    assert_ok(serve_begin(other, &second));
    serve_end(&second);
    directory_drop(other);
}

static void a_server_that_died_is_no_server(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct directory *directory;
        struct serve serve;
        if (directory_open(log_path, NULL, &directory) || serve_begin(directory, &serve))
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct serve serve;
    assert_ok(serve_begin(log_directory, &serve));
    serve_end(&serve);
}

static void kafka_and_a_server_keep_each_other_out(void **state)
{
    (void)state;
    struct serve serve;
    assert_ok(serve_begin(log_directory, &serve));
    int fd;
    assert_ok(file_open(log_directory->fd, TRANSFER_KAFKA_LOCK, O_RDWR, 0, &fd));
    assert_code(MAPLOG_BUSY, lock_try(fd, "kafka", 0, true));
    serve_end(&serve);
    assert_ok(lock_try(fd, "kafka", 0, true));
    assert_code(MAPLOG_BUSY, serve_begin(log_directory, &serve));
    assert_non_null(strstr(error_text(), "Kafka broker"));
    file_close(fd);
    assert_ok(serve_begin(log_directory, &serve)); /* nothing was left locked */
    serve_end(&serve);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_second_server_is_told_who_is_first, log_make, log_remove),
        cmocka_unit_test_setup_teardown(a_server_that_died_is_no_server, log_make, log_remove),
        cmocka_unit_test_setup_teardown(kafka_and_a_server_keep_each_other_out, log_make,
                                        log_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
