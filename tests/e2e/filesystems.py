"""Small file systems that a test fills, cuts off or remounts. Root is needed: skipped without."""
import contextlib
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import pytest

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
SHUTDOWN_NO_FLUSH = 2


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


class Mounted:
    """A mounted file system; unmount() and mount() again keep what is on it."""

    def __init__(self, point, source, words):
        self.point, self.source, self.words = pathlib.Path(point), source, words
        self.mounted = False

    def mount(self, *more):
        run("mount", *self.words, *more, str(self.source), str(self.point))
        self.mounted = True

    def unmount(self):
        if self.mounted:
            run("umount", str(self.point))
            self.mounted = False

    def cut_power(self):
        """Nothing more reaches the disk, not even what the journal holds."""
        fd = os.open(self.point, os.O_RDONLY)
        fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", SHUTDOWN_NO_FLUSH))
        os.close(fd)

    def fill(self):
        """Takes all the space that is left; returns the file that holds it."""
        path = self.point / "ballast"
        with open(path, "wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(b"\xff" * size):
                        pass
        return path


@contextlib.contextmanager
def tmpfs(megabytes):
    needs_root()
    point = tempfile.mkdtemp(prefix="maplog-fs-")
    system = Mounted(point, "tmpfs", ["-t", "tmpfs", "-o", f"size={megabytes}M"])
    system.mount()
    try:
        yield system
    finally:
        system.unmount()
        os.rmdir(point)


@contextlib.contextmanager
def ext4(megabytes, *options):
    needs_root()
    home = pathlib.Path(tempfile.mkdtemp(prefix="maplog-fs-", dir="/var/tmp"))
    image, point = home / "image", home / "mounted"
    point.mkdir()
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    run("mkfs.ext4", "-q", "-m", "0", *options, str(image))
    system = Mounted(point, image, ["-o", "loop"])
    try:
        system.mount()
    except subprocess.CalledProcessError:
        shutil.rmtree(home)
        pytest.skip("this kernel has no loop devices")
    try:
        yield system
    finally:
        system.unmount()
        shutil.rmtree(home)


@contextlib.contextmanager
def fuse():
    """The mount point of an empty file system of FUSE's kind."""
    needs_root()
    point = pathlib.Path(tempfile.mkdtemp(prefix="maplog-fs-"))
    server = subprocess.Popen([sys.executable, pathlib.Path(__file__).parent / "empty_fuse.py", point],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if server.stdout.readline() != b"mounted\n":
            pytest.skip("this kernel has no FUSE")
        yield point
    finally:
        server.kill()  # whoever waits for an answer gets an error
        server.wait()
        server.stdout.close()
        subprocess.run(["umount", "--lazy", str(point)], capture_output=True)
        point.rmdir()
