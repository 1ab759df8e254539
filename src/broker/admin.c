#include "broker/admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CHANGE_AGAIN_MS 5 /* until the next look whether it is our turn */

enum broker_outcome admin_cold(struct broker *broker, struct broker_request *request, size_t size,
                               void (*work)(struct broker_request *request))
{
    struct admin *admin = request->state;
    if (admin) {
        admin->worked = true;
        if (!admin->failed)
            return BROKER_ANSWER;
    } else {
        admin = arena_take(&request->arena, size);
    }
    if (!admin || admin->failed) {
        error_set(MAPLOG_NO_MEMORY, "no memory for the answer to %s", request->api->name);
        return BROKER_CLOSE;
    }
    admin->broker = broker;
    request->state = admin;
    request->work = work;
    return BROKER_COLD;
}

static bool take_turn(struct broker *broker)
{
    pthread_mutex_lock(&broker->settings_lock);
    bool ours = !broker->changing;
    broker->changing = true;
    pthread_mutex_unlock(&broker->settings_lock);
    return ours;
}

static void end_turn(struct broker *broker)
{
    pthread_mutex_lock(&broker->settings_lock);
    broker->changing = false;
    pthread_mutex_unlock(&broker->settings_lock);
}

static void change(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->change(request);
    end_turn(admin->broker);
}

enum broker_outcome admin_change(struct broker *broker, struct broker_request *request,
                                 int64_t now_ms, size_t size,
                                 void (*work)(struct broker_request *request))
{
    bool begins = !request->state;
    if (begins && !take_turn(broker)) {
        request->deadline_ms = now_ms + CHANGE_AGAIN_MS;
        return BROKER_PARK;
    }
    enum broker_outcome outcome = admin_cold(broker, request, size, change);
    if (outcome == BROKER_COLD)
        ((struct admin *)request->state)->change = work;
    else if (begins)
        end_turn(broker);
    return outcome;
}

void admin_fail(struct broker_request *request)
{
    struct admin *admin = request->state;
    admin->failed = true;
}

char *admin_copy(struct arena *arena, struct wire_string string)
{
    char *copy = wire_copy(arena, string);
    for (int32_t i = 0; copy && i < string.size; i++) {
        if (!copy[i])
            copy[i] = '?';
    }
    return copy;
}

struct wire_string admin_error_text(struct arena *arena)
{
    return admin_text(arena, "%s", error_text());
}

struct wire_string admin_text(struct arena *arena, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return wire_text(arena_copy(arena, text, strlen(text))); /* without memory: no text */
}

struct named {
    const char *name;
    int32_t index;
};

static int compare(const void *one, const void *other)
{
    const struct named *first = one, *second = other;
    int order = strcmp(first->name, second->name);
    return order ? order : (first->index > second->index) - (first->index < second->index);
}

enum admin_twin *admin_twins(struct arena *arena, const char *const *names, int32_t count)
{
    enum admin_twin *twins = arena_take_array(arena, (size_t)count, sizeof *twins);
    struct named *sorted = arena_take_array(arena, (size_t)count, sizeof *sorted);
    size_t used = 0;
    if (!twins || !sorted)
        return NULL;
    for (int32_t i = 0; i < count; i++) {
        if (names[i])
            sorted[used++] = (struct named){names[i], i};
    }
    qsort(sorted, used, sizeof *sorted, compare);
    for (size_t i = 1; i < used; i++) {
        if (strcmp(sorted[i - 1].name, sorted[i].name) != 0)
            continue;
        if (twins[sorted[i - 1].index] == ADMIN_SINGLE)
            twins[sorted[i - 1].index] = ADMIN_FIRST;
        twins[sorted[i].index] = ADMIN_AGAIN;
    }
    return twins;
}
