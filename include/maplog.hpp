/*
 * maplog.hpp - libmaplog for C++17 and later: maplog.h and maplog_file.h with ownership, exceptions
 * and views. A header only; link the C library.
 *
 * - maplog::log, producer, consumer, hold and file own a handle of the C library: they are moved,
 *   not copied, and close it when they go. get() is the handle, for whatever is not here. What
 *   maplog.h says of threads and fork() holds for them.
 * - A call that fails throws maplog::error; its try_ sibling returns the negative code instead and
 *   never throws. A call on what was moved from is MAPLOG_INVALID.
 * - Nothing here allocates on the way of a record. Keys and values are views of bytes that lie
 *   elsewhere: a message's in the log, until the consumer's next call or the end of a hold.
 * - In C, `maplog` is the type of a log's handle. For C++ that type is completed here as the scope
 *   that holds the names, and cannot be made: `using m = maplog;` shortens it.
 */
#ifndef MAPLOG_HPP
#define MAPLOG_HPP

#include <maplog.h>
#include <maplog_file.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>
#if __cplusplus >= 202002L && __has_include(<span>)
#include <span>
#endif

struct maplog {
    maplog() = delete;

    using milliseconds = std::chrono::milliseconds;
    static constexpr milliseconds at_once{0};
    static constexpr milliseconds for_ever{-1};
    static constexpr milliseconds longest{INT_MAX};

    /* ---- errors and views -------------------------------------------------------------------- */

    /* What a call of the C library answered: its MAPLOG_* code, and its sentence as what(). */
    class error : public std::runtime_error {
      public:
        explicit error(int code)
            : std::runtime_error(std::string(maplog_error_name(code)) + ": " + maplog_error_text()),
              code_(code) {}
        int code() const noexcept { return code_; }
      private:
        int code_;
    };

    /* Passes a count or 0 on, throws a negative code. For calls of the C library, too. */
    static int check(int result) {
        if (result < 0)
            throw error(result);
        return result;
    }

    /* The name of something: a C string or a std::string, only looked at. */
    class name {
      public:
        name(const char *text) noexcept : text_(text) {}
        name(const std::string &text) noexcept : text_(text.c_str()) {}
        operator const char *() const noexcept { return text_; }
      private:
        const char *text_;
    };

    /* Bytes of somebody else. Null, as in "no key", is not the same as empty. */
    class bytes {
      public:
        constexpr bytes(std::nullptr_t = nullptr) noexcept {}
        constexpr bytes(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
        bytes(const char *text) noexcept : data_(text), size_(text ? std::strlen(text) : 0) {}
        /* std::string, string_view, vector, array, span: whatever lies in one piece. */
        template <class Container, class Element = std::remove_pointer_t<
                                       decltype(std::data(std::declval<const Container &>()))>>
        bytes(const Container &from,
              std::enable_if_t<!std::is_array_v<Container> && std::is_trivially_copyable_v<Element>>
                  * = nullptr) noexcept
            : data_(std::size(from) ? static_cast<const void *>(std::data(from)) : ""),
              size_(std::size(from) * sizeof(Element)) {}
        /* False for null; empty() is true for null, too. */
        constexpr explicit operator bool() const noexcept { return data_ != nullptr; }
        constexpr const void *data() const noexcept { return data_; }
        constexpr std::size_t size() const noexcept { return size_; }
        constexpr bool empty() const noexcept { return size_ == 0; }
        std::string_view text() const noexcept { return {static_cast<const char *>(data_), size_}; }
        /* A number or a plain struct as bytes. */
        template <class T> static bytes of(const T &plain) noexcept {
            return {&plain, sizeof plain};
        }
        /* And back: a copy, if the size is the same; alignment is no matter. */
        template <class T> std::optional<T> as() const noexcept {
            static_assert(std::is_trivially_copyable_v<T>);
            if (!data_ || size_ != sizeof(T))
                return std::nullopt;
            T made;
            std::memcpy(&made, data_, sizeof made);
            return made;
        }
#ifdef __cpp_lib_span
        std::span<const std::byte> span() const noexcept {
            return {static_cast<const std::byte *>(data_), size_};
        }
#endif
      private:
        const void *data_ = nullptr;
        std::size_t size_ = 0;
    };

