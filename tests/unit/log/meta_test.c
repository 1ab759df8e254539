/* meta_test.c - which directories are taken for logs, and what others are told. */
#include "log_fixture.h"

#include <sys/stat.h>

#include "log/meta.h"

static int fd;

static int make(void **state)
{
    (void)state;
    snprintf(log_path, sizeof log_path, "/tmp/maplog-test-XXXXXX");
    return mkdtemp(log_path) && file_open(AT_FDCWD, log_path, O_RDONLY | O_DIRECTORY, 0, &fd) == 0
               ? 0
               : -1;
}

static int clean(void **state)
{
    (void)state;
    fault_clear();
    file_close(fd);
    return file_remove_tree(AT_FDCWD, log_path);
}

static void write_text(const char *name, const char *text)
{
    assert_ok(file_replace(fd, name, text, strlen(text), false));
}

static char *read_text(void)
{
    char *text;
    size_t length;
    assert_ok(file_read_all(fd, META_FILE, 65536, &text, &length));
    return text;
}

static void an_empty_directory_becomes_a_log_when_asked(void **state)
{
    (void)state;
    assert_code(MAPLOG_NOT_FOUND, meta_check(fd, log_path, false));
    assert_false(file_exists(fd, META_FILE));
    assert_ok(meta_check(fd, log_path, true));
    char *text = read_text();
    static const char *const lines[] = {"version=1\n", "maplog.version=1\n",
                                        "cluster.id=", "node.id=1\n", "directory.id="};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_non_null(strstr(text, lines[i]));
    assert_ok(meta_check(fd, log_path, false));
    assert_ok(meta_check(fd, log_path, true));
    char *again = read_text();
    assert_string_equal(text, again);
    free(text);
    free(again);
}

static void ids_differ_between_directories(void **state)
{
    (void)state;
    assert_ok(meta_check(fd, log_path, true));
    char *first = read_text();
    assert_ok(file_remove(fd, META_FILE));
    assert_ok(meta_check(fd, log_path, true));
    char *second = read_text();
    assert_string_not_equal(first, second);
    free(first);
    free(second);
}

static void a_new_file_system_counts_as_empty(void **state)
{
    (void)state;
    assert_ok(file_make_directory(fd, "lost+found", 0700));
    assert_ok(meta_check(fd, log_path, true));
}

static void directories_of_others_are_left_alone(void **state)
{
    (void)state;
    write_text("thesis.txt", "years of work");
    assert_code(MAPLOG_NOT_FOUND, meta_check(fd, log_path, true));
    assert_non_null(strstr(error_text(), META_FILE));
    assert_false(file_exists(fd, META_FILE));
}

static void texts_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        const char *says;
    } cases[] = {
        {"maplog.version=1\n", 0, NULL},
        {"# comment\n\nfuture.key=x\nmaplog.version = 1\n", 0, NULL},
        {"maplog.version=1", 0, NULL},
        {"maplog.version=2\n", MAPLOG_VERSION, "newer"},
        {"version=1\nmaplog.version=99999\n", MAPLOG_VERSION, "99999"},
        {"version=1\ncluster.id=abc\nnode.id=1\n", MAPLOG_VERSION, "maplog import"},
        {"version=1\n", MAPLOG_CORRUPT, "maplog.version=1"},
        {"", MAPLOG_CORRUPT, "maplog.version=1"},
        {"maplog.version=\n", MAPLOG_CORRUPT, "line 1"},
        {"\nmaplog.version=one\n", MAPLOG_CORRUPT, "line 2"},
        {"maplog.version=0\n", MAPLOG_CORRUPT, "line 1"},
        {"maplog.version=-1\n", MAPLOG_CORRUPT, "line 1"},
        {"maplog.version=99999999999\n", MAPLOG_CORRUPT, "line 1"},
        {"\xff\xfe\x01garbage", MAPLOG_CORRUPT, "maplog.version=1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(META_FILE, cases[i].text);
        assert_code(cases[i].result, meta_check(fd, log_path, true));
        if (cases[i].says && !strstr(error_text(), cases[i].says))
            fail_msg("\"%s\" gives: %s", cases[i].text, error_text());
        char *kept = read_text();
        assert_string_equal(kept, cases[i].text);
        free(kept);
    }
    char *large = calloc(1, 100001);
    memset(large, '#', 100000);
    write_text(META_FILE, large);
    assert_code(MAPLOG_LIMIT, meta_check(fd, log_path, true));
    free(large);
}

static void a_death_while_it_is_made_leaves_an_empty_directory(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (unsigned nth = 1; nth < 4; nth++) {
            fault_set(kinds[i], nth, EIO, 0);
            int result = meta_check(fd, log_path, true);
            fault_clear();
            if (result == 0)
                assert_ok(file_remove(fd, META_FILE));
        }
    /* A power cut or kill in the middle of it: */
    write_text(META_FILE ".tmp", "maplog.ver");
    assert_ok(meta_check(fd, log_path, true));
}

struct maker {
    pthread_t thread;
    int result;
    struct meta_identity seen;
};

static void *make_it(void *argument)
{
    struct maker *maker = argument;
    maker->result = meta_check(fd, log_path, true);
    if (!maker->result)
        maker->result = meta_identify(fd, log_path, &maker->seen);
    return NULL;
}

/* Once "cannot rename meta.properties.tmp", and ids that changed under the first one. */
static void several_who_come_first_agree(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct maker makers[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&makers[i].thread, NULL, make_it, &makers[i]);
        for (int i = 0; i < 4; i++)
            pthread_join(makers[i].thread, NULL);
        for (int i = 0; i < 4; i++) {
            assert_ok(makers[i].result);
            assert_string_equal(makers[i].seen.cluster_id, makers[0].seen.cluster_id);
        }
        assert_ok(file_remove(fd, META_FILE));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

static void a_directory_says_who_it_is(void **state)
{
    (void)state;
    struct meta_identity identity;
    write_text(META_FILE, "version=1\nmaplog.version=1\ncluster.id=AbC-d_1\nnode.id=7\nextra=x\n");
    assert_ok(meta_identify(fd, log_path, &identity));
    assert_string_equal(identity.cluster_id, "AbC-d_1");
    assert_int_equal(identity.node_id, 7);
    static const char *const bad[] = {"maplog.version=1\nnode.id=7\n",
                                      "maplog.version=1\ncluster.id=a\n",
                                      "maplog.version=1\ncluster.id=a\nnode.id=-2\n",
                                      "maplog.version=1\ncluster.id=\nnode.id=1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(META_FILE, bad[i]);
        assert_code(MAPLOG_CORRUPT, meta_identify(fd, log_path, &identity));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_directory_becomes_a_log_when_asked),
        TEST(ids_differ_between_directories),
        TEST(a_new_file_system_counts_as_empty),
        TEST(directories_of_others_are_left_alone),
        TEST(texts_are_judged),
        TEST(a_directory_says_who_it_is),
        TEST(a_death_while_it_is_made_leaves_an_empty_directory),
        TEST(several_who_come_first_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
