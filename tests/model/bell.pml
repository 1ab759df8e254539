/*
 * bell.pml - sleeping and waking: src/shm/bell.{h,c} as a model. One writer publishes, rolls and
 * rings; two readers want to see all of it and sleep in between. Readers may die at every step.
 *
 * The writer's plain stores may stay in its store buffer, in order, while its next loads are done
 * (x86: TSO); a barrier or a locked instruction empties it. `moves` stands for what bell_moved
 * looks at, `commit` for the commit word of each of the two pairs that a roll goes between.
 * With WRITER_DIES the writer may be killed at every step, once; another one goes on. Sleepers look
 * again after a while then; else never, so that nothing is hidden by it.
 * Checked: no reader sleeps for ever (no invalid end state), nobody sees a move that was not made.
 *
 * Variants that must be found wrong:
 *   NO_BARRIER   the reader does not call membarrier between its mark and its second look
 *   NO_LOOK      the reader does not look again after its mark
 *   FLAG         the bell word is 0 or 1: a wake does not count
 *   COMMIT_WORD  readers sleep on the commit word that they saw, not on the bell word
 *   NO_LOOK_AGAIN  (with WRITER_DIES) sleepers rely on being woken
 * With LISTENER a server that marks and a thread that listens for it take the second reader's place,
 * and nobody else dies. With STRANGER somebody who cannot leave dirty bits wakes the sleepers once.
 * With it,
 *   NO_DIRTY_LOOK  the listener does not look again after it registered
 *   WAKE_FIRST     who rings looks for the listener before it leaves the dirty bit
 *   MARK_LATE      the server marks the bell before it notes that itself
 *   STRANGER_CLEARS  (with STRANGER) he takes the mark off the bell
 * FENCES is the other kind of writers: full fences on both sides, no membarrier; with it,
 *   NO_FENCE     the writer has no fence between publication and look at the bell
 */
#ifndef MOVES
#define MOVES 3
#endif
#define READERS 2

/* The bell word: is bit 0 set, and the bits above. */
bit mark = 0;
byte wakes = 0;

byte moves = 0;     /* publications and rolls, as memory has them */
byte rolls = 0;
byte commit[2];
byte truth = 0;     /* moves made by the writer, in its buffer or not */
bit asleep[READERS];
bit gone[READERS];
bit killed[READERS];
byte deaths = 0;

/* The store buffer: at most one move is in it, because each is followed by a look. */
bit buffered = 0;
bit buffered_roll = 0;

#define drain()                                                                                    \
    if                                                                                             \
    :: buffered && !buffered_roll -> commit[rolls % 2]++; moves++; buffered = 0                    \
    :: buffered && buffered_roll ->                                                                \
        commit[(rolls + 1) % 2] = 0; rolls++; moves++; buffered = 0; buffered_roll = 0             \
    :: else                                                                                        \
    fi

inline wake_all()
{
    asleep[0] = 0;
    asleep[1] = 0
}

#ifdef LISTENER
/* Shared: the dirty bit, and the listener's word. The server's own: its mark, and what it was told. */
bit dirty = 0;
bit listening = 0;
byte listener_wakes = 0;
bit listener_asleep = 0;
bit marked = 0;
byte marked_at = 0; /* what had moved */
bit told = 0;

#define leave_dirty() atomic { dirty = 1 } /* locked; the buffer is empty since the swap */
#define wake_listener()                                                                            \
    if                                                                                             \
    :: listening -> atomic { listening = 0; listener_wakes++ }; may_die(); listener_asleep = 0     \
    :: else                                                                                        \
    fi
#endif

#ifdef WRITER_DIES
bit replaced = 0;
#define may_die()                                                                                  \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { !replaced -> replaced = 1; drain(); goto next }                                    \
    fi
#else
#define may_die() skip
#endif

proctype writer()
{
next:
    do
    :: truth < MOVES ->
        /* Publish, or roll. */
        atomic {
            drain();
            if
            :: buffered_roll = 0
            :: truth > 0 -> buffered_roll = 1
            fi;
            buffered = 1;
            truth++
        }
#if defined(FENCES) && !defined(NO_FENCE)
        atomic { drain() }
#endif
        may_die();
        /* bell_ring */
        if
        :: mark ->
            atomic { /* a locked instruction */
                drain();
                mark = 0;
#ifndef FLAG
                wakes++
#endif
            }
            may_die();
            atomic { wake_all() }
#if defined(LISTENER) && defined(WAKE_FIRST)
            wake_listener();
            leave_dirty()
#elif defined(LISTENER)
            may_die();
            leave_dirty();
            may_die();
            wake_listener()
#endif
        :: else
        fi
    :: else -> break
    od;
    atomic { drain() } /* sooner or later it is written */
}

