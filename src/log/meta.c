#include "log/meta.h"

#include <maplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/properties.h"
#include "base/uuid.h"
#include "os/file.h"
#include "os/process.h"

#define META_BYTES_MAX 65536

static bool key_is(const struct property *property, const char *key)
{
    return property->key_length == strlen(key) &&
           memcmp(property->key, key, property->key_length) == 0;
}

static int check_text(const char *path, const char *text, size_t length)
{
    struct property property;
    size_t at = 0;
    int64_t version = -1;
    bool kafka = false;
    while (properties_next(text, length, &at, &property)) {
        if (key_is(&property, "cluster.id"))
            kafka = true;
        if (!key_is(&property, "maplog.version"))
            continue;
        if (!property.value ||
            !properties_size(property.value, property.value_length, 1, INT32_MAX, &version))
            return error_set(MAPLOG_CORRUPT,
                             "%s/" META_FILE " line %d: maplog.version is no number", path,
                             property.line);
    }
    if (version < 0 && kafka)
        return error_set(
            MAPLOG_VERSION,
            "%s is a data directory of Apache Kafka: take it over with `maplog import`", path);
    if (version < 0)
        return error_set(MAPLOG_CORRUPT, "%s/" META_FILE " has no line maplog.version=%d", path,
                         META_VERSION);
    if (version > META_VERSION)
        return error_set(MAPLOG_VERSION,
                         "%s has format %lld, this maplog knows %d: use the newer maplog", path,
                         (long long)version, META_VERSION);
    return 0;
}

/* "meta.properties.9f0c...tmp": of one who makes it now, or died while making it. */
static bool is_unfinished(const char *name)
{
    size_t length = strlen(name);
    return strncmp(name, META_FILE ".", sizeof META_FILE) == 0 && length > 4 &&
           strcmp(name + length - 4, ".tmp") == 0;
}

static int see_entry(void *context, const char *name, bool is_directory)
{
    bool *empty = context;
    if (!(is_directory && strcmp(name, "lost+found") == 0) && !is_unfinished(name))
        *empty = false;
    return 0;
}

static int create_text(int directory_fd)
{
    uint8_t random[40];
    int result = process_random(random, sizeof random);
    if (result)
        return result;
    char cluster[UUID_TEXT_SIZE], directory[UUID_TEXT_SIZE], text[512];
    struct uuid id = uuid_from_random(random);
    uuid_format(&id, cluster);
    id = uuid_from_random(random + 16);
    uuid_format(&id, directory);
    int length = snprintf(text, sizeof text,
                          "version=1\nmaplog.version=%d\ncluster.id=%s\nnode.id=1\n"
                          "directory.id=%s\n",
                          META_VERSION, cluster, directory);
    /* Two may come at the same time: both are right, and the first one's ids hold. */
    uint64_t own;
    char fresh[sizeof META_FILE + 24];
    memcpy(&own, random + 32, sizeof own);
    snprintf(fresh, sizeof fresh, META_FILE ".%016llx.tmp", (unsigned long long)own);
    result = file_make_once(directory_fd, META_FILE, fresh, text, (size_t)length);
    return result == MAPLOG_EXISTS ? 0 : result;
}

static int read_and_check(int directory_fd, const char *path)
{
    char *text;
    size_t length;
    int result = file_read_all(directory_fd, META_FILE, META_BYTES_MAX, &text, &length);
    if (result)
        return result;
    result = check_text(path, text, length);
    free(text);
    return result;
}

int meta_check(int directory_fd, const char *path, bool create)
{
    int result = read_and_check(directory_fd, path);
    if (result != MAPLOG_NOT_FOUND)
        return result;
    bool empty = true;
    result = file_list(directory_fd, ".", see_entry, &empty);
    if (result)
        return result;
    if (!empty) { /* unless another process made it since our look */
        result = read_and_check(directory_fd, path);
        return result != MAPLOG_NOT_FOUND
                   ? result
                   : error_set(MAPLOG_NOT_FOUND,
                               "%s is no maplog directory: it has files, but no " META_FILE, path);
    }
    if (!create)
        return error_set(MAPLOG_NOT_FOUND, "%s is empty: no log was made in it yet", path);
    result = create_text(directory_fd);
    return result ? result : read_and_check(directory_fd, path);
}

int meta_identify(int directory_fd, const char *path, struct meta_identity *identity)
{
    char *text;
    size_t length;
    int result = file_read_all(directory_fd, META_FILE, META_BYTES_MAX, &text, &length);
    if (result)
        return result;
    struct meta_identity found = {0};
    struct property property;
    size_t at = 0;
    int64_t node = -1;
    while (properties_next(text, length, &at, &property)) {
        if (!property.value)
            continue;
        if (key_is(&property, "cluster.id") && property.value_length < sizeof found.cluster_id) {
            memcpy(found.cluster_id, property.value, property.value_length);
            found.cluster_id[property.value_length] = 0;
        }
        if (key_is(&property, "node.id") &&
            !properties_size(property.value, property.value_length, 0, INT32_MAX, &node))
            node = -1;
    }
    free(text);
    if (!found.cluster_id[0] || node < 0)
        return error_set(MAPLOG_CORRUPT,
                         "%s/" META_FILE " has no good line cluster.id=... or node.id=...", path);
    found.node_id = (int32_t)node;
    *identity = found;
    return 0;
}
