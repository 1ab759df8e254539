/* An anonymous log: one topic with one partition in a memfd. */
#include "log/anonymous.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "log/directory.h"
#include "os/lock.h"
#include "os/map.h"
#include "os/process.h"

#define NAME "anonymous"
#define SEGMENT_BYTES_DEFAULT (16u << 20)
#define SEGMENT_BYTES_MIN (64u << 10)
#define SEGMENT_BYTES_MAX (1u << 30)
#define SEGMENTS_DEFAULT 8
#define SEGMENTS_MIN 2
#define MAX_MESSAGE_BYTES 1048588 /* Kafka's default of max.message.bytes */

/* What a memfd of ours is made of. */
struct shape {
    const char *topic;
    struct uuid id;
    uint64_t segment_bytes;
    uint32_t segments;
};

static int check_shape(const struct shape *shape)
{
    if (shape->segment_bytes < SEGMENT_BYTES_MIN || shape->segment_bytes > SEGMENT_BYTES_MAX)
        return error_set(MAPLOG_INVALID, "segment_bytes is %u to %u, not %llu", SEGMENT_BYTES_MIN,
                         SEGMENT_BYTES_MAX, (unsigned long long)shape->segment_bytes);
    if (shape->segments < SEGMENTS_MIN || shape->segments > LIMIT_ANONYMOUS_SLOTS)
        return error_set(MAPLOG_INVALID, "segments is %d to %d, not %u", SEGMENTS_MIN,
                         LIMIT_ANONYMOUS_SLOTS, shape->segments);
    return catalog_check_name(shape->topic);
}

/* A page more than segment.bytes, because writers copy a little past the tail. */
static struct segment_sizes areas_of(uint64_t segment_bytes)
{
    struct segment_sizes sizes = segment_allocation(MEMORY_PAGE_UP(segment_bytes) + MEMORY_PAGE);
    sizes.index = MEMORY_PAGE_UP(sizes.index);
    sizes.timeindex = MEMORY_PAGE_UP(sizes.timeindex);
    return sizes;
}

static uint64_t file_bytes(const struct shape *shape)
{
    struct segment_sizes areas = areas_of(shape->segment_bytes);
    return MEMORY_SLOTS_AT + shape->segments * (areas.log + areas.index + areas.timeindex);
}

/* ---- attaching ------------------------------------------------------------------------------- */

static int map_front(struct directory *directory)
{
    void *mapped;
    int result = map_file(directory->memory_fd, NAME, 0, MEMORY_SLOTS_AT, MAP_MODE_WRITE, &mapped);
    if (result)
        return result;
    struct control_view *view = &directory->view;
    view->control = mapped;
    view->bell = (struct bell_word *)((char *)mapped + MEMORY_BELL_AT);
    view->lock_base = LOCK_BASE_ANONYMOUS;
    view->path = directory->path;
    return 0;
}

/* Locks belong to an open file of our own, which is never mapped. */
static int open_locks(struct directory *directory)
{
    struct control_view *view = &directory->view;
    process_fork_hold();
    int result = file_reopen(directory->memory_fd, O_RDWR, &view->lock_fd);
    if (!result) {
        result = process_close_in_child(view->lock_fd);
        if (result) {
            file_close(view->lock_fd);
            view->lock_fd = -1;
        }
    }
    process_fork_release();
    return result;
}

static int fill_catalog(struct directory *directory, const struct shape *shape)
{
    char segment_bytes[64], message_bytes[64];
    uint64_t largest =
        shape->segment_bytes < MAX_MESSAGE_BYTES ? shape->segment_bytes : MAX_MESSAGE_BYTES;
    snprintf(segment_bytes, sizeof segment_bytes, "segment.bytes=%llu",
             (unsigned long long)shape->segment_bytes);
    snprintf(message_bytes, sizeof message_bytes, "max.message.bytes=%llu",
             (unsigned long long)largest);
    const char *const configs[] = {segment_bytes, message_bytes, "retention.ms=-1",
                                   "retention.bytes=-1", NULL};
    return catalog_add(&directory->catalog, shape->topic, 1, configs, &shape->id);
}

/* Joins the log behind memory_fd, which is mapped and has this shape. */
static int join(struct directory *directory, const struct shape *shape)
{
    struct control_view *view = &directory->view;
    struct anonymous *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot attach an anonymous log");
    made->header = (struct memory_header *)((char *)view->control + MEMORY_HEADER_AT);
    made->slots = shape->segments;
    made->segment_bytes = shape->segment_bytes;
    made->areas = areas_of(shape->segment_bytes);
    pthread_mutex_init(&made->lock, NULL);
    directory->anonymous = made;
    directory->kind = FILE_SYSTEM_MEMORY;
    int result = open_locks(directory);
    if (!result)
        result = lock_try(view->lock_fd, NAME, view->lock_base + LOCK_ATTACHED, false);
    if (!result)
        result = control_take_process(view, "attached");
    if (!result)
        result = fill_catalog(directory, shape);
    directory->catalog_generation = load_acquire(&view->control->header.settings_generation);
    return result;
}

