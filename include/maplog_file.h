/*
 * maplog_file.h - a mapped file that grows in place: the building block under a log, for programs
 * that want to read and write a file as memory and share it with other processes.
 *
 * The address space is reserved once, so the address never changes while the file grows. Space on
 * disk is allocated before it can be touched, so a full disk is an error of maplog_file_grow() and
 * never a signal. Only somebody who truncates the file behind its users, or a disk that fails, can
 * still raise SIGBUS: maplog_file_guard() turns that into an error too.
 *
 * Rules that hold everywhere
 * - Functions return 0 on success and a negative MAPLOG_* code on failure (maplog.h), which
 *   maplog_error_text() explains. Outputs are untouched then. Sizes and positions are bytes.
 * - Threads: any number may use a handle at once; who closes it must be the last.
 * - Processes: each opens the file by itself. What one stores, the others see at once, as in any
 *   shared mapping; the order of such stores is theirs to arrange (C11 atomics).
 * - fork: the memory stays mapped in a child, and is shared with the parent unless the file was
 *   opened MAPLOG_FILE_PRIVATE. Calls on the inherited handle answer MAPLOG_FORKED there, but for
 *   maplog_file_address(), _size(), _guard() and _close(), which only unmaps it in the child.
 */
#ifndef MAPLOG_FILE_H
#define MAPLOG_FILE_H

#include <maplog.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct maplog_file maplog_file;

enum maplog_file_flags {
    MAPLOG_FILE_CREATE = 1,    /* make the file when it is missing */
    MAPLOG_FILE_READ_ONLY = 2, /* memory that cannot be stored to */
    MAPLOG_FILE_PRIVATE = 4,   /* stores are seen by nobody else and never reach the file; such a
                                  file cannot grow here, but shows what others make it grow by */
};

struct maplog_file_options {
    unsigned flags;         /* maplog_file_flags */
    unsigned mode;          /* permissions of a file that is made, less the umask; default 0660 */
    uint64_t reserve_bytes; /* address space: the largest size that the file can have here; default
                               64 GiB, or sixteen times its size when that is more,
                               but that not above 16 TiB */
    uint64_t size;          /* grow it to this many bytes at least; default: as it is */
    uint64_t reserved[4];   /* zero */
};

/* Opens or makes a regular file on a local file system, tmpfs or /dev/shm included, and maps it.
 * *file is closed with maplog_file_close(). MAPLOG_NOT_FOUND, MAPLOG_DENIED, MAPLOG_INVALID (no
 * regular file, flags that exclude each other), MAPLOG_DISK_FULL (a file that was made stays),
 * MAPLOG_LIMIT (larger than reserve_bytes, or no such address space to be had), MAPLOG_IO. */
MAPLOG_API int maplog_file_open(const char *path, const struct maplog_file_options *options,
                                maplog_file **file);

/* Unmaps and closes; what was stored stays in the file. NULL is fine. */
MAPLOG_API void maplog_file_close(maplog_file *file);

/* Where byte 0 of the file lies, the same until it is closed; aligned to a page. Bytes from
 * maplog_file_size() on must not be touched. */
MAPLOG_API void *maplog_file_address(const maplog_file *file);

/* The size that this handle knows: bytes below may be touched. */
MAPLOG_API uint64_t maplog_file_size(const maplog_file *file);

/* Asks the file for its size, which other processes may have changed; *size (may be NULL) is what
 * maplog_file_size() says from now on, at most reserve_bytes. */
MAPLOG_API int maplog_file_refresh(maplog_file *file, uint64_t *size);

/* Makes the file at least `size` bytes long, with zeros that are allocated on the disk. Never makes
 * it shorter; several processes may do it at once. MAPLOG_DISK_FULL (the file is as before),
 * MAPLOG_LIMIT (above reserve_bytes or `ulimit -f`), MAPLOG_DENIED (read-only or private),
 * MAPLOG_TIMED_OUT (another process is at it for 10 s: a stopped one), MAPLOG_UNSUPPORTED (a file
 * system without fallocate(2), such as ext2). */
MAPLOG_API int maplog_file_grow(maplog_file *file, uint64_t size);

/* Makes the file `size` bytes long when it is longer. MAPLOG_BUSY while another handle, of this or
 * any process, has the file open: nobody loses memory under its hands. (Who maps the file without
 * this interface is not seen, nor is a forked child that shares the caller's handle.)
 * MAPLOG_DENIED. */
MAPLOG_API int maplog_file_shrink(maplog_file *file, uint64_t size);

/* Returns when the bytes of [position, position + length) are on disk; length 0: to the end. After
 * a failure (MAPLOG_IO) the bytes since the last success must be taken for lost. Positions need no
 * alignment. MAPLOG_NOT_PERSISTENT on tmpfs, MAPLOG_DENIED (private). */
MAPLOG_API int maplog_file_sync(maplog_file *file, uint64_t position, uint64_t length);

enum maplog_file_advice {
    MAPLOG_FILE_WILL_NEED = 1,  /* read it ahead from the disk */
    MAPLOG_FILE_DONT_NEED = 2,  /* this process lets go of its pages; the bytes stay (in a private
                                   file what was changed is gone) */
    MAPLOG_FILE_COLD = 3,       /* first to go when memory is short */
    MAPLOG_FILE_POPULATE = 4,   /* map every page now: for writing, but for reading where the
                                   file is read-only or private, so that no touch faults */
    MAPLOG_FILE_RANDOM = 5,     /* no reading ahead */
    MAPLOG_FILE_SEQUENTIAL = 6, /* much reading ahead */
};

/* Tells the kernel what comes for the pages that [position, position + length) touches; length 0:
 * to the end. MAPLOG_UNSUPPORTED (an older kernel), MAPLOG_IO (a page could not be read),
 * MAPLOG_INVALID (outside the file). */
MAPLOG_API int maplog_file_advise(maplog_file *file, uint64_t position, uint64_t length,
                                  enum maplog_file_advice advice);

/* Gives the range's space on disk back: it reads as zeros, the size stays. The space must be
 * allocated again before it is stored to, by maplog_file_fill(): else a full disk is a SIGBUS.
 * MAPLOG_UNSUPPORTED (file system), MAPLOG_DENIED. */
MAPLOG_API int maplog_file_punch(maplog_file *file, uint64_t position, uint64_t length);

/* Allocates what is missing on disk in the range (holes of sparse files, punched ranges), so that
 * stores to it cannot fail. Its bytes are not changed. MAPLOG_DISK_FULL, MAPLOG_DENIED,
 * MAPLOG_UNSUPPORTED. */
MAPLOG_API int maplog_file_fill(maplog_file *file, uint64_t position, uint64_t length);

/*
 * Calls access(context) and returns its answer; or MAPLOG_IO when it touched a page of the file
 * that has nothing behind it any more (truncated by a stranger, an unreadable disk). access is then
 * left where it stands, by a jump: between its touches of the file it must hold no lock and own no
 * memory; and it must return, not jump away or throw. Any number of threads, each on files of its
 * own choice, also nested. A call, which costs two system calls, installs a
 * handler of SIGBUS for the process, unless it is there already, and unblocks the signal in its
 * thread; a SIGBUS anywhere else goes to the handler that was there before.
 */
MAPLOG_API int maplog_file_guard(maplog_file *file, int (*access)(void *context), void *context);

#ifdef __cplusplus
}
#endif

#endif
