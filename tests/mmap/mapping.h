/*
 * mapping.h - what the tests of docs/mmap.md share: files and mappings to play with, touches that
 * say which signal they met, and the kernel's own books about a mapping (/proc/self). Nothing here
 * or in those tests is maplog's, but for library_test.c: they say what Linux does.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)

/* ---- files and mappings ---------------------------------------------------------------------- */

/* A file of zeros on a disk, if /tmp is on one; it has no name and goes with its descriptor. */
static inline int file_of(size_t size)
{
    char path[] = "/tmp/maplog-mmap-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

/* A file in memory: no disk, no write-back. */
static inline int memory_of(size_t size)
{
    int fd = memfd_create("mmap-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static inline void fill_file(int fd, size_t pages)
{
    char block[PAGE];
    memset(block, 'b', sizeof block);
    for (size_t i = 0; i < pages; i++)
        assert_int_equal(pwrite(fd, block, PAGE, (off_t)(i * PAGE)), PAGE);
}

/* Another descriptor of the same file, with other rights. */
static inline int open_again(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, flags | O_CLOEXEC);
    assert_true(again >= 0);
    return again;
}

/* Do pages of this file become dirty and clean again? Not in memory; of an overlay nobody knows. */
static inline bool is_written_back(int fd)
{
    struct statfs about;
    assert_int_equal(fstatfs(fd, &about), 0);
    long kind = (long)about.f_type;
    return kind != 0x01021994 /* tmpfs */ && kind != 0x858458f6 /* ramfs */ &&
           kind != 0x794c7630 /* overlay */;
}

static inline char *map(int fd, size_t length, int protection, int flags)
{
    char *at = mmap(NULL, length, protection, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    return at;
}

#define READ_WRITE (PROT_READ | PROT_WRITE)

static inline char *map_shared(int fd, size_t length)
{
    return map(fd, length, READ_WRITE, MAP_SHARED);
}

static inline char *map_private(int fd, size_t length)
{
    return map(fd, length, READ_WRITE, MAP_PRIVATE);
}

/* An address with `length` free bytes behind it: what is mapped there has no neighbours. */
static inline char *free_space(size_t length)
{
    char *at = map(-1, length, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
    assert_int_equal(munmap(at, length), 0);
    return at;
}

/* The errno with which mmap() refuses; 0 when it does not. */
static inline int refusal(size_t length, int protection, int flags, int fd)
{
    void *at = mmap(NULL, length, protection, flags, fd, 0);
    if (at == MAP_FAILED)
        return errno;
    munmap(at, length);
    return 0;
}

/* The errno of a call that returns 0 or -1. */
static inline int error_of(int result)
{
    return result == 0 ? 0 : errno;
}

/* One byte of the file as read() has it; -1 at its end. */
static inline int byte_of_file(int fd, size_t position)
{
    unsigned char byte;
    ssize_t count = pread(fd, &byte, 1, (off_t)position);
    assert_true(count >= 0);
    return count == 1 ? byte : -1;
}

static inline size_t size_of_file(int fd)
{
    struct stat about;
    assert_int_equal(fstat(fd, &about), 0);
    return (size_t)about.st_size;
}

/* ---- touching -------------------------------------------------------------------------------- */

static sigjmp_buf touch_resume;
static volatile sig_atomic_t touch_code;

static inline void touch_failed(int number, siginfo_t *info, void *context)
{
    (void)context;
    touch_code = info->si_code;
    siglongjmp(touch_resume, number);
}

static inline const char *signal_words(int number, int code)
{
    if (number == SIGBUS)
        return code == BUS_ADRERR ? "SIGBUS BUS_ADRERR" : "SIGBUS";
    if (number != SIGSEGV)
        return "another signal";
    return code == SEGV_MAPERR   ? "SIGSEGV SEGV_MAPERR"
           : code == SEGV_ACCERR ? "SIGSEGV SEGV_ACCERR"
           : code == SEGV_PKUERR ? "SIGSEGV SEGV_PKUERR"
                                 : "SIGSEGV";
}

enum touch { LOAD, STORE, CALL };

/* Touches one byte (CALL: runs the code there); "ok", or the signal that it raised. */
static inline const char *touch(void *at, enum touch how)
{
    struct sigaction action = {.sa_sigaction = touch_failed, .sa_flags = SA_SIGINFO}, segv, bus;
    sigaction(SIGSEGV, &action, &segv);
    sigaction(SIGBUS, &action, &bus);
    const char *outcome = "ok";
    int number = sigsetjmp(touch_resume, 1);
    if (number)
        outcome = signal_words(number, (int)touch_code);
    else if (how == LOAD)
        (void)*(volatile char *)at;
    else if (how == STORE)
        *(volatile char *)at = 's';
    else
        ((void (*)(void))(uintptr_t)at)();
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
    return outcome;
}

#define assert_load(at, outcome) assert_string_equal(touch(at, LOAD), outcome)
#define assert_store(at, outcome) assert_string_equal(touch(at, STORE), outcome)

/* Touches by this thread that the kernel had to help with, so far. */
static inline long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* How many faults one store takes; AddressSanitizer's own memory for the page would be a second. */
__attribute__((noinline, unused, no_sanitize_address)) static long
faults_of_store(volatile char *at)
{
    long before = faults();
    *at = 'f';
    return faults() - before;
}

/* ---- children -------------------------------------------------------------------------------- */

/* Runs body(context) in a forked child; its exit code, or 1000 + the signal that ended it. */
static inline int in_child(int (*body)(void *context), void *context)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(context));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- the kernel's books ---------------------------------------------------------------------- */

/* Does this process's page table have the page? (Bit 63 of /proc/self/pagemap.) */
static inline bool is_present(const void *at)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)), 8);
    close(fd);
    return entry >> 63;
}

static inline size_t present_pages(const char *at, size_t count)
{
    size_t present = 0;
    for (size_t i = 0; i < count; i++)
        present += is_present(at + i * PAGE);
    return present;
}

/* The line of /proc/self/smaps that begins so, for the mapping that `at` lies in; "" without one.
 */
static inline void smaps_line(const void *at, const char *begin, char line[static 512])
{
    uintptr_t from = 0, to = 0;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    assert_non_null(smaps);
    bool found = false;
    while (!found && fgets(line, 512, smaps)) {
        uintptr_t first, last;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &first, &last) == 2)
            from = first, to = last;
        found =
            (uintptr_t)at >= from && (uintptr_t)at < to && strncmp(line, begin, strlen(begin)) == 0;
    }
    fclose(smaps);
    if (!found)
        line[0] = 0;
}

/* Has the mapping this flag, two letters of VmFlags as proc(5) lists them? */
static inline bool has_flag(const void *at, const char *letters)
{
    char line[512], word[8];
    smaps_line(at, "VmFlags:", line);
    assert_true(line[0]);
    snprintf(word, sizeof word, " %s", letters);
    return strstr(line, word) != NULL;
}

/* KiB of the mapping's pages that a disk does not have yet. */
static inline unsigned long dirty_kib(const void *at)
{
    unsigned long total = 0;
    const char *words[] = {"Shared_Dirty:", "Private_Dirty:"};
    for (int i = 0; i < 2; i++) {
        char line[512];
        smaps_line(at, words[i], line);
        assert_true(line[0]);
        total += strtoul(line + strlen(words[i]), NULL, 10);
    }
    return total;
}

/* How many separate mappings lie in [at, at + length)? */
static inline int mappings_in(const char *at, size_t length)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t first, last;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &first, &last) == 2)
            count += first < (uintptr_t)at + length && last > (uintptr_t)at;
    }
    fclose(maps);
    return count;
}
