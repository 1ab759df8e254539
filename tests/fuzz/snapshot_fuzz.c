/* snapshot_fuzz.c - any bytes as a snapshot of producers: what is accepted makes sense and is
 * written again as it was; and so with a right CRC. */
#include "log/producer_snapshot.h"

#include <maplog.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define CRC_AT 2
#define COVERED_AT 6
#define OF_TRANSACTIONS 12 /* last bytes of an entry: they are not kept */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        __builtin_trap();
}

/* The bytes as they are written: without what tells of transactions. */
static void forget_transactions(uint8_t *bytes, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        memset(bytes + PRODUCER_SNAPSHOT_HEADER + i * PRODUCER_SNAPSHOT_ENTRY - OF_TRANSACTIONS,
               0xff, OF_TRANSACTIONS);
}

static void look(const uint8_t *bytes, size_t size)
{
    struct producers_entry *entries;
    uint8_t *again;
    size_t count, size_again;
    int result = producer_snapshot_decode(bytes, size, &entries, &count);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_VERSION);
    if (result)
        return;
    for (size_t i = 0; i < count; i++) {
        check(entries[i].producer_id >= 0 && entries[i].epoch >= -1);
        check(entries[i].last_sequence >= -1 && entries[i].offset_delta >= 0);
        check(entries[i].last_offset < 0 || entries[i].last_offset >= entries[i].offset_delta);
    }
    check(producer_snapshot_encode(entries, count, &again, &size_again) == 0);
    check(size_again == size);
    uint8_t *expected = malloc(size);
    check(expected != NULL);
    memcpy(expected, bytes, size);
    forget_transactions(expected, count);
    check(memcmp(expected + COVERED_AT, again + COVERED_AT, size - COVERED_AT) == 0);
    free(expected);
    free(again);
    free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    if (size < COVERED_AT)
        return 0;
    uint8_t *signed_bytes = malloc(size);
    check(signed_bytes != NULL);
    memcpy(signed_bytes, data, size);
    bytes_store32(signed_bytes + CRC_AT, crc32c(0, data + COVERED_AT, size - COVERED_AT));
    look(signed_bytes, size);
    free(signed_bytes);
    return 0;
}
