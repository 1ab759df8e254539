/*
 * fault.h - lets a test make the Nth call of a kind fail, as a full disk or a broken one would.
 * In production nothing is set and the check is one load. Set from the environment too:
 * MAPLOG_FAULT="allocate:3:ENOSPC" (kind, which call from 1, errno name), for whole programs; a
 * trailing '+' (as in "allocate:3+:ENOSPC") makes that call and every later one fail.
 * MAPLOG_CRASH="name:N" kills the process with SIGKILL at the Nth passage of fault_point(name),
 * MAPLOG_STOP="name:N" stops it there with SIGSTOP.
 */
#pragma once

enum fault_kind {
    FAULT_OPEN,
    FAULT_ALLOCATE,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_WRITE,
    FAULT_READ,
    FAULT_MAP,
    FAULT_RENAME,
    FAULT_THREAD,
    FAULT_KINDS
};

/* From now on, call number `nth` (from 1) of the kind fails with errnum; every later one too when
 * always is not 0. */
void fault_set(enum fault_kind kind, unsigned nth, int errnum, int always);
void fault_clear(void);
/* Used by os/: 0, or the errno that this call must fail with. */
int fault_check(enum fault_kind kind);
/* A named place where a test may kill or stop the process, e.g. "append-copied", "roll-created". */
void fault_point(const char *name);
/* From now on the process sends itself the signal at passage number `nth` (from 1) of
 * fault_point(name). The name stays the caller's; NULL: at none. Before other threads begin. */
void fault_signal_at(const char *name, unsigned nth, int signal_number);
