"""What all handles have in common: closed once, used by one at a time, never pickled."""
from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import Any, Iterator, NoReturn, Optional, Type, TypeVar

from ._errors import Busy, Closed, Forked, MaplogError

Self = TypeVar("Self", bound="Handle")


class Handle:
    """A C handle that is closed at the end of a `with`, by close(), or when nobody has it any more."""

    _what = "handle"
    _pickle_advice = "open its own in the other process"

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # nobody is there to be told
            pass

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"a {self._what} cannot be pickled: {self._pickle_advice}")

    def __copy__(self) -> NoReturn:
        raise TypeError(f"a {self._what} cannot be copied")

    def close(self) -> None:
        raise NotImplementedError

    def _closed_error(self) -> Closed:
        return Closed(f"this {self._what} was closed")


class Exclusive(Handle):
    """A handle for one thread at a time. Each call of the library holds its lock, for which nobody
    waits: `with self._turn():`, or, where every nanosecond counts, by hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()

    def _taken(self) -> MaplogError:
        """What one says who finds the lock taken."""
        if os.getpid() != self._process:
            return Forked(f"this {self._what} was opened before fork(), and was in use then; the "
                          "child opens its own")
        return Busy(f"this {self._what} is in use by another thread, or by a call further up; open "
                    "one for each thread, they are cheap")

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(False):
            raise self._taken()
        try:
            yield
        finally:
            self._lock.release()


class Users:
    """Counts who is in a call on a shared handle: the last one out after close() closes it."""

    __slots__ = ("_lock", "_count", "_pointer", "_free", "_error")

    def __init__(self, pointer: Any, free: Any, error: Any) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._pointer = pointer
        self._free = free
        self._error = error

    def __enter__(self) -> Any:
        with self._lock:
            if self._pointer is None:
                raise self._error()
            self._count += 1
            return self._pointer

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            last = self._count == 0 and self._pointer is None
        if last:
            self._free()

    def close(self) -> None:
        with self._lock:
            if self._pointer is None:
                return
            self._pointer = None
            last = self._count == 0
        if last:
            self._free()

    @property
    def closed(self) -> bool:
        return self._pointer is None
