/* progress_claim.c - which consumer of a group has a partition, and which groups have members at a
 * server: byte locks; see progress.h. */
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "log/progress.h"
#include "os/lock.h"
#include "os/process.h"

/* Bits of the locks' positions. Two claims, or two groups, with one hash exclude each other. */
#define CLAIM_BITS 60
#define GROUP_BITS 61
#define HASH_BEGIN 0xcbf29ce484222325ull

/* FNV-1a. */
static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * 0x100000001b3ull;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    while (*text)
        hash = hash_byte(hash, (uint8_t)*text++);
    return hash_byte(hash, 0); /* its end counts */
}

static uint64_t fold(uint64_t hash, unsigned bits)
{
    return (hash ^ hash >> bits) & ((1ull << bits) - 1);
}

static uint64_t claim_byte(const struct directory *directory, const char *group, const char *topic,
                           int32_t partition)
{
    uint64_t hash = hash_text(hash_text(HASH_BEGIN, group), topic);
    for (int i = 0; i < 4; i++)
        hash = hash_byte(hash, (uint8_t)((uint32_t)partition >> 8 * i));
    return directory->view.lock_base + LOCK_CLAIMS + fold(hash, CLAIM_BITS);
}

static uint64_t group_byte(const struct directory *directory, const char *group)
{
    return directory->view.lock_base + LOCK_GROUPS + fold(hash_text(HASH_BEGIN, group), GROUP_BITS);
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

/* Takes the byte, with claims that are opened for the first one. */
static int take(struct directory *directory, uint64_t byte, int *claim_fd)
{
    int result = *claim_fd < 0 ? open_claims(directory, claim_fd) : 0;
    return result ? result : lock_try(*claim_fd, directory->path, byte, true);
}

static int check_kind(const struct directory *directory)
{
    return directory->fd < 0
               ? error_set(MAPLOG_UNSUPPORTED, "an anonymous log keeps no progress of groups")
               : 0;
}

int progress_claim(struct directory *directory, const char *group, const char *topic,
                   int32_t partition, int *claim_fd)
{
    int result = check_kind(directory);
    if (!result)
        result = progress_check_inactive(directory, group);
    if (!result)
        result = take(directory, claim_byte(directory, group, topic, partition), claim_fd);
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

int progress_activate(struct directory *directory, const char *group, int *claim_fd)
{
    int result = check_kind(directory);
    if (!result)
        result = take(directory, group_byte(directory, group), claim_fd);
    return result == MAPLOG_BUSY
               ? error_set(MAPLOG_GROUP_BUSY, "another server has members of group %s", group)
               : result;
}

void progress_deactivate(struct directory *directory, const char *group, int claim_fd)
{
    if (claim_fd >= 0)
        lock_release(claim_fd, group_byte(directory, group));
}

int progress_check_inactive(struct directory *directory, const char *group)
{
    const struct control_view *view = &directory->view;
    bool active;
    /* Asked through another open file than any claim's, so our own server's counts too. */
    int result =
        lock_is_held(view->lock_fd, directory->path, group_byte(directory, group), &active);
    return !result && active ? error_set(MAPLOG_GROUP_ACTIVE,
                                         "group %s has live members at a server, which alone "
                                         "commit its progress and divide its partitions",
                                         group)
                             : result;
}
