#include "log/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/nearest.h"

enum type {
    TYPE_INTEGER,
    TYPE_RATIO, /* a decimal fraction from 0 to 1 */
    TYPE_BOOLEAN,
    TYPE_CHOICE,   /* one of `words` */
    TYPE_POLICIES, /* some of `words`, comma-separated */
    TYPE_REPLICAS, /* "*", or partition:broker pairs, comma-separated; may be empty */
};

struct known {
    const char *name;
    const char *value; /* default */
    enum type type;
    int64_t min, max;
    const char *words; /* separated by single spaces */
    size_t field;      /* NO_FIELD: only kept and reported */
};

#define NO_FIELD SIZE_MAX
#define FIELD(name) offsetof(struct settings, name)
#define INTEGER(name, value, min, max)                                                             \
    {                                                                                              \
        name, value, TYPE_INTEGER, min, max, NULL, NO_FIELD                                        \
    }
#define LOOKED_AT(name, value, min, max, field)                                                    \
    {                                                                                              \
        name, value, TYPE_INTEGER, min, max, NULL, FIELD(field)                                    \
    }
#define BOOLEAN(name, value)                                                                       \
    {                                                                                              \
        name, value, TYPE_BOOLEAN, 0, 0, NULL, NO_FIELD                                            \
    }
#define CHOICE(name, value, words, field)                                                          \
    {                                                                                              \
        name, value, TYPE_CHOICE, 0, 0, words, field                                               \
    }
#define FOREVER "9223372036854775807"

/* Kafka 4's topic settings with its defaults, sorted by name. Its lowest segment.bytes, 1 MiB, is
 * not ours; everything else it accepts is accepted. */
static const struct known table[] = {
    {"cleanup.policy", "delete", TYPE_POLICIES, 0, 0, "compact delete", NO_FIELD},
    INTEGER("compression.gzip.level", "-1", -1, 9),
    INTEGER("compression.lz4.level", "9", 1, 17),
    CHOICE("compression.type", "producer", "uncompressed zstd lz4 snappy gzip producer", NO_FIELD),
    INTEGER("compression.zstd.level", "3", -131072, 22),
    INTEGER("delete.retention.ms", "86400000", 0, INT64_MAX),
    INTEGER("file.delete.delay.ms", "60000", 0, INT64_MAX),
    LOOKED_AT("flush.messages", FOREVER, 1, INT64_MAX, flush_messages),
    LOOKED_AT("flush.ms", FOREVER, 0, INT64_MAX, flush_ms),
    {"follower.replication.throttled.replicas", "", TYPE_REPLICAS, 0, 0, NULL, NO_FIELD},
    LOOKED_AT("index.interval.bytes", "4096", 0, INT32_MAX, index_interval_bytes),
    {"leader.replication.throttled.replicas", "", TYPE_REPLICAS, 0, 0, NULL, NO_FIELD},
    INTEGER("local.retention.bytes", "-2", -2, INT64_MAX),
    INTEGER("local.retention.ms", "-2", -2, INT64_MAX),
    INTEGER("max.compaction.lag.ms", FOREVER, 1, INT64_MAX),
    LOOKED_AT("max.message.bytes", "1048588", 0, INT32_MAX, max_message_bytes),
    LOOKED_AT("message.timestamp.after.max.ms", "3600000", 0, INT64_MAX, timestamp_after_max_ms),
    LOOKED_AT("message.timestamp.before.max.ms", FOREVER, 0, INT64_MAX, timestamp_before_max_ms),
    CHOICE("message.timestamp.type", "CreateTime", "CreateTime LogAppendTime",
           FIELD(timestamp_type)),
    {"min.cleanable.dirty.ratio", "0.5", TYPE_RATIO, 0, 1, NULL, NO_FIELD},
    INTEGER("min.compaction.lag.ms", "0", 0, INT64_MAX),
    LOOKED_AT("min.insync.replicas", "1", 1, INT32_MAX, min_insync_replicas),
    BOOLEAN("preallocate", "false"),
    BOOLEAN("remote.log.copy.disable", "false"),
    BOOLEAN("remote.log.delete.on.disable", "false"),
    CHOICE("remote.storage.enable", "false", "false", NO_FIELD), /* there is no tiered storage */
    LOOKED_AT("retention.bytes", "-1", -1, INT64_MAX, retention_bytes),
    LOOKED_AT("retention.ms", "604800000", -1, INT64_MAX, retention_ms),
    LOOKED_AT("segment.bytes", "1073741824", LIMIT_SEGMENT_BYTES_MIN, LIMIT_SEGMENT_BYTES,
              segment_bytes),
    INTEGER("segment.index.bytes", "10485760", 4, INT32_MAX),
    INTEGER("segment.jitter.ms", "0", 0, INT64_MAX),
    LOOKED_AT("segment.ms", "604800000", 1, INT64_MAX, segment_ms),
    BOOLEAN("unclean.leader.election.enable", "false"),
};
#define COUNT (sizeof table / sizeof *table)

