#include "log/progress_listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/progress_format.h"

/* A copy of an entry, with its texts. */
struct progress_listed {
    struct progress_entry entry;
    char texts[];
};

/* Copies a text with an end; returns what is behind. */
static char *copy_text(char *to, const char *text, size_t size)
{
    memcpy(to, text, size);
    to[size] = 0;
    return to + size + 1;
}

static struct progress_listed *copy_entry(const struct progress_key *key,
                                          const struct progress_value *value)
{
    size_t sizes = key->group_size + 1 + key->topic_size + 1 + value->metadata_size;
    struct progress_listed *made = malloc(sizeof *made + sizes);
    if (!made)
        return NULL;
    char *topic = copy_text(made->texts, key->group, key->group_size);
    char *metadata = copy_text(topic, key->topic, key->topic_size);
    memcpy(metadata, value->metadata, value->metadata_size);
    made->entry = (struct progress_entry){.group = made->texts,
                                          .topic = topic,
                                          .partition = key->partition,
                                          .offset = value->offset,
                                          .leader_epoch = value->leader_epoch,
                                          .metadata = metadata,
                                          .metadata_size = value->metadata_size,
                                          .committed_ms = value->committed_ms,
                                          .expires_ms = value->expires_ms};
    return made;
}

/* Could progress_fetch() be asked for it? Kafka's names of groups have no limit. */
static bool usable(const struct progress_key *key)
{
    return key->group_size > 0 && key->group_size <= LIMIT_GROUP_NAME && key->topic_size > 0 &&
           key->topic_size <= LIMIT_TOPIC_NAME && !memchr(key->group, 0, key->group_size) &&
           !memchr(key->topic, 0, key->topic_size);
}

int progress_listing_add(void *context, const struct progress_record *record)
{
    struct progress_listing *listing = context;
    struct progress_key key;
    struct progress_value value;
    if (!progress_parse_key(record->key, record->key_size, &key) ||
        !progress_parse_value(record->value, record->value_size, &value) || !usable(&key) ||
        (listing->group && !progress_is_text(listing->group, key.group, key.group_size)))
        return 0;
    if ((listing->count & (listing->count + 1)) == 0) { /* full at every power of two less one */
        size_t capacity = 2 * listing->count + 1;
        struct progress_listed **entries =
            realloc(listing->entries, capacity * sizeof(struct progress_listed *));
        if (!entries)
            return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
        listing->entries = entries;
    }
    struct progress_listed *made = copy_entry(&key, &value);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for group progress");
    listing->entries[listing->count++] = made;
    return 0;
}

static int by_name(const void *left, const void *right)
{
    const struct progress_entry *a = &(*(struct progress_listed *const *)left)->entry;
    const struct progress_entry *b = &(*(struct progress_listed *const *)right)->entry;
    int order = strcmp(a->group, b->group);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

int progress_listing_visit(struct progress_listing *listing,
                           int (*visit)(void *context, const struct progress_entry *entry),
                           void *context)
{
    int result = 0;
    if (listing->count > 1)
        qsort(listing->entries, listing->count, sizeof(struct progress_listed *), by_name);
    for (size_t i = 0; !result && i < listing->count; i++)
        result = visit(context, &listing->entries[i]->entry);
    return result;
}

void progress_listing_clear(struct progress_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free(listing->entries[i]);
    free(listing->entries);
    listing->entries = NULL;
    listing->count = 0;
}
