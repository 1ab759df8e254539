/* guard.c - a SIGBUS within a guarded range becomes an error of the thread that touched it. */
#include "os/guard.h"

#include "base/error.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
    struct guard *outer; /* that was there before it; NULL: none */
    uintptr_t begin;
    uintptr_t end;
    sigjmp_buf resume;
};

/* Handlers that were replaced are kept: one of them may be about to be called. */
#define KEPT 16

/* initial-exec: a handler must find it without an allocation, in a shared library, too. */
#define OF_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))
OF_THREAD struct guard *volatile innermost;
OF_THREAD unsigned passing; /* on to handlers that were there before: how many are at it */
static struct sigaction before[KEPT];
static atomic_uint newest; /* of them, counted on */
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

/* As if this handler were not there. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    static const struct sigaction none = {.sa_handler = SIG_DFL};
    /* One that came after this handler may pass on to it: then it is the turn of the one before. */
    unsigned count = atomic_load(&newest), depth = passing;
    const struct sigaction *action =
        depth < count && depth < KEPT ? &before[(count - depth) % KEPT] : &none;
    bool informed = action->sa_flags & SA_SIGINFO;
    bool sent = info->si_code <= 0; /* by kill(2), not by the kernel for an access */
    if (!informed && action->sa_handler == SIG_IGN && sent)
        return;
    if (!informed && (action->sa_handler == SIG_IGN || action->sa_handler == SIG_DFL)) {
        signal(number, SIG_DFL); /* a touch is tried again, and ends the process */
        if (sent)
            raise(number);
        return;
    }
    passing = depth + 1;
    if (informed)
        action->sa_sigaction(number, info, context);
    else
        action->sa_handler(number);
    passing = depth;
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

/* Each time: a part of the program may have taken the signal meanwhile. */
static void install(void)
{
    struct sigaction now,
        ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    sigaction(SIGBUS, NULL, &now);
    if (now.sa_sigaction == on_bus_error)
        return;
    pthread_mutex_lock(&installing);
    sigaction(SIGBUS, NULL, &now);
    if (now.sa_sigaction != on_bus_error) {
        unsigned last = atomic_load(&newest);
        if (last == 0 || now.sa_sigaction != before[last % KEPT].sa_sigaction) {
            before[(last + 1) % KEPT] = now;
            atomic_store(&newest, last + 1);
        }
        sigemptyset(&ours.sa_mask);
        sigaction(SIGBUS, &ours, NULL);
    }
    pthread_mutex_unlock(&installing);
}

/* A blocked one would end the process. *now: what is blocked from here on. */
static void unblock(sigset_t *now)
{
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &bus, now);
    sigdelset(now, SIGBUS);
}

int guard_run(const void *address, size_t length, const char *path, int (*run)(void *context),
              void *context)
{
    install();
    sigset_t blocked;
    unblock(&blocked);
    uintptr_t begin = (uintptr_t)address;
    struct guard guard = {.outer = innermost, .begin = begin, .end = begin + length};
    if (sigsetjmp(guard.resume, 0)) {
        /* A handler that passed on to this one had signals blocked. */
        pthread_sigmask(SIG_SETMASK, &blocked, NULL);
        return error_set(MAPLOG_IO, "%s became shorter, or could not be read, while it was in use",
                         path);
    }
    passing = 0; /* in case a handler that was passed on to jumped away */
    innermost = &guard;
    int result = run(context);
    innermost = guard.outer;
    return result;
}
