"""usage: empty_fuse.py MOUNT_POINT - serves an empty directory as a FUSE file system until it is killed.

A process of its own: a system call on a file system that the same process serves may wait for ever.
The structures are those of linux/fuse.h.
"""
import ctypes
import os
import struct
import sys
import time

INIT, GETATTR, STATFS, OPENDIR, RELEASEDIR = 26, 3, 17, 27, 29
WITHOUT_ANSWER = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
ENOENT = 2


def main():
    point = sys.argv[1]
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"maplog-test", point.encode(), b"fuse", 0, options) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    now = int(time.time())
    answers = {
        INIT: struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, 0, *[0] * 7),
        GETATTR: struct.pack("<QII QQQQQQ IIIIIIIIII", 60, 0, 0, 1, 0, 0, now, now, now, 0, 0, 0,
                             0o40755, 2, 0, 0, 0, 4096, 0),
        STATFS: struct.pack("<QQQQQIIII6I", 1000, 1000, 1000, 10, 10, 4096, 255, 4096, 0, *[0] * 6),
        OPENDIR: struct.pack("<QII", 1, 0, 0),
        RELEASEDIR: b"",
    }
    print("mounted", flush=True)
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError:
            return  # unmounted
        _, operation, unique = struct.unpack_from("<IIQ", request)
        if operation not in WITHOUT_ANSWER:
            answer = answers.get(operation, b"")
            error = 0 if operation in answers else -ENOENT
            os.write(device, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)


if __name__ == "__main__":
    main()
