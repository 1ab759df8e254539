/* POSIX message queue: a call of mq_send() and one of mq_receive() a record, never sleeping. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "transport.h"

#define DEPTH 10 /* what the kernel allows everybody (/proc/sys/fs/mqueue/msg_max) */

const char *const transport_name = "mqueue";
const char *const transport_profiles[] = {"default", NULL};
const bool transport_persistent = false;

static mqd_t queue;
static char buffer[64 << 10];

const char *transport_version(void)
{
    static struct utsname kernel;
    uname(&kernel);
    return kernel.release;
}

void transport_prepare(const struct plan *plan)
{
    char name[64];
    snprintf(name, sizeof name, "/maplog-peer-%d", (int)getpid());
    struct mq_attr attributes = {.mq_maxmsg = DEPTH, .mq_msgsize = (long)plan->size};
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    if (queue == (mqd_t)-1 || mq_unlink(name) != 0)
        fail("cannot make a queue of %d records of %zu bytes: %s", DEPTH, plan->size,
             strerror(errno));
}

void transport_open_sender(void)
{
}

void transport_send(const void *value, size_t size)
{
    while (mq_send(queue, value, size, 0) != 0)
        if (errno != EAGAIN)
            fail("mq_send: %s", strerror(errno));
}

void transport_flush(void)
{
}

void transport_open_receiver(void)
{
}

size_t transport_receive(const void **value, bool spin)
{
    (void)spin;
    ssize_t got = mq_receive(queue, buffer, sizeof buffer, NULL);
    if (got < 0 && errno != EAGAIN)
        fail("mq_receive: %s", strerror(errno));
    *value = buffer;
    return got < 0 ? 0 : (size_t)got;
}

void transport_replay(void)
{
}
