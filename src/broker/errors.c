#include <maplog.h>

#include "broker/parts.h"

/* Chosen by what clients make of it: what passes by itself must be retriable, what does not must
 * not be, or they try for ever. */
int16_t broker_error(int code)
{
    switch (code) {
    case 0:
        return KAFKA_NONE;
    case MAPLOG_INVALID:
        return KAFKA_INVALID_REQUEST;
    case MAPLOG_NOT_FOUND:
    case MAPLOG_TOPIC_DELETED:
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case MAPLOG_EXISTS:
        return KAFKA_TOPIC_ALREADY_EXISTS;
    case MAPLOG_DENIED:
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    case MAPLOG_IO:
    case MAPLOG_DISK_FULL:
    case MAPLOG_FULL:
        return KAFKA_KAFKA_STORAGE_ERROR;
    case MAPLOG_BUSY:
    case MAPLOG_TIMED_OUT:
        return KAFKA_REQUEST_TIMED_OUT;
    case MAPLOG_CORRUPT:
        return KAFKA_CORRUPT_MESSAGE;
    case MAPLOG_TOO_LARGE:
        return KAFKA_MESSAGE_TOO_LARGE;
    case MAPLOG_OFFSET_OUT_OF_RANGE:
        return KAFKA_OFFSET_OUT_OF_RANGE;
    case MAPLOG_NOT_PERSISTENT:
        return KAFKA_INVALID_CONFIG; /* flush.messages=1 on a log in memory */
    case MAPLOG_GROUP_BUSY:
    case MAPLOG_GROUP_ACTIVE:
        return KAFKA_NON_EMPTY_GROUP;
    case MAPLOG_UNSUPPORTED:
        return KAFKA_UNSUPPORTED_VERSION;
    default:
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
}
