#include "log/serve.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "log/transfer.h"
#include "os/lock.h"

/* "PID (name)" of the process that calls itself a server, for the message; "another process". */
static void describe_holder(const struct control_view *view, char *text, size_t size)
{
    snprintf(text, size, "another process");
    uint64_t limit = load_acquire(&view->control->header.process_limit);
    for (uint32_t i = 0; i < limit && i < LIMIT_PROCESSES; i++) {
        struct control_process_info info;
        control_read_process(view, i, &info);
        if (info.alive && i != view->process && strcmp(info.role, SERVE_ROLE) == 0) {
            control_describe_process(view, i, text, size);
            return;
        }
    }
}

int serve_begin(struct directory *directory, struct serve *serve)
{
    struct control_view *view = &directory->view;
    *serve = (struct serve){.kafka_fd = -1};
    if (directory->read_only)
        return error_set(MAPLOG_DENIED, "%s is attached read-only: a server writes",
                         directory->path);
    uint64_t byte = view->lock_base + LOCK_SERVER;
    int result = lock_try(view->lock_fd, directory->path, byte, true);
    if (result == MAPLOG_BUSY) {
        char holder[256];
        describe_holder(view, holder, sizeof holder);
        return error_set(result, "%s is served by %s: one server at a time", directory->path,
                         holder);
    }
    if (!result && directory->fd >= 0) {
        /* The file must be there, or a broker that starts later makes and locks one of its own. */
        int fd;
        result = file_open(directory->fd, TRANSFER_KAFKA_LOCK, O_RDWR | O_CREAT, 0660, &fd);
        if (!result) {
            file_close(fd);
            result = transfer_lock_kafka(directory->fd, directory->path, &serve->kafka_fd);
        }
        if (result)
            lock_release(view->lock_fd, byte);
    }
    if (result)
        return result;
    control_set_role(view, SERVE_ROLE);
    serve->directory = directory_keep(directory);
    return 0;
}

void serve_end(struct serve *serve)
{
    if (!serve->directory)
        return;
    const struct control_view *view = &serve->directory->view;
    file_close(serve->kafka_fd);
    lock_release(view->lock_fd, view->lock_base + LOCK_SERVER);
    directory_drop(serve->directory);
    serve->directory = NULL;
}
