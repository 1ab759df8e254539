/*
 * maplog by include/maplog.h. Profiles:
 *   each       every record is visible when its call returns; files grow as they are written
 *   prepared   the same, memory allocated and populated before (maplog_prepare())
 *   crc        as each, and the consumer verifies the CRC-32C of each batch before it hands it out
 *   batch      records gather in batches of 16 KiB
 */
#include <maplog.h>
#include <stdio.h>
#include <string.h>

#include "transport.h"

#define TOPIC "peers"
#define OVERHEAD 80 /* bytes of a batch around a record that is alone in it, rounded up */

const char *const transport_name = "maplog";
const char *const transport_profiles[] = {"each", "prepared", "crc", "batch", NULL};
const bool transport_persistent = true;

static const struct plan *plan;
static maplog *log_handle;
static maplog_producer *producer;
static maplog_consumer *consumer;

static int try(int answer)
{
    if (answer < 0)
        fail("%s", maplog_error_text());
    return answer;
}

static bool profile_is(const char *name)
{
    return !strcmp(plan->profile, name);
}

static void attach(void)
{
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    try(maplog_open(plan->directory, &options, &log_handle));
}

const char *transport_version(void)
{
    return maplog_version();
}

void transport_prepare(const struct plan *given)
{
    const char *const configs[] = {"segment.bytes=1073741824", NULL};
    plan = given;
    attach();
    try(maplog_topic_create(log_handle, TOPIC, 1, configs));
    maplog_close(log_handle);
}

void transport_open_sender(void)
{
    attach();
    struct maplog_producer_options options = {0};
    if (profile_is("batch"))
        options = (struct maplog_producer_options){.batch_bytes = 16 << 10, .linger_ms = 1};
    try(maplog_producer_open(log_handle, TOPIC, &options, &producer));
    if (profile_is("prepared"))
        try(maplog_prepare(producer, 0, (plan->warm + plan->count) * (plan->size + OVERHEAD)));
}

void transport_send(const void *value, size_t size)
{
    struct maplog_record record = {.value = value, .value_size = size};
    try(maplog_produce(producer, &record, NULL));
}

void transport_flush(void)
{
    try(maplog_flush(producer));
}

void transport_open_receiver(void)
{
    attach();
    struct maplog_consumer_options options = {.check_crcs = profile_is("crc")};
    try(maplog_consumer_open(log_handle, TOPIC, &options, &consumer));
}

size_t transport_receive(const void **value, bool spin)
{
    struct maplog_message message;
    if (!try(maplog_consume(consumer, &message, spin ? 0 : 1000)))
        return 0;
    *value = message.value;
    return message.value_size;
}

void transport_replay(void)
{
    try(maplog_seek(consumer, 0, MAPLOG_BEGIN));
}