    struct header {
        std::string_view name;
        bytes value;
    };
    struct topic {
        std::string name, id;
        int32_t partitions;
    };

  private:
    template <auto Close> struct closer {
        template <class Handle> void operator()(Handle *handle) const noexcept { Close(handle); }
    };
    template <class Handle, auto Close> using owner = std::unique_ptr<Handle, closer<Close>>;

    template <class Result, class Call, class... Arguments>
    static Result out(Call call, Arguments... arguments) {
        Result made;
        check(call(arguments..., &made));
        return made;
    }

    static int clamp(milliseconds timeout) noexcept {
        return timeout < at_once ? -1 : static_cast<int>(std::min(timeout, longest).count());
    }

    /* Exceptions must not pass through C: what a callback throws is kept, and goes on here. */
    template <class Function> class callback {
      public:
        explicit callback(Function &function) : function_(function) {}
        template <class... Arguments>
        static int run(void *context, Arguments... arguments) noexcept {
            callback &self = *static_cast<callback *>(context);
            try {
                if constexpr (std::is_void_v<std::invoke_result_t<Function &, Arguments...>>)
                    return self.function_(arguments...), 0;
                else
                    return self.function_(arguments...);
            } catch (...) {
                self.thrown_ = std::current_exception();
                return MAPLOG_INVALID;
            }
        }
        int finish(int result) const {
            if (thrown_)
                std::rethrow_exception(thrown_);
            return check(result);
        }
      private:
        Function &function_;
        std::exception_ptr thrown_;
    };

  public:
    /* ---- the log ----------------------------------------------------------------------------- */

    class log {
      public:
        explicit log(name directory, unsigned flags = 0)
            : log(directory, maplog_open_options{flags, 0, {}}) {}
        log(name directory, const maplog_open_options &options)
            : handle_(out<maplog *>(maplog_open, directory, &options)) {}
        static log anonymous(const maplog_anonymous_options &options = {}) {
            return log(out<maplog *>(maplog_open_anonymous, &options));
        }
        static log attach(int fd) { return log(out<maplog *>(maplog_attach, fd)); }
        /* Takes a handle of the C library over. */
        explicit log(maplog *handle) noexcept : handle_(handle) {}
        maplog *get() const noexcept { return handle_.get(); }
        int descriptor() const { return check(maplog_descriptor(get())); }
        void sync() { check(maplog_sync(get())); }

        using configs = std::initializer_list<const char *>; /* "name=value" each */
        void create_topic(name topic, int32_t partitions = 1, configs given = {}) {
            check(maplog_topic_create(get(), topic, partitions, list_of(given).data()));
        }
        void delete_topic(name topic) { check(maplog_topic_delete(get(), topic)); }
        void alter_topic(name topic, configs given) {
            check(maplog_topic_alter(get(), topic, list_of(given).data()));
        }
        void grow_topic(name topic, int32_t partitions) {
            check(maplog_topic_grow(get(), topic, partitions));
        }
        maplog::topic describe(name topic) const {
            maplog_topic found;
            check(maplog_topic_describe(get(), topic, &found));
            return {found.name, found.id, found.partitions};
        }
        maplog_partition describe(name topic, int32_t partition) const {
            return out<maplog_partition>(maplog_partition_describe, get(), topic, partition);
        }
        std::vector<maplog::topic> topics() const {
            std::vector<maplog::topic> all;
            auto add = [&](const maplog_topic *found) {
                all.push_back({found->name, found->id, found->partitions});
            };
            callback call(add);
            call.finish(maplog_topic_list(get(), decltype(call)::run, &call));
            return all;
        }
        void delete_records(name topic, int32_t partition, int64_t before) {
            check(maplog_delete_records(get(), topic, partition, before));
        }
        void commit(name group, name topic, int32_t partition, int64_t offset) {
            check(maplog_group_commit(get(), group, topic, partition, offset, nullptr));
        }
        /* -1 when the group has committed nothing there. */
        int64_t committed(name group, name topic, int32_t partition) const {
            return out<int64_t>(maplog_group_committed, get(), group, topic, partition);
        }
      private:
        static std::vector<const char *> list_of(configs given) {
            std::vector<const char *> list(given);
            list.push_back(nullptr);
            return list;
        }
        owner<maplog, maplog_close> handle_;
    };

