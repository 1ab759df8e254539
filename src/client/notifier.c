/*
 * notifier.c - the descriptor of a consumer: an event descriptor, set by a helper thread that waits
 * on the bell in the consumer's place.
 *
 * Armed, the thread sleeps until one of its watches moves, sets the descriptor and is fired. The
 * consumer arms it again when it found nothing more, with watches of what it has seen by then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/consumer.h"
#include "os/clock.h"
#include "os/event.h"
#include "os/futex.h"
#include "os/thread.h"

/* The thread looks this often for changed topics, and for its end where no bell can wake it. */
#define SLICE_NS (1000 * 1000000ll)
#define POLLED_SLICE_NS (10 * 1000000ll)
#define STOP_STEP_NS 100000

struct notifier {
    struct directory *directory; /* the consumer's */
    pthread_t thread;
    int event;
    _Atomic uint32_t stop;
    _Atomic uint32_t stopped;
    _Atomic uint32_t changes; /* of stop and armed; the thread sleeps on it while fired */
    pthread_mutex_t lock;     /* guards what follows */
    bool armed;               /* the thread reads watches, and nobody changes them */
    struct bell_watch *watches;
    unsigned count;
    unsigned capacity;
    uint64_t generation; /* of the settings when it was armed */
};

static uint64_t settings_generation(const struct directory *directory)
{
    return load_acquire(&directory->view.control->header.settings_generation);
}

/* Sleeps until something that was watched moves, or topics change, or the end. */
static void wait_armed(struct notifier *notifier)
{
    struct control_view *view = &notifier->directory->view;
    bool polled = !view->bell || notifier->count > FUTEX_WAIT_MANY_LIMIT;
    while (!load_acquire(&notifier->stop) &&
           settings_generation(notifier->directory) == notifier->generation) {
        bell_wait(view, notifier->watches, notifier->count, polled ? POLLED_SLICE_NS : SLICE_NS);
        for (unsigned i = 0; i < notifier->count; i++) {
            if (bell_moved(view, &notifier->watches[i]))
                return;
        }
    }
}

static void *run(void *argument)
{
    struct notifier *notifier = argument;
    pthread_mutex_lock(&notifier->lock);
    while (!load_acquire(&notifier->stop)) {
        bool armed = notifier->armed;
        uint32_t changes = load_acquire(&notifier->changes);
        pthread_mutex_unlock(&notifier->lock);
        if (armed)
            wait_armed(notifier);
        else
            futex_wait((const uint32_t *)&notifier->changes, changes, -1);
        pthread_mutex_lock(&notifier->lock);
        if (armed) {
            notifier->armed = false;
            event_set(notifier->event);
        }
    }
    pthread_mutex_unlock(&notifier->lock);
    store_release(&notifier->stopped, 1);
    return NULL;
}

/* Under the lock: tells the thread. */
static void tell(struct notifier *notifier)
{
    add_full(&notifier->changes, 1);
    futex_wake_all((const uint32_t *)&notifier->changes);
}

static void notifier_free(struct notifier *notifier)
{
    file_close(notifier->event);
    free(notifier->watches);
    free(notifier);
}

int notifier_begin(struct maplog_consumer *consumer, struct notifier **notifier)
{
    struct notifier *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(MAPLOG_NO_MEMORY, "no memory for a descriptor to poll");
    made->directory = consumer->directory;
    made->event = -1;
    pthread_mutex_init(&made->lock, NULL);
    int result = event_open(&made->event);
    if (!result) {
        event_set(made->event); /* there may be records already */
        result = thread_start(&made->thread, "maplog-notify", run, made);
    }
    if (result) {
        notifier_free(made);
        return result;
    }
    *notifier = made;
    return 0;
}

void notifier_end(struct notifier *notifier)
{
    if (!notifier)
        return;
    if (!directory_forked(notifier->directory)) {
        pthread_mutex_lock(&notifier->lock);
        store_release(&notifier->stop, 1);
        tell(notifier);
        bool armed = notifier->armed;
        pthread_mutex_unlock(&notifier->lock);
        /* It may be about to sleep: ring until it is out. */
        while (armed && !load_acquire(&notifier->stopped)) {
            if (notifier->directory->view.bell)
                bell_wake(&notifier->directory->view, notifier->watches[0].partition_index);
            clock_sleep_ns(STOP_STEP_NS);
        }
        thread_join(notifier->thread);
        pthread_mutex_destroy(&notifier->lock);
    }
    notifier_free(notifier);
}

int notifier_descriptor(const struct notifier *notifier)
{
    return notifier->event;
}

void notifier_arm(struct notifier *notifier, const struct maplog_consumer *consumer)
{
    pthread_mutex_lock(&notifier->lock);
    if (!notifier->armed) {
        if (notifier->capacity < consumer->count) {
            struct bell_watch *watches =
                realloc(notifier->watches, consumer->count * sizeof *watches);
            if (!watches) { /* stays readable: the caller polls more often than it must */
                pthread_mutex_unlock(&notifier->lock);
                return;
            }
            notifier->watches = watches;
            notifier->capacity = (unsigned)consumer->count;
        }
        notifier->count = (unsigned)consumer->count;
        for (unsigned i = 0; i < notifier->count; i++)
            reader_watch(&consumer->sources[i]->reader, &notifier->watches[i]);
        notifier->generation = consumer->generation_seen;
        event_clear(notifier->event);
        notifier->armed = true;
        tell(notifier);
    }
    pthread_mutex_unlock(&notifier->lock);
}

int maplog_consumer_descriptor(struct maplog_consumer *consumer, int *fd)
{
    int result = consumer_check(consumer);
    if (!result && !fd)
        result = error_set(MAPLOG_INVALID, "maplog_consumer_descriptor: the result is NULL");
    if (result)
        return result;
    HANDLE_ENTER(&consumer->handle, HANDLE_CONSUMER);
    if (!consumer->notifier) {
        result = notifier_begin(consumer, &consumer->notifier);
        if (result)
            return result;
    }
    *fd = notifier_descriptor(consumer->notifier);
    return 0;
}
