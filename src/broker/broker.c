#include "broker/broker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/apis.h"
#include "broker/groups.h"
#include "broker/configs.h"
#include "broker/parts.h"
#include "broker/sessions.h"
#include "broker/waiters.h"
#include "broker/writers.h"
#include "log/keeper.h"
#include "log/listener.h"
#include "log/producer_ids.h"
#include "log/progress.h"
#include "log/segment_cache.h"

#define API_VERSIONS 18
#define TIDY_MS 10000  /* between two looks for what is idle or expired */
#define FORGET_MS 1000 /* between two for mappings of files that went: they keep disk space */

void broker_note(struct broker *broker, char level, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    broker->host->note(broker->host->context, level, text);
}

/* FNV-1a; never 0. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037ull;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211ull;
    return hash ? hash : 1;
}

void broker_note_seldom(struct broker *broker, char level, const char *text)
{
    uint64_t hash = hash_text(text);
    bool known = false;
    pthread_mutex_lock(&broker->notes_lock);
    for (int i = 0; i < BROKER_NOTES; i++)
        known |= broker->notes[i] == hash;
    if (!known)
        broker->notes[broker->next_note++ % BROKER_NOTES] = hash;
    pthread_mutex_unlock(&broker->notes_lock);
    if (!known)
        broker->host->note(broker->host->context, level, text);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void moved(void *context, uint32_t slot)
{
    broker_moved(context, slot);
}

static int open_parts(struct broker *broker, int64_t now_ms)
{
    struct directory *directory = broker->directory;
    struct meta_identity identity;
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "an anonymous log has no server: use a directory");
    int result = serve_begin(directory, &broker->serve);
    if (!result)
        result = meta_identify(directory->fd, directory->path, &identity);
    if (!result)
        result = waiters_open(broker->host, &broker->waiters);
    if (!result)
        result = segment_cache_open(LIMIT_SEGMENTS_CACHED, &broker->segments);
    if (!result)
        result = sessions_open(broker->host, &broker->sessions);
    if (!result)
        result = writers_open(directory, broker->host, &broker->writers);
    if (!result)
        result = producer_ids_open(directory, &broker->producer_ids);
    if (!result)
        result = progress_open(directory, 0, &broker->progress);
    if (!result)
        result = groups_open(broker, now_ms, &broker->groups);
    if (!result)
        result = keeper_begin(directory);
    if (!result)
        result = listener_open(directory, moved, broker, &broker->listener);
    if (result)
        return result;
    memcpy(broker->cluster_id, identity.cluster_id, sizeof broker->cluster_id);
    broker->node_id = broker->settings.node_id >= 0 ? broker->settings.node_id : identity.node_id;
    sessions_limit(broker->sessions, broker->settings.fetch_sessions);
    broker->tidied_ms = now_ms;
    return 0;
}

int broker_open(struct directory *directory, const struct broker_settings *settings,
                const struct broker_host *host, int64_t now_ms, struct broker **broker)
{
    struct broker *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a broker");
    made->directory = directory_keep(directory);
    made->host = host;
    pthread_mutex_init(&made->configs_lock, NULL);
    pthread_mutex_init(&made->notes_lock, NULL);
    pthread_mutex_init(&made->settings_lock, NULL);
    int result = broker_settings_copy(settings, &made->settings);
    if (!result)
        result = open_parts(made, now_ms);
    if (!result)
        result = configs_state(made, settings);
    if (result) {
        broker_close(made);
        return result;
    }
    *broker = made;
    return 0;
}

void broker_close(struct broker *broker)
{
    if (!broker)
        return;
    listener_close(broker->listener);
    groups_close(broker->groups);
    progress_close(broker->progress);
    producer_ids_close(broker->producer_ids);
    writers_close(broker->writers);
    sessions_close(broker->sessions);
    segment_cache_close(broker->segments);
    waiters_close(broker->waiters);
    serve_end(&broker->serve);
    broker_settings_free(&broker->stated);
    broker_settings_free(&broker->settings);
    pthread_mutex_destroy(&broker->settings_lock);
    pthread_mutex_destroy(&broker->notes_lock);
    pthread_mutex_destroy(&broker->configs_lock);
    directory_drop(broker->directory);
    free(broker);
}

void broker_configure(struct broker *broker, const struct broker_settings *settings)
{
    if (configs_state(broker, settings)) {
        broker_note(broker, 'E', "settings stay as they are: %s", error_text());
        return;
    }
    sessions_limit(broker->sessions, settings->fetch_sessions);
}

void broker_set_wall(struct broker *broker, int64_t ahead_ms)
{
    pthread_mutex_lock(&broker->settings_lock);
    broker->wall_ahead_ms = ahead_ms;
    pthread_mutex_unlock(&broker->settings_lock);
}

int64_t broker_wall_ms(struct broker *broker, int64_t now_ms)
{
    pthread_mutex_lock(&broker->settings_lock);
    int64_t ahead_ms = broker->wall_ahead_ms;
    pthread_mutex_unlock(&broker->settings_lock);
    return now_ms + ahead_ms;
}

int64_t broker_tick(struct broker *broker, int64_t now_ms)
{
    int64_t next = broker->tidied_ms + TIDY_MS;
    if (now_ms >= next) {
        int64_t expiration = BROKER_SETTING(broker, producer_id_expiration_ms);
        writers_tidy(broker->writers, now_ms, broker_wall_ms(broker, now_ms) - expiration);
        pthread_mutex_lock(&broker->notes_lock);
        memset(broker->notes, 0, sizeof broker->notes);
        pthread_mutex_unlock(&broker->notes_lock);
        broker->tidied_ms = now_ms;
        next = now_ms + TIDY_MS;
    }
    int64_t forget = broker->forgot_ms + FORGET_MS;
    if (now_ms >= forget || now_ms < broker->forgot_ms) {
        segment_cache_forget(broker->segments, NULL);
        broker->forgot_ms = now_ms;
        forget = now_ms + FORGET_MS;
    }
    int64_t groups_ms = groups_tick(broker, now_ms);
    next = forget < next ? forget : next;
    return groups_ms < next ? groups_ms : next;
}

void broker_moved(struct broker *broker, uint32_t slot)
{
    waiters_wake(broker->waiters, slot);
}

/* ---- one request ----------------------------------------------------------------------------- */

