"""Producing."""
from __future__ import annotations

from array import array
from itertools import islice
from typing import Any, Iterable, List, Literal, Optional, Tuple, Union

from . import _arguments as arguments
from ._arguments import Headers, Payload
from ._binding import ffi, lib
from ._errors import Invalid, MaplogError, check, make_error
from ._handle import Exclusive

Acks = Literal["memory", "disk", "none"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Row = Union[Payload, None, Tuple[Optional[Payload], Optional[Payload]]]

ACKS = {"memory": lib.MAPLOG_ACKS_MEMORY, "none": lib.MAPLOG_ACKS_NONE, "disk": lib.MAPLOG_ACKS_DISK}
COMPRESSIONS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_NULL, _ERROR, _produce = ffi.NULL, lib.BINDING_ERROR, lib.binding_produce

# produce_many() hands over about so many bytes, and so many records, in one call.
CHUNK_BYTES = 256 << 10
CHUNK_RECORDS = 4096
FIRST_CHUNK = 64


def _choose(choices: Any, value: Any, what: str) -> int:
    try:
        return int(choices[value])
    except (KeyError, TypeError):
        raise Invalid(f"{what} is {value!r}; there are {', '.join(choices)}") from None


def _sizes(pieces: List[Optional[bytes]]) -> Any:
    return array("q", [-1 if piece is None else len(piece) for piece in pieces])


class Producer(Exclusive):
    """Appends records to a topic. One thread at a time; Log.producer() makes it."""

    _what = "producer"

    def __init__(self, log: Any, topic: str, acks: str, compression: str, batch_bytes: int,
                 linger: float, timeout: float) -> None:
        super().__init__()
        self._pointer: Any = None
        options = ffi.new("struct maplog_producer_options *")
        options.acks = _choose(ACKS, acks, "acks")
        options.compression = _choose(COMPRESSIONS, compression, "compression")
        options.batch_bytes = batch_bytes
        options.linger_ms = arguments.milliseconds(linger, "linger")
        options.timeout_ms = max(arguments.milliseconds(timeout), 0)
        pointer = ffi.new("maplog_producer **")
        check(lib.maplog_producer_open(log, arguments.text(topic, "the topic"), options, pointer))
        self._pointer = pointer[0]
        self.topic = topic

    def __repr__(self) -> str:
        return f"<maplog.Producer of {self.topic!r}{' closed' if self.closed else ''}>"

    @property
    def closed(self) -> bool:
        return self._pointer is None

    def _open(self) -> Any:
        """The C handle; within the turn."""
        if self._pointer is None:
            raise self._closed_error()
        return self._pointer

    def produce(self, value: Optional[Payload], key: Optional[Payload] = None, *,
                headers: Optional[Headers] = None, timestamp: int = 0,
                partition: Optional[int] = None) -> Optional[int]:
        """Appends one record and returns its offset, or None while it lies in an open batch.
        value and key: bytes, any buffer, str (as UTF-8) or None. timestamp: milliseconds since
        1970, 0: now. partition: by the key, or in turns, when not given."""
        if partition is None:
            partition = -1
        elif partition < 0:
            raise Invalid(f"partition is {partition}")
        if headers is not None or timestamp or type(value) is not bytes or (
                key is not None and type(key) is not bytes):
            return self._produce_record(value, key, headers or (), timestamp, partition)
        if not self._lock.acquire(False):
            raise self._taken()
        try:
            if key is None:
                offset = _produce(self._pointer, partition, _NULL, -1, value, len(value))
            else:
                offset = _produce(self._pointer, partition, key, len(key), value, len(value))
            if offset <= _ERROR:
                raise make_error(offset - _ERROR)
        except TypeError:
            self._open()  # no pointer: it was closed
            raise
        finally:
            self._lock.release()
        return offset if offset >= 0 else None

    def _produce_record(self, value: Optional[Payload], key: Optional[Payload], headers: Headers,
                        timestamp: int, partition: int) -> Optional[int]:
        record, offset = ffi.new("struct maplog_record *"), ffi.new("int64_t *", -1)
        with arguments.Pins() as pins:
            record.key, record.key_size = pins.payload(key)
            record.value, record.value_size = pins.payload(value)
            array_of_headers, kept = arguments.header_list(headers, pins)
            record.headers, record.header_count = array_of_headers, len(kept)
            record.timestamp = timestamp
            with self._turn():
                if partition < 0:
                    check(lib.maplog_produce(self._open(), record, offset))
                else:
                    check(lib.maplog_produce_to(self._open(), partition, record, offset))
        return int(offset[0]) if offset[0] >= 0 else None

    def produce_many(self, rows: Iterable[Row], *, timestamp: int = 0,
                     partition: Optional[int] = None) -> int:
        """Appends all values of an iterable, or (key, value) pairs, in order, many in each call of
        the library. Returns how many; an exception has the number as its attribute `produced`."""
        source = iter(rows)
        total, wanted = 0, FIRST_CHUNK
        while True:
            chunk = list(islice(source, wanted))
            if not chunk:
                return total
            try:
                size = self._produce_chunk(chunk, timestamp, partition)
            except Exception as error:
                error.produced = total + getattr(error, "produced", 0)  # type: ignore[attr-defined]
                raise
            total += len(chunk)
            average = size // len(chunk) + 1
            wanted = min(CHUNK_RECORDS, max(1, CHUNK_BYTES // average))

    def _produce_chunk(self, chunk: List[Any], timestamp: int, partition: Optional[int]) -> int:
        """Returns the bytes of it."""
        try:
            values = b"".join(chunk)
            sizes = array("q", map(len, chunk))
            plain = sum(sizes) == len(values)  # else something counts in larger items than bytes
        except TypeError:
            plain = False
        keys, key_sizes = b"", None
        if not plain:
            pairs = [row if type(row) is tuple else (None, row) for row in chunk]
            for pair in pairs:
                if len(pair) != 2:
                    raise TypeError("a tuple of produce_many() is a pair: key, value")
            columns = [list(map(arguments.plain, column)) for column in zip(*pairs)]
            key_sizes, sizes = map(_sizes, columns)
            keys, values = (b"".join(filter(None, column)) for column in columns)
        rows = ffi.new("struct binding_rows *")
        kept = [ffi.from_buffer(keys), ffi.from_buffer(values), ffi.from_buffer("int64_t[]", sizes)]
        rows.keys, rows.values, rows.value_sizes = kept
        if key_sizes is not None:
            kept.append(ffi.from_buffer("int64_t[]", key_sizes))
            rows.key_sizes = kept[3]
        rows.count = len(chunk)
        self._hand_over(lib.binding_produce_rows, rows, timestamp, partition)
        return len(keys) + len(values)

    def _hand_over(self, call: Any, rows: Any, timestamp: int, partition: Optional[int],
                   *more: Any) -> int:
        if partition is not None and partition < 0:
            raise Invalid(f"partition is {partition}")
        rows.timestamp = timestamp
        rows.partition = -1 if partition is None else partition
        done = ffi.new("int64_t *")
        with self._turn():
            result = call(self._open(), rows, *more, done)
            if result:
                raise _stopped(result, done[0])
        return int(done[0])

    def produce_buffer(self, buffer: Any, *, record_size: Optional[int] = None,
                       offsets: Any = None, timestamp: int = 0,
                       partition: Optional[int] = None) -> int:
        """Appends records that lie in one buffer: pieces of record_size bytes each; or record i at
        offsets[i] to offsets[i + 1], as Arrow has them. Of a NumPy array, or any buffer of items
        larger than a byte, each row is a record unless something else is said. Returns how many."""
        rows = ffi.new("struct binding_rows *")
        with arguments.Pins() as pins:
            rows.values = pointer = pins.pin(buffer)
            rows.size = len(pointer)
            if offsets is not None:
                if record_size is not None:
                    raise Invalid("record_size and offsets exclude each other")
                places = pins.pin(_offsets(offsets), "int64_t[]")
                rows.count = max(len(places) - 1, 0)
                return self._hand_over(lib.binding_produce_slices, rows, timestamp, partition,
                                       places)
            if record_size is None:
                record_size = _row_bytes(buffer)
            if record_size < 1 or rows.size % record_size:
                raise Invalid(f"a buffer of {rows.size} bytes is no whole number of records of "
                              f"{record_size}")
            rows.value_size = record_size
            rows.count = rows.size // record_size
            return self._hand_over(lib.binding_produce_rows, rows, timestamp, partition)

    def prepare(self, partition: int, size: int) -> None:
        """Allocates and populates memory for `size` bytes more, so that the next appends meet no
        page fault."""
        with self._turn():
            check(lib.maplog_prepare(self._open(), partition, size))

    def flush(self) -> None:
        """Publishes open batches; with acks "disk" returns when all is on disk."""
        with self._turn():
            check(lib.maplog_flush(self._open()))

    def close(self) -> None:
        """Flushes and closes; closed it is also when the flush fails."""
        if getattr(self, "_pointer", None) is None:
            return
        with self._turn():
            pointer, self._pointer = self._pointer, None
            result = lib.maplog_producer_close(pointer) if pointer is not None else 0
            if result != lib.MAPLOG_FORKED:
                check(result)


def _row_bytes(buffer: Any) -> int:
    view = memoryview(buffer)
    rows = view.shape[0] if view.shape else 0
    if view.ndim == 0 or view.nbytes == rows > 0:
        raise Invalid("a buffer of bytes needs record_size or offsets")
    return view.nbytes // rows if rows else 1


def _offsets(offsets: Any) -> Any:
    """The offsets as a buffer of int64_t."""
    if not isinstance(offsets, (list, tuple)):
        view = memoryview(offsets)
        if view.ndim == 1 and view.format in ("q", "l"):
            return offsets
        if view.ndim != 1 or view.format not in tuple("bBhHiIlLqQnN"):
            raise TypeError(f"offsets are a row of whole numbers, not {view.format!r}")
        offsets = view.tolist()
    return array("q", offsets)


def _stopped(result: int, done: int) -> MaplogError:
    """Why not all was appended; its attribute `produced` says how many were."""
    if result == lib.BINDING_ERROR:
        error: MaplogError = Invalid(f"record {done} does not lie in the buffer, by its offsets")
    else:
        error = make_error(result)
    error.produced = done  # type: ignore[attr-defined]
    return error
