#include "log/unfinished.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/names.h"
#include "os/file.h"
#include "shm/bell.h"
#include "shm/order.h"

#define NOTE_BYTES_MAX 512

/* "name partitions id\n" */
struct note {
    char topic[LIMIT_TOPIC_NAME + 1];
    int32_t partitions;
    struct uuid id;
};

int unfinished_note(struct directory *directory, const char *topic, int32_t partitions,
                    const struct uuid *id)
{
    char text[NOTE_BYTES_MAX], id_text[UUID_TEXT_SIZE];
    uuid_format(id, id_text);
    int length = snprintf(text, sizeof text, "%s %d %s\n", topic, (int)partitions, id_text);
    return file_replace(directory->fd, UNFINISHED_FILE, text, (size_t)length,
                        directory->kind == FILE_SYSTEM_DISK);
}

void unfinished_done(struct directory *directory)
{
    file_remove(directory->fd, UNFINISHED_FILE);
}

/* A note that makes no sense is no reason to remove anything, or to refuse the directory. */
static bool read_note(const char *text, struct note *note)
{
    char id[UUID_TEXT_SIZE];
    int partitions, end = 0;
    _Static_assert(LIMIT_TOPIC_NAME == 249 && UUID_TEXT_SIZE == 23, "widths of the format");
    if (sscanf(text, "%249s %d %22s%n", note->topic, &partitions, id, &end) != 3 ||
        strcmp(text + end, "\n") != 0 || catalog_check_name(note->topic) != 0 || partitions < 1 ||
        partitions > LIMIT_PARTITIONS || !uuid_parse(id, &note->id))
        return false;
    note->partitions = partitions;
    return true;
}

/* Who died did not come to telling those who have the topic open. */
static void tell(struct directory *directory, const struct catalog *catalog)
{
    struct control *control = directory->view.control;
    uint64_t limit = load_acquire(&control->header.partition_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_PARTITIONS; i++) {
        int32_t number;
        if (load_acquire(&control->partitions[i].state) != PARTITION_LIVE ||
            catalog_slot(catalog, i, &number))
            continue;
        store_release(&control->partitions[i].state, PARTITION_DELETED);
        bell_wake(&directory->view, i);
    }
}

static int remove_directories(struct directory *directory, const struct note *note)
{
    int result = 0;
    for (int32_t p = 0; !result && p < note->partitions; p++) {
        char name[NAMES_PARTITION_SIZE], aside[NAMES_ASIDE_SIZE];
        snprintf(name, sizeof name, "%s-%d", note->topic, (int)p);
        names_aside(aside, note->topic, p, &note->id, NAMES_DELETE);
        result = file_remove_tree(directory->fd, name);
        if (!result)
            result = file_remove_tree(directory->fd, aside);
    }
    return result;
}

int unfinished_end(struct directory *directory, const struct catalog *catalog)
{
    char *text;
    size_t length;
    int result = file_read_all(directory->fd, UNFINISHED_FILE, NOTE_BYTES_MAX, &text, &length);
    if (result == MAPLOG_NOT_FOUND)
        return 0;
    if (result && result != MAPLOG_LIMIT)
        return result;
    struct note note;
    bool known = !result && strlen(text) == length && read_note(text, &note);
    if (!result)
        free(text);
    if (known && !catalog_find(catalog, note.topic)) {
        tell(directory, catalog);
        result = remove_directories(directory, &note);
        if (result)
            return result;
    }
    unfinished_done(directory);
    return 0;
}
