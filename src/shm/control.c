/* control.c - process slots, writer seats, and the making of the shared structures. */
#include "shm/control.h"

#include "base/error.h"
#include "os/clock.h"
#include "os/lock.h"
#include "shm/order.h"

#include <stdio.h>
#include <string.h>

/* ---- texts in words -------------------------------------------------------------------------- */

static void store_text(_Atomic uint64_t *words, size_t size, const char *text)
{
    char padded[PROCESS_NAME_SIZE] = {0};
    size_t length = strnlen(text, size - 1);
    memcpy(padded, text, length);
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word;
        memcpy(&word, padded + i * 8, 8);
        store_relaxed(&words[i], word);
    }
}

static void load_text(const _Atomic uint64_t *words, size_t size, char *text)
{
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word = load_relaxed(&words[i]);
        memcpy(text + i * 8, &word, 8);
    }
    text[size - 1] = '\0';
    /* It may be shown on a terminal, and anybody attached can have written it. */
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
}

/* ---- seats ----------------------------------------------------------------------------------- */

static uint64_t own_word(const struct control_view *view)
{
    const struct control_process *own = &view->control->processes[view->process];
    return load_relaxed(&own->attachment) << 16 | (view->process + 1);
}

static uint32_t process_of(uint64_t owner)
{
    uint32_t process = (uint32_t)(owner & 0xffff) - 1;
    return process < LIMIT_PROCESSES ? process : UINT32_MAX;
}

static uint32_t seats_used(const struct control *control)
{
    uint64_t limit = load_acquire(&control->header.seat_limit);
    return limit < LIMIT_SEATS ? (uint32_t)limit : LIMIT_SEATS;
}

/* Makes a seat ours that was `seen` to belong to a dead attachment (or to nobody). Only who wins
 * the swap may touch in_append: the seat may be in use by another living process already. */
static bool claim_seat(struct control_view *view, struct control_seat *seat, uint64_t seen)
{
    if (!compare_swap_full(&seat->owner, &seen, own_word(view)))
        return false;
    store_release(&seat->in_append, 0);
    return true;
}

static void free_seat(struct control_seat *seat)
{
    store_release(&seat->in_append, 0);
    store_release(&seat->owner, 0); /* pairs with the swap in claim_seat */
}

/* Frees the seats that a former owner of our process slot left behind. */
static void free_inherited_seats(struct control_view *view)
{
    for (uint32_t i = 0; i < seats_used(view->control); i++) {
        struct control_seat *seat = &view->control->seats[i];
        uint64_t owner = load_acquire(&seat->owner);
        if (process_of(owner) == view->process && claim_seat(view, seat, owner))
            free_seat(seat);
    }
}

static bool reclaim_seat(struct control_view *view, uint32_t *seat)
{
    /* A proof of death holds for an attachment, not for a slot, so it is made after the look at the
     * owner word, and holds for that word only. One look at a slot's lock is enough to skip the
     * other seats of a living process. */
    bool living[LIMIT_PROCESSES] = {false};
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        uint64_t owner = load_acquire(&view->control->seats[i].owner);
        uint32_t process = process_of(owner);
        if (process == UINT32_MAX || living[process])
            continue;
        if (!control_process_dead(view, process)) {
            living[process] = true;
        } else if (claim_seat(view, &view->control->seats[i], owner)) {
            *seat = i;
            return true;
        }
    }
    return false;
}

int control_take_seat(struct control_view *view, uint32_t *seat)
{
    struct control *control = view->control;
    for (uint32_t i = 0; i < LIMIT_SEATS; i++) {
        if (load_relaxed(&control->seats[i].owner) == 0 &&
            claim_seat(view, &control->seats[i], 0)) {
            /* Before the first lease, so that a taker who waits for all seats sees this one. */
            raise_to(&control->header.seat_limit, i + 1);
            *seat = i;
            return 0;
        }
    }
    if (reclaim_seat(view, seat))
        return 0;
    return error_set(MAPLOG_LIMIT, "%s: all %d producer seats are taken (LIMIT_SEATS)", view->path,
                     LIMIT_SEATS);
}