void anonymous_end(struct directory *directory)
{
    struct control_view *view = &directory->view;
    bool forked = directory_forked(directory);
    if (!forked && view->control)
        control_leave_process(view);
    map_remove(view->control, MEMORY_SLOTS_AT);
    view->control = NULL;
    if (!forked && view->lock_fd >= 0) {
        process_fork_hold();
        process_keep_in_child(view->lock_fd);
        file_close(view->lock_fd);
        process_fork_release();
    }
    view->lock_fd = -1;
    if (directory->anonymous)
        pthread_mutex_destroy(&directory->anonymous->lock);
    free(directory->anonymous);
    directory->anonymous = NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int format(struct directory *directory, const struct shape *shape)
{
    struct file_identity file;
    int result = file_identify(directory->memory_fd, NAME, &file);
    if (result)
        return result;
    struct control *control = directory->view.control;
    const char *kind = getenv("MAPLOG_WRITER");
    bool barrier = process_barrier_register() == 0 && !(kind && strcmp(kind, "mutex") == 0);
    control_format(control, barrier ? WRITER_LEASE : WRITER_MUTEX);
    control->header.device = file.device;
    control->header.inode = file.inode;
    store_relaxed(&control->header.session, 2);
    store_relaxed(&control->header.settings_generation, 1);
    store_relaxed(&control->header.partition_limit, 1);
    result = control_format_partition(control, 0, shape->id.bytes, 0);
    if (result)
        return result;
    struct memory_header *header = (struct memory_header *)((char *)control + MEMORY_HEADER_AT);
    header->version = MEMORY_VERSION;
    header->slots = shape->segments;
    header->segment_bytes = shape->segment_bytes;
    memcpy(header->topic_id, shape->id.bytes, sizeof header->topic_id);
    snprintf(header->topic, sizeof header->topic, "%s", shape->topic);
    for (uint32_t i = 0; i < shape->segments; i++)
        store_relaxed(&header->slot[i].base, MEMORY_NO_BASE);
    header->magic = MEMORY_MAGIC;
    return 0;
}

static int make(struct directory *directory, const struct shape *shape)
{
    int result = file_memory("maplog", &directory->memory_fd);
    if (!result)
        result = file_inherit(directory->memory_fd);
    if (!result)
        result = file_truncate(directory->memory_fd, NAME, file_bytes(shape));
    if (!result)
        result = file_allocate(directory->memory_fd, NAME, 0, MEMORY_SLOTS_AT);
    if (!result)
        result = map_front(directory);
    if (!result)
        result = format(directory, shape);
    return result ? result : join(directory, shape);
}

int anonymous_open(const struct maplog_anonymous_options *options, struct directory **directory)
{
    static const struct maplog_anonymous_options defaults;
    if (!options)
        options = &defaults;
    struct shape shape = {
        .topic = options->topic ? options->topic : NAME,
        .segment_bytes = options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES_DEFAULT,
        .segments = options->segments ? options->segments : SEGMENTS_DEFAULT,
    };
    uint8_t random[sizeof shape.id.bytes];
    int result = check_shape(&shape);
    if (!result)
        result = process_random(random, sizeof random);
    if (result)
        return result;
    shape.id = uuid_from_random(random);
    struct directory *made = directory_new(NAME);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot make an anonymous log");
    result = make(made, &shape);
    if (result) {
        directory_drop(made);
        return result;
    }
    *directory = made;
    return 0;
}

/* ---- attaching to what a stranger passed ------------------------------------------------------
 */

static int not_ours(int fd)
{
    return error_set(MAPLOG_INVALID, "descriptor %d is no anonymous log of maplog", fd);
}

/* Is it a memfd of ours, by its contents? The header is copied out and judged, not looked at in
 * place. */
static int read_shape(const struct directory *directory, int fd, struct memory_header *header,
                      struct shape *shape)
{
    struct file_identity file;
    struct control_header control;
    int memory_fd = directory->memory_fd;
    if (file_identify(memory_fd, NAME, &file) || file.size < MEMORY_SLOTS_AT ||
        file_read_at(memory_fd, NAME, &control, sizeof control, 0) ||
        control.magic != CONTROL_MAGIC || control.inode != file.inode ||
        control.device != file.device ||
        file_read_at(memory_fd, NAME, header, sizeof *header, MEMORY_HEADER_AT) ||
        header->magic != MEMORY_MAGIC)
        return not_ours(fd);
    if (header->version != MEMORY_VERSION)
        return error_set(MAPLOG_VERSION,
                         "the anonymous log has version %u of its format, this program knows "
                         "version %u",
                         header->version, MEMORY_VERSION);
    header->topic[LIMIT_TOPIC_NAME] = '\0';
    *shape = (struct shape){
        .topic = header->topic, .segment_bytes = header->segment_bytes, .segments = header->slots};
    memcpy(shape->id.bytes, header->topic_id, sizeof shape->id.bytes);
    if (check_shape(shape) || file.size != file_bytes(shape))
        return not_ours(fd);
    return 0;
}

static int attach(struct directory *directory, int fd)
{
    /* Look before opening once more: opening a FIFO or a device again is not harmless. */
    struct file_identity file;
    enum file_system_kind kind;
    struct memory_header header;
    struct shape shape;
    if (file_identify(fd, NAME, &file) || file.is_directory || file.size < MEMORY_SLOTS_AT ||
        file_system(fd, NAME, &kind) || kind != FILE_SYSTEM_MEMORY)
        return not_ours(fd);
    int result = file_reopen(fd, O_RDWR, &directory->memory_fd);
    if (!result)
        result = file_inherit(directory->memory_fd);
    if (!result)
        result = read_shape(directory, fd, &header, &shape);
    if (!result)
        result = map_front(directory);
    if (!result)
        result = control_check(directory->view.control, NAME);
    return result ? result : join(directory, &shape);
}

int anonymous_attach(int fd, struct directory **directory)
{
    struct directory *made = directory_new(NAME);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot attach an anonymous log");
    int result = attach(made, fd);
    if (result) {
        directory_drop(made);
        return result;
    }
    *directory = made;
    return 0;
}
