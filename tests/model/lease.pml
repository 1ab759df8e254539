/*
 * lease.pml - who is the writer: src/shm/lease.c as a model, three processes with one seat each.
 *
 * Every step may be the last one of its process. A store of in_append = 1 may stay in the writer's
 * store buffer while its next load is done (x86: TSO); a barrier empties all buffers. A process
 * that dies lets go in the kernel's order: stores drain, the robust mutex, the byte lock. Its slot
 * and seat may be used again by a new process.
 * Checked: two are never inside at once, and nobody waits for ever (no invalid end state).
 *
 * Variants that must be found wrong:
 *   NO_BARRIER  the taker does not call membarrier
 *   FLAG        the owner looks whether the lease is revoked, not whether it is still its own
 *   ONE_SEAT    a taker that finds the lease revoked waits for nobody: the taker before it died
 *   PID_HIDDEN  proof of death is "no such pid", asked from another pid namespace
 *   PID_REUSED  proof of death is "no such pid", and a stranger may get the pid
 * Sizes: TAKES leases in all, APPENDS in a life of process 0, OTHERS in one of the others, DEATHS in
 * all, GIVE_UP: takers may time out.
 */
#define N 3
#ifndef TAKES
#define TAKES 3
#endif
#ifndef APPENDS
#define APPENDS 2
#endif
#ifndef OTHERS
#define OTHERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define NOBODY 255
#define GIVEN_UP 128 /* added to the token of a lease that its owner gave up */

byte lease = 0, want = 0; /* tokens; 0: revoked, nobody wants */
byte generation = 0;
byte seat_of[TAKES + 1];
byte mutex = NOBODY;
bit in_append[N];
bit buffered[N];  /* in_append = 1 is still in the store buffer */
byte token[N];    /* what the process believes to own */
bit locked[N];    /* holds its byte lock: alive for others */
bit pid_there[N]; /* somebody has its pid */
bit inside[N];    /* is inside, in truth */
bit killed[N];
byte deaths = 0;

#define drain(i)                                                                                   \
    if                                                                                             \
    :: buffered[i] -> in_append[i] = 1; buffered[i] = 0                                            \
    :: else                                                                                        \
    fi

#ifdef FLAG
#define owns(i) (token[i] != 0 && lease != 0)
#else
#define owns(i) (token[i] != 0 && lease == token[i])
#endif

#if defined(PID_HIDDEN)
#define proven_dead(i, j) (i == 0 && j != 0 || !pid_there[j]) /* 0 lives in a namespace of its own */
#elif defined(PID_REUSED)
#define proven_dead(i, j) (!pid_there[j])
#else
#define proven_dead(i, j) (!locked[j])
#endif

#define outside(i, j) (!in_append[j] || proven_dead(i, j))

inline go_in(i)
{
    inside[i] = 1;
    assert(inside[0] + inside[1] + inside[2] == 1)
}

/* membarrier. That it reaches one CPU after the other makes no difference: a store that is made
 * behind its back is followed by a load that is later than the barrier's begin. */
inline barrier()
{
#ifdef NO_BARRIER
    skip
#else
    atomic { drain(0); drain(1); drain(2) }
#endif
}

