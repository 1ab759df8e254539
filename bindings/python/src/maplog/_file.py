"""A mapped file that grows in place: maplog_file.h."""
from __future__ import annotations

import os
import weakref
from functools import partial
from typing import Any, List, Literal

from . import _arguments as arguments
from ._arguments import Bytes
from ._binding import ffi, lib
from ._errors import Busy, Denied, Invalid, check
from ._handle import Handle

Advice = Literal["will_need", "dont_need", "cold", "populate", "random", "sequential"]

ADVICE = {
    "will_need": lib.MAPLOG_FILE_WILL_NEED,
    "dont_need": lib.MAPLOG_FILE_DONT_NEED,
    "cold": lib.MAPLOG_FILE_COLD,
    "populate": lib.MAPLOG_FILE_POPULATE,
    "random": lib.MAPLOG_FILE_RANDOM,
    "sequential": lib.MAPLOG_FILE_SEQUENTIAL,
}


def _close(_: Any, file: Any) -> None:
    lib.maplog_file_close(file)


class MappedFile(Handle):
    """A file as memory, for any number of threads. open_file() makes it. Its views keep it mapped,
    also past close()."""

    _what = "mapped file"
    _pickle_advice = "open it again by its path in the other process"

    def __init__(self, file: Any, path: str, writable: bool) -> None:
        self._file = file
        # The mapping, with which the C handle goes when nobody looks at it any more.
        self._mapping: Any = ffi.gc(ffi.cast("char *", lib.maplog_file_address(file)),
                                    partial(_close, file=file))
        self._writable = writable
        self._views: List[Any] = []  # references to buffers that somebody may still look into
        self.path = path

    def __repr__(self) -> str:
        return f"<maplog.MappedFile {self.path}{' closed' if self.closed else ''}>"

    def _open(self) -> Any:
        """The mapping, which lives as long as the caller has it."""
        mapping = self._mapping
        if mapping is None:
            raise self._closed_error()
        return mapping

    def _call(self, function: Any, *arguments: Any) -> int:
        mapping = self._open()
        result = check(function(self._file, *arguments))
        del mapping  # until here it was ours, whoever closed it meanwhile
        return result

    @property
    def closed(self) -> bool:
        return self._mapping is None

    def close(self) -> None:
        """Unmaps the file as soon as no view of it is left. What was stored stays in it."""
        self._mapping = None

    @property
    def size(self) -> int:
        """Bytes that may be touched, as far as this handle knows."""
        return self._call(lib.maplog_file_size)

    @property
    def view(self) -> memoryview:
        """The whole file, as it is now, as a memoryview: stores to it are stores to the file. The
        address never changes; after grow() take a new view, old ones go on. Whoever truncates the
        file behind its users' backs makes touching its end deadly (SIGBUS): where strangers may do
        that, use read() and write()."""
        mapping = self._open()
        buffer = ffi.buffer(mapping, lib.maplog_file_size(self._file))
        self._views = [known for known in self._views if known() is not None]
        self._views.append(weakref.ref(buffer))
        view = memoryview(buffer)
        return view if self._writable else view.toreadonly()

    def read(self, position: int = 0, length: int = -1) -> bytes:
        """A copy of the bytes, -1: to the end. What cannot be read raises InputOutput."""
        mapping, size = self._open(), self.size
        if length == -1:
            length = max(size - position, 0)
        self._within(position, length, size)
        copy = ffi.new("char[]", length)
        check(lib.binding_file_copy(self._file, copy, mapping + position, length))
        return bytes(ffi.buffer(copy))

    def write(self, position: int, data: Bytes) -> None:
        """Stores the bytes. What cannot be stored raises InputOutput."""
        mapping, size = self._open(), self.size
        if not self._writable:
            raise Denied(f"{self.path} was opened read-only")
        with arguments.Pins() as pins:
            source, length = pins.payload(data)
            self._within(position, length, size)
            check(lib.binding_file_copy(self._file, mapping + position, source, length))

    def _within(self, position: int, length: int, size: int) -> None:
        if position < 0 or length < 0 or position + length > size:
            raise Invalid(f"{length} bytes at {position} do not lie in the {size} bytes of {self.path}")

    def refresh(self) -> int:
        """Asks the file for its size, which others may have changed."""
        size = ffi.new("uint64_t *")
        self._call(lib.maplog_file_refresh, size)
        return int(size[0])

    def grow(self, size: int) -> None:
        """Makes the file at least so long, with zeros that are allocated on the disk. DiskFull
        leaves it as it was."""
        self._call(lib.maplog_file_grow, size)

    def shrink(self, size: int) -> None:
        """Makes the file so long when it is longer. Busy while another handle, of this or any
        process, has it open, or a view of this one reaches further."""
        self._open()
        if any(len(buffer) > size for known in self._views if (buffer := known()) is not None):
            raise Busy(f"a memoryview reaches beyond the {size} bytes that {self.path} shall have")
        self._call(lib.maplog_file_shrink, size)

    def sync(self, position: int = 0, length: int = 0) -> None:
        """Returns when the range is on disk; length 0: to the end."""
        self._call(lib.maplog_file_sync, position, length)

    def advise(self, advice: Advice, position: int = 0, length: int = 0) -> None:
        """Tells the kernel what comes."""
        if advice not in ADVICE:
            raise Invalid(f"advice is {advice!r}; there are {', '.join(ADVICE)}")
        self._call(lib.maplog_file_advise, position, length, ADVICE[advice])

    def punch(self, position: int, length: int) -> None:
        """Gives the range's space on disk back: it reads as zeros. fill() it before storing there."""
        self._call(lib.maplog_file_punch, position, length)

    def fill(self, position: int, length: int) -> None:
        """Allocates what is missing on disk in the range, so that stores to it cannot fail."""
        self._call(lib.maplog_file_fill, position, length)


def open_file(path: Any, *, create: bool = False, read_only: bool = False, private: bool = False,
              mode: int = 0, reserve: int = 0, size: int = 0) -> MappedFile:
    """Opens or makes a file and maps it. private: stores stay in this process. mode: permissions of
    a file that is made, 0o660 by default. reserve: the largest size it can have here, 64 GiB by
    default. size: grow it to this many bytes at least."""
    options = ffi.new("struct maplog_file_options *")
    options.flags = ((lib.MAPLOG_FILE_CREATE if create else 0)
                     | (lib.MAPLOG_FILE_READ_ONLY if read_only else 0)
                     | (lib.MAPLOG_FILE_PRIVATE if private else 0))
    options.mode, options.reserve_bytes, options.size = mode, reserve, size
    file = ffi.new("maplog_file **")
    check(lib.maplog_file_open(arguments.text(os.fsencode(path), "the path"), options, file))
    return MappedFile(file[0], os.fsdecode(path), not read_only)
