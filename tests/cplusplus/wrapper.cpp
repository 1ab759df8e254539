/* wrapper.cpp - what maplog.hpp promises; test_cplusplus.py builds and runs it. argv: a directory.
 */
#include <maplog.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <new>
#include <thread>
#if __cplusplus >= 202002L
#include <ranges>
#endif

using namespace std::chrono_literals;
using namespace std::string_literals;

static long allocations;

[[gnu::noinline]] void *operator new(std::size_t size)
{
    allocations++;
    void *made = std::malloc(size);
    if (!made)
        throw std::bad_alloc();
    return made;
}
[[gnu::noinline]] void operator delete(void *memory) noexcept
{
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

template <class Call> static int code_of(Call call)
{
    try {
        call();
    } catch (const maplog::error &error) {
        CHECK(std::string(error.what()).find(maplog_error_name(error.code())) == 0);
        return error.code();
    }
    return 0;
}

template <class Type>
constexpr bool only_moves =
    std::is_nothrow_move_constructible_v<Type> &&std::is_nothrow_move_assignable_v<Type> &&
    !std::is_copy_constructible_v<Type> && !std::is_copy_assignable_v<Type>;
static_assert(only_moves<maplog::log> && only_moves<maplog::producer>);
static_assert(only_moves<maplog::consumer> && only_moves<maplog::hold> && only_moves<maplog::file>);
static_assert(!std::is_default_constructible_v<maplog>);
#if __cplusplus >= 202002L
static_assert(std::ranges::input_range<maplog::messages>);
#endif

static void records_come_back_as_views(maplog::log &log)
{
    log.create_topic("records", 1, {"retention.ms=-1"});
    maplog::producer producer(log, "records");
    CHECK(producer.produce("text") == 0);
    CHECK(producer.produce("key"s, std::vector<int>{1, 2}) == 1);
    CHECK(producer.produce(std::string_view()) == 2);
    CHECK(producer.produce("tombstone", nullptr) == 3);
    const double number = 2.5;
    maplog_record record = maplog::record(maplog::bytes::of(number));
    const maplog_header header = {"name", "value", 5};
    record.headers = &header;
    record.header_count = 1;
    CHECK(producer.produce_to(0, record) == 4);

    maplog::consumer consumer(log, "records");
    maplog::message message;
    CHECK(consumer.consume(message, 0ms) && message.offset() == 0 && message.partition() == 0);
    CHECK(message.value().text() == "text" && !message.key() && message.timestamp() > 0);
    CHECK(consumer.consume(message, 0ms) && message.key().text() == "key");
    CHECK((message.value().as<std::array<int, 2>>() == std::array<int, 2>{1, 2}));
    CHECK(!message.value().as<int>());
#ifdef __cpp_lib_span
    CHECK(message.value().span().size() == 2 * sizeof(int));
#endif
    CHECK(consumer.consume(message, 0ms) && message.value() && message.value().empty());
    CHECK(consumer.consume(message, 0ms) && message.key() && !message.value());
    CHECK(consumer.consume(message, 0ms) && message.value().as<double>() == 2.5);
    CHECK(message.header_count() == 1 && message.header(0).name == "name");
    CHECK(message.header(0).value.text() == "value");
    CHECK(code_of([&] { message.header(1); }) == MAPLOG_NOT_FOUND);
    CHECK(!consumer.consume(message, 1ms));
}

static void a_range_ends_when_nothing_comes(maplog::log &log)
{
    log.create_topic("range");
    maplog::producer producer(log, "range");
    for (int i = 0; i < 1000; i++)
        producer.produce(maplog::bytes::of(i));
    maplog::consumer consumer(log, "range");
    int seen = 0;
    for (const maplog::message &message : consumer.messages(maplog::at_once))
        CHECK(message.value().as<int>() == seen++);
    CHECK(seen == 1000 && consumer.position(0) == 1000);
    consumer.seek(-1, 990);
    for (const auto &message : consumer.messages(0ms))
        seen -= message.offset() >= 990;
    CHECK(seen == 990);
    std::thread late([&] {
        std::this_thread::sleep_for(20ms);
        maplog::producer(log, "range").produce("late");
    });
    for (const auto &message : consumer.messages(maplog::for_ever)) {
        CHECK(message.value().text() == "late");
        break;
    }
    late.join();
    CHECK(code_of([&] { consumer.seek(7, 0); }) == MAPLOG_NOT_FOUND);
}

static void nothing_is_allocated_on_the_way_of_a_record(maplog::log &log)
{
    log.create_topic("lean");
    maplog::producer producer(log, "lean");
    maplog::consumer consumer(log, "lean");
    const std::string value(100, 'x');
    long before = allocations;
    for (int i = 0; i < 100; i++) {
        producer.produce("key", value);
        CHECK(producer.try_produce(maplog::record(value)) == 0);
    }
    int seen = 0;
    for (const auto &message : consumer.messages(0ms))
        seen += message.value().text() == value;
    maplog::message none;
    CHECK(consumer.try_consume(none, 0ms) == 0);
    CHECK(seen == 200 && allocations == before);
}

static void a_kept_message_outlives_all(const std::string &directory)
{
    auto log = std::make_unique<maplog::log>(directory);
    log->create_topic("kept");
    auto consumer = std::make_unique<maplog::consumer>(*log, "kept");
    CHECK(code_of([&] { consumer->keep(); }) == MAPLOG_NOT_FOUND);
    maplog::producer(*log, "kept").produce("still here");
    maplog::message message;
    CHECK(consumer->consume(message, 0ms));
    maplog::hold hold = consumer->keep();
    consumer.reset();
    log.reset();
    CHECK(message.value().text() == "still here");
}

static void topics_and_groups_are_managed(maplog::log &log)
{
    log.create_topic("managed"s, 2, {"segment.bytes=65536", "retention.ms=1000"});
    CHECK(code_of([&] { log.create_topic("managed"); }) == MAPLOG_EXISTS);
    CHECK(code_of([&] { log.create_topic("other", 1, {"no.such=1"}); }) == MAPLOG_INVALID);
    log.alter_topic("managed", {"retention.ms="});
    log.grow_topic("managed", 3);
    CHECK(log.describe("managed").partitions == 3 && log.describe("managed").id.size() == 22);
    CHECK(log.describe("managed", 2).end_offset == 0);
    CHECK(log.committed("group", "managed", 1) == -1);
    log.commit("group", "managed", 1, 42);
    CHECK(log.committed("group", "managed", 1) == 42);
    maplog_consumer_options options{};
    options.group = "group";
    maplog::consumer consumer(log, "managed", options);
    consumer.commit();
    int found = 0;
    for (const maplog::topic &topic : log.topics())
        found += topic.name == "managed" && topic.partitions == 3;
    CHECK(found == 1);
    log.delete_records("managed", 0, -1);
    log.delete_topic("managed");
    CHECK(code_of([&] { log.describe("managed"); }) == MAPLOG_NOT_FOUND);
}

static void what_was_moved_from_answers_invalid(maplog::log &log)
{
    log.create_topic("moved");
    maplog::producer first(log, "moved");
    maplog::producer second = std::move(first);
    second.produce("x");
    CHECK(code_of([&] { first.produce("x"); }) == MAPLOG_INVALID);
    CHECK(first.try_flush() == MAPLOG_INVALID && first.try_produce({}) == MAPLOG_INVALID);
    second.close();
    second.close();
    CHECK(code_of([&] { second.prepare(0, 1); }) == MAPLOG_INVALID);
    maplog::consumer reader(log, "moved");
    maplog::consumer taken = std::move(reader);
    maplog::message message;
    CHECK(taken.consume(message, 0ms) && reader.try_consume(message, 0ms) == MAPLOG_INVALID);
    CHECK(code_of([&] { reader.commit(); }) == MAPLOG_INVALID);
    maplog::log other = maplog::log::anonymous();
    maplog::log attached = maplog::log::attach(other.descriptor());
    other = std::move(attached);
    CHECK(code_of([&] { attached.sync(); }) == MAPLOG_INVALID);
    CHECK(code_of([&] { other.sync(); }) == MAPLOG_NOT_PERSISTENT);
    CHECK(code_of([] { maplog::log("/nowhere/at/all"); }) == MAPLOG_NOT_FOUND);
}

static void a_mapped_file_grows_in_place(const std::string &path)
{
    maplog_file_options options{};
    options.flags = MAPLOG_FILE_CREATE;
    maplog::file file(path, options);
    CHECK(file.size() == 0 && file.data());
    std::byte *data = file.data();
    file.grow(10000);
    CHECK(file.size() >= 10000 && file.data() == data);
    CHECK(file.guard([&] { return data[9999] = std::byte{7}, 3; }) == 3);
    CHECK(file.guard([&] { data[0] = std::byte{1}; }) == 0);
    file.advise(MAPLOG_FILE_POPULATE);
    try {
        file.guard([] { throw std::runtime_error("mine"); });
        CHECK(false);
    } catch (const std::runtime_error &error) {
        CHECK(error.what() == "mine"s);
    }
    CHECK(maplog::file(path).data()[9999] == std::byte{7});
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    const std::string directory = arguments[1];
    maplog::log log(directory + "/log", MAPLOG_CREATE);
    records_come_back_as_views(log);
    a_range_ends_when_nothing_comes(log);
    nothing_is_allocated_on_the_way_of_a_record(log);
    a_kept_message_outlives_all(directory + "/log");
    topics_and_groups_are_managed(log);
    what_was_moved_from_answers_invalid(log);
    a_mapped_file_grows_in_place(directory + "/file");
    return 0;
}
