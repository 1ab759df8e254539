/* serve_print.c - maplog serve --print: the tables that the server goes by, in Markdown. */
#include "cmd/serve_print.h"

#include <stdio.h>
#include <string.h>

#include "broker/apis.h"
#include "broker/settings.h"
#include "io/engine.h"
#include "wire/codec.h"

static void print_apis(void)
{
    puts("| key | API | versions |\n|--:|--|--|");
    const struct broker_handler *handler = apis_next(-1);
    for (; handler; handler = apis_next(handler->key))
        printf("| %d | %s | %d to %d |\n", handler->key, wire_api(handler->key)->name,
               handler->first_version, handler->last_version);
}

static const char *type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_BOOL:
        return "true, false";
    case SETTING_STRING:
        return "text";
    case SETTING_INT:
    case SETTING_LONG:
        return "integer";
    case SETTING_DOUBLE:
        return "number";
    case SETTING_LIST:
        return "list";
    }
    return "";
}

static void print_settings(void)
{
    const struct setting_description *setting;
    puts("| setting | default | values | changes | what it says |\n|--|--|--|--|--|");
    for (size_t i = 0; (setting = broker_setting(i)); i++)
        printf("| %s | %s | %s | %s | %s |\n", setting->name,
               setting->default_value ? setting->default_value : "", type_name(setting->type),
               setting->dynamic ? "at once" : "at a start", setting->about);
}

/* The first name is the default. */
static void print_choice(const char *option, const char *(*name)(unsigned index))
{
    printf("| %s | %s |", option, name(0));
    for (unsigned i = 0; name(i); i++)
        printf("%s%s", i ? ", " : " ", name(i));
    puts(" |");
}

static void print_engines(void)
{
    puts("| option | default | choices |\n|--|--|--|");
    print_choice("--io", io_name);
    print_choice("--send", io_send_name);
}

bool serve_print(const char *what)
{
    if (strcmp(what, "apis") == 0)
        print_apis();
    else if (strcmp(what, "settings") == 0)
        print_settings();
    else if (strcmp(what, "engines") == 0)
        print_engines();
    else
        return false;
    return true;
}
