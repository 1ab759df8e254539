#include "remote/connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "os/clock.h"
#include "remote/failure.h"

#define CLIENT_ID "maplog"
#define LOOK_NS 200000000 /* a wait looks so often whether it was interrupted */

/* Versions whose meaning the callers know; a topic is named in all of them, not given by its id. */
struct spoken {
    int16_t first, last;
};

static const struct spoken spoken[REMOTE_APIS] = {
    [REMOTE_PRODUCE] = {3, 11},          [REMOTE_FETCH] = {4, 12},
    [REMOTE_LIST_OFFSETS] = {1, 9},      [REMOTE_METADATA] = {4, 12},
    [REMOTE_OFFSET_COMMIT] = {2, 9},     [REMOTE_OFFSET_FETCH] = {2, 7}, /* one group at a time */
    [REMOTE_FIND_COORDINATOR] = {1, 3},  [REMOTE_JOIN_GROUP] = {1, 9},
    [REMOTE_HEARTBEAT] = {0, 4},         [REMOTE_LEAVE_GROUP] = {3, 5},
    [REMOTE_SYNC_GROUP] = {0, 5},        [REMOTE_DESCRIBE_GROUPS] = {0, 6},
    [REMOTE_LIST_GROUPS] = {0, 5},       [REMOTE_API_VERSIONS] = {0, 3},
    [REMOTE_CREATE_TOPICS] = {4, 7}, /* the server's number of partitions can be asked for */
    [REMOTE_DELETE_TOPICS] = {1, 5},     [REMOTE_DELETE_RECORDS] = {0, 2},
    [REMOTE_INIT_PRODUCER_ID] = {0, 4},  [REMOTE_DESCRIBE_CONFIGS] = {1, 4},
    [REMOTE_DESCRIBE_LOG_DIRS] = {1, 4}, [REMOTE_CREATE_PARTITIONS] = {0, 3},
    [REMOTE_DELETE_GROUPS] = {0, 3},     [REMOTE_INCREMENTAL_ALTER_CONFIGS] = {0, 1},
};

static const char *name_of(enum remote_api api)
{
    return wire_api((int16_t)api)->name;
}

static void lose(struct remote *remote)
{
    socket_close(remote->fd);
    remote->fd = -1;
}

/* ---- sending --------------------------------------------------------------------------------- */

struct arena *remote_begin(struct remote *remote)
{
    arena_reset(&remote->request);
    return &remote->request;
}

static int64_t deadline_in(int64_t ms)
{
    return clock_monotonic_ns() + ms * 1000000;
}

static int send_slices(struct remote *remote, enum remote_api api, const struct wire_output *out)
{
    int64_t deadline = deadline_in(remote->timeout_ms);
    int result = 0;
    for (uint32_t i = 0; !result && i < out->count; i++)
        result = socket_send_all(remote->fd, out->slices[i].at, out->slices[i].size, deadline);
    if (!result)
        return 0;
    lose(remote);
    return error_prefix(result, "%s: sending %s", remote->address, name_of(api));
}

