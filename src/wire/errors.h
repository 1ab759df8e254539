/* errors.h - Kafka's error codes by name. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum kafka_error {
#define KAFKA_ERROR(name, code, retriable) KAFKA_##name = code,
#include "wire/errors.def"
#undef KAFKA_ERROR
};

/* "OFFSET_OUT_OF_RANGE"; "error 123" is not known here: NULL. */
const char *kafka_error_name(int16_t code);
/* True when a client does well to try again. */
bool kafka_error_retriable(int16_t code);
