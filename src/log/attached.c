/* attached.c - a snapshot of process slots, seats and leases. */
#include "log/attached.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "log/attach.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/map.h"
#include "os/process.h"
#include "shm/order.h"

static uint32_t bounded(const _Atomic uint64_t *word, uint32_t limit)
{
    uint64_t value = load_acquire(word);
    return value < limit ? (uint32_t)value : limit;
}

static void note(struct attached_partitions *partitions, uint32_t slot)
{
    if (partitions->count < ATTACHED_NAMED)
        partitions->slots[partitions->count] = slot;
    partitions->count++;
}

/* Table from process slot to 1 + index in attached->processes; 0: not alive. */
static struct attached_process *find(struct attached *attached, const uint32_t *table,
                                     uint32_t process)
{
    if (process >= LIMIT_PROCESSES || table[process] == 0)
        return NULL;
    return &attached->processes[table[process] - 1];
}

static void look_at_seats(struct attached *attached, const uint32_t *table)
{
    const struct control *control = attached->view.control;
    uint32_t seats = bounded(&control->header.seat_limit, LIMIT_SEATS);
    for (uint32_t i = 0; i < seats; i++) {
        uint32_t owner = control_seat_process(&attached->view, i);
        struct attached_process *process = find(attached, table, owner);
        if (!process)
            continue;
        process->producers++;
        uint32_t inside = load_relaxed(&control->seats[i].in_append);
        if (inside > 0)
            note(&process->appending, inside - 1);
    }
}

static void look_at_leases(struct attached *attached, const uint32_t *table)
{
    const struct control *control = attached->view.control;
    uint32_t partitions = bounded(&control->header.partition_limit, LIMIT_PARTITIONS);
    for (uint32_t i = 0; i < partitions; i++) {
        uint32_t seat = LEASE_SEAT(load_relaxed(&control->partitions[i].lease));
        if (load_relaxed(&control->partitions[i].state) != PARTITION_LIVE || seat == 0 ||
            seat > LIMIT_SEATS)
            continue;
        struct attached_process *process =
            find(attached, table, control_seat_process(&attached->view, seat - 1));
        if (process)
            note(&process->leases, i);
    }
}

/* 1 + the keeper's process slot; 0: there is none (the word outlives a keeper that was killed). */
static uint64_t keeper_slot(const struct attached *attached)
{
    const struct control_view *view = &attached->view;
    bool held = false;
    if (lock_is_held(view->lock_fd, view->path, view->lock_base + LOCK_KEEPER, &held) != 0 || !held)
        return 0;
    return load_relaxed(&view->control->header.keeper);
}

static int look(struct attached *attached)
{
    const struct control *control = attached->view.control;
    uint32_t limit = bounded(&control->header.process_limit, LIMIT_PROCESSES);
    uint64_t keeper = keeper_slot(attached);
    uint32_t table[LIMIT_PROCESSES] = {0};
    attached->processes = calloc(limit + 1, sizeof *attached->processes);
    if (!attached->processes)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %u processes", limit);
    for (uint32_t i = 0; i < limit; i++) {
        struct attached_process *process = &attached->processes[attached->count];
        control_read_process(&attached->view, i, &process->info);
        if (!process->info.alive)
            continue;
        process->keeper = keeper == i + 1;
        /* In another pid namespace the number may be somebody else's here. */
        process->stopped = process->info.pid > 0 &&
                           process_start(process->info.pid) == process->info.start &&
                           process_state(process->info.pid) == 'T';
        table[i] = (uint32_t)++attached->count;
    }
    look_at_seats(attached, table);
    look_at_leases(attached, table);
    return 0;
}

/* A directory that nobody ever attached has no such files: then there is nothing to look at. */
static int map_control(struct attached *attached)
{
    int result = file_open(attached->fd, LOCK_FILE, O_RDONLY, 0, &attached->view.lock_fd);
    if (result)
        return result;
    int fd;
    result = file_open(attached->fd, CONTROL_FILE, O_RDONLY, 0, &fd);
    if (result)
        return result;
    struct file_identity file;
    void *mapped;
    result = file_identify(fd, CONTROL_FILE, &file);
    if (!result && file.size < sizeof(struct control))
        result = error_set(MAPLOG_VERSION, "%s has %llu bytes, not %zu: another version's",
                           CONTROL_FILE, (unsigned long long)file.size, sizeof(struct control));
    if (!result)
        result = map_file(fd, CONTROL_FILE, 0, sizeof(struct control), MAP_MODE_READ, &mapped);
    file_close(fd);
    if (result)
        return result;
    attached->view.control = mapped;
    return control_check(mapped, attached->view.path);
}

int attached_open(const char *path, struct attached *attached)
{
    struct attached made = {
        .view = {.lock_fd = -1, .path = path, .process = UINT32_MAX, .read_only = true}, .fd = -1};
    int result = file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, &made.fd);
    if (!result) {
        result = map_control(&made);
        if (!result)
            result = catalog_load(&made.catalog, made.fd);
        if (!result)
            result = look(&made);
        else if (result == MAPLOG_NOT_FOUND)
            result = 0;
    }
    if (result) {
        attached_close(&made);
        return result;
    }
    *attached = made;
    return 0;
}

void attached_close(struct attached *attached)
{
    map_remove(attached->view.control, sizeof(struct control));
    catalog_free(&attached->catalog);
    file_close(attached->view.lock_fd);
    file_close(attached->fd);
    free(attached->processes);
}

void attached_partition_name(const struct attached *attached, uint32_t slot, char *name,
                             size_t size)
{
    int32_t number;
    const struct catalog_topic *topic = catalog_slot(&attached->catalog, slot, &number);
    if (topic)
        snprintf(name, size, "%s-%d", topic->name, (int)number);
    else
        snprintf(name, size, "?");
}
