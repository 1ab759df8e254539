/*
 * queue.cpp - a queue between processes in C++: numbers and text travel as plain structs.
 *
 *     queue DIRECTORY add TEXT...     each as a task with a number
 *     queue DIRECTORY work GROUP      takes the tasks that its group has not done yet
 */
#include <maplog.hpp>

#include <iostream>

/* What lies in a record: plain data, the same for every program that reads it. */
struct task {
    int32_t priority;
    char text[60];
};

static void add(maplog::log &log, char **texts, int count)
{
    maplog::producer producer(log, "tasks");
    for (int i = 0; i < count; i++) {
        task made{i + 1, {}};
        std::string_view(texts[i]).copy(made.text, sizeof made.text - 1);
        producer.produce(maplog::bytes::of(made));
    }
    producer.close(); /* tells what a destructor could not */
}

static void work(maplog::log &log, const char *group)
{
    maplog_consumer_options options{};
    options.group = group;
    maplog::consumer consumer(log, "tasks", options);
    for (const maplog::message &message : consumer.messages(maplog::at_once)) {
        if (auto task = message.value().as<::task>())
            std::cout << message.offset() << " priority " << task->priority << ": " << task->text
                      << "\n";
        consumer.commit(); /* done: who comes next in the group goes on behind it */
    }
}

int main(int count, char **arguments)
try {
    const std::string_view what = count > 3 ? arguments[2] : "";
    if (what != "add" && what != "work") {
        std::cerr << "usage: queue DIRECTORY add TEXT... | queue DIRECTORY work GROUP\n";
        return 2;
    }
    maplog::log log(arguments[1], MAPLOG_CREATE);
    if (log.topics().empty())
        log.create_topic("tasks");
    if (what == "add")
        add(log, arguments + 3, count - 3);
    else
        work(log, arguments[3]);
} catch (const maplog::error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
