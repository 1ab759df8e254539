/* signals.c - handlers that set a flag and wake the loop. */
#include "os/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

#define CAUGHT (sizeof caught / sizeof caught[0])

static struct sigaction before[CAUGHT];
static size_t changed; /* of caught, from the first */
static atomic_uint wishes;
static void (*wake_loop)(void *context);
static void *wake_context;

static void on_signal(int number)
{
    int errnum = errno;
    atomic_fetch_or(&wishes, number == SIGHUP ? SIGNALS_RELOAD : SIGNALS_STOP);
    wake_loop(wake_context);
    errno = errnum;
}

int signals_catch(void (*wake)(void *context), void *context)
{
    signals_release();
    wake_loop = wake;
    wake_context = context;
    for (; changed < CAUGHT; changed++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        if (caught[changed] == SIGPIPE)
            action.sa_handler = SIG_IGN;
        sigfillset(&action.sa_mask);
        if (sigaction(caught[changed], &action, &before[changed]) != 0) {
            int error = error_set(MAPLOG_IO, "cannot catch signal %d: %s", caught[changed],
                                  strerror(errno));
            signals_release();
            return error;
        }
    }
    return 0;
}

unsigned signals_take(void)
{
    return atomic_exchange(&wishes, 0);
}

void signals_release(void)
{
    while (changed > 0) {
        changed--;
        sigaction(caught[changed], &before[changed], NULL);
    }
    atomic_store(&wishes, 0);
}
