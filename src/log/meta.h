/*
 * meta.h - meta.properties: what makes a directory a maplog directory. Kafka's text form and keys
 * (version, cluster.id, node.id, directory.id), and maplog.version; unknown lines are kept, since
 * nothing but its creation writes the file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define META_FILE "meta.properties"
#define META_VERSION 1          /* of the directory's format */
#define META_CLUSTER_ID_SIZE 64 /* bytes, with the NUL */

/* Reads and checks it. When it is missing: makes it if create is set and the directory is empty
 * (but for lost+found), else MAPLOG_NOT_FOUND; MAPLOG_VERSION for a newer maplog's directory or one
 * of Kafka's own, with a text that says what to do. */
int meta_check(int directory_fd, const char *path, bool create);

/* Who the directory says it is, as brokers tell clients. */
struct meta_identity {
    char cluster_id[META_CLUSTER_ID_SIZE];
    int32_t node_id;
};
/* Reads it. MAPLOG_CORRUPT when the file has no such line. */
int meta_identify(int directory_fd, const char *path, struct meta_identity *identity);
