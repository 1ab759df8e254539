/* doorbell.c - a signal's handler and the flags that it raises. */
#include "os/doorbell.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "os/thread.h"

#define FLAGS 64

static _Atomic(struct event_flag *) flags[FLAGS];
static atomic_uint ringing; /* handlers that run */

static void ring(int number)
{
    int errnum = errno;
    (void)number;
    atomic_fetch_add(&ringing, 1);
    for (size_t i = 0; i < FLAGS; i++) {
        struct event_flag *flag = atomic_load(&flags[i]);
        if (flag)
            event_raise(flag);
    }
    atomic_fetch_sub(&ringing, 1);
    errno = errnum;
}

int doorbell_hang(struct event_flag *flag)
{
    struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(DOORBELL_SIGNAL, &action, NULL) != 0)
        return error_errno(errno, "cannot catch a signal");
    for (size_t i = 0; i < FLAGS; i++) {
        struct event_flag *none = NULL;
        if (atomic_compare_exchange_strong(&flags[i], &none, flag))
            return 0;
    }
    return error_set(MAPLOG_LIMIT, "no more than %d waits can hang on a signal", FLAGS);
}

void doorbell_unhang(struct event_flag *flag)
{
    for (size_t i = 0; i < FLAGS; i++) {
        struct event_flag *found = flag;
        if (atomic_compare_exchange_strong(&flags[i], &found, NULL))
            break;
    }
    while (atomic_load(&ringing) > 0) /* one may have seen it; they are short */
        thread_yield();
}

void doorbell_mask(sigset_t *mask)
{
    pthread_sigmask(SIG_BLOCK, NULL, mask);
    sigdelset(mask, DOORBELL_SIGNAL);
}
