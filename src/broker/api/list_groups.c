/* list_groups.c - all groups: those with members here, and those that have committed offsets. */
#include <stdio.h>
#include <strings.h>

#include "broker/apis.h"
#include "broker/groups.h"
#include "broker/parts.h"
#include "log/progress.h"

#include "base/error.h"

#define TYPE "classic"

struct listing {
    struct broker *broker;
    const struct list_groups_request *asked;
    struct list_groups_response *answer;
    struct copies copies;
    int32_t room;
    int64_t now_ms;
    char last[LIMIT_GROUP_NAME + 1]; /* group of the entries that come now */
};

/* No filter lets all pass. */
static bool passes(const struct wire_string *filter, int32_t count, const char *value)
{
    for (int32_t i = 0; i < count; i++) {
        if (filter[i].size == (int32_t)strlen(value) &&
            strncasecmp(filter[i].at, value, strlen(value)) == 0)
            return true;
    }
    return count <= 0;
}

static int add(struct listing *listing, const char *name, struct wire_string protocol_type,
               const char *state)
{
    struct list_groups_response *answer = listing->answer;
    struct copies *copies = &listing->copies;
    const struct list_groups_request *asked = listing->asked;
    if (!passes(asked->states_filter, asked->states_filter_count, state))
        return 0;
    if (answer->groups_count == listing->room) {
        struct list_groups_response_groups *groups =
            copies_array(copies, &wire_list_groups_response_groups,
                         listing->room ? 2 * listing->room : 16, &listing->room);
        if (!copies->failed && answer->groups_count > 0)
            memcpy(groups, answer->groups, (size_t)answer->groups_count * sizeof *groups);
        answer->groups = groups;
    }
    if (copies->failed)
        return MAPLOG_NO_MEMORY;
    answer->groups[answer->groups_count++] = (struct list_groups_response_groups){
        copies_string(copies, wire_text(name)), copies_string(copies, protocol_type),
        wire_text(state), wire_text(TYPE)};
    return 0;
}

static int visit_group(void *context, struct group *group)
{
    return add(context, group->name, group->protocol_type, group_state_name(group));
}

static int visit_entry(void *context, const struct progress_entry *entry)
{
    struct listing *listing = context;
    struct group *group;
    if (strcmp(listing->last, entry->group) == 0)
        return 0;
    snprintf(listing->last, sizeof listing->last, "%s", entry->group);
    if (groups_enter(listing->broker, wire_text(entry->group), listing->now_ms, &group))
        return 0;
    groups_leave(listing->broker, group, listing->now_ms);
    return group ? 0 : add(listing, entry->group, wire_text(""), "Empty");
}

enum broker_outcome list_groups_handle(struct broker *broker, struct broker_request *request,
                                       int64_t now_ms)
{
    const struct list_groups_request *asked = request->body;
    struct listing listing = {.broker = broker,
                              .asked = asked,
                              .answer = request->answer,
                              .copies = {.arena = &request->arena},
                              .now_ms = now_ms};
    if (!passes(asked->types_filter, asked->types_filter_count, TYPE))
        return BROKER_ANSWER;
    int result = groups_walk(broker, now_ms, visit_group, &listing);
    if (!result)
        result = progress_list(broker->progress, NULL, visit_entry, &listing);
    if (listing.copies.failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for a list of groups");
        return BROKER_CLOSE;
    }
    if (result)
        listing.answer->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    return BROKER_ANSWER;
}
