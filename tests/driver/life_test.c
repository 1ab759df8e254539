/* life_test.c - loading and unloading: parameters, leaks, who keeps the module, who dies with it
 * open. */
#include "device.h"

#include <sched.h>
#include <sys/stat.h>

#define TURNS 50

/* ---- the kernel's log and books -------------------------------------------------------------- */

/* The log from here on. */
static int open_log(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_works(lseek(fd, 0, SEEK_END));
    return fd;
}

/* Is there a message that begins so? Each read() gives one, "priority,number,time,flags;text". */
static bool log_has(int fd, const char *begin)
{
    char line[2048];
    for (ssize_t length; (length = read(fd, line, sizeof line - 1)) > 0;) {
        line[length] = 0;
        const char *text = strchr(line, ';');
        if (text && strncmp(text + 1, begin, strlen(begin)) == 0)
            return true;
    }
    return false;
}

/* A line "name: N kB" of /proc/meminfo. */
static long meminfo(const char *name)
{
    FILE *lines = fopen("/proc/meminfo", "re");
    assert_non_null(lines);
    char line[128];
    long kilobytes = -1;
    while (fgets(line, sizeof line, lines))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            kilobytes = strtol(line + strlen(name) + 1, NULL, 10);
    fclose(lines);
    assert_true(kilobytes >= 0);
    return kilobytes;
}

static unsigned areas_of_the_module(void)
{
    FILE *lines = fopen("/proc/vmallocinfo", "re");
    assert_non_null(lines);
    char line[512];
    unsigned found = 0;
    while (fgets(line, sizeof line, lines))
        found += strstr(line, "maplog") != NULL;
    fclose(lines);
    return found;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static void wrong_parameters_are_refused_with_a_sentence(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "size=0",
        "size=1",
        "size=2048", /* less than a page */
        "size=4095",
        "size=4097",
        "size=1000000",    /* no power of two */
        "size=2147483648", /* over 1 GiB */
        "size=9223372036854775808",
        "memory=",
        "memory=huge",
        "memory=VMALLOC",
        "kernel_log=yes",
        "kernel_log=",
        "size=4096 memory=fault kernel_log=newer",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int log = open_log();
        assert_int_equal(load_module("maplog", wrong[i]), EINVAL);
        assert_true(log_has(log, "maplog: "));
        close(log);
        assert_errno(access(DEVICE, F_OK), ENOENT);
    }
    /* What is no number at all the kernel itself refuses. */
    assert_int_equal(load_module("maplog", "size=large"), EINVAL);
    assert_int_equal(load_module("maplog", "size=-4096"), EINVAL);
    assert_int_equal(load_module("maplog", "per_cpu=7"), EINVAL);
}

static void parameter_is(const char *name, const char *expected)
{
    char path[96], text[64] = "";
    snprintf(path, sizeof path, "/sys/module/maplog/parameters/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    assert_string_equal(text, expected);
    struct stat about;
    assert_works(stat(path, &about));
    assert_int_equal(about.st_mode & 0777, 0444);
}

static void parameters_can_be_read_and_not_changed(void **state)
{
    (void)state;
    load("");
    parameter_is("size", "1048576\n");
    parameter_is("per_cpu", "N\n");
    parameter_is("memory", "vmalloc\n");
    parameter_is("kernel_log", "off\n");
    struct stat about;
    assert_works(stat(DEVICE, &about));
    assert_int_equal(about.st_mode, S_IFCHR | 0600);
    unload();
    load("size=8192 per_cpu=1 memory=fault kernel_log=new");
    parameter_is("size", "8192\n");
    parameter_is("per_cpu", "Y\n");
    parameter_is("memory", "fault\n");
    parameter_is("kernel_log", "new\n");
    unload();
}

/* What the machine has not, or the page allocator cannot give in one piece. That the kernel has no
 * complaint about it is looked at in the end. */
static void more_than_there_is_does_not_load(void **state)
{
    (void)state;
    assert_int_equal(load_module("maplog", "size=1073741824"), ENOMEM);
    assert_int_equal(load_module("maplog", "size=1073741824 memory=fault per_cpu=1"), ENOMEM);
    assert_int_equal(load_module("maplog", "size=1073741824 memory=contiguous"), EINVAL);
    assert_int_equal(areas_of_the_module(), 0);
    load("size=1048576 memory=contiguous");
    unload();
}

/* ---- leaks ----------------------------------------------------------------------------------- */

static void use_once(const char *parameters)
{
    load(parameters);
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    assert_int_equal(write(fd, "record", 6), 6);
    unmap_ring(&ring);
    close(fd);
    unload();
}

static void fifty_lives_leave_nothing_behind(void **state)
{
    char parameters[96];
    snprintf(parameters, sizeof parameters, "memory=%s size=524288 per_cpu=1 kernel_log=new",
             (const char *)*state);
    const char *const names[] = {"Percpu", "Slab", "VmallocUsed", "MemFree"};
    const long allowed[] = {64, 1024, 512, 8192}; /* kB; a ring of a life is 512 on each CPU */
    long before[4];
    for (int turn = 0; turn < TURNS + 5; turn++) {
        if (turn == 5) /* caches are warm */
            for (int i = 0; i < 4; i++)
                before[i] = meminfo(names[i]);
        use_once(parameters);
        assert_int_equal(areas_of_the_module(), 0);
    }
    for (int i = 0; i < 4; i++) {
        long growth = (meminfo(names[i]) - before[i]) * (i == 3 ? -1 : 1);
        if (growth > allowed[i])
            fail_msg("%s: %ld kB more after %d lives", names[i], growth, TURNS);
    }
}

/* ---- who keeps it ---------------------------------------------------------------------------- */

static void it_stays_while_it_is_used(void **state)
{
    (void)state;
    const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY};
    for (int i = 0; i < 3; i++) {
        load("");
        int fd = open_device(modes[i]);
        assert_errno(syscall(SYS_delete_module, "maplog", O_NONBLOCK), EWOULDBLOCK);
        assert_works(access(DEVICE, F_OK));
        close(fd);
        unload();
    }
    load_with_emitter("");
    assert_errno(syscall(SYS_delete_module, "maplog", O_NONBLOCK), EWOULDBLOCK);
    unload_with_emitter();
    assert_errno(access(DEVICE, F_OK), ENOENT);
}

