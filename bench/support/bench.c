#include "bench.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool json, quick;
static char directories[8][128];
static unsigned directory_count;
static pid_t first_process;
static cpu_set_t allowed; /* when the program began: pins are inherited by children */

static void remove_directory(const char *path)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        fprintf(stderr, "bench: cannot remove %s\n", path);
}

static void remove_directories(void)
{
    if (getpid() != first_process)
        return;
    for (unsigned i = 0; i < directory_count; i++)
        if (directories[i][0])
            remove_directory(directories[i]);
}

void bench_forget(const char *directory)
{
    for (unsigned i = 0; i < directory_count; i++) {
        if (directory == directories[i]) {
            remove_directory(directory);
            directories[i][0] = '\0';
        }
    }
}

void bench_begin(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else {
            fprintf(stderr, "usage: %s [--json] [--quick]\n", argv[0]);
            exit(2);
        }
    }
    first_process = getpid();
    sched_getaffinity(0, sizeof allowed, &allowed);
    atexit(remove_directories);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

bool bench_quick(void)
{
    return quick;
}

static void report(const char *name, double value, const char *unit, double roof, double ratio)
{
    if (json && roof > 0)
        printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"roof\": %.6g, "
               "\"ratio\": %.3f}\n",
               name, value, unit, roof, ratio);
    else if (json)
        printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"roof\": null, "
               "\"ratio\": null}\n",
               name, value, unit);
    else if (roof > 0)
        printf("%-32s %12.4g %-12s %12.4g %6.2f\n", name, value, unit, roof, ratio);
    else
        printf("%-32s %12.4g %-12s %12s %6s\n", name, value, unit, "-", "-");
}

void bench_rate(const char *name, double value, const char *unit, double roof)
{
    report(name, value, unit, roof, roof > 0 ? value / roof : 0);
}

void bench_time(const char *name, double value, const char *unit, double roof)
{
    report(name, value, unit, roof, value > 0 ? roof / value : 0);
}

void bench_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

uint64_t bench_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double bench_now(void)
{
    return (double)bench_ns() / 1e9;
}

void bench_pin(unsigned cpu)
{
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    CPU_SET(cpu, &wanted);
    if (CPU_ISSET(cpu, &allowed))
        sched_setaffinity(0, sizeof wanted, &wanted);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

double bench_cpu_seconds(void)
{
    double sum = 0;
    int who[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage used;
        getrusage(who[i], &used);
        sum += (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

void *bench_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("bench: mmap");
        exit(1);
    }
    return memory;
}

pid_t bench_child(void (*run)(void *argument), void *argument)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run(argument);
        _exit(0);
    }
    if (child < 0) {
        perror("bench: fork");
        exit(1);
    }
    return child;
}

void bench_wait(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "bench: a child process failed\n");
        exit(1);
    }
}

const char *bench_directory(bool in_memory)
{
    const char *parent = in_memory ? "/dev/shm" : getenv("MAPLOG_BENCH_DIR");
    unsigned at = 0;
    while (at < directory_count && directories[at][0])
        at++;
    if (at == sizeof directories / sizeof *directories) {
        fprintf(stderr, "bench: too many directories\n");
        exit(1);
    }
    char *path = directories[at];
    snprintf(path, sizeof directories[0], "%s/maplog-bench.XXXXXX", parent ? parent : "/var/tmp");
    if (!mkdtemp(path)) {
        perror(path);
        exit(1);
    }
    directory_count += at == directory_count;
    return path;
}

void bench_check(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, maplog_error_text());
    exit(1);
}

maplog *bench_log(const char *directory, const char *const *configs)
{
    maplog *log;
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    bench_check(maplog_open(directory, &options, &log), "open");
    int result = maplog_topic_create(log, "bench", 1, configs);
    if (result != MAPLOG_EXISTS)
        bench_check(result, "create topic");
    return log;
}
