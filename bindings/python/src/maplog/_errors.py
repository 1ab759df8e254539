"""What goes wrong, by name. Each class stands for one MAPLOG_* code of maplog.h."""
from __future__ import annotations

from typing import Dict, NoReturn, Type

from ._binding import ffi, lib


class MaplogError(Exception):
    """A call of the library failed; the text says what, and on which file."""

    code = 0

    @property
    def name(self) -> str:
        """"MAPLOG_NOT_FOUND" and the like."""
        return str(ffi.string(lib.maplog_error_name(self.code)).decode())


class Invalid(MaplogError, ValueError):
    """An argument or a setting is not valid."""

    code = -1


class NoMemory(MaplogError, MemoryError):
    code = -2


class InputOutput(MaplogError, OSError):
    """An input or output operation failed."""

    code = -3


class NotFound(MaplogError, LookupError):
    """No such directory, topic, partition or group."""

    code = -4


class Exists(MaplogError):
    code = -5


class Denied(MaplogError, PermissionError):
    """No permission, or a read-only directory."""

    code = -6


class DiskFull(MaplogError, OSError):
    """Appends go on by themselves when there is space again."""

    code = -7


class Busy(MaplogError):
    """Held by another process or thread."""

    code = -8


class TimedOut(MaplogError, TimeoutError):
    code = -9


class Corrupt(MaplogError):
    """Damaged bytes; `maplog inspect` says where."""

    code = -10


class Version(MaplogError):
    """Another version's directory, or another C library's."""

    code = -11


class Limit(MaplogError):
    """A limit was reached; the text names it."""

    code = -12


class TooLarge(MaplogError):
    """Larger than the topic's max.message.bytes."""

    code = -13


class OffsetOutOfRange(MaplogError, LookupError):
    """Below the log's start or above its end: seek."""

    code = -14


class TopicDeleted(MaplogError):
    code = -15


class NotPersistent(MaplogError):
    """Durability was asked of a log in memory."""

    code = -16


class Full(MaplogError):
    """Every slot of the anonymous log is pinned by a reader."""

    code = -17


class Forked(MaplogError):
    """The handle was opened before fork()."""

    code = -18


class GroupBusy(MaplogError):
    """Another consumer of the group has the partition."""

    code = -19


class GroupActive(MaplogError):
    """The group has live members at a server."""

    code = -20


class Unsupported(MaplogError):
    """This kernel, file system or placement cannot do it."""

    code = -21


class Closed(MaplogError, ValueError):
    """The handle was closed."""

    code = -22


KINDS: Dict[int, Type[MaplogError]] = {
    kind.code: kind for kind in MaplogError.__subclasses__()
}


def make_error(code: int) -> MaplogError:
    """The exception for what the last call of this thread answered."""
    kind = KINDS.get(code, MaplogError)
    text = ffi.string(lib.maplog_error_text()).decode(errors="replace")
    error = kind(text or ffi.string(lib.maplog_error_name(code)).decode())
    error.code = code
    return error


def fail(code: int) -> NoReturn:
    raise make_error(code)


def check(code: int) -> int:
    """The answer of a call, unless it is an error."""
    if code < 0:
        raise make_error(code)
    return code