bool settings_known(size_t i, const char **name, const char **default_value)
{
    if (i >= COUNT)
        return false;
    *name = table[i].name;
    *default_value = table[i].value;
    return true;
}

static const struct known *find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

bool settings_is_known(const char *name)
{
    return find(name) != NULL;
}

/* ---- an unknown name ------------------------------------------------------------------------- */

static int unknown(const char *name)
{
    if (strlen(name) > NEAREST_MAX_LENGTH)
        return error_set(MAPLOG_INVALID, "there is no setting %.*s...", NEAREST_MAX_LENGTH, name);
    size_t nearest = 0, least = SIZE_MAX;
    for (size_t i = 0; i < COUNT; i++) {
        size_t now = nearest_distance(name, table[i].name);
        if (now < least) {
            least = now;
            nearest = i;
        }
    }
    if (nearest_is_near(name, least))
        return error_set(MAPLOG_INVALID, "there is no setting %s; did you mean %s?", name,
                         table[nearest].name);
    return error_set(MAPLOG_INVALID, "there is no setting %s", name);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A value without the white space around it. */
struct text {
    const char *at;
    size_t length;
};

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct text trim(struct text text)
{
    while (text.length && blank(*text.at)) {
        text.at++;
        text.length--;
    }
    while (text.length && blank(text.at[text.length - 1]))
        text.length--;
    return text;
}

/* Takes what stands before the next `separator`. */
static struct text take(struct text *from, char separator)
{
    const char *found = memchr(from->at, separator, from->length);
    struct text taken = {from->at, found ? (size_t)(found - from->at) : from->length};
    size_t used = taken.length + (found ? 1 : 0);
    *from = (struct text){from->at + used, from->length - used};
    return taken;
}

static bool equal(struct text text, const char *word, size_t length)
{
    return text.length == length && memcmp(text.at, word, length) == 0;
}

/* Number of the word in `words`; -1 when it is not there. */
static int find_word(const char *words, struct text word)
{
    struct text all = {words, strlen(words)};
    for (int i = 0; all.length; i++) {
        struct text next = take(&all, ' ');
        if (equal(next, word.at, word.length))
            return i;
    }
    return -1;
}

/* Decimal digits with an optional sign, within int64; Kafka's parsers know no suffixes. */
static bool parse_integer(struct text text, int64_t *number)
{
    bool negative = text.length && *text.at == '-';
    size_t at = text.length && (negative || *text.at == '+');
    uint64_t value = 0;
    if (at == text.length)
        return false;
    for (; at < text.length; at++) {
        unsigned digit = (unsigned)(text.at[at] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *number = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* 0 to 1, as in 0.5, .5 or 1.0. */
static bool valid_ratio(struct text text)
{
    struct text whole = take(&text, '.');
    bool any = false, one = false;
    for (size_t i = 0; i < whole.length; i++) {
        if (one || whole.at[i] < '0' || whole.at[i] > '1')
            return false;
        one = whole.at[i] == '1';
        any = true;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > (one ? '0' : '9'))
            return false;
        any = true;
    }
    return any;
}

/* "a,b," has an empty part at its end, which take() does not give. */
static bool ends_open(struct text list)
{
    return list.length && list.at[list.length - 1] == ',';
}

static bool valid_policies(const char *words, struct text list, unsigned *set)
{
    *set = 0;
    if (ends_open(list))
        return false;
    do {
        int word = find_word(words, trim(take(&list, ',')));
        if (word < 0)
            return false;
        *set |= 1u << word;
    } while (list.length);
    return true;
}

static bool valid_replicas(struct text list)
{
    if (equal(list, "*", 1))
        return true;
    if (ends_open(list))
        return false;
    while (list.length) {
        struct text pair = trim(take(&list, ','));
        struct text partition = take(&pair, ':');
        int64_t number;
        if (!parse_integer(partition, &number) || number < 0 || !parse_integer(pair, &number) ||
            number < 0)
            return false;
    }
    return true;
}

/* ---- applying -------------------------------------------------------------------------------- */

static int refuse_integer(const struct known *known, struct text value)
{
    bool digits = value.length && value.at[0] >= '0' && value.at[0] <= '9';
    int64_t number;
    const char *hint =
        digits && !parse_integer(value, &number) ? ", without suffix or separator" : "";
    return error_set(MAPLOG_INVALID,
                     "%s=%.*s: it takes a whole number from %" PRId64 " to %" PRId64 "%s",
                     known->name, (int)value.length, value.at, known->min, known->max, hint);
}

static int refuse(const struct known *known, struct text value, const char *wanted)
{
    return error_set(MAPLOG_INVALID, "%s=%.*s: it takes %s", known->name, (int)value.length,
                     value.at, wanted);
}

static int apply_words(struct settings *settings, const struct known *known, struct text value)
{
    if (known->type == TYPE_CHOICE) {
        int word = find_word(known->words, value);
        if (word < 0)
            return error_set(MAPLOG_INVALID, "%s=%.*s: it takes %s%s", known->name,
                             (int)value.length, value.at,
                             strchr(known->words, ' ') ? "one of " : "only ", known->words);
        if (known->field == FIELD(timestamp_type))
            settings->timestamp_type = (enum settings_timestamp_type)word;
        return 0;
    }
    unsigned policies;
    if (!valid_policies(known->words, value, &policies))
        return refuse(known, value, "compact, delete, or both with a comma between");
    settings->compact = policies & 1;
    settings->retain = policies & 2;
    return 0;
}

static int apply(struct settings *settings, const struct known *known, struct text value)
{
    int64_t number;
    switch (known->type) {
    case TYPE_INTEGER:
        if (!parse_integer(value, &number) || number < known->min || number > known->max)
            return refuse_integer(known, value);
        if (known->field != NO_FIELD)
            memcpy((char *)settings + known->field, &number, sizeof number);
        return 0;
    case TYPE_RATIO:
        return valid_ratio(value) ? 0 : refuse(known, value, "a number from 0 to 1");
    case TYPE_BOOLEAN:
        return (value.length == 4 && strncasecmp(value.at, "true", 4) == 0) ||
                       (value.length == 5 && strncasecmp(value.at, "false", 5) == 0)
                   ? 0
                   : refuse(known, value, "true or false");
    case TYPE_REPLICAS:
        return valid_replicas(value)
                   ? 0
                   : refuse(known, value, "*, or partition:broker pairs with commas between");
    default:
        return apply_words(settings, known, value);
    }
}

int settings_apply(struct settings *settings, const char *name, const char *value)
{
    const struct known *known = find(name);
    if (!known)
        return unknown(name);
    struct text text = trim((struct text){value, strlen(value)});
    if (text.length == 0)
        text = (struct text){known->value, strlen(known->value)};
    return apply(settings, known, text);
}

void settings_default(struct settings *settings)
{
    *settings = (struct settings){0};
    for (size_t i = 0; i < COUNT; i++)
        apply(settings, &table[i], (struct text){table[i].value, strlen(table[i].value)});
}
