/* catalog_fuzz.c - any text as the file of topics: what is read can be written, read and changed.
 * Behind a NUL stands a setting to alter every topic with. */
#include "log/catalog.h"

#include <maplog.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* Writes the catalog, reads it, writes it: the same text. */
static void there_and_back(const struct catalog *catalog)
{
    struct catalog again = {0};
    char *text, *text_again;
    size_t length, length_again;
    check(catalog_format(catalog, &text, &length) == 0);
    check(catalog_parse(&again, text, length) == 0);
    check(again.count == catalog->count);
    check(catalog_format(&again, &text_again, &length_again) == 0);
    check(length == length_again && memcmp(text, text_again, length) == 0);
    free(text);
    free(text_again);
    catalog_free(&again);
}

static void check_topics(const struct catalog *catalog)
{
    static uint8_t used[LIMIT_PARTITIONS];
    memset(used, 0, sizeof used);
    for (size_t t = 0; t < catalog->count; t++) {
        const struct catalog_topic *topic = catalog->topics[t];
        check(catalog_check_name(topic->name) == 0);
        check(catalog_find(catalog, topic->name) == topic);
        check(t == 0 || strcmp(catalog->topics[t - 1]->name, topic->name) < 0);
        check(topic->partitions > 0);
        for (int32_t p = 0; p < topic->partitions; p++) {
            check(topic->slots[p] < LIMIT_PARTITIONS && !used[topic->slots[p]]);
            used[topic->slots[p]] = 1;
        }
        for (size_t i = 1; i < topic->config_count; i++)
            check(strcmp(topic->configs[i - 1].name, topic->configs[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct catalog catalog = {0};
    const uint8_t *end = memchr(data, 0, size);
    size_t length = end ? (size_t)(end - data) : size;
    if (catalog_parse(&catalog, (const char *)data, length) == 0) {
        check_topics(&catalog);
        there_and_back(&catalog);
        /* A C string of what stands behind the NUL. */
        size_t rest = end ? size - length - 1 : 0;
        char *config = calloc(1, rest + 1);
        if (config && rest)
            memcpy(config, end + 1, rest);
        const char *const configs[] = {config, NULL};
        for (size_t t = 0; config && t < catalog.count; t++) {
            int result = catalog_alter(catalog.topics[t], configs);
            check(result == 0 || result == MAPLOG_INVALID);
        }
        if (catalog.count) {
            int32_t more = catalog.topics[0]->partitions + 1;
            int result = catalog_grow(&catalog, catalog.topics[0], more);
            check(result == 0 || result == MAPLOG_LIMIT);
            catalog_add(&catalog, "added", 2, configs, &catalog.topics[0]->id);
        }
        check_topics(&catalog);
        there_and_back(&catalog);
        while (catalog.count)
            catalog_remove(&catalog, catalog.topics[catalog.count / 2]);
        free(config);
    }
    catalog_free(&catalog);
    return 0;
}
