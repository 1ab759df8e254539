/* notify_test.c - what a service manager hears. */
#include "os/notify.h"

#include "scratch.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

/* A service manager's socket; name begins with '@' for an abstract one. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static const char *heard(int fd)
{
    static char text[1024];
    ssize_t got = recv(fd, text, sizeof text - 1, 0);
    assert_true(got >= 0);
    text[got] = '\0';
    return text;
}

static void each_state_is_heard(void **state)
{
    (void)state;
    char name[2][100];
    snprintf(name[0], sizeof name[0], "%s/notify", scratch);
    snprintf(name[1], sizeof name[1], "@%s/notify", scratch);
    for (int i = 0; i < 2; i++) {
        int fd = manager(name[i]);
        assert_int_equal(notify_ready(), 0);
        assert_string_equal(heard(fd), "READY=1");
        assert_int_equal(notify_reloading(), 0);
        long long usec = 0;
        assert_int_equal(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
        assert_true(usec > 0);
        assert_int_equal(notify_stopping(), 0);
        assert_string_equal(heard(fd), "STOPPING=1");
        close(fd);
    }
}

static void a_status_is_one_short_line(void **state)
{
    (void)state;
    char name[100], expected[300];
    snprintf(name, sizeof name, "%s/status", scratch);
    int fd = manager(name);
    assert_int_equal(notify_status("%d topics", 3), 0);
    assert_string_equal(heard(fd), "STATUS=3 topics");
    assert_int_equal(notify_status("one\nREADY=1"), 0);
    assert_string_equal(heard(fd), "STATUS=one");
    assert_int_equal(notify_status("%0300d", 0), 0);
    snprintf(expected, sizeof expected, "STATUS=%0200d", 0);
    assert_string_equal(heard(fd), expected);
    close(fd);
}

static void nobody_need_listen(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_ready(), 0);
    setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
    assert_int_equal(notify_ready(), MAPLOG_IO);
    assert_non_null(strstr(error_text(), "/nowhere/notify"));
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    char name[200];
    snprintf(name, sizeof name, "/%0150d", 0);
    const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1", name};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_int_equal(notify_ready(), MAPLOG_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_heard),
        cmocka_unit_test(a_status_is_one_short_line),
        cmocka_unit_test(nobody_need_listen),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