/* Goes on with what a handler said. */
static enum broker_outcome finish(struct broker_request *request, enum broker_outcome outcome)
{
    if (outcome != BROKER_ANSWER)
        return outcome;
    /* Who asks in a version of ApiVersions that is not known reads the answer in version 0. */
    int16_t version = request->body ? request->header.api_version : 0;
    request->output = (struct wire_output){.arena = &request->arena};
    int result = wire_encode_response(request->api, version, request->header.correlation_id,
                                      request->answer, &request->output);
    if (result) {
        error_prefix(result, "the answer to %s", request->api->name);
        return BROKER_CLOSE;
    }
    return BROKER_ANSWER;
}

/* Reads header and body, and finds who answers. An ApiVersions request of a version that is not
 * known here is answered all the same: without a body. */
static int decode(struct broker_request *request)
{
    struct bytes in = request->frame;
    struct wire_request_header *header = &request->header;
    int result = wire_decode_request_header(&in, header);
    if (result && result != MAPLOG_UNSUPPORTED)
        return error_prefix(result, "the header of a request");
    const struct broker_handler *handler = apis_find(header->api_key);
    const struct wire_api *api = wire_api(header->api_key);
    if (!handler || !api)
        return error_set(MAPLOG_UNSUPPORTED, "a request of API %d, which is not offered",
                         header->api_key);
    bool known = !result && header->api_version >= handler->first_version &&
                 header->api_version <= handler->last_version &&
                 header->api_version >= api->first_version;
    if (!known && header->api_key != API_VERSIONS)
        return error_set(MAPLOG_UNSUPPORTED, "%s in version %d: %d to %d are offered", api->name,
                         header->api_version, handler->first_version, handler->last_version);
    void *body = NULL;
    if (known) {
        body = wire_new(&request->arena, api->request);
        if (!body)
            return error_set(MAPLOG_NO_MEMORY, "no memory for a request");
        result = wire_decode_prefix(api->request, header->api_version, &in, &request->arena, body);
        if (result)
            return error_prefix(result, "%s version %d", api->name, header->api_version);
    }
    request->answer = wire_new(&request->arena, api->response);
    if (!request->answer)
        return error_set(MAPLOG_NO_MEMORY, "no memory for an answer to %s", api->name);
    request->api = api;
    request->body = body;
    request->handler = handler;
    return 0;
}

enum broker_outcome broker_begin(struct broker *broker, struct broker_request *request,
                                 int64_t now_ms)
{
    request->handler = NULL; /* until it is clear who answers: broker_end() has nothing to do */
    request->state = NULL;
    request->work = NULL;
    request->throttle_ms = 0;
    if (decode(request))
        return BROKER_CLOSE;
    return finish(request, request->handler->handle(broker, request, now_ms));
}

enum broker_outcome broker_resume(struct broker *broker, struct broker_request *request,
                                  int64_t now_ms)
{
    return finish(request, request->handler->handle(broker, request, now_ms));
}

void broker_end(struct broker *broker, struct broker_request *request)
{
    if (request->handler && request->handler->end)
        request->handler->end(broker, request);
    request->handler = NULL;
}
