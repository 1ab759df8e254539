/*
 * signals.h - what the system asks of a server, as flags for its loop. One user a process: the
 * program's main; signals_take by one thread.
 */
#pragma once

enum signals_wish {
    SIGNALS_STOP = 1,   /* SIGTERM, SIGINT */
    SIGNALS_RELOAD = 2, /* SIGHUP */
};

/* Catches the three from now on; each calls wake(context) within the signal handler, after its flag
 * is set: only what is safe there, as io_wake is. SIGPIPE is ignored: a peer that vanished is an
 * error of the call that sends to it. MAPLOG_IO. */
int signals_catch(void (*wake)(void *context), void *context);
/* What was wished since the last call; 0: nothing. */
unsigned signals_take(void);
/* The dispositions from before. Also without a catch. */
void signals_release(void);
