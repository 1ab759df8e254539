/* inputs.c - mapping input files and giving out their chunks. */
#define _GNU_SOURCE 1
#include "cmd/inputs.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/file.h"
#include "os/map.h"

static int check_kind(const char *path, const struct file_identity *identity, int fd)
{
    if (identity->is_directory)
        return error_set(MAPLOG_INVALID, "%s is a directory", path);
    if (identity->size > 0)
        return 0;
    char byte;
    size_t got = 1;
    int result = 0;
    if (identity->is_regular) /* files of /proc have a size of 0 */
        result = file_read_stream(fd, path, &byte, 1, &got);
    if (!result && got > 0)
        return error_set(MAPLOG_INVALID,
                         "%s cannot be mapped; feed it through standard input, without --lines",
                         path);
    return result;
}

static int open_input(struct input *input)
{
    int fd;
    int result = file_open(AT_FDCWD, input->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd);
    if (result)
        return result;
    struct file_identity identity;
    void *text = NULL;
    result = file_identify(fd, input->path, &identity);
    if (!result)
        result = check_kind(input->path, &identity, fd);
    if (!result && identity.size > 0)
        result = map_file(fd, input->path, 0, identity.size, MAP_MODE_READ, &text);
    if (result) {
        file_close(fd);
        return result;
    }
    input->fd = fd;
    input->text = text;
    input->size = identity.size;
    input->references = 1;
    return 0;
}

/* Under lock. */
static void drop_input(struct input *input)
{
    if (--input->references > 0)
        return;
    map_remove(input->text, input->size);
    file_close(input->fd);
}

int inputs_open(struct inputs *inputs, const char *const *paths, size_t count, size_t chunk_bytes)
{
    struct inputs made = {.chunk_bytes = chunk_bytes,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .list = calloc(count, sizeof *made.list),
                          .count = count};
    if (!made.list)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %zu files", count);
    for (size_t i = 0; i < count; i++) {
        made.list[i].path = paths[i];
        int result = open_input(&made.list[i]);
        if (result) {
            free(made.list);
            return result;
        }
        made.bytes += made.list[i].size;
        drop_input(&made.list[i]);
    }
    *inputs = made;
    return 0;
}

void inputs_close(struct inputs *inputs)
{
    /* Some are open after a failure or an interruption. */
    for (size_t i = 0; i < inputs->count; i++) {
        if (inputs->list[i].references)
            drop_input(&inputs->list[i]);
    }
    free(inputs->list);
    inputs->list = NULL;
}

/* The next input that has something left, open; NULL behind the last. Under lock. */
static struct input *next_input(struct inputs *inputs, int *result)
{
    for (; inputs->next < inputs->count; inputs->next++) {
        struct input *input = &inputs->list[inputs->next];
        if (!input->references) {
            *result = open_input(input);
            if (*result) {
                inputs->next = inputs->count;
                return input;
            }
        }
        if (input->claimed < input->size)
            return input;
        drop_input(input);
    }
    return NULL;
}

int inputs_claim(struct inputs *inputs, struct chunk *chunk)
{
    int result = 0;
    pthread_mutex_lock(&inputs->lock);
    struct input *input = next_input(inputs, &result);
    if (input)
        *chunk = (struct chunk){.input = input,
                                .begin = input->claimed,
                                .end = input->size,
                                .number = inputs->next,
                                .ticket = inputs->next_ticket++};
    if (input && !result) {
        if (chunk->end - chunk->begin > inputs->chunk_bytes)
            chunk->end = chunk->begin + inputs->chunk_bytes;
        input->claimed = chunk->end;
        input->references++;
        result = 1;
    }
    pthread_mutex_unlock(&inputs->lock);
    return result;
}

void inputs_release(struct inputs *inputs, struct chunk *chunk)
{
    pthread_mutex_lock(&inputs->lock);
    drop_input(chunk->input);
    pthread_mutex_unlock(&inputs->lock);
}

int inputs_check(const struct input *input)
{
    struct file_identity identity;
    int result = file_identify(input->fd, input->path, &identity);
    if (!result && identity.size < input->size)
        result = error_set(MAPLOG_IO, "%s became shorter while it was read", input->path);
    return result;
}