proctype reader(byte i)
{
    byte seen = 0, expected = 0;
    {
        do
        :: seen == MOVES -> break
        :: else ->
look:
            if
            :: atomic { moves != seen -> seen = moves; assert(seen <= truth) }
            :: atomic { moves == seen && seen != MOVES ->
#ifdef COMMIT_WORD
                  expected = commit[rolls % 2] * 2 + rolls % 2
#endif
               }
               /* Register. */
               atomic {
                   mark = 1;
#ifndef COMMIT_WORD
                   expected = wakes
#endif
               }
#if defined(FENCES)
               skip; /* the mark's locked instruction is a full fence here */
#elif !defined(NO_BARRIER)
               atomic { drain() }
#endif
#ifndef NO_LOOK
               if
               :: moves != seen -> goto look
               :: else
               fi;
#endif
               /* The kernel compares and sleeps in one step. */
               atomic {
                   if
#ifdef COMMIT_WORD
                   :: commit[expected % 2] == expected / 2 -> asleep[i] = 1
#else
                   :: mark && wakes == expected -> asleep[i] = 1
#endif
                   :: else
                   fi
               }
               if
               :: !asleep[i]
#if defined(WRITER_DIES) && !defined(NO_LOOK_AGAIN)
               :: atomic { asleep[i] && replaced -> asleep[i] = 0 }
#endif
               fi
            fi
        od
    } unless { killed[i] };
    atomic { gone[i] = 1; asleep[i] = 0 }
}

#ifdef LISTENER
#define note_mark() atomic { if :: !marked -> marked = 1; marked_at = before :: else fi }

/* A thread of the server: it waits until it has seen everything. */
proctype server()
{
    byte seen = 0, before = 0;
    do
    :: seen == MOVES -> break
    :: else ->
        before = moves;
#ifdef MARK_LATE
        atomic { mark = 1 };
        note_mark();
#else
        note_mark();
        atomic { mark = 1 };
#endif
#if !defined(FENCES) && !defined(NO_BARRIER)
        atomic { drain() };
#endif
        if
        :: atomic { moves != seen -> seen = moves; assert(seen <= truth) }
        :: moves == seen -> atomic { told -> told = 0 }
        fi
    od
}

proctype listener()
{
    byte expected = 0;
    do
    :: atomic { dirty -> dirty = 0 };
        atomic {
            if
            :: marked -> marked = 0; told = 1
            :: else
            fi
        }
    :: !dirty ->
        atomic { listening = 1; expected = listener_wakes };
#ifndef NO_DIRTY_LOOK
        if
        :: dirty
        :: !dirty ->
#endif
            atomic {
                if
                :: listening && listener_wakes == expected -> listener_asleep = 1
                :: else
                fi
            };
end:
            if
            :: !listener_asleep
#if defined(WRITER_DIES) && !defined(NO_LOOK_AGAIN)
            /* It looks every now and then; here only when there is something to see. */
            :: atomic { listener_asleep && replaced && dirty -> listener_asleep = 0 }
            :: atomic { listener_asleep && replaced && marked && moves != marked_at ->
                  listener_asleep = 0; marked = 0; told = 1 }
#endif
            fi
#ifndef NO_DIRTY_LOOK
        fi
#endif
    od
}

proctype stranger()
{
    atomic {
        wakes++;
#ifdef STRANGER_CLEARS
        mark = 0
#endif
    };
    atomic { wake_all() }
}
#endif

#define reader_may_die(i) (deaths < 1 && !gone[i] && !killed[i])

proctype killer()
{
end:
    do
    :: atomic { reader_may_die(0) -> killed[0] = 1; deaths++ }
    :: atomic { reader_may_die(1) -> killed[1] = 1; deaths++ }
    od
}

/* The buffer is emptied whenever the CPU likes. */
proctype buffer()
{
end:
    do
    :: atomic { buffered -> drain() }
    od
}

init
{
    atomic {
        run writer();
        run reader(0);
#ifdef LISTENER
        gone[1] = 1;
        run server();
        run listener();
#else
        run reader(1);
        run killer();
#endif
#ifdef STRANGER
        run stranger();
#endif
        run buffer()
    }
}
