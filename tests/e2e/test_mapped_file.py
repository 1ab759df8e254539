"""A mapped file (maplog_file.h) on disks that are really full, cut off or read-only."""
import ctypes
import os
import pathlib
import threading

import pytest

import filesystems

DENIED, DISK_FULL, IO, NOT_PERSISTENT, UNSUPPORTED = -6, -7, -3, -16, -21
CREATE, READ_ONLY = 1, 2
MIB = 1 << 20


class Options(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint), ("mode", ctypes.c_uint), ("reserve_bytes", ctypes.c_uint64),
                ("size", ctypes.c_uint64), ("reserved", ctypes.c_uint64 * 4)]


def load():
    program = pathlib.Path(os.environ.get("MAPLOG", "build/release/maplog"))
    library = ctypes.CDLL(str(program.parent / "libmaplog.so"))
    library.maplog_file_refresh.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    for name in ("grow", "shrink", "sync", "punch", "fill", "close"):
        function = getattr(library, f"maplog_file_{name}")
        function.argtypes = [ctypes.c_void_p] + [ctypes.c_uint64] * {"close": 0, "grow": 1, "shrink": 1}.get(name, 2)
    for name, result in (("address", ctypes.c_void_p), ("size", ctypes.c_uint64)):
        function = getattr(library, f"maplog_file_{name}")
        function.argtypes, function.restype = [ctypes.c_void_p], result
    library.maplog_error_text.restype = ctypes.c_char_p
    return library


LIBRARY = load()


class File:
    def __init__(self, path, flags=CREATE, size=0):
        self.file = ctypes.c_void_p()
        options = Options(flags=flags, size=size)
        self.result = LIBRARY.maplog_file_open(os.fsencode(path), ctypes.byref(options), ctypes.byref(self.file))
        self.text = LIBRARY.maplog_error_text().decode()

    def __enter__(self):
        assert self.result == 0, self.text
        return self

    def __exit__(self, *_):
        LIBRARY.maplog_file_close(self.file)

    def __getattr__(self, name):
        return lambda *words: getattr(LIBRARY, f"maplog_file_{name}")(self.file, *words)

    def store(self, position, data):
        ctypes.memmove(self.address() + position, data, len(data))

    def bytes(self, position, size):
        return ctypes.string_at(self.address() + position, size)


def full_disk(system):
    path = system.point / "file"
    with File(path, size=5000) as file:
        file.store(0, b"x" * 5000)
        ballast = system.fill()
        assert file.grow(8 * MIB) == DISK_FULL
        assert str(path) in LIBRARY.maplog_error_text().decode()
        assert file.size() == os.path.getsize(path) == 5000
        assert file.bytes(0, 5000) == b"x" * 5000
        ballast.unlink()
        assert file.grow(8 * MIB) == 0
        system.fill()
        file.store(5000, b"y" * (8 * MIB - 5000))  # what is allocated can be stored to
        assert file.bytes(4999, 2) == b"xy"


def test_full_memory():
    with filesystems.tmpfs(16) as system:
        full_disk(system)


def test_full_disk():
    with filesystems.ext4(32) as system:
        full_disk(system)


@pytest.mark.parametrize("disk", [lambda: filesystems.tmpfs(4), lambda: filesystems.ext4(16)], ids=["tmpfs", "ext4"])
def test_a_size_that_others_see_is_never_taken_back(disk):
    """Also while somebody tries in vain to make the file longer."""
    with disk() as system, File(system.point / "file", size=100) as file, File(system.point / "file") as other:
        answers = []
        grower = threading.Thread(target=lambda: answers.extend(file.grow(64 * MIB) for _ in range(200)))
        grower.start()
        sizes = set()
        while grower.is_alive():
            assert other.refresh(None) == 0
            sizes.add(other.size())
        assert set(answers) == {DISK_FULL} and sizes == {100}
        free = os.statvfs(system.point)
        assert free.f_bavail * free.f_bsize > 2 * MIB, "the disk was left fuller than it was"
        assert other.grow(MIB) == 0
        other.store(100, b"x" * (MIB - 100))


def test_what_was_punched_is_had_again_or_is_an_error():
    with filesystems.tmpfs(16) as system, File(system.point / "file", size=4 * MIB) as file:
        file.store(0, b"x" * 4 * MIB)
        assert file.punch(MIB, MIB) == 0
        ballast = system.fill()
        assert file.fill(MIB, MIB) == DISK_FULL
        ballast.unlink()
        assert file.fill(MIB, MIB) == 0
        system.fill()
        file.store(MIB, b"y" * MIB)
        assert file.bytes(MIB - 1, 2) == b"xy"


def test_a_disk_that_cannot_allocate():
    """The C library's way around that writes into the file, over what others store meanwhile."""
    with filesystems.ext4(16, "-O", "^extents,^64bit") as system:
        path = system.point / "file"
        path.write_bytes(b"x" * 5000)
        with File(path) as file:
            assert file.grow(MIB) == file.fill(0, 0) == UNSUPPORTED
            assert str(path) in LIBRARY.maplog_error_text().decode()
            assert os.path.getsize(path) == 5000
            file.store(4999, b"y")
        assert path.read_bytes() == b"x" * 4999 + b"y"


def test_memory_is_no_disk():
    with filesystems.tmpfs(16) as system, File(system.point / "file", size=4096) as file:
        assert file.sync(0, 0) == NOT_PERSISTENT


def test_a_disk_that_is_cut_off():
    with filesystems.ext4(32) as system, File(system.point / "file", size=4 * MIB) as file:
        assert file.sync(0, 0) == 0
        file.store(0, b"x" * MIB)
        system.cut_power()
        assert file.sync(0, 0) == IO
        assert "file" in LIBRARY.maplog_error_text().decode()
        assert file.grow(8 * MIB) == IO


def test_a_read_only_disk():
    with filesystems.ext4(32) as system:
        with File(system.point / "file", size=4096) as file:
            file.store(0, b"hello")
        system.unmount()
        system.mount("-o", "ro")
        refused = File(system.point / "file")
        assert refused.result == DENIED and "file" in refused.text
        with File(system.point / "file", READ_ONLY) as file:
            assert file.bytes(0, 5) == b"hello"
            assert file.grow(8192) == DENIED


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_what_cannot_be_mapped(tmp_path, make):
    make(tmp_path / "it")
    for flags in (0, READ_ONLY, CREATE):
        refused = File(tmp_path / "it", flags)
        assert refused.result == -1 and "no regular file" in refused.text
