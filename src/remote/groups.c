#include "remote/groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "remote/failure.h"
#include "remote/lead.h"
#include "remote/member.h"

static int no_memory(void)
{
    return error_set(MAPLOG_NO_MEMORY, "no memory for groups");
}

static int by_name(const void *a, const void *b)
{
    const struct remote_group *first = a, *second = b;
    return strcmp(first->name, second->name);
}

static int copy_groups(const struct list_groups_response *response, struct arena *arena,
                       struct remote_group **groups)
{
    int32_t count = response->groups_count;
    struct remote_group *list = arena_take_array(arena, (size_t)count, sizeof *list);
    if (!list)
        return no_memory();
    for (int32_t i = 0; i < count; i++) {
        list[i].name = wire_copy(arena, response->groups[i].group_id);
        list[i].state = wire_copy(arena, response->groups[i].group_state);
        if (!list[i].name || !list[i].state)
            return no_memory();
    }
    qsort(list, (size_t)count, sizeof *list, by_name);
    *groups = list;
    return 0;
}

int remote_group_list(struct remote *remote,
                      int (*visit)(void *context, const struct remote_group *group), void *context)
{
    struct list_groups_request request;
    struct list_groups_response response;
    remote_begin(remote);
    wire_init(&wire_list_groups_request, &request);
    int result = remote_call(remote, REMOTE_LIST_GROUPS, &request, &response);
    if (!result && response.error_code)
        result = remote_failure(response.error_code, wire_text(NULL), "listing groups");
    if (result)
        return result;
    struct arena arena = {.limit = LIMIT_REQUEST_MEMORY};
    struct remote_group *groups = NULL;
    int32_t count = response.groups_count;
    result = copy_groups(&response, &arena, &groups);
    for (int32_t i = 0; !result && i < count; i++)
        result = visit(context, &groups[i]);
    arena_reset(&arena);
    return result;
}

/* ---- members --------------------------------------------------------------------------------- */

/* What a member has; members of other kinds than consumers have nothing that is understood. */
static int visit_assignment(struct arena *arena, struct wire_bytes bytes,
                            struct remote_membership *view,
                            int (*visit)(void *context, const struct remote_membership *member),
                            void *context)
{
    struct consumer_protocol_assignment assignment;
    int visited = 0, result = 0;
    if (bytes.size > 0 &&
        lead_decode(arena, bytes, &wire_consumer_protocol_assignment, &assignment) == 0) {
        for (int32_t i = 0; !result && i < assignment.assigned_partitions_count; i++) {
            const struct consumer_protocol_assignment_assigned_partitions *row =
                &assignment.assigned_partitions[i];
            view->topic = wire_copy(arena, row->topic);
            for (int32_t j = 0; !result && view->topic && j < row->partitions_count; j++) {
                view->partition = row->partitions[j];
                visited++;
                result = visit(context, view);
            }
        }
    }
    view->topic = NULL;
    view->partition = -1;
    return visited == 0 && !result ? visit(context, view) : result;
}

int remote_group_members(struct remote *remote, const char *group,
                         char state[static REMOTE_STATE_SIZE],
                         int (*visit)(void *context, const struct remote_membership *member),
                         void *context)
{
    struct describe_groups_request request;
    struct describe_groups_response response;
    struct wire_string name = wire_text(group);
    int result = remote_find_coordinator(remote, group);
    if (result)
        return result;
    remote_begin(remote);
    wire_init(&wire_describe_groups_request, &request);
    request.groups = &name;
    request.groups_count = 1;
    result = remote_call(remote, REMOTE_DESCRIBE_GROUPS, &request, &response);
    if (!result && response.groups_count != 1)
        result = error_set(MAPLOG_CORRUPT, "%s: the answer says nothing of group %s",
                           remote->address, group);
    if (result)
        return result;
    const struct describe_groups_response_groups *row = &response.groups[0];
    if (row->error_code == KAFKA_GROUP_ID_NOT_FOUND) {
        snprintf(state, REMOTE_STATE_SIZE, "Dead");
        return 0;
    }
    if (row->error_code)
        return remote_failure(row->error_code, row->error_message, "group %s", group);
    snprintf(state, REMOTE_STATE_SIZE, "%.*s", (int)row->group_state.size, row->group_state.at);
    for (int32_t i = 0; !result && i < row->members_count; i++) {
        const struct describe_groups_response_groups_members *member = &row->members[i];
        struct remote_membership view = {.member = wire_copy(&remote->answer, member->member_id),
                                         .client = wire_copy(&remote->answer, member->client_id),
                                         .host = wire_copy(&remote->answer, member->client_host)};
        result = view.member && view.client && view.host
                     ? visit_assignment(&remote->answer, member->member_assignment, &view, visit,
                                        context)
                     : no_memory();
    }
    return result;
}

/* ---- progress -------------------------------------------------------------------------------- */

int remote_group_offsets(struct remote *remote, const char *group,
                         int (*visit)(void *context, const char *topic, int32_t partition,
                                      int64_t offset),
                         void *context)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response;
    int result = remote_find_coordinator(remote, group);
    if (result)
        return result;
    remote_begin(remote);
    wire_init(&wire_offset_fetch_request, &request);
    request.group_id = wire_text(group);
    request.topics_count = -1; /* all */
    result = remote_call(remote, REMOTE_OFFSET_FETCH, &request, &response);
    if (!result && response.error_code)
        result =
            remote_failure(response.error_code, wire_text(NULL), "progress of group %s", group);
    for (int32_t i = 0; !result && i < response.topics_count; i++) {
        const struct offset_fetch_response_topics *row = &response.topics[i];
        const char *topic = wire_copy(&remote->answer, row->name);
        if (!topic)
            return no_memory();
        for (int32_t j = 0; !result && j < row->partitions_count; j++) {
            const struct offset_fetch_response_topics_partitions *part = &row->partitions[j];
            if (part->error_code)
                result = remote_failure(part->error_code, wire_text(NULL),
                                        "progress of group %s in topic %s", group, topic);
            else if (part->committed_offset >= 0)
                result = visit(context, topic, part->partition_index, part->committed_offset);
        }
    }
    return result;
}

int remote_group_delete(struct remote *remote, const char *group)
{
    struct delete_groups_request request;
    struct delete_groups_response response;
    struct wire_string name = wire_text(group);
    int result = remote_find_coordinator(remote, group);
    if (result)
        return result;
    remote_begin(remote);
    wire_init(&wire_delete_groups_request, &request);
    request.groups_names = &name;
    request.groups_names_count = 1;
    result = remote_call(remote, REMOTE_DELETE_GROUPS, &request, &response);
    if (!result && response.results_count != 1)
        result = error_set(MAPLOG_CORRUPT, "%s: the answer says nothing of group %s",
                           remote->address, group);
    if (result || !response.results[0].error_code)
        return result;
    return remote_failure(response.results[0].error_code, response.results[0].error_message,
                          "cannot delete group %s", group);
}
