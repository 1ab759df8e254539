/* print_json.c - records and documents as JSON. */
#include "cmd/print_json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int out_of_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for the JSON");
}

/* Standard base64 with padding; to be freed. */
static char *base64(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1);
    char *to = text;
    for (size_t i = 0; text && i < size; i += 3) {
        uint32_t word = (uint32_t)bytes[i] << 16;
        word |= i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0;
        word |= i + 2 < size ? bytes[i + 2] : 0;
        *to++ = digits[word >> 18];
        *to++ = digits[word >> 12 & 63];
        *to++ = i + 1 < size ? digits[word >> 6 & 63] : '=';
        *to++ = i + 2 < size ? digits[word & 63] : '=';
    }
    if (text)
        *to = '\0';
    return text;
}

/* Sets "name" to the bytes, or "name_base64" when they are not UTF-8; 0, or -1. */
static int set_bytes(json_t *object, const char *name, const void *bytes, size_t size)
{
    json_t *text = bytes ? json_stringn(bytes, size) : json_null();
    if (text)
        return json_object_set_new(object, name, text);
    char marked[32];
    snprintf(marked, sizeof marked, "%s_base64", name);
    char *encoded = base64(bytes, size);
    int result = encoded ? json_object_set_new(object, marked, json_string(encoded)) : -1;
    free(encoded);
    return result;
}

/* Names and values in turn, as kcat prints them; bytes that are not UTF-8 as {"base64": ...}. */
static int add_header_part(json_t *headers, const void *bytes, size_t size)
{
    json_t *text = bytes ? json_stringn(bytes, size) : json_null();
    if (!text) {
        char *encoded = base64(bytes, size);
        text = encoded ? json_pack("{s:s}", "base64", encoded) : NULL;
        free(encoded);
    }
    return json_array_append_new(headers, text);
}

static json_t *headers_of(const struct maplog_message *message)
{
    json_t *headers = json_array();
    const char *name;
    const void *value;
    size_t name_size, value_size;
    for (int32_t i = 0; headers && i < message->header_count; i++) {
        if (maplog_message_header(message, i, &name, &name_size, &value, &value_size) != 0)
            break;
        if (add_header_part(headers, name, name_size) != 0 ||
            add_header_part(headers, value, value_size) != 0) {
            json_decref(headers);
            return NULL;
        }
    }
    return headers;
}

static int put(const char *buffer, size_t size, void *output)
{
    output_put(output, buffer, size);
    return 0;
}

int print_json_message(const char *topic, const struct maplog_message *message,
                       struct output *output)
{
    json_t *object = json_pack("{s:s, s:i, s:I, s:s, s:I}", "topic", topic, "partition",
                               (int)message->partition, "offset", (json_int_t)message->offset,
                               "tstype", message->timestamp_type ? "logappend" : "create", "ts",
                               (json_int_t)message->timestamp);
    int failed = !object;
    if (!failed && message->header_count > 0)
        failed = json_object_set_new(object, "headers", headers_of(message));
    if (!failed)
        failed = set_bytes(object, "key", message->key, message->key_size) ||
                 set_bytes(object, "payload", message->value, message->value_size) ||
                 json_dump_callback(object, put, output, JSON_COMPACT);
    json_decref(object);
    if (failed)
        return out_of_memory();
    output_put(output, "\n", 1);
    return 0;
}

int print_json_document(json_t *document)
{
    char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (!text)
        return out_of_memory();
    puts(text);
    free(text);
    return 0;
}