    /* ---- producing --------------------------------------------------------------------------- */

    /* A record to be produced; more of it (headers, a timestamp) is set in the struct itself. */
    static maplog_record record(bytes value, bytes key = nullptr) noexcept {
        return {key.data(), key.size(), value.data(), value.size(), nullptr, 0, 0};
    }

    /* For one thread at a time. Going, it flushes and cannot say how that went; close() can. */
    class producer {
      public:
        producer(const log &log, name topic, const maplog_producer_options &options = {})
            : handle_(out<maplog_producer *>(maplog_producer_open, log.get(), topic, &options)) {}
        maplog_producer *get() const noexcept { return handle_.get(); }
        /* The record's offset, or -1 while it only lies in an open batch. */
        int64_t produce(const maplog_record &record) {
            return out<int64_t>(maplog_produce, get(), &record);
        }
        int64_t produce(bytes value) { return produce(record(value)); }
        int64_t produce(bytes key, bytes value) { return produce(record(value, key)); }
        int64_t produce_to(int32_t partition, const maplog_record &record) {
            return out<int64_t>(maplog_produce_to, get(), partition, &record);
        }
        int try_produce(const maplog_record &record, int64_t *offset = nullptr) noexcept {
            return maplog_produce(get(), &record, offset);
        }
        void prepare(int32_t at, uint64_t size) { check(maplog_prepare(get(), at, size)); }
        void flush() { check(maplog_flush(get())); }
        int try_flush() noexcept { return maplog_flush(get()); }
        /* Closed it is in any case. */
        void close() { check(maplog_producer_close(handle_.release())); }
      private:
        owner<maplog_producer, maplog_producer_close> handle_;
    };

    /* ---- consuming --------------------------------------------------------------------------- */

    /* One record, where it lies: valid until the consumer's next call, or as long as a hold. */
    class message {
      public:
        bytes key() const noexcept { return {raw_.key, raw_.key_size}; }
        bytes value() const noexcept { return {raw_.value, raw_.value_size}; }
        int64_t offset() const noexcept { return raw_.offset; }
        int32_t partition() const noexcept { return raw_.partition; }
        int64_t timestamp() const noexcept { return raw_.timestamp; }
        int32_t header_count() const noexcept { return raw_.header_count; }
        maplog::header header(int32_t index) const {
            const char *name;
            const void *value;
            std::size_t name_size, value_size;
            check(maplog_message_header(&raw_, index, &name, &name_size, &value, &value_size));
            return {{name, name_size}, {value, value_size}};
        }
        const maplog_message &raw() const noexcept { return raw_; }
        maplog_message &raw() noexcept { return raw_; }
      private:
        maplog_message raw_{};
    };

    /* Keeps a message's memory, past the end of consumer and log, too. Any thread may drop it. */
    using hold = owner<struct maplog_hold, maplog_release>;

    class consumer;
    /* What a range-for walks over: messages until none comes within the timeout. */
    class messages {
      public:
        struct sentinel {};
        class iterator {
          public:
            using value_type = message;
            using difference_type = std::ptrdiff_t;

            iterator(consumer &from, int timeout_ms) : from_(&from), timeout_ms_(timeout_ms) {
                ++*this;
            }
            const message &operator*() const noexcept { return message_; }
            const message *operator->() const noexcept { return &message_; }
            iterator &operator++() {
                if (!check(maplog_consume(from_->get(), &message_.raw(), timeout_ms_)))
                    from_ = nullptr;
                return *this;
            }
            void operator++(int) { ++*this; }
            friend bool operator==(const iterator &at, sentinel) noexcept { return !at.from_; }
            friend bool operator!=(const iterator &at, sentinel) noexcept { return at.from_; }
          private:
            consumer *from_;
            int timeout_ms_;
            message message_;
        };

