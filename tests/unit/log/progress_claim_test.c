/* progress_claim_test.c - one holder of each (group, topic, partition), until it lets go. */
#include "log_fixture.h"

#include "log/progress.h"

static void a_claim_excludes_others_until_it_is_let_go(void **state)
{
    (void)state;
    struct directory *other = log_attach();
    int first = -1, second = -1, third = -1;
    assert_ok(progress_claim(log_directory, "g", "t", 0, &first));
    assert_ok(progress_claim(log_directory, "g", "t", 0, &first));
    assert_code(MAPLOG_GROUP_BUSY, progress_claim(log_directory, "g", "t", 0, &second));
    assert_code(MAPLOG_GROUP_BUSY, progress_claim(other, "g", "t", 0, &third));
    /* One descriptor carries many. */
    int descriptor = third;
    for (int32_t i = 1; i < 1000; i++)
        assert_ok(progress_claim(other, "g", "t", i, &third));
    assert_int_equal(third, descriptor);
    assert_code(MAPLOG_GROUP_BUSY, progress_claim(log_directory, "g", "t", 999, &first));
    assert_ok(progress_claim(log_directory, "h", "t", 999, &first));
    /* The ends of the names count. */
    assert_ok(progress_claim(other, "gt", "", 0, &third));
    progress_unclaim(first);
    assert_ok(progress_claim(log_directory, "g", "t", 0, &second));
    progress_unclaim(third);
    assert_ok(progress_claim(log_directory, "g", "t", 999, &second));
    progress_unclaim(second);
    progress_unclaim(-1);
    directory_drop(other);
}

static void a_killed_holder_lets_go(void **state)
{
    (void)state;
    int up[2];
    assert_int_equal(pipe(up), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *mine;
        int fd = -1;
        char word = directory_open(log_path, NULL, &mine) == 0 &&
                            progress_claim(mine, "g", "killed", 0, &fd) == 0
                        ? 'y'
                        : 'n';
        if (write(up[1], &word, 1) == 1)
            pause();
        _exit(1);
    }
    char word = 0;
    assert_int_equal(read(up[0], &word, 1), 1);
    assert_int_equal(word, 'y');
    int fd = -1;
    assert_code(MAPLOG_GROUP_BUSY, progress_claim(log_directory, "g", "killed", 0, &fd));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_ok(progress_claim(log_directory, "g", "killed", 0, &fd));
    progress_unclaim(fd);
    close(up[0]);
    close(up[1]);
}

static void a_child_does_not_keep_its_parents_claim(void **state)
{
    (void)state;
    int fd = -1, down[2], up[2];
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    assert_ok(progress_claim(log_directory, "g", "parent", 0, &fd));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char word;
        close(down[1]);
        _exit(write(up[1], "", 1) != 1 || read(down[0], &word, 1) < 0);
    }
    char word;
    assert_int_equal(read(up[0], &word, 1), 1); /* it is out of fork() */
    progress_unclaim(fd);
    fd = -1;
    assert_ok(progress_claim(log_directory, "g", "parent", 0, &fd));
    progress_unclaim(fd);
    close(down[0]);
    close(down[1]);
    close(up[0]);
    close(up[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- groups that are active at a server ------------------------------------------------------ */

static void local_consumers_stay_out_of_an_active_group(void **state)
{
    (void)state;
    struct progress *progress;
    assert_ok(progress_open(log_directory, LONG_NS, &progress));
    struct progress_entry entry = {.group = "busy",
                                   .topic = "t",
                                   .offset = 1,
                                   .leader_epoch = -1,
                                   .metadata = "",
                                   .committed_ms = -1,
                                   .expires_ms = -1};
    int server = -1, second = -1, claim = -1;
    assert_ok(progress_claim(log_directory, "busy", "t", 0, &claim));
    assert_ok(progress_check_inactive(log_directory, "busy"));
    assert_ok(progress_activate(log_directory, "busy", &server));
    assert_ok(progress_activate(log_directory, "busy", &server));
    assert_ok(progress_activate(log_directory, "other", &server));
    /* This process is both the server and a local consumer. */
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "busy"));
    assert_non_null(strstr(error_text(), "group busy has live members"));
    assert_code(MAPLOG_GROUP_ACTIVE, progress_claim(log_directory, "busy", "t", 1, &claim));
    assert_code(MAPLOG_GROUP_ACTIVE, progress_commit(progress, &entry, 1, true));
    assert_ok(progress_commit(progress, &entry, 1, false));
    assert_code(MAPLOG_GROUP_BUSY, progress_activate(log_directory, "busy", &second));
    assert_ok(progress_check_inactive(log_directory, "bus"));
    progress_deactivate(log_directory, "busy", server);
    assert_ok(progress_check_inactive(log_directory, "busy"));
    assert_ok(progress_commit(progress, &entry, 1, true));
    assert_ok(progress_claim(log_directory, "busy", "t", 1, &claim));
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "other"));
    progress_unclaim(server);
    assert_ok(progress_check_inactive(log_directory, "other"));
    progress_deactivate(log_directory, "other", -1);
    progress_unclaim(second);
    progress_unclaim(claim);
    progress_close(progress);
}

static void a_killed_server_leaves_its_groups(void **state)
{
    (void)state;
    int up[2];
    assert_int_equal(pipe(up), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct directory *mine;
        int fd = -1;
        char word = directory_open(log_path, NULL, &mine) == 0 &&
                            progress_activate(mine, "served", &fd) == 0
                        ? 'y'
                        : 'n';
        if (write(up[1], &word, 1) == 1)
            pause();
        _exit(1);
    }
    char word = 0;
    assert_int_equal(read(up[0], &word, 1), 1);
    assert_int_equal(word, 'y');
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "served"));
    kill(pid, SIGSTOP); /* it is alive all the same */
    assert_code(MAPLOG_GROUP_ACTIVE, progress_check_inactive(log_directory, "served"));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_ok(progress_check_inactive(log_directory, "served"));
    close(up[0]);
    close(up[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_excludes_others_until_it_is_let_go),
        cmocka_unit_test(a_killed_holder_lets_go),
        cmocka_unit_test(a_child_does_not_keep_its_parents_claim),
        cmocka_unit_test(local_consumers_stay_out_of_an_active_group),
        cmocka_unit_test(a_killed_server_leaves_its_groups),
    };
    return cmocka_run_group_tests(tests, log_make, log_remove);
}
