/* checkpoint_fuzz.c - any text as a checkpoint of offsets and of epochs: numbers are in range, and
 * what was read reads the same when it is written again. */
#include "log/checkpoint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_BYTES 320

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* A path that leads to these bytes, in memory. */
static const char *memory_file(const void *bytes, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("checkpoint", 0);
        check(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    check(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    return path;
}

static void look_at_offsets(const char *path)
{
    struct checkpoint_offset *entries, *again;
    size_t count, count_again;
    int result = checkpoint_load_offsets(AT_FDCWD, path, &entries, &count);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_VERSION);
    if (result)
        return;
    char *text = malloc((count + 1) * LINE_BYTES);
    check(text != NULL);
    int length = snprintf(text, LINE_BYTES, "0\n%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        check(entries[i].partition >= 0 && entries[i].offset >= 0 && entries[i].topic[0]);
        length += snprintf(text + length, LINE_BYTES, "%s %" PRId32 " %" PRId64 "\n",
                           entries[i].topic, entries[i].partition, entries[i].offset);
    }
    path = memory_file(text, (size_t)length);
    check(checkpoint_load_offsets(AT_FDCWD, path, &again, &count_again) == 0);
    check(count == count_again && memcmp(entries, again, count * sizeof *entries) == 0);
    free(text);
    free(entries);
    free(again);
}

static void look_at_epochs(const char *path)
{
    struct checkpoint_epoch *entries;
    size_t count;
    int result = checkpoint_load_epochs(AT_FDCWD, path, &entries, &count);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_VERSION);
    if (result)
        return;
    for (size_t i = 0; i < count; i++)
        check(entries[i].epoch >= 0 && entries[i].start_offset >= 0);
    free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look_at_epochs(memory_file(data, size));
    look_at_offsets(memory_file(data, size));
    return 0;
}
