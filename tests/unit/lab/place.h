/* place.h - a folder of this test program alone: subjects put their sockets there. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static char place[] = "/tmp/maplog-lab-XXXXXX";

static int place_make(void **state)
{
    (void)state;
    return mkdtemp(place) ? 0 : -1;
}

static int place_remove(void **state)
{
    (void)state;
    return rmdir(place);
}
