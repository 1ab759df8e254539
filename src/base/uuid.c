/* uuid.c - Kafka's text form of a UUID: base64 with '-' and '_', no padding. */
#include "base/uuid.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct uuid uuid_from_random(const uint8_t random[16])
{
    struct uuid id;
    memcpy(id.bytes, random, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    /* A leading '-' would look like an option on a command line. */
    if (alphabet[id.bytes[0] >> 2] == '-')
        id.bytes[0] &= 0x7f;
    return id;
}

void uuid_format(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
    uint32_t bits = 0;
    unsigned held = 0;
    char *to = text;
    for (unsigned i = 0; i < sizeof id->bytes; i++) {
        bits = bits << 8 | id->bytes[i];
        for (held += 8; held >= 6; held -= 6)
            *to++ = alphabet[bits >> (held - 6) & 63];
    }
    *to++ = alphabet[bits << (6 - held) & 63];
    *to = '\0';
}

bool uuid_parse(const char *text, struct uuid *id)
{
    struct uuid parsed = {{0}};
    uint32_t bits = 0;
    unsigned held = 0;
    unsigned filled = 0;
    if (strnlen(text, UUID_TEXT_SIZE) != UUID_TEXT_SIZE - 1)
        return false;
    for (const char *at = text; *at; at++) {
        const char *found = strchr(alphabet, *at);
        if (!found)
            return false;
        bits = bits << 6 | (uint32_t)(found - alphabet);
        held += 6;
        if (held >= 8 && filled < sizeof parsed.bytes) {
            held -= 8;
            parsed.bytes[filled++] = (uint8_t)(bits >> held);
        }
    }
    *id = parsed;
    return true;
}
