/* The text form of the catalog; docs/log-format.md describes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/catalog_private.h"
#include "os/file.h"

#define MAGIC "maplog-topics"
#define VERSION "1"
#define FIRST_CAPACITY 4096

/* ---- writing --------------------------------------------------------------------------------- */

struct output {
    char *text;
    size_t length, capacity;
    bool failed;
};

static void put(struct output *output, const char *bytes, size_t length)
{
    if (!output->failed && output->capacity - output->length < length) {
        size_t capacity = output->capacity * 2 + length + FIRST_CAPACITY;
        char *text = realloc(output->text, capacity);
        output->failed = !text;
        if (text) {
            output->text = text;
            output->capacity = capacity;
        }
    }
    if (output->failed)
        return;
    memcpy(output->text + output->length, bytes, length);
    output->length += length;
}

static void put_text(struct output *output, const char *text)
{
    put(output, text, strlen(text));
}

/* Bytes that would end the value, and the escape itself, become %XX. */
static void put_value(struct output *output, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        char escaped[4];
        if (c > ' ' && c != 0x7f && c != '%') {
            put(output, value, 1);
        } else {
            snprintf(escaped, sizeof escaped, "%%%02X", c);
            put(output, escaped, 3);
        }
    }
}

/* Slots in the order of the partitions, ascending runs as first-last. */
static void put_slots(struct output *output, const struct catalog_topic *topic)
{
    char text[32];
    for (int32_t p = 0; p < topic->partitions;) {
        int32_t last = p;
        while (last + 1 < topic->partitions && topic->slots[last + 1] == topic->slots[last] + 1)
            last++;
        int length = snprintf(text, sizeof text, last > p ? "%s%u-%u" : "%s%u", p ? "," : "",
                              topic->slots[p], topic->slots[last]);
        put(output, text, (size_t)length);
        p = last + 1;
    }
}

/* The end of a line. */
static void put_configs(struct output *output, const struct catalog_topic *topic)
{
    for (size_t i = 0; i < topic->config_count; i++) {
        put_text(output, " ");
        put_text(output, topic->configs[i].name);
        put_text(output, "=");
        put_value(output, topic->configs[i].value);
    }
    put_text(output, "\n");
}

static void put_topic(struct output *output, const struct catalog_topic *topic)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(&topic->id, id);
    put_text(output, topic->name);
    put_text(output, " id=");
    put_text(output, id);
    put_text(output, " slots=");
    put_slots(output, topic);
    put_configs(output, topic);
}

/* Defaults look like a topic that has overrides only. */
static void put_defaults(struct output *output, const struct catalog_topic *defaults)
{
    if (!defaults)
        return;
    put_text(output, defaults->name);
    put_configs(output, defaults);
}

