/* bytes.h - what the engines' tests send, and threads that read it. */
#pragma once

#include "scene.h"

#include <pthread.h>

/* ---- files and slices -------------------------------------------------------------------------
 */

/* A file of so many bytes, each of which tells its position, and its mapping. */
struct mapped_file {
    int fd;
    size_t size;
    uint8_t *at;
};

static inline uint8_t byte_at(size_t position)
{
    return (uint8_t)(position * 31 + position / 251);
}

static inline struct mapped_file mapped_file_make(size_t size)
{
    struct mapped_file file = {.fd = memfd_create("engine-test", MFD_CLOEXEC), .size = size};
    assert_true(file.fd >= 0);
    assert_int_equal(ftruncate(file.fd, (off_t)size), 0);
    file.at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
    assert_ptr_not_equal(file.at, MAP_FAILED);
    for (size_t i = 0; i < size; i++)
        file.at[i] = byte_at(i);
    return file;
}

static inline void mapped_file_close(struct mapped_file *file)
{
    munmap(file->at, file->size);
    close(file->fd);
}

static inline struct io_slice file_slice(const struct mapped_file *file, size_t from, size_t size)
{
    return (struct io_slice){file->at + from, size, file->fd, from};
}

static inline struct io_slice memory_slice(const void *at, size_t size)
{
    return (struct io_slice){at, size, -1, 0};
}

/* One of 64 MiB, more than any socket takes; made once and left as it is. */
static inline const struct mapped_file *big_file(void)
{
    static struct mapped_file file;
    if (!file.at)
        file = mapped_file_make(64u << 20);
    return &file;
}

/* ---- a reader in a thread -------------------------------------------------------------------- */

struct reader {
    pthread_t thread;
    int fd;
    size_t step;     /* bytes a read */
    uint8_t *bytes;  /* what came, NULL: it is dropped */
    size_t expected; /* then it ends; also with the stream */
    size_t have;     /* in the end */
};

static inline void *reader_run(void *argument)
{
    struct reader *reader = argument;
    uint8_t *dropped = malloc(reader->step);
    while (reader->have < reader->expected) {
        size_t left = reader->expected - reader->have;
        ssize_t got = read(reader->fd, reader->bytes ? reader->bytes + reader->have : dropped,
                           left < reader->step ? left : reader->step);
        if (got <= 0)
            break;
        reader->have += (size_t)got;
    }
    free(dropped);
    return NULL;
}

static inline void reader_start(struct reader *reader)
{
    assert_int_equal(pthread_create(&reader->thread, NULL, reader_run, reader), 0);
}
