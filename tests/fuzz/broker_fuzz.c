/* broker_fuzz.c - any bytes as requests of one client, one after the other, to a broker on a
 * directory of its own: each is answered, parked or ends the connection, and what is answered can
 * be read.
 *
 * Input: [uint16 size][frame] ... CRCs of batches are set right, so that they get into the log. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "broker/broker.h"
#include "broker/settings.h"
#include "log/format.h"
#include "os/file.h"
#include "wire_again.h"

#define PRODUCE 0
#define ROUNDS_FRESH 500 /* inputs that one directory serves */
#define STEPS_MAX 100    /* of one request; it has long been answered by then */
#define REQUEST_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char path[64];
    struct directory *directory;
    struct broker_settings settings;
    struct broker *broker;
    int64_t now_ms; /* as the broker is told: no test waits for it */
    unsigned rounds;
    uint32_t random;
} fuzz = {.now_ms = 1700000000000};

static void host_wake(void *context, struct broker_request *request)
{
    (void)context;
    (void)request;
}

static void host_note(void *context, char level, const char *text)
{
    (void)context;
    check(level == 'E' || level == 'W' || level == 'I' || level == 'D');
    check(text[0]);
}

static void host_random(void *context, uint8_t *to, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        fuzz.random = fuzz.random * 1664525 + 1013904223;
        to[i] = (uint8_t)(fuzz.random >> 24);
    }
}

static const struct broker_host host = {
    .wake = host_wake, .note = host_note, .random = host_random};

static void stop(void)
{
    broker_close(fuzz.broker);
    directory_drop(fuzz.directory);
    broker_settings_free(&fuzz.settings);
    file_remove_tree(AT_FDCWD, fuzz.path);
    fuzz.broker = NULL;
    fuzz.directory = NULL;
}

static void start(void)
{
    struct maplog_open_options options = {.flags = MAPLOG_CREATE};
    snprintf(fuzz.path, sizeof fuzz.path, "/tmp/maplog-fuzz-XXXXXX");
    check(mkdtemp(fuzz.path) != NULL);
    check(directory_open(fuzz.path, &options, &fuzz.directory) == 0);
    check(directory_create_topic(fuzz.directory, "t", 2, NULL) == 0);
    broker_settings_default(&fuzz.settings);
    check(broker_open(fuzz.directory, &fuzz.settings, &host, fuzz.now_ms, &fuzz.broker) == 0);
}

/* The batches of a Produce frame get the CRC that they need. */
static void seal(uint8_t *frame, size_t size)
{
    struct bytes in = bytes_over(frame, size);
    struct wire_request_header header;
    struct arena arena = {.limit = REQUEST_BYTES};
    struct produce_request body;
    if (wire_decode_request_header(&in, &header) || header.api_key != PRODUCE)
        return;
    wire_init(&wire_produce_request, &body);
    if (wire_decode_prefix(&wire_produce_request, header.api_version, &in, &arena, &body) == 0) {
        for (int32_t t = 0; t < body.topic_data_count; t++) {
            for (int32_t p = 0; p < body.topic_data[t].partition_data_count; p++) {
                const struct wire_records *records = &body.topic_data[t].partition_data[p].records;
                if (records->size < BATCH_HEADER_BYTES)
                    continue;
                uint8_t *batch = frame + (records->at - frame);
                size_t length = (size_t)records->size;
                bytes_store32(batch + BATCH_LENGTH, (uint32_t)(length - BATCH_PREFIX_BYTES));
                bytes_store32(batch + BATCH_CRC,
                              crc32c(0, batch + BATCH_ATTRIBUTES, length - BATCH_ATTRIBUTES));
            }
        }
    }
    arena_reset(&arena);
}

/* What was answered is what the schema says. */
static void check_answer(const struct broker_request *request)
{
    const struct wire_output *output = &request->output;
    uint8_t *answer = malloc(output->size ? output->size : 1);
    size_t size = 0;
    for (uint32_t i = 0; i < output->count; i++) {
        check(output->slices[i].size <= output->size - size);
        memcpy(answer + size, output->slices[i].at, output->slices[i].size);
        size += output->slices[i].size;
    }
    check(size == output->size);
    struct bytes in = bytes_over(answer, size);
    uint32_t length = bytes_take32(&in);
    check(length == bytes_left(&in));
    int16_t version = request->body ? request->header.api_version : 0;
    int32_t correlation;
    check(wire_decode_response_header(request->api, version, &in, &correlation) == 0);
    check(correlation == request->header.correlation_id);
    struct arena arena = {.limit = 4 * REQUEST_BYTES};
    void *body = wire_new(&arena, request->api->response);
    check(wire_decode(request->api->response, version, &in, &arena, body) == 0);
    arena_reset(&arena);
    free(answer);
}

/* False when it ended the connection. */
static bool serve(uint8_t *frame, size_t size)
{
    struct broker_request request = {.frame = bytes_over(frame, size),
                                     .advertised = {"localhost", 9092},
                                     .peer = "127.0.0.1:50000",
                                     .arena.limit = REQUEST_BYTES};
    enum broker_outcome outcome = broker_begin(fuzz.broker, &request, fuzz.now_ms);
    for (int i = 0; i < STEPS_MAX && (outcome == BROKER_PARK || outcome == BROKER_COLD); i++) {
        if (outcome == BROKER_COLD)
            request.work(&request);
        else if (request.deadline_ms > fuzz.now_ms)
            fuzz.now_ms = request.deadline_ms;
        broker_tick(fuzz.broker, fuzz.now_ms);
        outcome = broker_resume(fuzz.broker, &request, fuzz.now_ms);
    }
    if (outcome == BROKER_ANSWER)
        check_answer(&request);
    broker_end(fuzz.broker, &request);
    arena_reset(&request.arena);
    return outcome != BROKER_CLOSE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fuzz.rounds == 0)
        atexit(stop);
    if (fuzz.rounds++ % ROUNDS_FRESH == 0) {
        if (fuzz.broker)
            stop();
        start();
    }
    bool open = true;
    while (open && size >= 2) {
        size_t length = bytes_load16(data);
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        uint8_t *frame = malloc(length ? length : 1); /* of its own: reading beyond it is seen */
        memcpy(frame, data, length);
        seal(frame, length);
        open = serve(frame, length);
        free(frame);
        data += length;
        size -= length;
    }
    return 0;
}