void control_leave_seat(struct control_view *view, uint32_t seat)
{
    free_seat(&view->control->seats[seat]);
}

uint32_t control_seat_process(const struct control_view *view, uint32_t seat)
{
    return process_of(load_acquire(&view->control->seats[seat].owner));
}

/* ---- process slots --------------------------------------------------------------------------- */

static uint64_t lock_byte(const struct control_view *view, uint32_t process)
{
    return view->lock_base + LOCK_PROCESS + process;
}

static void fill_process(struct control_view *view, const char *role)
{
    struct control *control = view->control;
    struct control_process *process = &control->processes[view->process];
    char name[PROCESS_NAME_SIZE];
    process_name(name);
    store_relaxed(&process->pid, 0);
    store_relaxed(&process->attachment, add_full(&control->header.attachments, 1) + 1);
    store_relaxed(&process->start, process_start(process_id()));
    store_relaxed(&process->attached_ms, (uint64_t)clock_wall_ms());
    store_relaxed(&process->pinned, UINT64_MAX);
    store_text(process->name, sizeof process->name, name);
    store_text(process->role, sizeof process->role, role);
    store_release(&process->pid, (uint32_t)process_id()); /* pairs with control_read_process */
    raise_to(&control->header.process_limit, view->process + 1);
}

void control_set_role(struct control_view *view, const char *role)
{
    struct control_process *process = &view->control->processes[view->process];
    store_text(process->role, sizeof process->role, role);
}

int control_take_process(struct control_view *view, const char *role)
{
    bool barrier = view->control->header.writers == WRITER_LEASE;
    if (barrier) {
        /* Before the first lease: takers rely on reaching every writer with their membarrier. */
        int result = process_barrier_register();
        if (result < 0)
            return error_prefix(result, "%s: its writers take turns with membarrier", view->path);
    }
    for (uint32_t i = 0; i < LIMIT_PROCESSES; i++) {
        int result = lock_try(view->lock_fd, view->path, lock_byte(view, i), true);
        if (result == MAPLOG_BUSY)
            continue;
        if (result < 0)
            return result;
        view->process = i;
        view->barrier = barrier;
        fill_process(view, role);
        free_inherited_seats(view);
        return 0;
    }
    return error_set(MAPLOG_LIMIT, "%s: %d processes are attached already (LIMIT_PROCESSES)",
                     view->path, LIMIT_PROCESSES);
}

void control_leave_process(struct control_view *view)
{
    if (view->process == UINT32_MAX)
        return;
    uint64_t own = own_word(view);
    for (uint32_t i = 0; i < seats_used(view->control); i++)
        if (load_relaxed(&view->control->seats[i].owner) == own)
            free_seat(&view->control->seats[i]);
    struct control_process *process = &view->control->processes[view->process];
    store_relaxed(&process->pinned, UINT64_MAX);
    store_relaxed(&process->pid, 0);
    lock_release(view->lock_fd, lock_byte(view, view->process));
    view->process = UINT32_MAX;
}

bool control_process_dead(const struct control_view *view, uint32_t process)
{
    bool held = true;
    if (process == view->process) /* our own lock does not conflict with us */
        return false;
    return lock_is_held(view->lock_fd, view->path, lock_byte(view, process), &held) == 0 && !held;
}

void control_read_process(const struct control_view *view, uint32_t process,
                          struct control_process_info *info)
{
    const struct control_process *slot = &view->control->processes[process];
    info->alive = !control_process_dead(view, process);
    info->pid = (int)load_acquire(&slot->pid); /* pairs with fill_process */
    info->start = load_relaxed(&slot->start);
    info->attached_ms = load_relaxed(&slot->attached_ms);
    load_text(slot->name, sizeof info->name, info->name);
    load_text(slot->role, sizeof info->role, info->role);
}

