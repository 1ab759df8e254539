/* uring_ring.c - the queues that are shared with the kernel, and the buffers that it receives into.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/uring.h"
#include "os/map.h"
#include "os/ring.h"

#define FEWEST_BUFFERS 8         /* a power of two */
#define BUFFER_BYTES (16u << 10) /* most */
#define GROUP 0                  /* of buffers: there is one */

/* ---- what the kernel has --------------------------------------------------------------------- */

static int refused(int errnum)
{
    switch (errnum) {
    case ENOSYS:
        return error_set(MAPLOG_UNSUPPORTED, "this kernel is built without io_uring");
    case EPERM:
    case EACCES:
        return error_set(MAPLOG_UNSUPPORTED,
                         "io_uring is forbidden here: kernel.io_uring_disabled (sysctl) or the "
                         "seccomp filter of a container or service says so");
    case EINVAL:
        return error_set(MAPLOG_UNSUPPORTED,
                         "this kernel's io_uring is too old: Linux 6.0 or later is needed");
    case ENOMEM:
        return error_set(MAPLOG_NO_MEMORY,
                         "no memory for io_uring's queues: RLIMIT_MEMLOCK (ulimit -l) or the "
                         "control group's limit is reached");
    case EMFILE:
    case ENFILE:
        return error_set(MAPLOG_LIMIT, "no descriptor is left for io_uring");
    default:
        return error_errno(errnum, "cannot set io_uring up");
    }
}

static int check_operations(struct uring *uring)
{
    const int needed[] = {IORING_OP_ACCEPT,  IORING_OP_RECV,         IORING_OP_SEND,
                          IORING_OP_SENDMSG, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
                          IORING_OP_SEND_ZC};
    struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
    bool has = probe != NULL;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        has = has && io_uring_opcode_supported(probe, needed[i]);
    io_uring_free_probe(probe);
    return has ? 0 : refused(EINVAL);
}

/* One thread submits and reaps, which spares the kernel locks and interrupts: measured, 5 to 10 %
 * of the CPU time. Kernels before 6.1 know only to spare the interrupts. */
static int set_up(struct uring *uring)
{
    const unsigned wishes[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                   IORING_SETUP_R_DISABLED,
                               IORING_SETUP_COOP_TASKRUN};
    int result = 0;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        struct io_uring_params params = {.flags = wishes[i] | IORING_SETUP_SUBMIT_ALL |
                                                  IORING_SETUP_CQSIZE,
                                         .cq_entries = URING_COMPLETIONS};
        result = io_uring_queue_init_params(URING_SUBMISSIONS, &uring->ring, &params);
        if (result != -EINVAL)
            break;
    }
    return result < 0 ? refused(-result) : 0;
}

/* ---- buffers --------------------------------------------------------------------------------- */

void uring_ring_give(struct uring *uring, uint32_t number)
{
    const struct uring_buffers *buffers = &uring->buffers;
    io_uring_buf_ring_add(buffers->ring, buffers->memory + (size_t)number * buffers->bytes,
                          buffers->bytes, (unsigned short)number,
                          io_uring_buf_ring_mask(buffers->count), 0);
    io_uring_buf_ring_advance(buffers->ring, 1);
}

static int register_buffers(struct uring *uring)
{
    struct uring_buffers *buffers = &uring->buffers;
    uint32_t bytes = uring->limits.buffer_bytes;
    buffers->bytes = bytes < BUFFER_BYTES ? bytes : BUFFER_BYTES;
    for (buffers->count = FEWEST_BUFFERS;
         buffers->count < URING_BUFFERS && buffers->count < uring->limits.descriptors;)
        buffers->count *= 2;
    void *ring = NULL;
    if (posix_memalign(&ring, MAP_PAGE_BYTES, buffers->count * sizeof(struct io_uring_buf)) == 0)
        buffers->ring = ring;
    buffers->memory = malloc((size_t)(buffers->count + 1) * buffers->bytes);
    if (!buffers->ring || !buffers->memory)
        return error_set(MAPLOG_NO_MEMORY, "no memory for %u receive buffers of %u bytes",
                         buffers->count, buffers->bytes);
    memset(buffers->ring, 0, buffers->count * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg group = {
        .ring_addr = (uintptr_t)buffers->ring, .ring_entries = buffers->count, .bgid = GROUP};
    int result = io_uring_register_buf_ring(&uring->ring, &group, 0);
    if (result < 0)
        return refused(-result);
    io_uring_buf_ring_init(buffers->ring);
    for (uint32_t i = 0; i < buffers->count; i++)
        uring_ring_give(uring, i);
    return 0;
}

const uint8_t *uring_ring_buffer(const struct uring *uring, uint32_t number)
{
    return uring->buffers.memory + (size_t)number * uring->buffers.bytes;
}

void uring_ring_recycle(struct uring *uring, uint32_t cqe_flags)
{
    if (cqe_flags & IORING_CQE_F_BUFFER)
        uring_ring_give(uring, cqe_flags >> IORING_CQE_BUFFER_SHIFT);
}

/* ---- handing over ---------------------------------------------------------------------------- */

/* What was taken over was copied: its vectors are free again. */
static void forget_vectors(struct uring *uring)
{
    if (io_uring_sq_ready(&uring->ring) == 0)
        uring->vectors_used = uring->messages_used = 0;
}

struct io_uring_sqe *uring_ring_next(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (!sqe && uring->begun) {
        io_uring_submit(&uring->ring);
        forget_vectors(uring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    return sqe;
}

void uring_ring_tag(struct io_uring_sqe *sqe, uint64_t what, enum uring_tag tag)
{
    io_uring_sqe_set_data64(sqe, what | tag);
}

int uring_ring_enter(struct uring *uring, int64_t timeout_ns)
{
    struct __kernel_timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    struct io_uring_cqe *first;
    int result = timeout_ns == 0
                     ? io_uring_submit_and_get_events(&uring->ring)
                     : io_uring_submit_and_wait_timeout(&uring->ring, &first, 1,
                                                        timeout_ns < 0 ? NULL : &timeout, NULL);
    forget_vectors(uring);
    switch (result < 0 ? -result : 0) {
    case 0:
    case ETIME:
    case EINTR:
    case EAGAIN:
    case EBUSY:
        return 0;
    default:
        return error_errno(-result, "cannot wait for sockets");
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

int uring_ring_open(struct uring *uring)
{
    int error = set_up(uring);
    if (error)
        return error;
    error = check_operations(uring);
    if (!error)
        error = register_buffers(uring);
    if (error)
        uring_ring_close(uring);
    return error;
}

int uring_ring_begin(struct uring *uring)
{
    bool disabled = (uring->ring.flags & IORING_SETUP_R_DISABLED) != 0;
    int error = disabled ? ring_enable(uring->ring.ring_fd) : 0;
    uring->begun = !error;
    return error;
}

void uring_ring_close(struct uring *uring)
{
    io_uring_queue_exit(&uring->ring);
    free(uring->buffers.ring);
    free(uring->buffers.memory);
    uring->buffers = (struct uring_buffers){0};
}
