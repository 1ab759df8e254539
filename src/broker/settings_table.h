/*
 * settings_table.h - the table behind settings.h. For settings.c alone. Pure constants.
 */
#pragma once

#include "broker/settings.h"

/* Where a setting's value is kept. */
enum setting_form {
    FORM_FIXED, /* nowhere: it is as it is, and other values are passed over */
    FORM_TOPIC, /* as given: a default of topics, checked by log/settings.h */
    FORM_BOOL,  /* in a field of struct broker_settings: bool, */
    FORM_INT,   /* int32_t, */
    FORM_LONG,  /* int64_t, */
    FORM_TEXT,  /* char * */
};

struct setting_row {
    struct setting_description description;
    enum setting_form form;
    size_t field;
    int64_t min, max; /* of FORM_INT and FORM_LONG */
    int64_t unit; /* of FORM_TOPIC: milliseconds in one of a count of minutes or hours, else 1 */
};

/* Sorted by name. */
extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

/* Settings of Kafka that mean nothing here, sorted; those that end in '.' stand for all that begin
 * so. NULL behind the last. */
extern const char *const setting_passed_over[];
