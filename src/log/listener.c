#include "log/listener.h"

#include <stdlib.h>

#include "base/error.h"
#include "os/thread.h"
#include "shm/bell.h"

struct listener {
    struct directory *directory; /* a reference */
    void (*moved)(void *context, uint32_t slot);
    void *context;
    pthread_t thread;
    struct bell_listener bell;
};

static void *run(void *argument)
{
    struct listener *listener = argument;
    while (!load_acquire(&listener->bell.stop))
        bell_listen(&listener->bell, -1, listener->moved, listener->context);
    return NULL;
}

int listener_open(struct directory *directory, void (*moved)(void *context, uint32_t slot),
                  void *context, struct listener **listener)
{
    struct listener *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "cannot listen to %s", directory->path);
    made->directory = directory_keep(directory);
    made->moved = moved;
    made->context = context;
    bell_listen_begin(&made->bell, &directory->view);
    int result = thread_start(&made->thread, "maplog-listen", run, made);
    if (result) {
        directory_drop(directory);
        free(made);
        return result;
    }
    *listener = made;
    return 0;
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    if (!directory_forked(listener->directory)) { /* a child has no thread of ours */
        bell_listen_stop(&listener->bell);
        thread_join(listener->thread);
    }
    directory_drop(listener->directory);
    free(listener);
}

void listener_mark(struct listener *listener, const struct partition *partition)
{
    bell_mark(&listener->bell, partition->slot);
}

void listener_barrier(struct listener *listener)
{
    bell_mark_barrier(&listener->bell);
}
