/* proof.c - send, change, read. */
#include "lab/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs <time.h> */

#include "base/error.h"
#include "lab/pair.h"
#include "lab/scratch.h"
#include "os/clock.h"
#include "os/socket.h"

#define BYTES 16384 /* whole pages, few enough for a socket and a pipe */
#define OLD 'o'
#define NEW 'n'
#define PATIENCE_NS 2000000000ll

/* What one way is tried with, made anew each time. */
struct trial {
    struct scratch file;
    int pipe[2];
    int sender, receiver;
    uint8_t buffer[BYTES], arrived[BYTES];
};

/* ---- steps ----------------------------------------------------------------------------------- */

static int whole(ssize_t moved, const char *call)
{
    if (moved < 0)
        return errno == EINVAL || errno == EOPNOTSUPP
                   ? error_set(MAPLOG_UNSUPPORTED, "%s: %s", call, strerror(errno))
                   : error_errno(errno, "%s", call);
    return moved == BYTES ? 0
                          : error_set(MAPLOG_IO, "%s moved %zd of %d bytes", call, moved, BYTES);
}

static int read_file(struct trial *trial)
{
    return whole(pread(trial->file.fd, trial->buffer, BYTES, 0), "read");
}

static int write_buffer(struct trial *trial)
{
    return whole(write(trial->sender, trial->buffer, BYTES), "write");
}

static int write_mapping(struct trial *trial)
{
    return whole(write(trial->sender, trial->file.map, BYTES), "write");
}

static int send_file(struct trial *trial)
{
    off_t position = 0;
    return whole(sendfile(trial->sender, trial->file.fd, &position, BYTES), "sendfile");
}

static int splice_in(struct trial *trial)
{
    loff_t position = 0;
    return whole(splice(trial->file.fd, &position, trial->pipe[1], NULL, BYTES, 0), "splice");
}

static int splice_out(struct trial *trial)
{
    return whole(splice(trial->pipe[0], NULL, trial->sender, NULL, BYTES, 0), "splice");
}

static int send_pages(struct trial *trial)
{
    if (!socket_allow_zerocopy(trial->sender))
        return error_set(MAPLOG_UNSUPPORTED, "these sockets have no MSG_ZEROCOPY");
    return whole(send(trial->sender, trial->file.map, BYTES, MSG_ZEROCOPY), "send");
}

/* ---- the source changes ---------------------------------------------------------------------- */

static int fill_file(const struct trial *trial, int byte)
{
    uint8_t bytes[BYTES];
    memset(bytes, byte, BYTES);
    return whole(pwrite(trial->file.fd, bytes, BYTES, 0), "write to the file");
}

static int change_file(struct trial *trial)
{
    return fill_file(trial, NEW);
}

static int change_buffer(struct trial *trial)
{
    memset(trial->buffer, NEW, BYTES);
    return 0;
}

struct step {
    const char *name;
    int (*go)(struct trial *trial);
    int (*change)(struct trial *trial); /* where this step took the bytes from */
};

static const struct way {
    const char *name;
    unsigned count;
    struct step steps[PROOF_STEPS];
} ways[PROOF_WAYS] = {
    [PROOF_COPY] = {"copy",
                    2,
                    {{"read: file to buffer", read_file, change_file},
                     {"write: buffer to socket", write_buffer, change_buffer}}},
    [PROOF_MMAP] = {"mmap", 1, {{"write: mapping to socket", write_mapping, change_file}}},
    [PROOF_SENDFILE] = {"sendfile", 1, {{"sendfile: file to socket", send_file, change_file}}},
    [PROOF_SPLICE] = {"splice",
                      2,
                      {{"splice: file to pipe", splice_in, change_file},
                       {"splice: pipe to socket", splice_out, change_file}}},
    [PROOF_ZEROCOPY] = {"zerocopy",
                        1,
                        {{"send, MSG_ZEROCOPY: mapping to socket", send_pages, change_file}}},
};

/* ---- a trial --------------------------------------------------------------------------------- */

