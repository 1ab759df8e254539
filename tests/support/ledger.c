/* ledger.c - see ledger.h. */
#include "ledger.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "log/inspect.h"
#include "os/clock.h"

struct head {
    uint32_t crc; /* of all that follows */
    uint32_t life;
    uint32_t number;
};

struct ledger *ledger_make(void)
{
    void *memory = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void ledger_remove(struct ledger *ledger)
{
    munmap(ledger, sizeof *ledger);
}

void ledger_fail(struct ledger *ledger, const char *format, ...)
{
    if (atomic_exchange(&ledger->failed, 1) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ledger->failure, sizeof ledger->failure, format, arguments);
    va_end(arguments);
}

void ledger_note_time(struct ledger *ledger, int64_t begun_ns)
{
    int64_t took = clock_monotonic_ns() - begun_ns, longest = ledger->longest_ns;
    while (took > longest && !atomic_compare_exchange_weak(&ledger->longest_ns, &longest, took))
        ;
}

size_t ledger_value(uint32_t life, uint32_t number, uint8_t value[static LEDGER_VALUE_MAX])
{
    struct head head = {.life = life, .number = number};
    uint32_t random = life * 2654435761u ^ number * 40503u;
    size_t size = sizeof head + (random >> 7) % (LEDGER_VALUE_MAX - sizeof head);
    memset(value, (int)(random & 0xff), size);
    memcpy(value, &head, sizeof head);
    head.crc = crc32c(0, value + sizeof head.crc, size - sizeof head.crc);
    memcpy(value, &head.crc, sizeof head.crc);
    return size;
}

bool ledger_read_value(const void *value, size_t size, uint32_t *life, uint32_t *number)
{
    struct head head;
    if (size < sizeof head || size > LEDGER_VALUE_MAX)
        return false;
    memcpy(&head, value, sizeof head);
    *life = head.life;
    *number = head.number;
    const uint8_t *bytes = value;
    return head.life < LEDGER_LIVES &&
           head.crc == crc32c(0, bytes + sizeof head.crc, size - sizeof head.crc);
}

/* Where a life's records stand in the partition that is being read. */
struct reading {
    uint32_t next[LEDGER_LIVES];
    bool begun[LEDGER_LIVES];
};

static bool check_message(struct ledger *ledger, struct reading *reading,
                          const struct maplog_message *message, int64_t start)
{
    uint32_t life, number;
    if (!ledger_read_value(message->value, message->value_size, &life, &number)) {
        ledger_fail(ledger, "the record at %d/%lld is torn", message->partition,
                    (long long)message->offset);
        return false;
    }
    uint32_t next = reading->next[life];
    bool first = !reading->begun[life];
    if (first ? number != 0 && start == 0 : number != next) {
        ledger_fail(ledger, "life %u has record %u at %d/%lld, where %u is next", life, number,
                    message->partition, (long long)message->offset, next);
        return false;
    }
    reading->begun[life] = true;
    reading->next[life] = number + 1;
    return true;
}

/* Reads one partition to its end. */
static int64_t read_partition(struct ledger *ledger, struct maplog_consumer *consumer,
                              struct reading *reading, const struct maplog_partition *described)
{
    struct maplog_message message;
    int64_t next = described->start_offset;
    int result;
    while ((result = maplog_consume(consumer, &message, 0)) == 1) {
        if (message.offset != next) {
            ledger_fail(ledger, "offset %lld where %lld is next", (long long)message.offset,
                        (long long)next);
            break;
        }
        if (!check_message(ledger, reading, &message, described->start_offset))
            break;
        next++;
    }
    if (result < 0)
        ledger_fail(ledger, "reading at %lld: %s", (long long)next, maplog_error_text());
    else if (!ledger->failed && next != described->end_offset)
        ledger_fail(ledger, "it ends at %lld, not at %lld", (long long)next,
                    (long long)described->end_offset);
    return next - described->start_offset;
}

/* Reads it from its start; returns how many records there are. */
static int64_t check_partition(struct ledger *ledger, maplog *log, const char *topic,
                               int32_t partition, struct reading *reading)
{
    struct maplog_partition described;
    struct maplog_consumer *consumer;
    struct maplog_consumer_options options = {
        .partitions = &partition, .partition_count = 1, .check_crcs = 1};
    if (maplog_partition_describe(log, topic, partition, &described) ||
        maplog_consumer_open(log, topic, &options, &consumer)) {
        ledger_fail(ledger, "%s", maplog_error_text());
        return 0;
    }
    int64_t records = read_partition(ledger, consumer, reading, &described);
    maplog_consumer_close(consumer);
    return records;
}

struct ledger_found ledger_check(struct ledger *ledger, maplog *log, const char *topic,
                                 bool only_durable)
{
    struct ledger_found found = {0};
    struct maplog_topic known;
    struct reading *reading = calloc(1, sizeof *reading);
    if (!reading || maplog_topic_describe(log, topic, &known)) {
        ledger_fail(ledger, "%s", maplog_error_text());
        free(reading);
        return found;
    }
    bool retained = false;
    for (int32_t p = 0; !ledger->failed && p < known.partitions; p++) {
        struct maplog_partition described;
        found.records += check_partition(ledger, log, topic, p, reading);
        retained |=
            maplog_partition_describe(log, topic, p, &described) == 0 && described.start_offset > 0;
    }
    for (uint32_t life = 0; !ledger->failed && life < ledger->lives; life++) {
        uint32_t wanted =
            only_durable ? ledger->life[life].durable : ledger->life[life].acknowledged;
        if (reading->next[life] < wanted && !(retained && !reading->begun[life]))
            ledger_fail(ledger, "life %u has records up to %u, but %u were acknowledged", life,
                        reading->next[life], wanted);
        if (reading->next[life] > ledger->life[life].acknowledged)
            found.unacknowledged += reading->next[life] - ledger->life[life].acknowledged;
    }
    free(reading);
    return found;
}

/* ---- the directory --------------------------------------------------------------------------- */

static int note_finding(void *context, const struct inspect_finding *finding)
{
    if (!finding->note)
        ledger_fail(context, "inspect: %s at %lld: %s", finding->file, (long long)finding->position,
                    finding->what);
    return 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), wanted = strlen(end);
    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

static bool belongs(const char *name, bool top)
{
    static const char *const files[] = {"meta.properties",
                                        "maplog.lock",
                                        "maplog.topics",
                                        "maplog.control",
                                        "maplog.bell",
                                        "recovery-point-offset-checkpoint",
                                        "log-start-offset-checkpoint",
                                        "lost+found"};
    static const char *const ends[] = {".log", ".index", ".timeindex", "leader-epoch-checkpoint",
                                       "partition.metadata"};
    for (size_t i = 0; top && i < sizeof files / sizeof *files; i++)
        if (strcmp(name, files[i]) == 0)
            return true;
    for (size_t i = 0; !top && i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

static void list(struct ledger *ledger, const char *path, bool top)
{
    DIR *entries = opendir(path);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char inner[1024];
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        /* Who is killed while replacing a file leaves the new one; the next to replace it takes its
         * place. */
        if (entry->d_name[0] == '.' || ends_with(entry->d_name, ".tmp"))
            continue;
        if (top && entry->d_type == DT_DIR && !ends_with(entry->d_name, "-delete") &&
            !ends_with(entry->d_name, "-stray"))
            list(ledger, inner, false);
        else if (!belongs(entry->d_name, top))
            ledger_fail(ledger, "%s was left behind", inner);
    }
    if (entries)
        closedir(entries);
}

void ledger_inspect(struct ledger *ledger, const char *path)
{
    struct inspect_visitor visitor = {.context = ledger, .finding = note_finding};
    struct inspect_counts counts = {0};
    if (inspect_path(path, &visitor, &counts))
        ledger_fail(ledger, "inspect: %s", error_text());
    list(ledger, path, true);
}
