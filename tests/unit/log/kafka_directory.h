/* kafka_directory.h - a data directory as Kafka leaves it, and what a transfer said. */
#pragma once

#include "segment_files.h"

#include "log/checkpoint.h"
#include "log/names.h"
#include "log/transfer.h"

static char kafka_path[64];

static inline int kafka_make(void)
{
    snprintf(kafka_path, sizeof kafka_path, "/tmp/maplog-kafka-XXXXXX");
    return mkdtemp(kafka_path) ? 0 : -1;
}

static inline int kafka_remove(void)
{
    return file_remove_tree(AT_FDCWD, kafka_path);
}

static inline const char *in_kafka(const char *file)
{
    static char path[LIMIT_PATH];
    snprintf(path, sizeof path, "%s/%s", kafka_path, file);
    return path;
}

static inline void kafka_file(const char *file, const char *text)
{
    files_write(in_kafka(file), text, strlen(text));
}

/* A segment of `count` one-record batches from offset `first` on. */
static inline void kafka_segment(const char *partition, int64_t base, int64_t first, int count)
{
    struct segment_bytes bytes = {0};
    bytes_batches(&bytes, first, count);
    files_segment(kafka_path, partition, base, &bytes);
    bytes_release(&bytes);
}

/* What a listener was told. */
static struct {
    char notes[4096], refusals[8192];
    size_t refused;
    uint64_t records, bytes;
    int answer; /* to progress */
} heard;

static inline void hear_note(void *context, const char *text)
{
    (void)context;
    size_t length = strlen(heard.notes);
    snprintf(heard.notes + length, sizeof heard.notes - length, "%s\n", text);
}

static inline void hear_refusal(void *context, const char *text)
{
    (void)context;
    size_t length = strlen(heard.refusals);
    snprintf(heard.refusals + length, sizeof heard.refusals - length, "%s\n", text);
    heard.refused++;
}

static inline int hear_progress(void *context, uint64_t records, uint64_t bytes)
{
    (void)context;
    heard.records += records;
    heard.bytes += bytes;
    return heard.answer;
}

static inline struct transfer_listener listen_anew(void)
{
    int answer = heard.answer;
    memset(&heard, 0, sizeof heard);
    heard.answer = answer;
    return (struct transfer_listener){
        .note = hear_note, .refusal = hear_refusal, .progress = hear_progress};
}

#define assert_text(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("no \"%s\" in: %s", part, text);                                              \
    } while (0)
