/*
 * trust.h - may the words in a control file be believed by the first process to attach? Called by
 * attach.c.
 *
 * They may if the file was made trustworthy in this boot and is still the same file, on the same
 * mount, that nobody wrote to but through its mapping: then the page cache holds every published
 * byte, whoever died. A copy, a restored copy, even one over the same file, and a file system that
 * was unmounted meanwhile do not pass. Beyond that each partition's tail must fit its files.
 */
#pragma once

#include "log/partition.h"

/* What a control file is and where; header->boot_id to born of one that is trusted. */
struct trust {
    uint8_t boot_id[PROCESS_BOOT_ID_SIZE];
    uint64_t device, inode, mount;
    uint64_t born;  /* the file's creation, in nanoseconds; 0: not known */
    bool backdated; /* its times were set by hand, as by `cp -a` */
};

int trust_look(int directory_fd, const char *control_file, struct trust *now);
/* Writes it into the header of a control file that is being made trustworthy. */
void trust_store(const struct trust *now, struct control_header *header);
bool trust_header(const struct control_header *header, const struct trust *now);
/* Do the batches from the last index entry on end just where the control slot says, with nothing
 * behind them that was published once? The seats are as the last processes left them. */
bool trust_partition(struct partition *partition);
