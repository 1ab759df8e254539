/* uuid.h - 128-bit ids and Kafka's text form of them (URL-safe base64, 22 characters). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 23 /* 22 characters and the NUL */

struct uuid {
    uint8_t bytes[16];
};

/* Turns 16 random bytes into a version 4 UUID whose text does not begin with '-'. */
struct uuid uuid_from_random(const uint8_t random[16]);
void uuid_format(const struct uuid *id, char text[static UUID_TEXT_SIZE]);
/* false when text is not exactly 22 characters of URL-safe base64. */
bool uuid_parse(const char *text, struct uuid *id);
