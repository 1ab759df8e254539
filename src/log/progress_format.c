#include "log/progress_format.h"

#include <string.h>

#include "base/bytes.h"

#define KEY_VERSION 1
#define VALUE_VERSION 3
#define VALUE_VERSION_EXPIRING 1
#define VALUE_VERSION_EPOCH 3    /* has a leader epoch, as all later ones */
#define VALUE_VERSION_FLEXIBLE 4 /* has a compact string and tagged fields */
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

static uint8_t *put_string(uint8_t *to, const char *text, size_t size)
{
    bytes_store16(to, (uint16_t)size);
    memcpy(to + 2, text, size);
    return to + 2 + size;
}

size_t progress_put_key(uint8_t *to, const char *group, const char *topic, int32_t partition)
{
    uint8_t *at = to;
    bytes_store16(at, KEY_VERSION);
    at = put_string(at + 2, group, strlen(group));
    at = put_string(at, topic, strlen(topic));
    bytes_store32(at, (uint32_t)partition);
    return (size_t)(at + 4 - to);
}

size_t progress_put_value(uint8_t *to, const struct progress_value *value)
{
    bool expires = value->expires_ms >= 0;
    bytes_store16(to, expires ? VALUE_VERSION_EXPIRING : VALUE_VERSION);
    bytes_store64(to + 2, (uint64_t)value->offset);
    uint8_t *at = to + 10;
    if (!expires) {
        bytes_store32(at, (uint32_t)value->leader_epoch);
        at += 4;
    }
    at = put_string(at, value->metadata, value->metadata_size);
    bytes_store64(at, (uint64_t)value->committed_ms);
    at += 8;
    if (expires) {
        bytes_store64(at, (uint64_t)value->expires_ms);
        at += 8;
    }
    return (size_t)(at - to);
}

bool progress_is_key(const void *bytes, size_t size)
{
    return size >= 2 && bytes_load16(bytes) <= KEY_VERSION;
}

bool progress_is_text(const char *text, const char *of_key, size_t size)
{
    return strlen(text) == size && memcmp(text, of_key, size) == 0;
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

/* Size of a compact string, which follows; its length is a varint, plus one. */
static size_t take_compact_size(struct bytes *in)
{
    uint32_t length = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = bytes_take8(in);
        length |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    in->failed |= length == 0; /* NULL, which metadata never is */
    return length - 1;
}

/* Kafka may have been configured to take more metadata than we hand out: it is cut, but not within
 * a character. */
static size_t cut(const char *metadata, size_t size)
{
    if (size <= PROGRESS_METADATA_MAX)
        return size;
    size = PROGRESS_METADATA_MAX;
    while (size && (metadata[size] & 0xc0) == 0x80)
        size--;
    return size;
}

bool progress_parse_value(const void *bytes, size_t size, struct progress_value *value)
{
    struct bytes in = bytes_over(bytes, size);
    uint16_t version = bytes_take16(&in);
    struct progress_value found = {.leader_epoch = -1, .expires_ms = -1};
    found.offset = (int64_t)bytes_take64(&in);
    if (version >= VALUE_VERSION_EPOCH)
        found.leader_epoch = (int32_t)bytes_take32(&in);
    found.metadata_size =
        version >= VALUE_VERSION_FLEXIBLE ? take_compact_size(&in) : bytes_take16(&in);
    found.metadata = (const char *)bytes_take(&in, found.metadata_size);
    found.committed_ms = (int64_t)bytes_take64(&in);
    if (version == VALUE_VERSION_EXPIRING)
        found.expires_ms = (int64_t)bytes_take64(&in);
    /* What follows in a flexible version, the topic's id, is not needed. */
    if (in.failed || version > VALUE_VERSION_KNOWN || found.offset < 0)
        return false;
    found.metadata_size = cut(found.metadata, found.metadata_size);
    *value = found;
    return true;
}
