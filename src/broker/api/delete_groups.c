/* delete_groups.c - groups without members go, with all they committed. */
#include "broker/apis.h"
#include "broker/offsets.h"

#include "base/error.h"

/* Where the request is; it parks when the log is busy. */
struct deletion {
    struct offsets_retry retry;
    int32_t at;   /* of the groups */
    bool deleted; /* of this one there was something */
};

static int collect(void *context, const struct progress_entry *entry)
{
    return offsets_batch_add(context, entry);
}

/* Under the lock of groups: takes some of its offsets away. 1: there are more; 0; or a code. */
static int delete_some(struct broker *broker, struct arena *arena, const char *name, bool *deleted)
{
    struct offsets_batch batch = {.arena = arena};
    int result = progress_list(broker->progress, name, collect, &batch);
    if (result < 0)
        return result;
    int committed = progress_commit(broker->progress, batch.entries, batch.count, false);
    *deleted |= !committed && batch.count > 0;
    return committed ? committed : result;
}

/* One step of deleting a group: as delete_some(), or KAFKA_* in *error. */
static int delete_group(struct broker *broker, struct wire_string id, struct deletion *deletion,
                        int64_t now_ms, int16_t *error)
{
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    const char *name = wire_copy(&arena, id);
    struct group *group;
    int result = 0;
    *error = name ? groups_enter(broker, id, now_ms, &group) : KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (*error) {
        arena_reset(&arena);
        return 0;
    }
    if (group && group->state != GROUP_EMPTY) {
        *error = KAFKA_NON_EMPTY_GROUP;
    } else {
        result = delete_some(broker, &arena, name, &deletion->deleted);
        if (result <= 0)
            *error = offsets_error(broker, name, result);
        if (!result && group) {
            groups_forget(broker, group);
            group = NULL;
        } else if (!result && !deletion->deleted) {
            *error = KAFKA_GROUP_ID_NOT_FOUND;
        }
    }
    groups_leave(broker, group, now_ms);
    arena_reset(&arena);
    return result;
}

enum broker_outcome delete_groups_handle(struct broker *broker, struct broker_request *request,
                                         int64_t now_ms)
{
    const struct delete_groups_request *asked = request->body;
    struct delete_groups_response *answer = request->answer;
    struct deletion *deletion = request->state;
    struct copies copies = {.arena = &request->arena};
    if (!deletion) {
        request->state = deletion = arena_take(&request->arena, sizeof *deletion);
        answer->results = copies_array(&copies, &wire_delete_groups_response_results,
                                       asked->groups_names_count, &answer->results_count);
    }
    if (!deletion || copies.failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for a deletion of groups");
        return BROKER_CLOSE;
    }
    while (deletion->at < answer->results_count) {
        struct delete_groups_response_results *to = &answer->results[deletion->at];
        to->group_id = asked->groups_names[deletion->at];
        int result = delete_group(broker, to->group_id, deletion, now_ms, &to->error_code);
        if (result == MAPLOG_BUSY && offsets_wait(request, &deletion->retry, now_ms))
            return BROKER_PARK;
        if (result > 0)
            continue;
        deletion->at++;
        deletion->deleted = false;
    }
    return BROKER_ANSWER;
}
