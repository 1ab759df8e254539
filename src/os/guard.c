/* guard.c - a SIGBUS within a guarded range becomes an error of the thread that touched it. */
#include "os/guard.h"

#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
    struct guard *outer; /* that was there before it; NULL: none */
    uintptr_t begin;
    uintptr_t end;
    sigjmp_buf resume;
};

/* initial-exec: a handler must find it without an allocation, in a shared library, too. */
static _Thread_local struct guard *volatile innermost __attribute__((tls_model("initial-exec")));
static _Thread_local bool unblocked __attribute__((tls_model("initial-exec")));
static struct sigaction before; /* what SIGBUS did; written once, before the handler stands */
static pthread_once_t installed = PTHREAD_ONCE_INIT;

/* As if this handler were not there. A SIGBUS that nobody handles ends the process: the instruction
 * is tried again, without a handler. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
        signal(number, SIG_DFL);
    else
        before.sa_handler(number);
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    bool touched = info->si_code > 0; /* by the kernel, of an access; not by kill(2) */
    for (struct guard *guard = innermost; touched && guard; guard = guard->outer) {
        if (at >= guard->begin && at < guard->end) {
            innermost = guard->outer;
            siglongjmp(guard->resume, 1);
        }
    }
    pass_on(number, info, context);
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error,
                               .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, NULL, &before);
    sigaction(SIGBUS, &action, NULL);
}

/* A blocked one would end the process. Once for each thread. */
static void unblock(void)
{
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    unblocked = pthread_sigmask(SIG_UNBLOCK, &bus, NULL) == 0;
}

int guard_run(const void *address, size_t length, const char *path, int (*run)(void *context),
              void *context)
{
    pthread_once(&installed, install);
    if (!unblocked)
        unblock();
    uintptr_t begin = (uintptr_t)address;
    struct guard guard = {.outer = innermost, .begin = begin, .end = begin + length};
    if (sigsetjmp(guard.resume, 0))
        return error_set(MAPLOG_IO, "%s became shorter, or could not be read, while it was in use",
                         path);
    innermost = &guard;
    int result = run(context);
    innermost = guard.outer;
    return result;
}
