/* load.c - records from standard input, from lines of files that are read, and from whole files. */
#define _GNU_SOURCE 1
#include "cmd/load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/lines.h"
#include "cmd/inputs.h"
#include "cmd/report.h"
#include "os/file.h"

#define STREAM_BYTES (1u << 20) /* first buffer, and least room for a read */
#define STREAM_LINES 4096       /* line ends found at a time */

void load_record(const struct produce_how *how, const char *line, size_t size,
                 struct maplog_record *record)
{
    *record = (struct maplog_record){
        .value = line,
        .value_size = size,
        .headers = how->headers,
        .header_count = how->header_count,
    };
    if (!how->separator)
        return;
    const char *found = memmem(line, size, how->separator, how->separator_size);
    if (!found)
        return;
    record->key = line;
    record->key_size = (size_t)(found - line);
    record->value = found + how->separator_size;
    record->value_size = size - record->key_size - how->separator_size;
}

static int produce(struct door_producer *producer, const struct produce_how *how, const char *line,
                   size_t size)
{
    struct maplog_record record;
    load_record(how, line, size, &record);
    return door_produce(producer, how->partition, &record);
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct stream {
    struct door_producer *producer;
    const struct produce_how *how;
    struct meter *meter;
    int fd;
    const char *name; /* for texts; NULL: standard input */
    bool lively;      /* each read's lines are published at once */
    char *text;
    size_t capacity;
    size_t used;
    size_t searched; /* text before it has no newline that was not taken */
    uint64_t lines;  /* taken so far */
};

static int make_room(struct stream *stream)
{
    if (stream->capacity - stream->used >= STREAM_BYTES / 2)
        return 0;
    if (stream->used > LIMIT_DECOMPRESSED)
        return error_set(MAPLOG_LIMIT, "line %llu is longer than %u bytes (LIMIT_DECOMPRESSED)",
                         (unsigned long long)stream->lines + 1, LIMIT_DECOMPRESSED);
    size_t capacity = stream->capacity ? stream->capacity * 2 : STREAM_BYTES;
    char *text = realloc(stream->text, capacity);
    if (!text)
        return error_set(MAPLOG_NO_MEMORY, "no memory for line %llu",
                         (unsigned long long)stream->lines + 1);
    stream->text = text;
    stream->capacity = capacity;
    return 0;
}

static int take_line(struct stream *stream, const char *line, size_t size)
{
    int result = produce(stream->producer, stream->how, line, size);
    if (result)
        return error_prefix(result, "%s%sline %llu", stream->name ? stream->name : "",
                            stream->name ? ": " : "", (unsigned long long)stream->lines + 1);
    stream->lines++;
    return 0;
}

/* Takes all whole lines of the buffer and moves the rest to its front. */
static int take_lines(struct stream *stream)
{
    uint32_t ends[STREAM_LINES];
    size_t begin = 0;
    uint64_t before = stream->lines;
    size_t found;
    do {
        char *from = stream->text + stream->searched;
        found = lines_find(from, stream->used - stream->searched, ends, STREAM_LINES);
        size_t base = stream->searched;
        for (size_t i = 0; i < found; i++) {
            size_t end = base + ends[i];
            int result = take_line(stream, stream->text + begin, end - begin);
            if (result)
                return result;
            begin = end + 1;
        }
        stream->searched = found == STREAM_LINES ? begin : stream->used;
    } while (found == STREAM_LINES);
    stream->used -= begin;
    memmove(stream->text, stream->text + begin, stream->used);
    stream->searched = stream->used;
    int result = stream->lively && stream->lines > before ? door_flush(stream->producer) : 0;
    if (!result)
        meter_add(stream->meter, stream->lines - before, begin);
    return result;
}

static int read_lines(struct stream *stream)
{
    while (!interrupted()) {
        size_t got;
        int result = make_room(stream);
        if (!result)
            result = file_read_stream(stream->fd, stream->name ? stream->name : "standard input",
                                      stream->text + stream->used, stream->capacity - stream->used,
                                      &got);
        if (result == MAPLOG_BUSY)
            continue; /* a signal came */
        if (result)
            return result;
        stream->used += got;
        if (got == 0 && stream->used > 0) /* the last line has no newline: it is one all the same */
            result = take_line(stream, stream->text, stream->used);
        if (got == 0)
            return result ? result : door_flush(stream->producer);
        result = take_lines(stream);
        if (result)
            return result;
    }
    return 0;
}

int load_stream(struct door_producer *producer, const struct produce_how *how, struct meter *meter)
{
    struct stream stream = {
        .producer = producer, .how = how, .meter = meter, .fd = STDIN_FILENO, .lively = true};
    int result = read_lines(&stream);
    free(stream.text);
    return result;
}

static int load_file_lines(struct stream *stream, const char *path)
{
    int result = file_open(AT_FDCWD, path, O_RDONLY, 0, &stream->fd);
    if (result)
        return result;
    stream->name = path;
    stream->used = stream->searched = 0;
    stream->lines = 0;
    result = read_lines(stream);
    file_close(stream->fd);
    return result;
}

int load_lines_far(struct door_producer *producer, const struct produce_how *how,
                   const struct words *files, struct meter *meter)
{
    struct inputs inputs; /* only to find what cannot be read before anything is done */
    int result = inputs_open(&inputs, files->items, files->count, STREAM_BYTES);
    if (result)
        return result;
    meter->total_bytes = inputs.bytes;
    inputs_close(&inputs);
    struct produce_how own = *how;
    struct stream stream = {.producer = producer, .how = &own, .meter = meter};
    for (size_t i = 0; !result && i < files->count && !interrupted(); i++) {
        /* Records without a key: each file goes to one partition. */
        if (how->partition < 0 && !how->separator)
            own.partition = (int32_t)(i % (size_t)far_partitions(producer->far));
        result = load_file_lines(&stream, files->items[i]);
    }
    free(stream.text);
    return result;
}

/* ---- whole files ----------------------------------------------------------------------------- */

int load_files(struct door_producer *producer, const struct produce_how *how,
               const struct words *files, struct meter *meter)
{
    int result = 0;
    for (size_t i = 0; !result && i < files->count && !interrupted(); i++) {
        char *bytes;
        size_t size;
        result = file_read_all(AT_FDCWD, files->items[i], LIMIT_DECOMPRESSED, &bytes, &size);
        if (result)
            return result;
        result = produce(producer, how, bytes, size);
        free(bytes);
        if (result)
            return error_prefix(result, "%s", files->items[i]);
        meter_add(meter, 1, size);
    }
    return result ? result : door_flush(producer);
}
