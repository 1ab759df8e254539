#include "broker/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/nearest.h"
#include "broker/settings_table.h"
#include "log/settings.h"

#define VALUE_SIZE 24 /* of a number as text */

/* ---- the table ------------------------------------------------------------------------------- */

const struct setting_description *broker_setting(size_t i)
{
    return i < setting_row_count ? &setting_rows[i].description : NULL;
}

static const struct setting_row *find(const char *name)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        if (strcmp(setting_rows[i].description.name, name) == 0)
            return &setting_rows[i];
    }
    return NULL;
}

const struct setting_description *broker_setting_find(const char *name)
{
    const struct setting_row *row = find(name);
    return row ? &row->description : NULL;
}

size_t broker_settings_for_topic(const char *topic_setting,
                                 const struct setting_description *found[SETTINGS_FOR_TOPIC_MAX])
{
    int64_t units[SETTINGS_FOR_TOPIC_MAX]; /* the finest is the strongest */
    size_t count = 0;
    for (size_t r = 0; r < setting_row_count && count < SETTINGS_FOR_TOPIC_MAX; r++) {
        const struct setting_row *row = &setting_rows[r];
        if (row->form != FORM_TOPIC || strcmp(row->description.topic, topic_setting) != 0)
            continue;
        size_t at = count++;
        for (; at > 0 && units[at - 1] > row->unit; at--) {
            units[at] = units[at - 1];
            found[at] = found[at - 1];
        }
        units[at] = row->unit;
        found[at] = &row->description;
    }
    return count;
}

static bool is_passed_over(const char *name)
{
    for (const char *const *known = setting_passed_over; *known; known++) {
        size_t length = strlen(*known);
        bool family = (*known)[length - 1] == '.';
        if (family ? strncmp(name, *known, length) == 0 : strcmp(name, *known) == 0)
            return true;
    }
    return false;
}

static int unknown(const char *name)
{
    if (strlen(name) > NEAREST_MAX_LENGTH)
        return error_set(MAPLOG_NOT_FOUND, "there is no setting %.*s...", NEAREST_MAX_LENGTH, name);
    const char *nearest = "";
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < setting_row_count; i++) {
        size_t now = nearest_distance(name, setting_rows[i].description.name);
        if (now < least) {
            least = now;
            nearest = setting_rows[i].description.name;
        }
    }
    if (nearest_is_near(name, least))
        return error_set(MAPLOG_NOT_FOUND, "there is no setting %s; did you mean %s?", name,
                         nearest);
    return error_set(MAPLOG_NOT_FOUND, "there is no setting %s", name);
}

/* ---- what was given -------------------------------------------------------------------------- */

/* Place of the name, or where it belongs. */
static size_t place(const struct broker_settings *settings, const char *name, bool *there)
{
    size_t at = 0;
    int order = 1;
    while (at < settings->given_count && (order = strcmp(name, settings->given[at].name)) > 0)
        at++;
    *there = at < settings->given_count && order == 0;
    return at;
}

const char *broker_settings_given(const struct broker_settings *settings, const char *name)
{
    bool there;
    size_t at = place(settings, name, &there);
    return there ? settings->given[at].value : NULL;
}

static void forget(struct broker_settings *settings, const char *name)
{
    bool there;
    size_t at = place(settings, name, &there);
    if (!there)
        return;
    free(settings->given[at].name);
    free(settings->given[at].value);
    settings->given_count--;
    memmove(settings->given + at, settings->given + at + 1,
            (settings->given_count - at) * sizeof *settings->given);
}

static int remember(struct broker_settings *settings, const char *name, const char *value)
{
    bool there;
    size_t at = place(settings, name, &there);
    char *kept = strdup(value), *kept_name = there ? NULL : strdup(name);
    struct setting_given *given = settings->given;
    if (!there)
        given = realloc(given, (settings->given_count + 1) * sizeof *given);
    if (given)
        settings->given = given;
    if (!kept || !given || (!there && !kept_name)) {
        free(kept);
        free(kept_name);
        return error_set(MAPLOG_NO_MEMORY, "no memory for setting %s", name);
    }
    if (there) {
        free(given[at].value);
        given[at].value = kept;
        return 0;
    }
    memmove(given + at + 1, given + at, (settings->given_count - at) * sizeof *given);
    given[at] = (struct setting_given){kept_name, kept};
    settings->given_count++;
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int set_number(struct broker_settings *settings, const struct setting_row *row,
                      const char *value)
{
    char *end;
    int64_t number = strtoll(value, &end, 10); /* what is too large comes back as the largest */
    bool whole = end > value && *end == '\0';
    if (!whole || number < row->min || number > row->max)
        return error_set(MAPLOG_INVALID,
                         "%s=%s: it takes a whole number from %" PRId64 " to %" PRId64,
                         row->description.name, value, row->min, row->max);
    int32_t narrow = (int32_t)number;
    char *field = (char *)settings + row->field;
    if (row->form == FORM_INT)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &number, sizeof number);
    return 0;
}

