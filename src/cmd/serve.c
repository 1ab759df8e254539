/* serve.c - maplog serve: the directory as a Kafka broker. */
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "cmd/report.h"
#include "cmd/serve_print.h"
#include "io/engine.h"
#include "server/config.h"
#include "server/note.h"

static const char help[] =
    "usage: maplog serve [--data DIR] [--listen ADDRESS]... [--config FILE] [--set NAME=VALUE]...\n"
    "\n"
    "Makes the directory a Kafka broker: any Kafka client reaches its topics, offsets and groups,\n"
    "while local processes go on using them. Ends well at SIGTERM and SIGINT; SIGHUP reads FILE\n"
    "again. What it has to say goes to standard error.\n\n"
    "  --data DIR        the log's directory; it is made when it is missing (data)\n"
    "  --listen ADDRESS  HOST:PORT, [V6]:PORT, or unix:///PATH (localhost:9092); may be repeated\n"
    "  --config FILE     settings under Kafka's names, as in server.properties\n"
    "  --set NAME=VALUE  one such setting; goes before the file's\n"
    "  --io ENGINE       how to wait for sockets (epoll); --print engines has them all\n"
    "  --send METHOD     how records go from their files to sockets (auto); the same\n"
    "  --verbose         also say what happens often: connections\n"
    "  --print TABLE     print, in Markdown, what is offered: apis, settings, engines; and end\n";

struct asked {
    const char *data, *config, *engine, *send, *print;
    struct words listen, set;
    bool verbose;
};

/* "a,b" of several --listen. */
static int set_listeners(struct broker_settings *settings, const struct words *listen)
{
    size_t size = sizeof "listeners=";
    for (size_t i = 0; i < listen->count; i++)
        size += strlen(listen->items[i]) + 1;
    char *text = malloc(size);
    if (!text)
        return error_set(MAPLOG_NO_MEMORY, "no memory for settings");
    size_t length = (size_t)snprintf(text, size, "listeners=");
    for (size_t i = 0; i < listen->count; i++)
        length +=
            (size_t)snprintf(text + length, size - length, "%s%s", i ? "," : "", listen->items[i]);
    int result = config_apply(settings, text);
    free(text);
    return result;
}

/* At the start, and again at SIGHUP. */
static int configure(void *context, struct broker_settings *settings)
{
    const struct asked *asked = context;
    int result = asked->config ? config_load(settings, asked->config) : 0;
    for (size_t i = 0; !result && i < asked->set.count; i++)
        result = config_apply(settings, asked->set.items[i]);
    if (!result && asked->listen.count)
        result = set_listeners(settings, &asked->listen);
    return result;
}

static int run(struct asked *asked)
{
    struct broker_settings settings;
    const struct server_options options = {.settings = &settings,
                                           .data = asked->data,
                                           .configure = configure,
                                           .context = asked,
                                           .engine = asked->engine,
                                           .send = asked->send};
    if (asked->verbose)
        note_debug();
    broker_settings_default(&settings);
    int result = configure(asked, &settings);
    if (!result)
        result = server_run(&options);
    int status = result ? report_error(result, server_data(&options)) : 0;
    broker_settings_free(&settings);
    return status;
}

/* A choice that does not exist is wrong usage, before anything is looked at. */
static int check_choice(const struct usage *usage, const char *option, const char *choice,
                        const char *(*name)(unsigned index))
{
    char names[128] = "";
    size_t length = 0;
    for (unsigned i = 0; choice && name(i); i++) {
        if (strcmp(choice, name(i)) == 0)
            return OPTIONS_GO;
        length +=
            (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "", name(i));
    }
    return choice ? usage_error(usage, "--%s: \"%s\" is none; there are %s", option, choice, names)
                  : OPTIONS_GO;
}

int command_serve(int argc, char **argv)
{
    struct asked asked = {0};
    struct words arguments = {0};
    const struct option options[] = {
        {"data", OPTION_TEXT, &asked.data, 0, 0},
        {"listen", OPTION_WORDS, &asked.listen, 0, 0},
        {"config", OPTION_TEXT, &asked.config, 0, 0},
        {"set", OPTION_WORDS, &asked.set, 0, 0},
        {"io", OPTION_TEXT, &asked.engine, 0, 0},
        {"send", OPTION_TEXT, &asked.send, 0, 0},
        {"verbose", OPTION_FLAG, &asked.verbose, 0, 0},
        {"print", OPTION_TEXT, &asked.print, 0, 0},
        {0},
    };
    const struct usage usage = {"serve", help, options};
    int status = options_parse(&usage, argc, argv, &arguments);
    if (status == OPTIONS_GO)
        status = usage_arguments(&usage, &arguments, 0, "no argument");
    if (status == OPTIONS_GO && asked.print)
        status = serve_print(asked.print)
                     ? 0
                     : usage_error(&usage, "--print is apis, settings or engines, not \"%s\"",
                                   asked.print);
    if (status == OPTIONS_GO)
        status = check_choice(&usage, "io", asked.engine, io_name);
    if (status == OPTIONS_GO)
        status = check_choice(&usage, "send", asked.send, io_send_name);
    if (status == OPTIONS_GO)
        status = run(&asked);
    words_free(&asked.listen);
    words_free(&asked.set);
    words_free(&arguments);
    return status;
}
