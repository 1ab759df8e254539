/*
 * publish.pml - the commit word and the roll: src/log/{appender,roll,partition,reader}.c as a
 * model. Two writers take turns (the lease sees to that), each step may be the writer's last one; a
 * reader follows from the first record to the last and is as slow as it likes.
 *
 * Stores become visible in program order (x86, or release stores); the writer never reads them back
 * but when it becomes the writer. Offsets and positions are records here. A record's bytes are one
 * cell; a value is one attempt to write it.
 * Checked: a published record never changes (I1); the reader sees only published records, as they
 * were published (I2); none is skipped or seen twice (I3); it comes to the end.
 *
 * Variants that must be found wrong:
 *   PUBLISH_FIRST  the commit word is stored before the record
 *   NO_RELOAD      a writer goes on from its own tail although another one wrote in between
 *   ROLLS_FIRST    a roll raises `rolls` before it fills the new pair
 *   NO_RECHECK     the reader does not look again at `rolls` after it read a pair
 *   NO_BASE_CHECK  the reader trusts the pair of its segment as long as only one roll was finished
 */
#ifndef RECORDS
#define RECORDS 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#define ROLLS (RECORDS + 1)
#define UNSEALED 99
#define NONE 255

/* Shared memory: the pairs, and which one counts. */
byte rolls = 0;
byte base[2];
byte published[2];

/* Files, by base offset: is there one, and its size. The records, by offset. */
bit made[RECORDS + 2];
byte size[RECORDS + 2];
byte record[RECORDS + 2];

/* What happened in truth. */
byte committed = 0;            /* records published so far */
byte value[RECORDS + 2];       /* as they were then */

byte deaths = 0;
bit died = 0;

#define may_die()                                                                                  \
    if                                                                                             \
    :: true                                                                                        \
    :: atomic { deaths < DEATHS -> deaths++; died = 1; goto dead }                                 \
    fi

byte parity_of[2], base_of[2], tail_of[2]; /* the writers' own */
byte last = NONE;                          /* who was the writer */

proctype writer()
{
    byte i = 0, r, offset;
begin:
    do
    :: committed == RECORDS -> break
    :: else ->
        /* The other one may be the writer now; after a death it is. */
        if
        :: died -> atomic { died = 0; last = NONE }
        :: !died && last != NONE -> i = 1 - i
        :: !died && last != NONE
        :: !died && last == NONE
        fi;
#ifdef NO_RELOAD
        if
        :: last == NONE ->
#else
        if
        :: last != i ->
#endif
            atomic {
                r = rolls;
                parity_of[i] = r % 2;
                base_of[i] = base[r % 2];
                tail_of[i] = published[r % 2]
            }
        :: else
        fi;
#ifdef NO_RELOAD
        if
        :: last == NONE -> atomic { /* both know the same at first */
               parity_of[1 - i] = parity_of[i]; base_of[1 - i] = base_of[i];
               tail_of[1 - i] = tail_of[i] }
        :: else
        fi;
#endif
        last = i;
        if
        :: rolls == 0 || (tail_of[i] > 0 && rolls < ROLLS) -> goto roll
        :: rolls > 0
        fi;
append:
        offset = base_of[i] + tail_of[i];
#ifdef PUBLISH_FIRST
        atomic { published[parity_of[i]] = tail_of[i] + 1; committed = offset + 1;
                 value[offset] = record[offset] % 3 + 1 }
        may_die();
        record[offset] = record[offset] % 3 + 1;
#else
        atomic {
            assert(offset >= committed); /* I1 */
            record[offset] = record[offset] % 3 + 1
        }
        may_die();
        atomic {
            published[parity_of[i]] = tail_of[i] + 1;
            committed = offset + 1;
            value[offset] = record[offset]
        }
#endif
        tail_of[i]++;
        may_die();
        goto begin;
roll:
        offset = base_of[i] + tail_of[i];
        atomic { made[offset] = 1; size[offset] = UNSEALED }
        may_die();
        if
        :: rolls > 0 -> size[base_of[i]] = tail_of[i]
        :: else
        fi;
        may_die();
        r = (rolls + 1) % 2;
#ifdef ROLLS_FIRST
        rolls++;
        may_die();
#endif
        base[r] = offset;
        may_die();
        published[r] = 0;
        may_die();
#ifndef ROLLS_FIRST
        rolls++;
#endif
        atomic { parity_of[i] = r; base_of[i] = offset; tail_of[i] = 0 }
        may_die()
    od;
    goto done;
dead:
    /* The next writer allocates an active segment again that was sealed but not rolled. */
    if
    :: rolls > 0 -> size[base[rolls % 2]] = UNSEALED
    :: else
    fi;
    goto begin;
done:
    skip
}

proctype reader()
{
    byte offset = 0;      /* next one wanted */
    byte segment = NONE;  /* base of the one that is open */
    byte mine = 0;        /* rolls when it was seen active; 0: it is sealed */
    byte end = 0;         /* readable records of it */
    byte r, b, p, k;
    do
    :: offset == RECORDS -> break
    :: else ->
        if
        :: segment == NONE -> /* open_segment, with partition_end */
            r = rolls;
            if
            :: r == 0 -> rolls > 0; goto again /* it would sleep */
            :: else
            fi;
            b = base[r % 2];
            p = published[r % 2];
#ifndef NO_RECHECK
            if
            :: rolls != r -> goto again
            :: else
            fi;
#endif
            assert(b + p <= committed); /* an end that is, or was */
            if
            :: offset >= b -> atomic { segment = b; mine = r; end = p }
            :: else -> /* an older one: the last whose base is not above */
                atomic {
                    k = offset;
                    do
                    :: !made[k] -> k--
                    :: else -> break
                    od;
                    segment = k;
                    mine = 0;
                    end = size[k];
                    assert(end != UNSEALED)
                }
            fi
        :: segment != NONE && offset < segment + end ->
            atomic {
                assert(offset < committed);                 /* I2 */
                assert(record[offset] == value[offset]);    /* I1, I2 */
                offset++
            }
        :: segment != NONE && offset >= segment + end && mine == 0 -> goto next
        :: segment != NONE && offset >= segment + end && mine != 0 -> /* advance */
            r = rolls;
            p = published[mine % 2];
#ifdef NO_BASE_CHECK
            if
            :: rolls - mine > 1 ->
#else
            if
            :: base[mine % 2] != segment ->
#endif
                atomic { mine = 0; end = size[segment]; assert(end != UNSEALED) }
                goto again
            :: else
            fi;
            if
            :: p > end -> end = p
            :: p <= end && r != mine -> goto next
            :: p <= end && r == mine -> /* it would sleep until bell_moved */
                rolls != mine || published[mine % 2] != p
            fi
        fi;
        goto again;
next:
        atomic { /* next_segment: the first base above */
            k = segment + 1;
            do
            :: k <= RECORDS && !made[k] -> k++
            :: else -> break
            od;
            if
            :: k <= RECORDS ->
                assert(k <= offset); /* I3: nothing lies between */
                segment = NONE
            :: else
            fi
        };
again:
        skip
    od
}

init
{
    atomic {
        run writer();
        run reader()
    }
}
