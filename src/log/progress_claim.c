/* progress_claim.c - which consumer of a group has a partition: a byte lock; see progress.h. */
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "log/progress.h"
#include "os/lock.h"
#include "os/process.h"

#define HASH_BITS 60 /* of the lock's position; two claims with one hash exclude each other */

/* FNV-1a of the three, each ended. */
static uint64_t claim_byte(const struct directory *directory, const char *group, const char *topic,
                           int32_t partition)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    const char *texts[] = {group, topic};
    for (int i = 0; i < 2; i++) {
        for (const char *at = texts[i];; at++) {
            hash = (hash ^ (uint8_t)*at) * 0x100000001b3ull;
            if (!*at)
                break;
        }
    }
    for (int i = 0; i < 4; i++)
        hash = (hash ^ ((uint32_t)partition >> 8 * i & 0xff)) * 0x100000001b3ull;
    hash = (hash ^ hash >> HASH_BITS) & ((1ull << HASH_BITS) - 1);
    return directory->view.lock_base + LOCK_CLAIMS + hash;
}

static int open_claims(const struct directory *directory, int *claim_fd)
{
    int fd;
    /* A forked child must not keep the claims alive. */
    process_fork_hold();
    int result = file_reopen(directory->view.lock_fd, O_RDWR, &fd);
    if (!result) {
        result = process_close_in_child(fd);
        if (result)
            file_close(fd);
    }
    process_fork_release();
    if (!result)
        *claim_fd = fd;
    return result;
}

int progress_claim(struct directory *directory, const char *group, const char *topic,
                   int32_t partition, int *claim_fd)
{
    if (directory->fd < 0)
        return error_set(MAPLOG_UNSUPPORTED, "an anonymous log keeps no progress of groups");
    int result = *claim_fd < 0 ? open_claims(directory, claim_fd) : 0;
    if (result)
        return result;
    uint64_t byte = claim_byte(directory, group, topic, partition);
    result = lock_try(*claim_fd, directory->path, byte, true);
    return result == MAPLOG_BUSY
               ? error_set(MAPLOG_GROUP_BUSY, "another consumer of group %s has %s-%d", group,
                           topic, (int)partition)
               : result;
}

void progress_unclaim(int claim_fd)
{
    if (claim_fd < 0)
        return;
    process_fork_hold();
    process_keep_in_child(claim_fd);
    file_close(claim_fd);
    process_fork_release();
}
