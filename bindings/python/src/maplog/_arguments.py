"""How Python's arguments become C's."""
from __future__ import annotations

import math
from typing import Any, Iterable, List, Mapping, Optional, Tuple, Union

from ._binding import ffi
from ._errors import Invalid

Bytes = Union[bytes, bytearray, memoryview, Any]  # whatever has a contiguous buffer
Payload = Union[str, Bytes]  # a str is UTF-8
Headers = Union[Mapping[str, Optional[Payload]], Iterable[Tuple[str, Optional[Payload]]]]

LONGEST_WAIT_MS = 2**31 - 1


def text(value: Union[str, bytes], what: str) -> bytes:
    """A name, as a C string."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if b"\0" in value:
        raise Invalid(f"{what} contains a NUL byte")
    return value


def strings(values: Iterable[bytes]) -> Tuple[Any, Any]:
    """A NULL-terminated array of C strings, and what keeps them."""
    kept = [ffi.new("char[]", value) for value in values]
    return ffi.new("const char *[]", [*kept, ffi.NULL]), kept


def settings(configs: Optional[Mapping[str, Any]]) -> Tuple[Any, Any]:
    """{"retention.ms": 60000, "segment.bytes": None}: None goes back to the default."""
    if configs is None:
        return ffi.NULL, None
    words = []
    for name, value in configs.items():
        if isinstance(value, bool):
            value = str(value).lower()
        value = "" if value is None else str(value)
        words.append(text(name, "the name of a setting") + b"=" + text(value, "a setting"))
    return strings(words)


def milliseconds(seconds: Optional[float], what: str = "timeout") -> int:
    """None and infinity: -1, for ever."""
    if seconds is None:
        return -1
    if isinstance(seconds, (str, bytes)):
        raise TypeError(f"{what} is a number of seconds, not {seconds!r}")
    value = float(seconds)
    if math.isnan(value) or value < 0:
        raise Invalid(f"{what} is {seconds}; it is in seconds, not negative, or None")
    if math.isinf(value):
        return -1
    return min(math.ceil(value * 1000), LONGEST_WAIT_MS)


def view(value: Any, kind: str = "char[]") -> Any:
    """A pointer into a buffer, to be released before an exception leaves the caller: a memoryview
    in a cycle of garbage must have no exports, or Python before 3.12.7 crashes."""
    try:
        return ffi.from_buffer(kind, value)
    except (ValueError, BufferError) as error:
        raise TypeError(f"not a contiguous buffer: {error}") from None


class Pins:
    """Pointers into buffers, released at the end of a `with`."""

    __slots__ = ("_views",)

    def __init__(self) -> None:
        self._views: List[Any] = []

    def __enter__(self) -> Pins:
        return self

    def __exit__(self, *_: object) -> None:
        for pointer in self._views:
            ffi.release(pointer)

    def pin(self, value: Any, kind: str = "char[]") -> Any:
        pointer = view(value, kind)
        self._views.append(pointer)
        return pointer

    def payload(self, value: Optional[Payload]) -> Tuple[Any, int]:
        """None: NULL, and a size of 0."""
        if value is None:
            return ffi.NULL, 0
        pointer = self.pin(value.encode() if isinstance(value, str) else value)
        return pointer, len(pointer)


def plain(value: Optional[Payload]) -> Any:
    """A copy in bytes, unless it is that already; None stays None."""
    if value is None or type(value) is bytes:
        return value
    if isinstance(value, str):
        return value.encode()
    with view(value) as pointer:
        return bytes(ffi.buffer(pointer))


def header_list(headers: Headers, pins: Pins) -> Tuple[Any, Any]:
    """An array of struct maplog_header, and what keeps its names."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    array, names = ffi.new("struct maplog_header[]", len(pairs)), []
    for at, (name, value) in enumerate(pairs):
        names.append(ffi.new("char[]", text(name, "the name of a header")))
        array[at].name = names[-1]
        array[at].value, array[at].value_size = pins.payload(value)
    return array, names
