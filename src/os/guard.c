/* guard.c - a SIGBUS within a guarded range becomes an error of the thread that touched it. */
#include "os/guard.h"

#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
    uintptr_t begin;
    uintptr_t end; /* 0: nothing is guarded */
    sigjmp_buf resume;
};

static _Thread_local volatile struct guard *current;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    volatile struct guard *guard = current;
    uintptr_t at = (uintptr_t)info->si_addr;
    if (guard && at >= guard->begin && at < guard->end) {
        current = NULL;
        siglongjmp(((struct guard *)guard)->resume, 1);
    }
    /* Not ours: the instruction is tried again and the default action ends the process. */
    signal(number, SIG_DFL);
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

int guard_run(const void *address, size_t length, const char *path, int (*run)(void *context),
              void *context)
{
    install(); /* each time: a part of the program may have taken the signal meanwhile */
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &bus, NULL); /* a blocked one would end the process */

    uintptr_t begin = (uintptr_t)address;
    struct guard guard = {.begin = begin, .end = begin + length};
    if (sigsetjmp(guard.resume, 0))
        return error_set(MAPLOG_IO, "%s became shorter, or could not be read, while it was read",
                         path);
    current = &guard;
    int result = run(context);
    current = NULL;
    return result;
}
