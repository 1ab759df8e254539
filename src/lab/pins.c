/* pins.c - the first and the second of the CPUs that this process may use. */
#include "lab/pins.h"

#include "os/thread.h"

static bool pin(const cpu_set_t *allowed, int number)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed) || number-- > 0)
            continue;
        return thread_pin((unsigned)cpu) == 0;
    }
    return false;
}

void pins_take(struct pins *pins)
{
    pins->pinned = sched_getaffinity(0, sizeof pins->before, &pins->before) == 0 &&
                   CPU_COUNT(&pins->before) >= 2 && pin(&pins->before, 1);
}

void pins_release(const struct pins *pins)
{
    if (pins->pinned)
        sched_setaffinity(0, sizeof pins->before, &pins->before);
}

void pins_move_child(const struct pins *pins)
{
    if (pins->pinned)
        pin(&pins->before, 0);
}
