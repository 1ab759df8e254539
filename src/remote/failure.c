#include "remote/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

int remote_code(int16_t code)
{
    switch (code) {
    case KAFKA_OFFSET_OUT_OF_RANGE:
        return MAPLOG_OFFSET_OUT_OF_RANGE;
    case KAFKA_CORRUPT_MESSAGE:
        return MAPLOG_CORRUPT;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_GROUP_ID_NOT_FOUND:
        return MAPLOG_NOT_FOUND;
    case KAFKA_TOPIC_ALREADY_EXISTS:
        return MAPLOG_EXISTS;
    case KAFKA_MESSAGE_TOO_LARGE:
    case KAFKA_RECORD_LIST_TOO_LARGE:
        return MAPLOG_TOO_LARGE;
    case KAFKA_REQUEST_TIMED_OUT:
        return MAPLOG_TIMED_OUT;
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case KAFKA_POLICY_VIOLATION:
        return MAPLOG_DENIED;
    case KAFKA_NON_EMPTY_GROUP:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_GROUP_SUBSCRIBED_TO_TOPIC:
        return MAPLOG_GROUP_ACTIVE;
    case KAFKA_UNSUPPORTED_VERSION:
    case KAFKA_UNSUPPORTED_COMPRESSION_TYPE:
    case KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case KAFKA_INCONSISTENT_GROUP_PROTOCOL:
        return MAPLOG_UNSUPPORTED;
    case KAFKA_INVALID_TOPIC_EXCEPTION:
    case KAFKA_INVALID_PARTITIONS:
    case KAFKA_INVALID_REPLICATION_FACTOR:
    case KAFKA_INVALID_CONFIG:
    case KAFKA_INVALID_REQUEST:
    case KAFKA_INVALID_TIMESTAMP:
    case KAFKA_INVALID_RECORD:
    case KAFKA_INVALID_GROUP_ID:
        return MAPLOG_INVALID;
    case KAFKA_GROUP_MAX_SIZE_REACHED:
        return MAPLOG_LIMIT;
    default:
        return kafka_error_retriable(code) ? MAPLOG_BUSY : MAPLOG_IO;
    }
}

int remote_failure(int16_t code, struct wire_string message, const char *format, ...)
{
    char what[ERROR_TEXT_SIZE], number[16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *name = kafka_error_name(code);
    snprintf(number, sizeof number, "error %d", code);
    if (message.size > 0)
        return error_set(remote_code(code), "%s: %.*s (%s)", what, (int)message.size, message.at,
                         name ? name : number);
    return error_set(remote_code(code), "%s: %s", what, name ? name : number);
}
