/*
 * touch_steps.h - the steps that a file's page goes through between mmap and the disk, each of
 * which does one thing to a file and its mapping, and what the kernel counts after each. One
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lab/scratch.h"
#include "os/residency.h"
#include "os/smaps.h"

#define TOUCH_PAGES 64 /* of the file that were written; as many more are only allocated */

/* The file and its mapping as the steps find and leave them. */
struct touch {
    struct scratch scratch; /* map: NULL before the step that maps it */
    uint64_t inode;
    uint8_t *copies;                /* the private mapping, NULL before its step */
    struct touch_result *for_child; /* shared with the child that a step forks */
    bool evicted;
    volatile uint8_t sink;
};

/* What one step cost. */
struct touch_result {
    int result; /* 0, or why it could not be done: the text is in why */
    char why[160];
    int64_t ns;
    uint64_t minor, major;
    struct residency cache; /* of the file, when it was over */
    struct smaps mapping;   /* likewise; zero when there is none */
};

struct touch_step {
    const char *name; /* "load page 0": what is done */
    int (*run)(struct touch *touch);
    bool in_copies; /* the mapping it is about is the private one */
    bool in_child;  /* a forked child does it */
};

/* By what is said of them afterwards; the others only stand in between. */
enum touch_number {
    TOUCH_MMAP,
    TOUCH_LOAD,
    TOUCH_LOAD_AGAIN, /* the measure of all others: the kernel is not asked */
    TOUCH_LOAD_NEXT,
    TOUCH_STORE,
    TOUCH_STORE_AGAIN,
    TOUCH_STORE_FAR,
    TOUCH_MSYNC,
    TOUCH_STORE_SYNCED,
    TOUCH_FORGET,
    TOUCH_LOAD_FORGOTTEN,
    TOUCH_STORE_ALLOCATED,
    TOUCH_POPULATE,
    TOUCH_STORE_POPULATED,
    TOUCH_EVICT,
    TOUCH_LOAD_EVICTED,
    TOUCH_MMAP_PRIVATE,
    TOUCH_LOAD_PRIVATE,
    TOUCH_STORE_PRIVATE,
    TOUCH_CHILD_LOAD,
    TOUCH_CHILD_STORE,
    TOUCH_STEPS
};
extern const struct touch_step touch_steps[TOUCH_STEPS];

/* A file in the directory: TOUCH_PAGES in the cache and on the disk, as many more allocated. */
int touch_open(struct touch *touch, const char *directory);
void touch_close(struct touch *touch);
/* Does a step. Around what is timed `begin` and `end` are called, when there are any. What it could
 * not do is in the answer. */
struct touch_hooks {
    void (*begin)(void *context), (*end)(void *context);
    void *context;
};
void touch_do(struct touch *touch, const struct touch_step *step, const struct touch_hooks *hooks,
              struct touch_result *result);