int remote_send(struct remote *remote, enum remote_api api, const void *request,
                int32_t *correlation_id)
{
    if (remote->versions[api] < 0)
        return error_set(MAPLOG_UNSUPPORTED,
                         "%s: the server has no %s in the versions %d to %d that are spoken here",
                         remote->address, name_of(api), spoken[api].first, spoken[api].last);
    if (remote->fd < 0)
        return error_set(MAPLOG_IO, "%s: the connection was lost", remote->address);
    struct wire_output out = {.arena = &remote->request};
    struct wire_request_header header = {.api_key = (int16_t)api,
                                         .api_version = remote->versions[api],
                                         .correlation_id = ++remote->correlation_id,
                                         .client_id = wire_text(CLIENT_ID)};
    int result = wire_encode_request(&header, request, &out);
    if (result)
        return error_prefix(result, "%s", name_of(api));
    *correlation_id = header.correlation_id;
    return send_slices(remote, api, &out);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Exactly size bytes, in short waits when somebody may interrupt them. */
static int receive(struct remote *remote, void *to, size_t size, int64_t deadline)
{
    uint8_t *at = to;
    while (size > 0) {
        size_t got;
        int64_t look = clock_monotonic_ns() + LOOK_NS;
        bool looks = remote->interruptible && remote->interrupted && look < deadline;
        int result = socket_receive(remote->fd, at, size, looks ? look : deadline, &got);
        if (result == MAPLOG_TIMED_OUT && looks) {
            if (remote->interrupted())
                return error_set(MAPLOG_CLOSED, "interrupted");
            continue;
        }
        if (result)
            return result;
        if (got == 0)
            return error_set(MAPLOG_IO, "the server closed the connection");
        at += got;
        size -= got;
    }
    return 0;
}

/* The next frame; *in is what lies behind its size. */
static int receive_frame(struct remote *remote, int more_ms, struct bytes *in)
{
    int64_t deadline = deadline_in((int64_t)remote->timeout_ms + more_ms);
    uint8_t prefix[WIRE_FRAME_PREFIX];
    int result = receive(remote, prefix, sizeof prefix, deadline);
    if (result)
        return result;
    uint32_t size = bytes_load32(prefix);
    if (size > LIMIT_ANSWER)
        return error_set(
            MAPLOG_CORRUPT,
            "an answer of %u bytes, at most %u are taken (LIMIT_ANSWER); is it a Kafka "
            "server?",
            size, LIMIT_ANSWER);
    if (size > remote->capacity) {
        uint8_t *frame = realloc(remote->frame, size);
        if (!frame)
            return error_set(MAPLOG_NO_MEMORY, "no memory for an answer of %u bytes", size);
        remote->frame = frame;
        remote->capacity = size;
    }
    result = receive(remote, remote->frame, size, deadline);
    *in = bytes_over(remote->frame, result ? 0 : size);
    return result;
}

static int decode(struct remote *remote, enum remote_api api, int32_t wanted, struct bytes *in)
{
    int32_t correlation_id;
    int result = wire_decode_response_header(wire_api((int16_t)api), remote->versions[api], in,
                                             &correlation_id);
    if (!result && correlation_id != wanted)
        result = error_set(MAPLOG_CORRUPT, "an answer to request %d, the one to %d was due",
                           (int)correlation_id, (int)wanted);
    return result;
}

int remote_receive(struct remote *remote, enum remote_api api, int32_t correlation_id, int more_ms,
                   void *response)
{
    if (remote->fd < 0)
        return error_set(MAPLOG_IO, "%s: the connection was lost", remote->address);
    struct bytes in;
    arena_reset(&remote->answer);
    int result = receive_frame(remote, more_ms, &in);
    if (!result)
        result = decode(remote, api, correlation_id, &in);
    /* A server that does not know this version of ApiVersions answers in version 0. */
    if (!result && api == REMOTE_API_VERSIONS && bytes_left(&in) >= 2 &&
        (int16_t)bytes_load16(in.at) == KAFKA_UNSUPPORTED_VERSION)
        remote->versions[api] = 0;
    if (!result)
        result = wire_decode(wire_api((int16_t)api)->response, remote->versions[api], &in,
                             &remote->answer, response);
    if (!result)
        return 0;
    lose(remote);
    return error_prefix(result, "%s: the answer to %s", remote->address, name_of(api));
}

int remote_call(struct remote *remote, enum remote_api api, const void *request, void *response)
{
    int32_t correlation_id;
    int result = remote_send(remote, api, request, &correlation_id);
    return result ? result : remote_receive(remote, api, correlation_id, 0, response);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int16_t at_least(int16_t a, int16_t b)
{
    return a > b ? a : b;
}

static int16_t at_most(int16_t a, int16_t b)
{
    return a < b ? a : b;
}

static void take_versions(struct remote *remote, const struct api_versions_response *response)
{
    for (int i = 0; i < REMOTE_APIS; i++) {
        if (i != REMOTE_API_VERSIONS)
            remote->versions[i] = -1;
    }
    for (int32_t i = 0; i < response->api_keys_count; i++) {
        const struct api_versions_response_api_keys *row = &response->api_keys[i];
        if (row->api_key < 0 || row->api_key >= REMOTE_APIS ||
            row->api_key == REMOTE_API_VERSIONS || spoken[row->api_key].last == 0)
            continue;
        const struct spoken *here = &spoken[row->api_key];
        int16_t first = at_least(here->first, row->min_version);
        int16_t last = at_most(here->last, row->max_version);
        if (first <= last)
            remote->versions[row->api_key] = last;
    }
}

/* Asks in the newest version that is spoken here, and in version 0 when the server knows less. */
static int shake_hands(struct remote *remote)
{
    struct api_versions_request request;
    struct api_versions_response response;
    wire_init(&wire_api_versions_request, &request);
    request.client_software_name = wire_text(CLIENT_ID);
    request.client_software_version = wire_text(MAPLOG_VERSION_TEXT);
    remote->versions[REMOTE_API_VERSIONS] = spoken[REMOTE_API_VERSIONS].last;
    remote_begin(remote);
    int result = remote_call(remote, REMOTE_API_VERSIONS, &request, &response);
    if (!result && response.error_code == KAFKA_UNSUPPORTED_VERSION) {
        remote_begin(remote);
        result = remote_call(remote, REMOTE_API_VERSIONS, &request, &response);
    }
    if (!result && response.error_code) {
        result = remote_failure(response.error_code, wire_text(NULL), "%s: ApiVersions",
                                remote->address);
        lose(remote);
    }
    if (!result)
        take_versions(remote, &response);
    return result;
}

int remote_reconnect(struct remote *remote)
{
    int result = 0;
    for (const char *address = remote->bootstrap; *address; address += strlen(address) + 1) {
        lose(remote);
        remote->address = address;
        result = socket_connect(address, remote->timeout_ms, &remote->fd);
        if (result)
            remote->fd = -1;
        else
            result = shake_hands(remote);
        if (!result)
            return 0;
    }
    return result;
}

/* "a,b" as "a\0b\0\0". */
static char *split(const char *bootstrap)
{
    size_t length = strlen(bootstrap);
    char *list = malloc(length + 2);
    if (!list)
        return NULL;
    char *to = list;
    for (const char *from = bootstrap; *from; from++) {
        if (*from != ',')
            *to++ = *from;
        else if (to > list && to[-1] != '\0')
            *to++ = '\0';
    }
    if (to > list && to[-1] != '\0')
        *to++ = '\0';
    *to = '\0';
    return list;
}

int remote_open(const char *bootstrap, int timeout_ms, struct remote **remote)
{
    struct remote *made = calloc(1, sizeof *made);
    char *list = split(bootstrap);
    if (!made || !list) {
        free(made);
        free(list);
        return error_set(MAPLOG_NO_MEMORY, "no memory for a connection");
    }
    *made = (struct remote){.fd = -1,
                            .timeout_ms = timeout_ms,
                            .address = list,
                            .bootstrap = list,
                            .request.limit = LIMIT_REQUEST_MEMORY,
                            .answer.limit = LIMIT_REQUEST_MEMORY};
    int result = *list ? remote_reconnect(made)
                       : error_set(MAPLOG_INVALID, "\"%s\" names no server", bootstrap);
    if (result) {
        remote_close(made);
        return result;
    }
    *remote = made;
    return 0;
}

void remote_close(struct remote *remote)
{
    if (!remote)
        return;
    lose(remote);
    arena_reset(&remote->request);
    arena_reset(&remote->answer);
    free(remote->frame);
    free(remote->bootstrap);
    free(remote);
}
