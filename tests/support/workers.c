/* workers.c - see workers.h. */
#include "workers.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "os/clock.h"

#define MS 1000000ll

static struct workplace place; /* of this process */

maplog *workers_open(const struct workplace *where, unsigned flags)
{
    place = *where;
    struct maplog_open_options options = {.flags = flags, .timeout_ms = 60000};
    maplog *log = NULL;
    if (maplog_open(place.path, &options, &log)) {
        ledger_fail(place.ledger, "open: %s", maplog_error_text());
        _exit(1);
    }
    return log;
}

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    ledger_fail(place.ledger, "%s: %s", what, maplog_error_text());
    _exit(1);
}

/* Appends until it is killed or told to stop; tells the ledger what was acknowledged. */
static void produce(uint32_t life)
{
    struct maplog_producer *producer;
    struct maplog_producer_options options = {.acks = place.round->acks,
                                              .compression = place.round->compression,
                                              .batch_bytes = place.round->batch_bytes,
                                              .timeout_ms = 60000};
    maplog *log = workers_open(&place, 0);
    must(maplog_producer_open(log, "t", &options, &producer), "producer");
    int32_t partition = (int32_t)(life % (uint32_t)place.round->partitions);
    struct ledger_life *own = &place.ledger->life[life];
    uint8_t value[LEDGER_VALUE_MAX];
    for (uint32_t number = 0; !place.ledger->stop && !place.ledger->failed; number++) {
        struct maplog_record record = {.value = value,
                                       .value_size = ledger_value(life, number, value)};
        int64_t begun = clock_monotonic_ns();
        must(maplog_produce_to(producer, partition, &record, NULL), "produce");
        if (place.round->batch_bytes && number % 16 == 15)
            must(maplog_flush(producer), "flush");
        ledger_note_time(place.ledger, begun);
        if (!place.round->batch_bytes || number % 16 == 15) {
            own->acknowledged = number + 1;
            if (place.round->acks == MAPLOG_ACKS_DISK)
                own->durable = number + 1;
        }
        if (number % 64 == 63)
            clock_sleep_ns(200000); /* others have their turn, the log stays small */
    }
    must(maplog_producer_close(producer), "close");
    maplog_close(log);
}

/* Reads what is there and what comes; every record is whole, no offset is missing. */
static void consume(uint32_t life)
{
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {.check_crcs = 1};
    maplog *log = workers_open(&place, life % 2 ? MAPLOG_READ_ONLY : 0);
    must(maplog_consumer_open(log, "t", &options, &consumer), "consumer");
    int64_t next[LEDGER_PARTITIONS];
    for (int32_t p = 0; p < place.round->partitions; p++) {
        struct maplog_partition found;
        must(maplog_partition_describe(log, "t", p, &found), "describe");
        int64_t behind = found.end_offset - found.start_offset;
        must(maplog_seek(consumer, p, found.end_offset - behind / (1 + life % 7)), "seek");
        must(maplog_position(consumer, p, &next[p]), "position");
    }
    while (!place.ledger->stop && !place.ledger->failed) {
        struct maplog_message message;
        int result = maplog_consume(consumer, &message, 20);
        if (result == MAPLOG_OFFSET_OUT_OF_RANGE && place.round->configs[1]) { /* retention */
            must(maplog_seek(consumer, -1, MAPLOG_BEGIN), "seek");
            for (int32_t p = 0; p < place.round->partitions; p++)
                next[p] = -1;
            continue;
        }
        must(result, "consume");
        if (result == 0)
            continue;
        uint32_t writer, number;
        if (next[message.partition] >= 0 && message.offset != next[message.partition])
            ledger_fail(place.ledger, "a consumer got offset %lld, not %lld",
                        (long long)message.offset, (long long)next[message.partition]);
        if (!ledger_read_value(message.value, message.value_size, &writer, &number))
            ledger_fail(place.ledger, "a consumer got a torn record");
        next[message.partition] = message.offset + 1;
        place.ledger->reads++;
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
}

/* Reads as a group and commits; who comes next goes on where that was acknowledged. */
static void consume_in_group(void)
{
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {.group = "g"};
    maplog *log = workers_open(&place, 0);
    int result;
    while ((result = maplog_consumer_open(log, "t", &options, &consumer)) == MAPLOG_GROUP_BUSY &&
           !place.ledger->stop && !place.ledger->failed)
        clock_sleep_ns(MS);
    if (result == MAPLOG_GROUP_BUSY)
        _exit(0);
    must(result, "group consumer");
    for (int32_t p = 0; p < place.round->partitions; p++) {
        int64_t position;
        if (maplog_position(consumer, p, &position)) /* another one has it */
            continue;
        if (position < place.ledger->committed[p])
            ledger_fail(place.ledger, "the group begins at %lld, %lld was committed",
                        (long long)position, (long long)place.ledger->committed[p]);
    }
    while (!place.ledger->stop && !place.ledger->failed) {
        struct maplog_message message;
        for (int i = 0; i < 20 && (result = maplog_consume(consumer, &message, 5)) == 1; i++)
            place.ledger->reads++;
        must(result, "consume");
        int64_t begun = clock_monotonic_ns();
        must(maplog_commit(consumer), "commit");
        ledger_note_time(place.ledger, begun);
        for (int32_t p = 0; p < place.round->partitions; p++) {
            int64_t position;
            if (maplog_position(consumer, p, &position) == 0 &&
                position > place.ledger->committed[p])
                place.ledger->committed[p] = position;
        }
    }
    maplog_consumer_close(consumer);
    maplog_close(log);
}

/* Attaches, makes a topic, uses it, changes it, deletes it, detaches; again and again. */
static void change(uint32_t life)
{
    for (uint32_t turn = 0; !place.ledger->stop && !place.ledger->failed; turn++) {
        maplog *log = workers_open(&place, 0);
        struct maplog_producer *producer;
        char topic[32];
        snprintf(topic, sizeof topic, "x-%u-%u", life, turn);
        const char *configs[] = {"segment.bytes=4096", NULL};
        const char *later[] = {turn % 2 ? "segment.bytes=8192" : "retention.ms=1000000", NULL};
        must(maplog_topic_create(log, topic, 1 + (int32_t)(turn % 3), configs), "create");
        must(maplog_producer_open(log, topic, NULL, &producer), "producer of a new topic");
        uint8_t value[LEDGER_VALUE_MAX] = {0};
        struct maplog_record record = {.value = value, .value_size = 700};
        for (int i = 0; i < 20; i++)
            must(maplog_produce(producer, &record, NULL), "produce to a new topic");
        must(maplog_topic_alter(log, topic, later), "alter");
        must(maplog_delete_records(log, topic, 0, -1), "delete records");
        must(maplog_producer_close(producer), "close");
        if (turn % 4)
            must(maplog_topic_delete(log, topic), "delete");
        maplog_close(log);
    }
}

void workers_run(const struct workplace *where, unsigned kind, uint32_t life)
{
    const struct round *round = where->round;
    place = *where;
    if (round->writer)
        setenv("MAPLOG_WRITER", round->writer, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kind < round->producers)
        produce(life);
    else if ((kind -= round->producers) < round->consumers)
        consume(life);
    else if ((kind -= round->consumers) < round->group_consumers)
        consume_in_group();
    else
        change(life);
    _exit(0);
}
