#include "log/progress_format.h"

#include <string.h>

#include "base/bytes.h"

#define KEY_VERSION 1
#define VALUE_VERSION 3
#define VALUE_VERSION_KNOWN 4

/* Takes one character of UTF-8 text; damaged bytes become U+FFFD, as in Java. */
static uint32_t take_character(const uint8_t **at)
{
    uint8_t first = *(*at)++;
    if (first < 0x80)
        return first;
    unsigned more = first >= 0xf0 && first < 0xf5   ? 3
                    : first >= 0xe0 && first < 0xf0 ? 2
                    : first >= 0xc2 && first < 0xe0 ? 1
                                                    : 0;
    if (!more)
        return 0xfffd;
    uint32_t character = first & (0x3fu >> more);
    for (; more; more--) {
        if ((**at & 0xc0) != 0x80)
            return 0xfffd;
        character = character << 6 | (*(*at)++ & 0x3f);
    }
    return character;
}

int32_t progress_place(const char *group, int32_t partitions)
{
    uint32_t hash = 0; /* of UTF-16 code units */
    const uint8_t *at = (const uint8_t *)group;
    while (*at) {
        uint32_t character = take_character(&at);
        if (character >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((character - 0x10000) >> 10));
            character = 0xdc00 + ((character - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + character;
    }
    /* Kafka's Utils.abs: the absolute value, and 0 for the smallest integer, which has none. */
    uint32_t absolute = hash == 0x80000000u ? 0 : hash > 0x80000000u ? 0u - hash : hash;
    return (int32_t)(absolute % (uint32_t)partitions);
}

static uint8_t *put_string(uint8_t *to, const char *text)
{
    size_t length = strlen(text);
    bytes_store16(to, (uint16_t)length);
    memcpy(to + 2, text, length);
    return to + 2 + length;
}

size_t progress_put_key(uint8_t *to, const char *group, const char *topic, int32_t partition)
{
    uint8_t *at = to;
    bytes_store16(at, KEY_VERSION);
    at = put_string(at + 2, group);
    at = put_string(at, topic);
    bytes_store32(at, (uint32_t)partition);
    return (size_t)(at + 4 - to);
}

size_t progress_put_value(uint8_t *to, int64_t offset, const char *metadata, int64_t now_ms)
{
    bytes_store16(to, VALUE_VERSION);
    bytes_store64(to + 2, (uint64_t)offset);
    bytes_store32(to + 10, UINT32_MAX); /* leader epoch: not known */
    uint8_t *at = put_string(to + 14, metadata ? metadata : "");
    bytes_store64(at, (uint64_t)now_ms);
    return (size_t)(at + 8 - to);
}

bool progress_parse_key(const void *bytes, size_t size, struct progress_key *key)
{
    struct bytes in = bytes_over(bytes, size);
    uint16_t version = bytes_take16(&in);
    if (version > KEY_VERSION)
        return false;
    struct progress_key found;
    found.group_size = bytes_take16(&in);
    found.group = (const char *)bytes_take(&in, found.group_size);
    found.topic_size = bytes_take16(&in);
    found.topic = (const char *)bytes_take(&in, found.topic_size);
    found.partition = (int32_t)bytes_take32(&in);
    if (in.failed || bytes_left(&in))
        return false;
    *key = found;
    return true;
}

bool progress_parse_value(const void *bytes, size_t size, int64_t *offset)
{
    struct bytes in = bytes_over(bytes, size);
    uint16_t version = bytes_take16(&in);
    int64_t found = (int64_t)bytes_take64(&in); /* the first field of every version */
    if (in.failed || version > VALUE_VERSION_KNOWN || found < 0)
        return false;
    *offset = found;
    return true;
}
