/* What the path that is to be inspected names: a data directory, a partition of one, a segment. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "log/catalog.h"
#include "log/inspect.h"
#include "log/meta.h"
#include "os/file.h"

/* ---- what a path names -------------------------------------------------------------------------
 */

static bool exists_in(const char *directory, const char *file)
{
    char path[LIMIT_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", directory, file);
    return length < (int)sizeof path && file_exists(AT_FDCWD, path);
}

/* Cuts the last component off: "a/b" -> "a" and "b", "b" -> "." and "b". */
static void split_path(char *path, char *name, size_t size)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = 0;
    char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : path);
    if (!slash)
        memcpy(path, ".", 2);
    else
        slash[slash == path] = 0;
}

static int has_segment(void *context, const char *name, bool is_directory)
{
    int64_t base;
    (void)context;
    return !is_directory && names_segment(name, SEGMENT_LOG_SUFFIX, &base);
}

int inspect_resolve(const char *path, struct inspect_target *target)
{
    struct file_identity file;
    char *directory = target->directory;
    char name[LIMIT_PATH], topic[LIMIT_TOPIC_NAME + 1], whole[LIMIT_PATH];
    int32_t number;
    target->partition[0] = 0;
    target->segment = -1;
    if (snprintf(directory, LIMIT_PATH, "%s", path) >= LIMIT_PATH)
        return error_set(MAPLOG_LIMIT, "the path is longer than %d bytes", LIMIT_PATH - 1);
    int result = file_identify_at(AT_FDCWD, path, &file);
    if (result)
        return result;
    if (!file.is_directory) {
        split_path(directory, name, sizeof name);
        if (!names_segment(name, SEGMENT_LOG_SUFFIX, &target->segment))
            return error_set(MAPLOG_INVALID,
                             "%s is neither a directory nor a segment (20 digits and .log)", path);
    } else if (exists_in(directory, META_FILE) || exists_in(directory, CATALOG_FILE)) {
        return 0;
    }
    int segments = file_list(AT_FDCWD, directory, has_segment, NULL);
    if (segments <= 0)
        return segments;
    memcpy(whole, directory, sizeof whole);
    split_path(directory, name, sizeof name);
    if (!names_split(name, topic, &number)) { /* "." and the like */
        memcpy(directory, whole, sizeof whole);
        memcpy(name, ".", 2);
    }
    snprintf(target->partition, sizeof target->partition, "%.*s", (int)sizeof target->partition - 1,
             name);
    return 0;
}
