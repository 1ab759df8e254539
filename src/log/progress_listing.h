/*
 * progress_listing.h - copies of committed offsets, gathered from tables and visited in order.
 * progress.c's; one thread.
 */
#pragma once

#include "log/progress.h"
#include "log/progress_table.h"

struct progress_listed;

/* Begin with {.group = ...}, end with progress_listing_clear(). */
struct progress_listing {
    const char *group; /* NULL: all */
    struct progress_listed **entries;
    size_t count;
};

/* A visitor of progress_table_walk(): copies the record if it is wanted. Context: the listing. */
int progress_listing_add(void *listing, const struct progress_record *record);
/* In the order of group, topic and partition; as progress_list(). */
int progress_listing_visit(struct progress_listing *listing,
                           int (*visit)(void *context, const struct progress_entry *entry),
                           void *context);
void progress_listing_clear(struct progress_listing *listing);