static void a_killed_reader_frees_the_seat(void **state)
{
    load_with_emitter("per_cpu=1");
    for (int i = 0; i < 5; i++) {
        int ready[2];
        assert_works(pipe2(ready, O_CLOEXEC));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
            void *header = map_device(fd, PAGE, PROT_READ | PROT_WRITE, 0);
            struct pollfd forever = {.fd = fd};
            if (header == MAP_FAILED || write(ready[1], "x", 1) != 1)
                _exit(1);
            poll(&forever, 1, -1);
            _exit(1);
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_errno(open(DEVICE, O_RDWR | O_CLOEXEC), EBUSY);
        struct emission emission = {.threads = 1, .records = 1000};
        assert_true(emit(&emission));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ready[0]);
        close(ready[1]);
        close(open_device(O_RDWR));
    }
    (void)state;
    unload_with_emitter();
}

/* ---- its end with the kernel ----------------------------------------------------------------- */

/* Opens the ring's reader, and takes what is there. */
static void empty_the_ring(void)
{
    int fd = open_device(O_RDWR);
    struct ring ring = map_ring(fd, 0);
    while (next_record(&ring))
        ;
    release_records(&ring);
    unmap_ring(&ring);
    close(fd);
}

/* A panic stops the other CPUs wherever they are, then prints: to a console, which is a writer. */
static void a_dying_kernel_does_not_wait_for_a_stopped_writer(void **state)
{
    (void)state;
    if (cpus_online() == 1)
        return; /* there is no other */
    load_with_emitter("size=1048576");
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    assert_works(sched_setaffinity(0, sizeof first, &first));
    bool done = false;
    for (int tries = 0; !done && tries < 1000; tries++) {
        empty_the_ring();
        done = emitter_write("dying", 1);
        if (!done)
            assert_int_equal(errno, EAGAIN); /* not met within: once more */
    }
    assert_true(done);
    unload_with_emitter();
}

#define LEAKS(kind)                                                                                \
    {                                                                                              \
#kind ": fifty_lives_leave_nothing_behind", fifty_lives_leave_nothing_behind, NULL,        \
            unload_all, (void *)#kind                                                              \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wrong_parameters_are_refused_with_a_sentence, unload_all),
        cmocka_unit_test_teardown(parameters_can_be_read_and_not_changed, unload_all),
        cmocka_unit_test_teardown(more_than_there_is_does_not_load, unload_all),
        LEAKS(vmalloc),
        LEAKS(contiguous),
        LEAKS(fault),
        cmocka_unit_test_teardown(it_stays_while_it_is_used, unload_all),
        cmocka_unit_test_teardown(a_killed_reader_frees_the_seat, unload_all),
        cmocka_unit_test_teardown(a_dying_kernel_does_not_wait_for_a_stopped_writer, unload_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
