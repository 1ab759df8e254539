/*
 * What does it cost to turn Kafka's messages into structs and back?
 *
 * The smallest usual request (Produce, one partition), and a large one (Fetch, 1,000 partitions)
 * with its answer; flexible versions, memory from an arena that is given back each time. No roof:
 * there is no machine limit for this, and beside a system call or a checksum of 16 KiB it is small.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/bench.h"
#include "wire/messages.h"

#define MEMORY (16u << 20)
#define PARTITIONS 1000

struct plain {
    uint8_t *at;
    size_t size;
};

static struct plain written(const struct wire_struct *type, int16_t version, const void *message)
{
    struct arena arena = {.limit = MEMORY};
    struct wire_output out = {.arena = &arena};
    bench_check(wire_encode(type, version, message, &out), "encode");
    struct plain plain = {malloc(out.size), 0};
    for (uint32_t i = 0; i < out.count; plain.size += out.slices[i++].size)
        memcpy(plain.at + plain.size, out.slices[i].at, out.slices[i].size);
    arena_reset(&arena);
    return plain;
}

static void measure(const char *name, const struct wire_struct *type, int16_t version,
                    const void *message)
{
    struct plain plain = written(type, version, message);
    char label[64];
    size_t rounds = (bench_quick() ? 2000000 : 20000000) / (plain.size + 20);
    double decode[BENCH_RUNS], encode[BENCH_RUNS];
    for (int run = 0; run < BENCH_RUNS; run++) {
        struct arena arena = {.limit = MEMORY};
        uint64_t begun = bench_ns();
        for (size_t i = 0; i < rounds; i++) {
            struct bytes in = bytes_over(plain.at, plain.size);
            void *read = arena_take(&arena, wire_size(type));
            bench_check(wire_decode(type, version, &in, &arena, read), "decode");
            arena_reset(&arena);
        }
        decode[run] = (double)(bench_ns() - begun) / (double)rounds;
        begun = bench_ns();
        for (size_t i = 0; i < rounds; i++) {
            struct wire_output out = {.arena = &arena};
            bench_check(wire_encode(type, version, message, &out), "encode");
            arena_reset(&arena);
        }
        encode[run] = (double)(bench_ns() - begun) / (double)rounds;
    }
    bench_note("%s: %zu bytes", name, plain.size);
    snprintf(label, sizeof label, "wire_decode_%s", name);
    bench_time(label, bench_median(decode, BENCH_RUNS), "ns", 0);
    snprintf(label, sizeof label, "wire_encode_%s", name);
    bench_time(label, bench_median(encode, BENCH_RUNS), "ns", 0);
    free(plain.at);
}

static void produce(struct arena *arena)
{
    static const uint8_t records[16384];
    struct produce_request *request = wire_new(arena, &wire_produce_request);
    request->acks = -1;
    request->topic_data_count = 1;
    request->topic_data = wire_array(arena, &wire_produce_request_topic_data, 1);
    request->topic_data->name = wire_text("orders");
    request->topic_data->partition_data_count = 1;
    request->topic_data->partition_data =
        wire_array(arena, &wire_produce_request_topic_data_partition_data, 1);
    request->topic_data->partition_data->records =
        (struct wire_records){.at = records, .size = sizeof records};
    measure("produce_1", &wire_produce_request, 12, request);
}

static void fetch(struct arena *arena)
{
    struct fetch_request *request = wire_new(arena, &wire_fetch_request);
    struct fetch_response *answer = wire_new(arena, &wire_fetch_response);
    request->topics_count = answer->responses_count = 1;
    request->topics = wire_array(arena, &wire_fetch_request_topics, 1);
    answer->responses = wire_array(arena, &wire_fetch_response_responses, 1);
    request->topics->partitions_count = answer->responses->partitions_count = PARTITIONS;
    request->topics->partitions =
        wire_array(arena, &wire_fetch_request_topics_partitions, PARTITIONS);
    answer->responses->partitions =
        wire_array(arena, &wire_fetch_response_responses_partitions, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        request->topics->partitions[i].partition = i;
        request->topics->partitions[i].fetch_offset = i * 1000;
        answer->responses->partitions[i].partition_index = i;
    }
    measure("fetch_1000", &wire_fetch_request, 17, request);
    measure("fetch_answer_1000", &wire_fetch_response, 17, answer);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_pin(0);
    struct arena arena = {.limit = MEMORY};
    produce(&arena);
    fetch(&arena);
    arena_reset(&arena);
    return 0;
}
