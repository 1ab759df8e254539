/*
 * LMDB as a store: keys are the records' numbers, appended; the reader looks for the next key in a
 * new snapshot each time it has read the last one to its end. Nothing waits for the disk
 * (MDB_NOSYNC), as nothing does with the other peers. Profiles: each    a transaction a record, so
 * each is visible when its call returns batch   100 records a transaction
 */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "transport.h"

#define MAP_BYTES ((size_t)64 << 30)
#define BATCH_RECORDS 100

const char *const transport_name = "lmdb";
const char *const transport_profiles[] = {"each", "batch", NULL};
const bool transport_persistent = true;

static const struct plan *plan;
static MDB_env *environment;
static MDB_txn *transaction;
static MDB_cursor *cursor;
static MDB_dbi database;
static size_t next, gathered, most;

static int try(int answer)
{
    if (answer != 0 && answer != MDB_NOTFOUND)
        fail("%s", mdb_strerror(answer));
    return answer;
}

static void attach(unsigned flags)
{
    try(mdb_env_create(&environment));
    try(mdb_env_set_mapsize(environment, MAP_BYTES));
    try(mdb_env_open(environment, plan->directory, flags, 0600));
}

const char *transport_version(void)
{
    static char text[32];
    int major, minor, patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

void transport_prepare(const struct plan *given)
{
    MDB_txn *first;
    plan = given;
    most = strcmp(plan->profile, "batch") ? 1 : BATCH_RECORDS;
    attach(MDB_NOSYNC);
    try(mdb_txn_begin(environment, NULL, 0, &first));
    try(mdb_dbi_open(first, NULL, MDB_INTEGERKEY, &database));
    try(mdb_txn_commit(first));
    mdb_env_close(environment);
}

void transport_open_sender(void)
{
    attach(MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC);
}

void transport_flush(void)
{
    if (transaction)
        try(mdb_txn_commit(transaction));
    transaction = NULL;
    gathered = 0;
}

void transport_send(const void *value, size_t size)
{
    if (!transaction) {
        try(mdb_txn_begin(environment, NULL, 0, &transaction));
        try(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY, &database));
    }
    MDB_val key = {sizeof next, &next}, record = {size, (void *)value};
    try(mdb_put(transaction, database, &key, &record, MDB_APPEND));
    next++;
    if (++gathered == most)
        transport_flush();
}

void transport_open_receiver(void)
{
    attach(MDB_RDONLY);
    try(mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction));
    try(mdb_dbi_open(transaction, NULL, 0, &database));
    try(mdb_cursor_open(transaction, database, &cursor));
}

static int look_anew(MDB_val *key, MDB_val *record)
{
    mdb_txn_reset(transaction);
    try(mdb_txn_renew(transaction));
    try(mdb_cursor_renew(transaction, cursor));
    *key = (MDB_val){sizeof next, &next};
    return try(mdb_cursor_get(cursor, key, record, MDB_SET_KEY));
}

size_t transport_receive(const void **value, bool spin)
{
    (void)spin;
    MDB_val key, record;
    if ((next == 0 || try(mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) == MDB_NOTFOUND) &&
        look_anew(&key, &record) == MDB_NOTFOUND)
        return 0;
    next++;
    *value = record.mv_data;
    return record.mv_size;
}

void transport_replay(void)
{
    next = 0;
}