proctype writer(byte i)
{
    byte appends, owner, mine, w;
attach:
    {
        atomic { locked[i] = 1; pid_there[i] = 1 }
        in_append[i] = 0; /* of the seat that a former process left */
        appends = 0;
append:
        atomic {
            owner = 0; mine = 0; w = 0;
            if
            :: appends == (i == 0 -> APPENDS : OTHERS) -> goto close
            :: else -> appends++
            fi;
            buffered[i] = 1 /* lease_enter */
        }
        atomic {
            if
            :: owns(i) -> go_in(i); goto body
            :: else
            fi
        }
        /* lease_take */
        atomic { drain(i); in_append[i] = 0; token[i] = 0 }
        atomic { mutex == NOBODY -> mutex = i }
        atomic {
            if
            :: generation == TAKES -> mutex = NOBODY; goto close /* the model's end, not lease.c's */
            :: else -> generation++; mine = generation; seat_of[mine] = i
            fi
        }
look:
        owner = lease;
        if
        :: owner == mine -> goto taken
        :: owner == 0 -> goto wait_all
        :: owner != 0 && owner != mine ->
            if
            :: owner >= GIVEN_UP || seat_of[owner] == i ->
                atomic {
                    if
                    :: lease == owner -> lease = mine; goto taken
                    :: else -> goto look
                    fi
                }
            :: else
            fi
        fi;
        want = mine;
        if
        :: atomic { lease != owner -> goto look } /* handed over, to us or to a former taker */
        :: true /* idle, or too slow: revoke */
#ifdef GIVE_UP
        :: goto give_up                   /* a try takes its wish back, or leaves it */
        :: atomic { mutex = NOBODY; goto append }
#endif
        fi;
        atomic {
            if
            :: lease == owner -> lease = 0
            :: else -> goto look
            fi
        }
        barrier();
        w = seat_of[owner];
        if
        :: outside(i, w)
#ifdef GIVE_UP
        :: goto give_up
#endif
        fi;
        goto taken;
wait_all:
#ifndef ONE_SEAT
        barrier();
        w = 0;
        do
        :: w < N ->
            if
            :: outside(i, w) -> w++
#ifdef GIVE_UP
            :: goto give_up
#endif
            fi
        :: else -> break
        od;
#endif
taken:
        in_append[i] = 1;
        lease = mine;
        want = 0;
        atomic { token[i] = mine; mutex = NOBODY; go_in(i) }
body:
        /* The append, with stores of its own behind the buffered one; then lease_leave. */
        skip;
        atomic { drain(i); inside[i] = 0; in_append[i] = 0 }
        w = want;
        if
        :: w != 0 -> /* its share was used, or the wish is urgent: hand over */
            mine = token[i];
            token[i] = 0;
            atomic {
                if
                :: lease == mine -> lease = w
                :: else
                fi
            }
        :: true
        fi;
        goto append;
#ifdef GIVE_UP
give_up:
        want = 0;
        atomic { mutex = NOBODY; goto append }
#endif
close:
        /* lease_drop */
        if
        :: token[i] != 0 ->
            w = want;
            atomic {
                if
                :: lease == token[i] && w != 0 -> lease = w
                :: lease == token[i] && w == 0 -> lease = token[i] + GIVEN_UP
                :: else
                fi;
                token[i] = 0
            }
        :: else
        fi
    } unless { killed[i] };

    if
    :: killed[i] ->
        atomic {
            killed[i] = 0; drain(i); inside[i] = 0; token[i] = 0;
            owner = 0; mine = 0; w = 0; appends = 0
        }
        atomic {
            if
            :: mutex == i -> mutex = NOBODY
            :: else
            fi
        }
        atomic {
            locked[i] = 0;
            if
            :: pid_there[i] = 0
#ifdef PID_REUSED
            :: skip
#endif
            fi
        }
        if
        :: skip /* nobody comes after it */
        :: goto attach
        fi
    :: else -> atomic { locked[i] = 0; pid_there[i] = 0 }
    fi
}

#define may_die(i) (deaths < DEATHS && locked[i] && !killed[i])

proctype killer()
{
end:
    do
    :: atomic { may_die(0) -> killed[0] = 1; deaths++ }
    :: atomic { may_die(1) -> killed[1] = 1; deaths++ }
    :: atomic { may_die(2) -> killed[2] = 1; deaths++ }
    od
}

proctype buffers()
{
end:
    do
    :: atomic { buffered[0] -> drain(0) }
    :: atomic { buffered[1] -> drain(1) }
    :: atomic { buffered[2] -> drain(2) }
    od
}

init
{
    atomic {
        run writer(0);
        run writer(1);
        run writer(2);
        run killer();
        run buffers()
    }
}
