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