int catalog_format(const struct catalog *catalog, char **text, size_t *length)
{
    struct output output = {0};
    put_text(&output, MAGIC " " VERSION "\n");
    put_defaults(&output, catalog->defaults);
    put_defaults(&output, catalog->broker);
    for (size_t t = 0; t < catalog->count; t++)
        put_topic(&output, catalog->topics[t]);
    if (output.failed) {
        free(output.text);
        return error_set(MAPLOG_NO_MEMORY, "no memory for the text of %zu topics", catalog->count);
    }
    *text = output.text;
    *length = output.length;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct parser {
    struct catalog catalog; /* in the making */
    bool used[LIMIT_PARTITIONS];
};

/* Takes what stands before the next separator; the rest is left. */
static struct catalog_span take(struct catalog_span *from, char separator)
{
    const char *found = memchr(from->at, separator, from->length);
    struct catalog_span taken = {from->at, found ? (size_t)(found - from->at) : from->length};
    size_t used = taken.length + (found ? 1 : 0);
    from->at += used;
    from->length -= used;
    return taken;
}

static bool equal(struct catalog_span text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

static bool parse_slot(struct catalog_span text, uint32_t *slot)
{
    uint32_t value = 0;
    if (text.length == 0 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.at[i] - '0');
    }
    *slot = value;
    return value < LIMIT_PARTITIONS;
}

/* One number, or first-last. */
static int parse_run(struct parser *parser, struct catalog_topic *topic, struct catalog_span run)
{
    uint32_t first, last;
    struct catalog_span whole = run, begin = take(&run, '-');
    bool range = begin.length < whole.length;
    if (!parse_slot(begin, &first) || (range && !parse_slot(run, &last)))
        return error_set(MAPLOG_CORRUPT, "slots %.*s", (int)whole.length, whole.at);
    if (!range)
        last = first;
    if (last < first)
        return error_set(MAPLOG_CORRUPT, "slots %u-%u", first, last);
    int32_t at = topic->partitions;
    int result = catalog_topic_resize(topic, at + (int32_t)(last - first) + 1);
    for (uint32_t slot = first; !result && slot <= last; slot++) {
        if (parser->used[slot])
            return error_set(MAPLOG_CORRUPT, "slot %u is used twice", slot);
        parser->used[slot] = true;
        topic->slots[at++] = slot;
    }
    return result;
}

static int parse_slots(struct parser *parser, struct catalog_topic *topic,
                       struct catalog_span slots)
{
    if (topic->partitions)
        return error_set(MAPLOG_CORRUPT, "a second slots=");
    int result;
    do {
        result = parse_run(parser, topic, take(&slots, ','));
    } while (!result && slots.length);
    return result;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes put_value(). */
static bool unescape(struct catalog_span value, char *to)
{
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] == '%') {
            int high = i + 2 < value.length ? hex_digit(value.at[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(value.at[i + 2]) : -1;
            if (low < 0 || high * 16 + low == 0)
                return false;
            *to++ = (char)(high * 16 + low);
            i += 2;
        } else {
            *to++ = value.at[i];
        }
    }
    *to = '\0';
    return true;
}

static int parse_config(struct catalog_topic *topic, struct catalog_span name,
                        struct catalog_span value)
{
    bool twice;
    catalog_config_place(topic, name, &twice);
    if (twice)
        return error_set(MAPLOG_CORRUPT, "a second %.*s=", (int)name.length, name.at);
    char *text = malloc(value.length + 1);
    if (!text)
        return error_set(MAPLOG_NO_MEMORY, "no memory for topic %s", topic->name);
    int result = unescape(value, text)
                     ? catalog_config_set(topic, name, (struct catalog_span){text, strlen(text)})
                     : error_set(MAPLOG_CORRUPT, "value %.*s", (int)value.length, value.at);
    free(text);
    return result;
}

/* Takes a name=value from the line. */
static int parse_field(struct catalog_span *line, struct catalog_span *name,
                       struct catalog_span *value)
{
    *value = take(line, ' ');
    if (!memchr(value->at, '=', value->length) || *value->at == '=')
        return error_set(MAPLOG_CORRUPT, "\"%.*s\" is not of the form name=value",
                         (int)value->length, value->at);
    *name = take(value, '=');
    return 0;
}

/* The fields behind the name. */
static int parse_fields(struct parser *parser, struct catalog_topic *topic,
                        struct catalog_span line)
{
    bool identified = false;
    int result = 0;
    while (!result && line.length) {
        struct catalog_span name, value;
        result = parse_field(&line, &name, &value);
        if (result)
            return result;
        if (equal(name, "id")) {
            char id[UUID_TEXT_SIZE] = {0};
            if (value.length == sizeof id - 1)
                memcpy(id, value.at, value.length);
            if (identified || !uuid_parse(id, &topic->id))
                return error_set(MAPLOG_CORRUPT, "id %.*s", (int)value.length, value.at);
            identified = true;
        } else if (equal(name, "slots")) {
            result = parse_slots(parser, topic, value);
        } else {
            result = parse_config(topic, name, value);
        }
    }
    if (!result && (!identified || !topic->partitions))
        result = error_set(MAPLOG_CORRUPT, "topic %s has no %s", topic->name,
                           identified ? "slots" : "id");
    if (!result && (result = catalog_config_apply(topic)) == MAPLOG_INVALID)
        result = error_prefix(MAPLOG_CORRUPT, "topic %s", topic->name);
    return result;
}

/* The defaults of topics, or what is kept for a server. They stand before all topics. */
static int parse_defaults(struct parser *parser, struct catalog_span line, const char *word,
                          struct catalog_topic **place)
{
    struct catalog_span name = take(&line, ' '), value;
    if (*place || parser->catalog.count)
        return error_set(MAPLOG_CORRUPT, "%s is there twice, or behind a topic", word);
    *place = catalog_topic_new(name, &(struct uuid){{0}});
    if (!*place)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %s", word);
    int result = 0;
    while (!result && line.length) {
        result = parse_field(&line, &name, &value);
        if (!result)
            result = parse_config(*place, name, value);
    }
    if (!result && (result = catalog_config_apply(*place)) == MAPLOG_INVALID)
        result = error_prefix(MAPLOG_CORRUPT, "%s", word);
    return result;
}

static int parse_topic(struct parser *parser, struct catalog_span line)
{
    struct catalog_span name = take(&line, ' ');
    char text[LIMIT_TOPIC_NAME + 2] = {0};
    memcpy(text, name.at, name.length < sizeof text ? name.length : sizeof text - 1);
    if (catalog_check_name(text))
        return error_prefix(MAPLOG_CORRUPT, "a line does not begin with a topic");
    if (catalog_find(&parser->catalog, text))
        return error_set(MAPLOG_CORRUPT, "topic %s is there twice", text);
    struct catalog_topic *topic = catalog_topic_new(name, &(struct uuid){{0}});
    if (!topic)
        return error_set(MAPLOG_NO_MEMORY, "no memory for topic %s", text);
    topic->defaults = parser->catalog.defaults;
    int result = parse_fields(parser, topic, line);
    if (!result)
        result = catalog_insert(&parser->catalog, topic);
    if (result)
        catalog_topic_free(topic);
    return result;
}

static int parse_line(struct parser *parser, struct catalog_span line)
{
    for (size_t i = 0; i < line.length; i++) {
        if ((unsigned char)line.at[i] < ' ' || line.at[i] == 0x7f)
            return error_set(MAPLOG_CORRUPT, "byte %zu is a control character", i + 1);
    }
    struct catalog_span rest = line, name = take(&rest, ' ');
    if (equal(name, CATALOG_DEFAULTS))
        return parse_defaults(parser, line, CATALOG_DEFAULTS, &parser->catalog.defaults);
    if (equal(name, CATALOG_BROKER))
        return parse_defaults(parser, line, CATALOG_BROKER, &parser->catalog.broker);
    return parse_topic(parser, line);
}

static int parse_first(struct catalog_span line)
{
    struct catalog_span word = take(&line, ' ');
    if (!equal(word, MAGIC))
        return error_set(MAPLOG_CORRUPT, "it does not begin with \"" MAGIC " " VERSION "\"");
    if (!equal(line, VERSION))
        return error_set(MAPLOG_VERSION, "version %.*s, this is a program for version " VERSION,
                         (int)line.length, line.at);
    return 0;
}

int catalog_parse(struct catalog *catalog, const char *text, size_t length)
{
    struct parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return error_set(MAPLOG_NO_MEMORY, "no memory for the topics");
    struct catalog_span rest = {text, length};
    int result = 0, number = 0;
    do {
        number++;
        struct catalog_span line = {rest.at, rest.length};
        bool ended = memchr(rest.at, '\n', rest.length) != NULL;
        line = take(&rest, '\n');
        result = !ended        ? error_set(MAPLOG_CORRUPT, "the line has no end")
                 : number == 1 ? parse_first(line)
                               : parse_line(parser, line);
    } while (!result && rest.length);
    if (result) {
        catalog_free(&parser->catalog);
        result = error_prefix(result, CATALOG_FILE " line %d", number);
    } else {
        catalog_free(catalog);
        *catalog = parser->catalog;
    }
    free(parser);
    return result;
}

/* ---- the file -------------------------------------------------------------------------------- */

int catalog_load(struct catalog *catalog, int directory_fd)
{
    char *text;
    size_t length;
    int result = file_read_all(directory_fd, CATALOG_FILE, LIMIT_CATALOG, &text, &length);
    if (result == MAPLOG_NOT_FOUND) {
        catalog_free(catalog);
        return 0;
    }
    if (result)
        return result;
    result = catalog_parse(catalog, text, length);
    free(text);
    return result;
}

int catalog_store(const struct catalog *catalog, int directory_fd, bool durable)
{
    char *text;
    size_t length;
    int result = catalog_format(catalog, &text, &length);
    if (result)
        return result;
    result = length > LIMIT_CATALOG
                 ? error_set(MAPLOG_LIMIT, CATALOG_FILE " would have %zu bytes, at most %u", length,
                             LIMIT_CATALOG)
                 : file_replace(directory_fd, CATALOG_FILE, text, length, durable);
    free(text);
    return result;
}
