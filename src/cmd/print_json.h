/*
 * print_json.h - JSON for scripts: kcat's names for a record, one object a line. One thread.
 *
 * Bytes that are not UTF-8 appear in base64 under a name that says so: "payload_base64".
 */
#pragma once

#include <jansson.h>
#include <maplog.h>

#include "cmd/output.h"

/* {"topic", "partition", "offset", "tstype", "ts", "headers": [name, value, ...], "key", "payload"}
 * and a newline. MAPLOG_NO_MEMORY. */
int print_json_message(const char *topic, const struct maplog_message *message,
                       struct output *output);
/* Prints a whole document on standard output and frees it; NULL is a failure of memory. 0 or an
 * error. */
int print_json_document(json_t *document);
