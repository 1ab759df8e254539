/*
 * file.h - files and directories, one thin call each. Every function names the path in its error.
 *
 * os/ is the seam to the kernel: tests make the Nth call of a kind fail (os/fault.h). Any thread.
 * All descriptors are O_CLOEXEC.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a file system promises; see file_system(). */
enum file_system_kind {
    FILE_SYSTEM_DISK,    /* fdatasync makes bytes durable */
    FILE_SYSTEM_MEMORY,  /* tmpfs, ramfs, memfd: fdatasync means nothing */
    FILE_SYSTEM_NETWORK, /* NFS, SMB, FUSE-like: mappings are not shared memory; refused */
};

struct file_identity {
    uint64_t device;
    uint64_t inode;
    uint64_t mount; /* STATX_MNT_ID_UNIQUE, else STATX_MNT_ID, else 0 */
    uint64_t size;
    int64_t modified_ms;
    uint64_t born_ns; /* creation of the inode; 0: the file system does not say */
    bool backdated;   /* its times were set by hand, or its mode or owner changed since */
    bool is_directory;
    bool is_regular;   /* a plain file: no pipe, no device */
    bool is_character; /* a character device */
};

/* open(2) relative to directory (AT_FDCWD allowed); *fd is the caller's to close. path names it in
 * errors. flags without O_CLOEXEC. */
int file_open(int directory, const char *path, int flags, mode_t mode, int *fd);
void file_close(int fd); /* accepts -1 */
/* Opens the file behind fd once more (/proc/self/fd/N), with a lock owner of its own. */
int file_reopen(int fd, int flags, int *again);
int file_memory(const char *name, int *fd); /* memfd_create, sealable off */
int file_inherit(int fd);                   /* from now on programs that are executed get it too */

/* The whole file with a NUL behind it, to be freed; MAPLOG_LIMIT when it is longer than limit. */
int file_read_all(int directory, const char *path, size_t limit, char **text, size_t *length);
/* Exactly length bytes at position, else MAPLOG_IO (short file: "ends at ..."). */
int file_read_at(int fd, const char *path, void *to, size_t length, uint64_t position);
/* pread(2): what is there at once, for callers that have their own way with its errno. */
ssize_t file_read_some(int fd, void *to, size_t length, uint64_t position);
int file_write_at(int fd, const char *path, const void *from, size_t length, uint64_t position);
/* Appends all of it to a stream descriptor (pipe, terminal, file), retrying short writes.
 * MAPLOG_CLOSED when nobody reads the pipe any more (EPIPE; SIGPIPE is the program's matter). */
int file_write_stream(int fd, const char *path, const void *from, size_t length);
/* True when a line (up to 4 KiB) can be written to the stream now, without waiting for its reader.
 */
bool file_takes_line(int fd);
/* Reads up to length from a stream; *got is 0 at its end. MAPLOG_BUSY when a signal handler ran
 * before anything came: look at what it left and call again. */
int file_read_stream(int fd, const char *path, void *to, size_t length, size_t *got);
/* Waits until the stream has something to read, or stop() is not 0: it may become so by a signal
 * handler of this thread, none comes too early to be noticed. MAPLOG_IO: poll tells an error. */
int file_await_input(int fd, const char *path, int (*stop)(void));
/* Writes path.tmp, fsyncs it (when durable), renames it over path, fsyncs the directory (when
 * durable). Readers see the old text or the new one. One caller at a time for a path. */
int file_replace(int directory, const char *path, const void *text, size_t length, bool durable);

/* Makes the file durably, whole or not at all, unless it is there: MAPLOG_EXISTS. Of several
 * callers one makes it. fresh: the caller's own name for it until then. */
int file_make_once(int directory, const char *path, const char *fresh, const void *text,
                   size_t length);

int file_allocate(int fd, const char *path, uint64_t position,
                  uint64_t length); /* posix_fallocate */
/* The same for bytes that may lie behind the end, which stays where it is. Stores of others
 * meanwhile are safe, which they are not where file_allocate() has to write: MAPLOG_UNSUPPORTED
 * there. */
int file_reserve(int fd, const char *path, uint64_t position, uint64_t length);
int file_punch(int fd, const char *path, uint64_t position, uint64_t length);
/* RLIMIT_FSIZE: who makes a file longer than this gets SIGXFSZ. */
uint64_t file_size_limit(void);
int file_truncate(int fd, const char *path, uint64_t size);
int file_touch(int fd, const char *path);     /* modified now: not backdated any more */
int file_sync(int fd, const char *path);      /* fsync */
int file_sync_data(int fd, const char *path); /* fdatasync */
int file_identify(int fd, const char *path, struct file_identity *identity);
int file_identify_at(int directory, const char *path, struct file_identity *identity);
int file_system(int fd, const char *path, enum file_system_kind *kind);
int file_free_bytes(int fd, const char *path, uint64_t *bytes);
int file_total_bytes(int fd, const char *path, uint64_t *bytes); /* of the file system */
/* copy_file_range, else read and write: length bytes at position, to the same position. */
int file_copy(int from, int to, const char *path, uint64_t position, uint64_t length);

int file_make_directory(int directory, const char *path, mode_t mode); /* exists is no error */
int file_rename(int directory, const char *from, const char *to);
int file_remove(int directory, const char *path); /* a file; missing is no error */
/* A directory with all in it, or a file; follows no symbolic link; missing is no error. */
int file_remove_tree(int directory, const char *path);
bool file_exists(int directory, const char *path);
/* Calls visit for every entry but "." and "..", in no order; a non-zero answer ends the walk and is
 * returned. A link to a directory is one. */
int file_list(int directory, const char *path,
              int (*visit)(void *context, const char *name, bool is_directory), void *context);
