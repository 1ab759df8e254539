"""How Python's arguments become C's."""
from __future__ import annotations

import math
from typing import Any, Iterable, Mapping, Optional, Tuple, Union

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
        value = "" if value is None else str(value).lower() if value is True or value is False else str(value)
        words.append(text(name, "the name of a setting") + b"=" + text(value, "a setting"))
    return strings(words)


def milliseconds(seconds: Optional[float], what: str = "timeout") -> int:
    """None and infinity: -1, for ever."""
    if seconds is None:
        return -1
    value = float(seconds)
    if math.isnan(value) or value < 0:
        raise Invalid(f"{what} is {seconds}; it is in seconds, not negative, or None")
    if math.isinf(value):
        return -1
    return min(math.ceil(value * 1000), LONGEST_WAIT_MS)


def buffer(value: Payload) -> Tuple[Any, int]:
    """What cffi takes for a char pointer, and the size in bytes."""
    if type(value) is bytes:
        return value, len(value)
    if isinstance(value, str):
        value = value.encode()
        return value, len(value)
    try:
        pointer = ffi.from_buffer(value)
    except (TypeError, ValueError, BufferError) as error:
        raise TypeError(f"keys and values are bytes, buffers, str or None: {error}") from None
    return pointer, len(pointer)


def optional(value: Optional[Payload]) -> Tuple[Any, int]:
    """The same; None is NULL and -1."""
    return (ffi.NULL, -1) if value is None else buffer(value)


def flatten(value: Payload) -> bytes:
    """A copy in bytes."""
    pointer, _ = buffer(value)
    return pointer if type(pointer) is bytes else bytes(ffi.buffer(pointer))


def header_list(headers: Headers) -> Tuple[Any, Any]:
    """An array of struct maplog_header, and what keeps its pointers alive."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    array, kept = ffi.new("struct maplog_header[]", len(pairs)), []
    for at, (name, value) in enumerate(pairs):
        kept.append(ffi.new("char[]", text(name, "the name of a header")))
        array[at].name = kept[-1]
        if value is not None:
            pointer, size = buffer(value)
            kept.append(ffi.from_buffer(pointer) if type(pointer) is bytes else pointer)
            array[at].value, array[at].value_size = kept[-1], size
    return array, kept