static int set_bool(struct broker_settings *settings, const struct setting_row *row,
                    const char *value)
{
    bool yes = strcasecmp(value, "true") == 0;
    if (!yes && strcasecmp(value, "false") != 0)
        return error_set(MAPLOG_INVALID, "%s=%s: it takes true or false", row->description.name,
                         value);
    memcpy((char *)settings + row->field, &yes, sizeof yes);
    return 0;
}

static int set_text(struct broker_settings *settings, const struct setting_row *row,
                    const char *value)
{
    char *kept = strdup(value);
    if (!kept)
        return error_set(MAPLOG_NO_MEMORY, "no memory for setting %s", row->description.name);
    char **field = (char **)((char *)settings + row->field);
    free(*field);
    *field = kept;
    return 0;
}

/* A count of minutes or hours in milliseconds; -1 stays. */
static int to_milliseconds(const struct setting_row *row, const char *value, int64_t *milliseconds)
{
    char *end;
    int64_t number = strtoll(value, &end, 10);
    int64_t least = strcmp(row->description.topic, "retention.ms") == 0 ? -1 : 0;
    if (end == value || *end || number < least || number > INT32_MAX)
        return error_set(MAPLOG_INVALID, "%s=%s: it takes a whole number from %" PRId64 " to %d",
                         row->description.name, value, least, INT32_MAX);
    *milliseconds = number < 0 ? number : number * row->unit;
    return 0;
}

static int check_topic(const struct setting_row *row, const char *value)
{
    struct settings ignored;
    char text[VALUE_SIZE];
    int64_t milliseconds;
    settings_default(&ignored);
    if (row->unit > 1) {
        int result = to_milliseconds(row, value, &milliseconds);
        if (result)
            return result;
        snprintf(text, sizeof text, "%" PRId64, milliseconds);
        value = text;
    }
    int result = settings_apply(&ignored, row->description.topic, value);
    return result ? error_prefix(result, "%s", row->description.name) : 0;
}

static int set(struct broker_settings *settings, const struct setting_row *row, const char *value)
{
    switch (row->form) {
    case FORM_BOOL:
        return set_bool(settings, row, value);
    case FORM_INT:
    case FORM_LONG:
        return set_number(settings, row, value);
    case FORM_TEXT:
        return set_text(settings, row, value);
    case FORM_TOPIC:
        return check_topic(row, value);
    case FORM_FIXED:
        break;
    }
    return 0;
}

int broker_settings_apply(struct broker_settings *settings, const char *name, const char *value)
{
    const struct setting_row *row = find(name);
    if (!row && strcmp(name, "authorizer.class.name") == 0 && *value)
        return error_set(MAPLOG_UNSUPPORTED,
                         "%s=%s: there is no access control; who reaches a listener may do all",
                         name, value);
    if (!row)
        return is_passed_over(name) || strcmp(name, "authorizer.class.name") == 0 ? 0
                                                                                  : unknown(name);
    if (row->form == FORM_FIXED)
        return 0;
    if (*value == '\0') {
        const char *standard = row->description.default_value;
        int result = row->form == FORM_TOPIC ? 0 : set(settings, row, standard);
        if (!result)
            forget(settings, name);
        return result;
    }
    int result = set(settings, row, value);
    return result ? result : remember(settings, name, value);
}

void broker_settings_default(struct broker_settings *settings)
{
    *settings = (struct broker_settings){0};
    for (size_t i = 0; i < setting_row_count; i++) {
        const struct setting_row *row = &setting_rows[i];
        if (row->form != FORM_TOPIC && row->form != FORM_FIXED)
            set(settings, row, row->description.default_value);
    }
}

