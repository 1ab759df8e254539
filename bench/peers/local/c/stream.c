/*
 * A stream of the kernel's: a write(2) a record, so that each can be seen at once; the reader takes
 * what there is, up to 64 KiB a call, and parts it by the records' size. pipe.c and socket.c make
 * the stream.
 */
#include "stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "transport.h"

const char *const transport_profiles[] = {"default", NULL};
const bool transport_persistent = false;

static int ends[2];
static size_t record_size, at, end;
static unsigned char buffer[64 << 10];

const char *transport_version(void)
{
    static struct utsname kernel;
    uname(&kernel);
    return kernel.release;
}

void transport_prepare(const struct plan *plan)
{
    record_size = plan->size;
    if (stream_make(ends) != 0)
        fail("cannot make it: %s", strerror(errno));
}

void transport_open_sender(void)
{
    close(ends[0]);
}

void transport_send(const void *value, size_t size)
{
    const unsigned char *rest = value;
    while (size > 0) {
        ssize_t written = write(ends[1], rest, size);
        if (written < 0 && errno != EAGAIN)
            fail("write: %s", strerror(errno));
        if (written > 0) {
            rest += written;
            size -= (size_t)written;
        }
    }
}

void transport_flush(void)
{
}

void transport_open_receiver(void)
{
    close(ends[1]);
}

size_t transport_receive(const void **value, bool spin)
{
    (void)spin;
    if (end - at < record_size) {
        memmove(buffer, buffer + at, end - at);
        end -= at;
        at = 0;
        ssize_t got = read(ends[0], buffer + end, sizeof buffer - end);
        if (got == 0)
            fail("the sender closed the stream");
        if (got < 0 && errno != EAGAIN)
            fail("read: %s", strerror(errno));
        end += got > 0 ? (size_t)got : 0;
        if (end < record_size)
            return 0;
    }
    *value = buffer + at;
    at += record_size;
    return record_size;
}

void transport_replay(void)
{
}
