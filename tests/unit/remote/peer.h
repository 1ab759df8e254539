/*
 * peer.h - a server of the tests: it listens, and does with each request what a function says. What
 * it does not know it answers with an empty message. One connection after the other.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/socket.h"
#include "os/thread.h"
#include "remote/connection.h"
#include "wire/errors.h"

#define PEER_TIMEOUT_MS 5000 /* of the client, where nothing is to time out */

struct peer {
    /* Handles a request; body is the decoded message. Answers with peer_answer or peer_send, or not
     * at all; false: the peer hangs up. */
    bool (*handle)(struct peer *peer, const struct wire_request_header *header, const void *body);
    void *context;
    int16_t newest_versions; /* ApiVersions is known up to this; 0: as Kafka before 2.4 */
    _Atomic uint32_t connections, requests;
    int listener, fd;
    char address[SOCKET_TEXT];
    pthread_t thread;
    _Atomic bool stop;
};

static inline void peer_send(struct peer *peer, const void *bytes, size_t size)
{
    socket_send_all(peer->fd, bytes, size, clock_monotonic_ns() + 5000000000);
}

/* In the version of the request. */
static inline void peer_answer(struct peer *peer, const struct wire_request_header *header,
                               const void *body)
{
    struct arena arena = {.limit = 1u << 24};
    struct wire_output out = {.arena = &arena};
    if (wire_encode_response(wire_api(header->api_key), header->api_version, header->correlation_id,
                             body, &out) == 0) {
        for (uint32_t i = 0; i < out.count; i++)
            peer_send(peer, out.slices[i].at, out.slices[i].size);
    }
    arena_reset(&arena);
}

static inline void peer_answer_empty(struct peer *peer, const struct wire_request_header *header)
{
    _Alignas(16) uint8_t body[1024];
    wire_init(wire_api(header->api_key)->response, body);
    peer_answer(peer, header, body);
}

/* All that the schema knows. */
static inline void peer_answer_versions(struct peer *peer, const struct wire_request_header *header)
{
    struct api_versions_response response;
    struct api_versions_response_api_keys rows[128];
    wire_init(&wire_api_versions_response, &response);
    struct wire_request_header in = *header;
    if (header->api_version > peer->newest_versions) {
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
        in.api_version = 0;
        peer_answer(peer, &in, &response);
        return;
    }
    response.api_keys = rows;
    for (int16_t key = 0; key < 128; key++) {
        const struct wire_api *api = wire_api(key);
        if (api)
            rows[response.api_keys_count++] =
                (struct api_versions_response_api_keys){key, api->first_version, api->last_version};
    }
    peer_answer(peer, header, &response);
}

static inline bool peer_serve_one(struct peer *peer)
{
    uint8_t prefix[WIRE_FRAME_PREFIX];
    static uint8_t frame[1u << 20];
    int64_t soon = clock_monotonic_ns() + 10000000000;
    if (socket_receive_all(peer->fd, prefix, sizeof prefix, soon) != 0 ||
        bytes_load32(prefix) > sizeof frame ||
        socket_receive_all(peer->fd, frame, bytes_load32(prefix), soon) != 0)
        return false;
    struct bytes in = bytes_over(frame, bytes_load32(prefix));
    struct wire_request_header header;
    struct arena arena = {.limit = 1u << 24};
    if (wire_decode_request_header(&in, &header) != 0)
        return false;
    bool go_on = true;
    _Alignas(16) uint8_t body[1024];
    const struct wire_api *api = wire_api(header.api_key);
    if (header.api_key == REMOTE_API_VERSIONS) {
        peer_answer_versions(peer, &header);
    } else if (wire_decode(api->request, header.api_version, &in, &arena, body) == 0) {
        peer->requests++;
        if (peer->handle)
            go_on = peer->handle(peer, &header, body);
        else
            peer_answer_empty(peer, &header);
    } else {
        go_on = false;
    }
    arena_reset(&arena);
    return go_on;
}

static inline void *peer_run(void *context)
{
    struct peer *peer = context;
    while (!peer->stop) {
        peer->fd = accept(peer->listener, NULL, NULL);
        if (peer->fd < 0) {
            clock_sleep_ns(1000000);
            continue;
        }
        peer->connections++;
        while (!peer->stop && peer_serve_one(peer))
            ;
        socket_close(peer->fd);
    }
    return NULL;
}

static inline void peer_begin(struct peer *peer)
{
    int fds[SOCKET_LISTENERS];
    if (!peer->newest_versions)
        peer->newest_versions = 4;
    assert_int_equal(socket_listen("127.0.0.1:0", 8, fds), 1);
    peer->listener = fds[0];
    snprintf(peer->address, sizeof peer->address, "127.0.0.1:%u", socket_port(fds[0]));
    assert_int_equal(thread_start(&peer->thread, "peer", peer_run, peer), 0);
}

/* After the client has closed its side. */
static inline void peer_end(struct peer *peer)
{
    peer->stop = true;
    thread_join(peer->thread);
    socket_close_listener(peer->listener);
}

static inline struct remote *peer_connect(struct peer *peer)
{
    struct remote *remote = NULL;
    peer_begin(peer);
    assert_int_equal(remote_open(peer->address, PEER_TIMEOUT_MS, &remote), 0);
    return remote;
}

static inline void peer_disconnect(struct peer *peer, struct remote *remote)
{
    remote_close(remote);
    peer_end(peer);
}

#define assert_says(part) assert_non_null(strstr(error_text(), part))