void broker_settings_free(struct broker_settings *settings)
{
    for (size_t i = 0; i < setting_row_count; i++) {
        if (setting_rows[i].form == FORM_TEXT) {
            char **field = (char **)((char *)settings + setting_rows[i].field);
            free(*field);
            *field = NULL;
        }
    }
    while (settings->given_count)
        forget(settings, settings->given[settings->given_count - 1].name);
    free(settings->given);
    *settings = (struct broker_settings){0};
}

int broker_settings_copy(const struct broker_settings *from, struct broker_settings *to)
{
    struct broker_settings made = *from;
    int result = 0;
    made.given = NULL;
    made.given_count = 0;
    for (size_t i = 0; i < setting_row_count; i++) {
        if (setting_rows[i].form == FORM_TEXT)
            *(char **)((char *)&made + setting_rows[i].field) = NULL;
    }
    for (size_t i = 0; !result && i < setting_row_count; i++) {
        const struct setting_row *row = &setting_rows[i];
        if (row->form != FORM_TEXT)
            continue;
        const char *text = *(char *const *)((const char *)from + row->field);
        result = set_text(&made, row, text ? text : "");
    }
    for (size_t i = 0; !result && i < from->given_count; i++)
        result = remember(&made, from->given[i].name, from->given[i].value);
    if (result)
        broker_settings_free(&made);
    else
        *to = made;
    return result;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void field_value(const struct broker_settings *settings, const struct setting_row *row,
                        char *text, size_t size)
{
    const char *field = (const char *)settings + row->field;
    bool yes;
    int32_t narrow;
    int64_t number;
    switch (row->form) {
    case FORM_BOOL:
        memcpy(&yes, field, sizeof yes);
        snprintf(text, size, "%s", yes ? "true" : "false");
        break;
    case FORM_INT:
        memcpy(&narrow, field, sizeof narrow);
        snprintf(text, size, "%" PRId32, narrow);
        break;
    case FORM_LONG:
        memcpy(&number, field, sizeof number);
        snprintf(text, size, "%" PRId64, number);
        break;
    default:
        snprintf(text, size, "%s", *(char *const *)field);
    }
}

void broker_settings_value(const struct broker_settings *settings, const char *name, char *text,
                           size_t size)
{
    const struct setting_row *row = find(name);
    snprintf(text, size, "%s", "");
    if (!row)
        return;
    if (row->form != FORM_TOPIC && row->form != FORM_FIXED) {
        field_value(settings, row, text, size);
        return;
    }
    const char *given = broker_settings_given(settings, name);
    const char *value = given ? given : row->description.default_value;
    snprintf(text, size, "%s", value ? value : "");
}

void broker_setting_to_topic(const char *name, const char *value, char *text, size_t size)
{
    const struct setting_row *row = find(name);
    int64_t milliseconds;
    if (row && row->unit > 1 && to_milliseconds(row, value, &milliseconds) == 0)
        snprintf(text, size, "%" PRId64, milliseconds);
    else
        snprintf(text, size, "%s", value);
}

/* True when a stronger name of the same topic setting was given, too. */
static bool is_overruled(const struct broker_settings *settings, const struct setting_row *row)
{
    const struct setting_description *rivals[SETTINGS_FOR_TOPIC_MAX];
    size_t count = broker_settings_for_topic(row->description.topic, rivals);
    bool overruled = false;
    for (size_t i = 0; !overruled && i < count && rivals[i] != &row->description; i++)
        overruled = broker_settings_given(settings, rivals[i]->name);
    return overruled;
}

char **broker_settings_defaults(const struct broker_settings *settings)
{
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < settings->given_count; i++) {
        const struct setting_row *row = find(settings->given[i].name);
        if (row->form != FORM_TOPIC)
            continue;
        count++;
        bytes += strlen(row->description.topic) + strlen(settings->given[i].value) + VALUE_SIZE + 2;
    }
    char **list = malloc((count + 1) * sizeof *list + bytes);
    if (!list)
        return NULL;
    char *at = (char *)(list + count + 1), *end = at + bytes;
    count = 0;
    for (size_t i = 0; i < settings->given_count; i++) {
        const struct setting_given *given = &settings->given[i];
        const struct setting_row *row = find(given->name);
        if (row->form != FORM_TOPIC || is_overruled(settings, row))
            continue;
        list[count++] = at;
        at += snprintf(at, (size_t)(end - at), "%s=", row->description.topic);
        broker_setting_to_topic(given->name, given->value, at, (size_t)(end - at));
        at += strlen(at) + 1;
    }
    list[count] = NULL;
    return list;
}