/* Neither waits: a step moves all at once, or it is no proof. */
static int connect_pair(struct trial *trial, bool local)
{
    int pair[2];
    int result = pair_open(pair, local);
    if (result)
        return result;
    trial->sender = pair[0];
    trial->receiver = pair[1];
    result = socket_set_blocking(trial->sender, false);
    return result ? result : socket_set_blocking(trial->receiver, false);
}

static int open_trial(struct trial *trial, const char *directory, bool local)
{
    memset(trial, 0, sizeof *trial);
    trial->pipe[0] = trial->pipe[1] = trial->sender = trial->receiver = -1;
    int result = scratch_open(&trial->file, directory, BYTES);
    if (!result)
        result = fill_file(trial, OLD);
    if (!result && pipe2(trial->pipe, O_CLOEXEC) != 0)
        result = error_errno(errno, "cannot make a pipe");
    return result ? result : connect_pair(trial, local);
}

static void close_trial(struct trial *trial)
{
    const int fds[] = {trial->pipe[0], trial->pipe[1], trial->sender, trial->receiver};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    scratch_close(&trial->file);
}

/* All of the way's steps; behind the one that is looked at, the source changes. */
static int send_and_change(struct trial *trial, const struct way *way, unsigned looked_at)
{
    int result = 0;
    for (unsigned i = 0; i < way->count && !result; i++) {
        result = way->steps[i].go(trial);
        if (!result && i == looked_at)
            result = way->steps[i].change(trial);
    }
    return result;
}

static int judge(struct trial *trial, bool *copied)
{
    int result = socket_receive_all(trial->receiver, trial->arrived, BYTES,
                                    clock_monotonic_ns() + PATIENCE_NS);
    size_t old = 0;
    for (size_t i = 0; i < BYTES && !result; i++)
        old += trial->arrived[i] == OLD;
    if (!result && old != 0 && old != BYTES)
        return error_set(MAPLOG_IO, "%zu of %d bytes arrived as they had been", old, BYTES);
    *copied = old != 0;
    return result;
}

/* What the kernel says of a send with MSG_ZEROCOPY, once its bytes were read. */
static void hear_notice(const struct trial *trial, struct proof *proof)
{
    _Alignas(struct cmsghdr) char
        control[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6))];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
    for (int tries = 0; recvmsg(trial->sender, &message, MSG_ERRQUEUE) < 0; tries++) {
        if (tries == 100)
            return;
        clock_sleep_ns(1000000);
    }
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    struct sock_extended_err report;
    if (!first)
        return;
    memcpy(&report, CMSG_DATA(first), sizeof report);
    proof->notified = report.ee_origin == SO_EE_ORIGIN_ZEROCOPY;
    proof->notified_copied = report.ee_code & SO_EE_CODE_ZEROCOPY_COPIED;
}

static int look_at(const char *directory, bool local, enum proof_way way, struct proof *proof)
{
    static struct trial trial; /* large */
    struct proof_step *step = &proof->step[proof->steps];
    int result = open_trial(&trial, directory, local);
    if (!result)
        result = send_and_change(&trial, &ways[way], proof->steps);
    if (!result)
        result = judge(&trial, &step->copied);
    if (!result && way == PROOF_ZEROCOPY)
        hear_notice(&trial, proof);
    close_trial(&trial);
    step->name = ways[way].steps[proof->steps].name;
    return result;
}

const char *proof_name(enum proof_way way)
{
    return ways[way].name;
}

int proof_run(const char *directory, bool local, enum proof_way way, struct proof *proof)
{
    *proof = (struct proof){0};
    for (; proof->steps < ways[way].count; proof->steps++) {
        int result = look_at(directory, local, way, proof);
        if (result)
            return result;
    }
    return 0;
}

unsigned proof_copies(const struct proof *proof)
{
    unsigned copies = 0;
    for (unsigned i = 0; i < proof->steps; i++)
        copies += proof->step[i].copied;
    return copies;
}