        messages(consumer &from, int timeout_ms) noexcept : from_(&from), timeout_ms_(timeout_ms) {}
        /* Takes the first message: call it once. */
        iterator begin() const { return {*from_, timeout_ms_}; }
        sentinel end() const noexcept { return {}; }
      private:
        consumer *from_;
        int timeout_ms_;
    };

    /* For one thread at a time. */
    class consumer {
      public:
        consumer(const log &log, name topic, const maplog_consumer_options &options = {})
            : handle_(out<maplog_consumer *>(maplog_consumer_open, log.get(), topic, &options)) {}
        maplog_consumer *get() const noexcept { return handle_.get(); }
        /* for (const auto &message : consumer.messages(100ms)) */
        maplog::messages messages(milliseconds timeout) noexcept { return {*this, clamp(timeout)}; }
        /* False when none came within the timeout. */
        bool consume(message &to, milliseconds timeout) { return check(try_consume(to, timeout)); }
        /* 1, 0 when none came within the timeout, or a negative code. */
        int try_consume(message &to, milliseconds timeout) noexcept {
            return maplog_consume(get(), &to.raw(), clamp(timeout));
        }
        /* An offset, MAPLOG_BEGIN or MAPLOG_END; partition -1 means all. */
        void seek(int32_t partition, int64_t offset) {
            check(maplog_seek(get(), partition, offset));
        }
        void seek_time(int32_t partition, int64_t time) {
            check(maplog_seek_time(get(), partition, time));
        }
        int64_t position(int32_t partition) const {
            return out<int64_t>(maplog_position, get(), partition);
        }
        int descriptor() { return out<int>(maplog_consumer_descriptor, get()); }
        /* Of the message that the last call took. */
        hold keep() { return hold(out<struct maplog_hold *>(maplog_hold, get())); }
        void commit() { check(maplog_commit(get())); }
      private:
        owner<maplog_consumer, maplog_consumer_close> handle_;
    };

    /* ---- mapped files ------------------------------------------------------------------------ */

    class file {
      public:
        explicit file(name path, const maplog_file_options &options = {})
            : handle_(out<maplog_file *>(maplog_file_open, path, &options)) {}
        maplog_file *get() const noexcept { return handle_.get(); }
        std::byte *data() const noexcept {
            return static_cast<std::byte *>(maplog_file_address(get()));
        }
        uint64_t size() const noexcept { return maplog_file_size(get()); }
        uint64_t refresh() { return out<uint64_t>(maplog_file_refresh, get()); }
        void grow(uint64_t size) { check(try_grow(size)); }
        int try_grow(uint64_t size) noexcept { return maplog_file_grow(get(), size); }
        void shrink(uint64_t size) { check(maplog_file_shrink(get(), size)); }
        void sync(uint64_t at = 0, uint64_t size = 0) { check(maplog_file_sync(get(), at, size)); }
        void advise(maplog_file_advice advice, uint64_t at = 0, uint64_t length = 0) {
            check(maplog_file_advise(get(), at, length, advice));
        }
        void punch(uint64_t at, uint64_t length) { check(maplog_file_punch(get(), at, length)); }
        void fill(uint64_t at, uint64_t length) { check(maplog_file_fill(get(), at, length)); }
        /* Calls access(), which may return an int or nothing; throws MAPLOG_IO when a page that it
         * touched has nothing behind it any more. It is then left by a jump: no destructor of its
         * own runs. What it throws itself comes through. */
        template <class Access> int guard(Access &&access) {
            callback call(access);
            return call.finish(maplog_file_guard(get(), decltype(call)::run, &call));
        }
      private:
        owner<maplog_file, maplog_file_close> handle_;
    };
};

#endif