void control_describe_process(const struct control_view *view, uint32_t process, char *text,
                              size_t size)
{
    struct control_process_info info;
    if (process >= LIMIT_PROCESSES) {
        snprintf(text, size, "an unknown process");
        return;
    }
    control_read_process(view, process, &info);
    /* In another pid namespace the number may be somebody else's here. */
    bool stopped =
        info.pid > 0 && process_start(info.pid) == info.start && process_state(info.pid) == 'T';
    snprintf(text, size, "%d (%s)%s", info.pid, info.name, stopped ? ", which is stopped" : "");
}

/* ---- making and checking --------------------------------------------------------------------- */

void control_format(struct control *control, enum writer_kind writers)
{
    struct control_header *header = &control->header;
    header->version = CONTROL_VERSION;
    header->mutex_abi = thread_mutex_abi();
    header->writers = writers;
    header->magic = CONTROL_MAGIC;
}

int control_check(const struct control *control, const char *path)
{
    const struct control_header *header = &control->header;
    if (header->magic != CONTROL_MAGIC)
        return error_set(MAPLOG_CORRUPT,
                         "%s is no control file of maplog; when nobody is attached it can be "
                         "removed and is made anew",
                         path);
    if (header->version != CONTROL_VERSION)
        return error_set(MAPLOG_VERSION,
                         "%s is in use by version %u of its format, this program knows version %u; "
                         "stop the attached processes or use their version",
                         path, header->version, CONTROL_VERSION);
    if (header->mutex_abi != thread_mutex_abi())
        return error_set(MAPLOG_VERSION,
                         "%s is in use by processes with another C library; stop them or use the "
                         "same one",
                         path);
    if (header->writers != WRITER_LEASE && header->writers != WRITER_MUTEX)
        return error_set(MAPLOG_CORRUPT, "%s: unknown kind of writers %u", path, header->writers);
    return 0;
}

/* All words of the slot but the mutexes, lease_generation and incarnation. */
static void clear_partition(struct control_partition *partition)
{
    store_relaxed(&partition->want, 0);
    store_relaxed(&partition->taker_seat, 0);
    for (int i = 0; i < 2; i++) {
        store_relaxed(&partition->published[i], 0);
        store_relaxed(&partition->base[i], 0);
        store_relaxed(&partition->index_bytes[i], 0);
        store_relaxed(&partition->timeindex_bytes[i], 0);
        store_relaxed(&partition->allocated[i], 0);
    }
    store_relaxed(&partition->rolls, 0);
    store_relaxed(&partition->rolling, 0);
    store_relaxed(&partition->log_start, 0);
    store_relaxed(&partition->leader_epoch, 0);
    store_relaxed(&partition->durable_policy, 0);
    store_relaxed(&partition->index_damaged, 0);
    store_relaxed(&partition->noted_published, 0);
    store_relaxed(&partition->max_timestamp, UINT64_MAX);
    store_relaxed(&partition->max_timestamp_offset, 0);
    store_relaxed(&partition->first_append_ms, 0);
    store_relaxed(&partition->bytes_since_index, 0);
    store_relaxed(&partition->durable_offset, 0);
    store_relaxed(&partition->flushes, 0);
    store_relaxed(&partition->flush_waiters, 0);
    store_relaxed(&partition->flush_failed, 0);
    store_relaxed(&partition->flush_group, 0);
    store_relaxed(&partition->flush_us, 0);
    store_relaxed(&partition->flusher_process, 0);
}

int control_format_partition(struct control *control, uint32_t i, const uint8_t topic_id[16],
                             uint32_t partition)
{
    struct control_partition *slot = &control->partitions[i];
    uint32_t incarnation = load_relaxed(&slot->incarnation);
    if (incarnation == 0) {
        int result = thread_mutex_init(&slot->takers);
        if (result == 0)
            result = thread_mutex_init(&slot->flusher);
        if (result < 0)
            return result;
    }
    clear_partition(slot);
    memcpy(slot->topic_id, topic_id, sizeof slot->topic_id);
    slot->partition = partition;
    store_relaxed(&slot->incarnation, incarnation + 1);
    store_release(&slot->state, PARTITION_LIVE); /* pairs with the acquire loads of state */
    return 0;
}
