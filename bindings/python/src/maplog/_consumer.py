"""Consuming."""
from __future__ import annotations

import asyncio
import math
import time
from functools import partial
from itertools import islice, repeat
from typing import Any, AsyncIterator, Iterable, Iterator, List, NamedTuple, NoReturn, Optional

from . import _arguments as arguments
from ._binding import ffi, lib
from ._errors import Busy, check
from ._handle import Exclusive

END = -1  # as an offset: behind the last record
BEGIN = -2  # as an offset: the first record there is

# A run has at most so many messages, and about so many bytes; the first one is small.
RUN_MESSAGES = 1024
RUN_BYTES = 1 << 20
FIRST_RUN = 16
FEW = 4
# Signals are looked at so often while a call waits.
WAIT_SLICE_MS = 200


_fetch, _run_free, _place = lib.binding_fetch, lib.binding_run_free, lib.binding_run_place


class Header(NamedTuple):
    name: str
    value: Optional[memoryview]


def _free(run: Any, _: Any) -> None:
    _run_free(run)


class _Run:
    """Messages that were taken in one call and lie in one piece of memory. Whoever has one of them,
    or a memoryview of one, keeps it; the hold goes with the last."""

    __slots__ = ("pointer", "base", "messages", "count", "memory", "starts", "ends")

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        # Whoever has the base, as each view has, keeps the run.
        self.base = ffi.gc(pointer.base, partial(_free, pointer))
        self.messages = pointer.messages
        self.count: int = pointer.count
        # Made when somebody looks.
        self.memory: Any = None
        self.starts: Any = None
        self.ends: Any = None

    def piece(self, start: Any, size: int) -> Optional[memoryview]:
        begin = _place(self.pointer, start)
        if begin < 0:
            return None
        if self.memory is None:
            self._map()
        piece: memoryview = self.memory[begin:begin + size]
        return piece

    def _map(self) -> None:
        self.memory = memoryview(ffi.buffer(self.base, self.pointer.size)).toreadonly()

    def find_values(self) -> bool:
        """Where all the values lie, at once; False: there are so few that it is not worth it."""
        if self.count < FEW:
            return False
        starts, ends = ffi.new("int64_t[]", self.count), ffi.new("int64_t[]", self.count)
        lib.binding_run_values(self.pointer, starts, ends)
        self.ends = ffi.unpack(ends, self.count)
        self.starts = ffi.unpack(starts, self.count)
        if self.memory is None:
            self._map()
        return True


class Message:
    """One record. Its memoryviews look into the log's own mapping (or, of a compressed batch, into
    what was decompressed); message and views keep that memory, also past the closing of consumer
    and log."""

    __slots__ = ("_run", "_index")

    def __init__(self, run: _Run, index: int) -> None:
        self._run = run
        self._index = index

    @property
    def value(self) -> Optional[memoryview]:
        """None: a null value, a tombstone."""
        run = self._run
        if run.starts is None and not run.find_values():
            message = run.messages[self._index]
            return run.piece(message.value, message.value_size)
        start = run.starts[self._index]
        return run.memory[start:run.ends[self._index]] if start >= 0 else None

    @property
    def key(self) -> Optional[memoryview]:
        """None: no key."""
        message = self._run.messages[self._index]
        return self._run.piece(message.key, message.key_size)

    @property
    def headers(self) -> List[Header]:
        message = self._run.messages[self._index]
        found = []
        name, value = ffi.new("const char **"), ffi.new("const void **")
        sizes = ffi.new("size_t[2]")
        for i in range(message.header_count):
            check(lib.maplog_message_header(ffi.addressof(message), i, name, sizes, value, sizes + 1))
            text = ffi.unpack(name[0], sizes[0]).decode(errors="surrogateescape")
            found.append(Header(text, self._run.piece(value[0], sizes[1])))
        return found

    @property
    def offset(self) -> int:
        return int(self._run.messages[self._index].offset)

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        return int(self._run.messages[self._index].timestamp)

    @property
    def timestamp_type(self) -> int:
        """0: create time, 1: log append time."""
        return int(self._run.messages[self._index].timestamp_type)

    @property
    def partition(self) -> int:
        return int(self._run.messages[self._index].partition)

    @property
    def leader_epoch(self) -> int:
        return int(self._run.messages[self._index].leader_epoch)

    def array(self, dtype: Any = "u1") -> Any:
        """The value as a NumPy array of the type, which may be structured; nothing is copied."""
        import numpy

        return numpy.frombuffer(b"" if self.value is None else self.value, dtype)

    def __repr__(self) -> str:
        def short(view: Optional[memoryview]) -> str:
            return repr(None if view is None else bytes(view[:40])) + ("..." if view and len(view) > 40 else "")

        return (f"<maplog.Message {self.partition}:{self.offset} key={short(self.key)} "
                f"value={short(self.value)}>")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a message cannot be pickled: it lies in the log's memory; send "
                        "bytes(message.value), or its partition and offset")


class Consumer(Exclusive):
    """Reads a topic. One thread at a time; Log.consumer() makes it."""

    _what = "consumer"

    def __init__(self, log: Any, topic: str, group: Optional[str],
                 partitions: Optional[Iterable[int]], at_end: bool, check_crcs: bool,
                 timeout: Optional[float]) -> None:
        super().__init__()
        self._reader: Any = None
        self.timeout = timeout
        arguments.milliseconds(timeout)
        options = ffi.new("struct maplog_consumer_options *")
        name = None if group is None else ffi.new("char[]", arguments.text(group, "the group"))
        options.group = ffi.NULL if name is None else name
        numbers = None if partitions is None else list(partitions)
        listed = None if numbers is None else ffi.new("int32_t[]", numbers)
        options.partitions = ffi.NULL if listed is None else listed
        options.partition_count = 0 if listed is None else len(listed)
        options.at_end, options.check_crcs = bool(at_end), bool(check_crcs)
        pointer = ffi.new("maplog_consumer **")
        check(lib.maplog_consumer_open(log, arguments.text(topic, "the topic"), options, pointer))
        self._reader = ffi.new("struct binding_reader *")
        self._reader.consumer = pointer[0]
        self.topic = topic
        self.group = group
        self._waiter: Any = None
        self._limit = FIRST_RUN
        self._found = ffi.new("struct binding_run **")
        self._take(None)

    def __repr__(self) -> str:
        return f"<maplog.Consumer of {self.topic!r}{' closed' if self.closed else ''}>"

    @property
    def closed(self) -> bool:
        return self._reader is None

    def _open(self) -> Any:
        """The reader; within the turn."""
        if self._reader is None:
            raise self._closed_error()
        return self._reader

    # ---- runs: what was taken in one call, and is handed out message by message -----------------

    def _take(self, run: Optional[_Run]) -> None:
        self._run: Any = run
        self._left: Any = iter(range(run.count if run is not None else 0))
        same: repeat[Any] = repeat(run)
        self._messages: Iterator[Message] = map(Message, same, self._left)

    def _given(self) -> int:
        """How many messages of the run were handed out."""
        return self._run.count - self._left.__length_hint__() if self._run is not None else 0

    def _drop(self) -> None:
        """Nothing of the run is handed out any more, also not by an iterator that has begun it."""
        for _ in self._left:
            pass
        self._take(None)

    def _rewind(self) -> None:
        """Gives what was taken ahead back to the library, whose position is then ours."""
        run = self._run.pointer if self._run is not None else ffi.NULL
        check(lib.binding_rewind(self._open(), run, self._given()))
        self._drop()
        self._limit = FIRST_RUN

    def _fetch_once(self, limit: int, timeout_ms: int) -> bool:
        if not self._lock.acquire(False):
            raise self._taken()
        try:
            reader = self._open()
            if self._left.__length_hint__():
                return True
            if self._run is not None:
                self._take(None)  # it is not kept while we wait
            result = _fetch(reader, limit, RUN_BYTES, timeout_ms, self._found)
            if result == 1:
                self._take(_Run(self._found[0]))
                if self._run.count == self._limit < RUN_MESSAGES:
                    self._limit *= 2
                return True
            check(result)
            return False
        finally:
            self._lock.release()

    def _fetch(self, timeout: Optional[float], limit: int = 0) -> bool:
        """The next run, waiting for it; False: none came in time."""
        if limit == 0:
            limit = self._limit
        wait = 0 if timeout == 0 else arguments.milliseconds(timeout)
        if 0 <= wait <= WAIT_SLICE_MS:
            return self._fetch_once(limit, wait)
        deadline = None if wait < 0 else time.monotonic() + wait / 1000
        while True:
            left = WAIT_SLICE_MS
            if deadline is not None:
                left = min(left, max(math.ceil((deadline - time.monotonic()) * 1000), 0))
            if self._fetch_once(limit, left):
                return True
            if left == 0:
                return False

    # ---- reading -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Message]:
        while True:
            self._check_open()
            yield from self._messages
            if not self._fetch(self.timeout):
                return

    def _check_open(self) -> None:
        if self._reader is None:
            raise self._closed_error()

    def next(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message, or None when none came within `timeout` seconds."""
        self._check_open()
        for message in self._messages:
            return message
        while self._fetch(timeout):
            for message in self._messages:
                return message
        return None

    def consume_many(self, count: int, timeout: Optional[float] = 0) -> List[Message]:
        """Up to `count` messages that are there, in as few calls of the library as there are
        segments; waits up to `timeout` seconds for the first."""
        self._check_open()
        arguments.milliseconds(timeout)
        found = list(islice(self._messages, max(count, 0)))
        while len(found) < count and self._fetch(0 if found else timeout,
                                                 min(count - len(found), 2**31 - 1)):
            found += islice(self._messages, count - len(found))
        return found

    # ---- asyncio -----------------------------------------------------------------------------

    def fileno(self) -> int:
        """A descriptor that polls readable when there may be messages; read them with timeout 0
        until none comes. It belongs to the consumer."""
        descriptor = ffi.new("int *")
        with self._turn():
            check(lib.maplog_consumer_descriptor(self._open().consumer, descriptor))
        return int(descriptor[0])

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            self._check_open()
            for message in self._messages:
                yield message
            if self._fetch(0):
                await asyncio.sleep(0)  # others' turn
            elif not await self._readable(self.timeout):
                return

    async def _readable(self, timeout: Optional[float]) -> bool:
        if self._waiter is not None:
            raise Busy("another task waits for this consumer already")
        loop = asyncio.get_running_loop()
        descriptor = self.fileno()
        if self._fetch(0):  # the descriptor is armed by this look
            return True
        self._waiter = loop.create_future()
        loop.add_reader(descriptor, self._wake)
        try:
            await asyncio.wait_for(self._waiter, timeout)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiter = None
            loop.remove_reader(descriptor)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- positions ---------------------------------------------------------------------------

    def seek(self, offset: int, partition: int = -1) -> None:
        """Next offset to be read: an offset, BEGIN or END; partition -1 means all."""
        with self._turn():
            self._rewind()
            check(lib.maplog_seek(self._open().consumer, partition, offset))

    def seek_time(self, timestamp: int, partition: int = -1) -> None:
        """To the first message whose timestamp, in milliseconds since 1970, is at least this."""
        with self._turn():
            self._rewind()
            check(lib.maplog_seek_time(self._open().consumer, partition, timestamp))

    def position(self, partition: int = 0) -> int:
        """Offset of the message that would come next from the partition."""
        offset = ffi.new("int64_t *")
        with self._turn():
            run = self._run.pointer if self._run is not None else ffi.NULL
            check(lib.binding_position(self._open(), run, self._given(), partition, offset))
        return int(offset[0])

    def commit(self) -> None:
        """Commits in the consumer's group what was handed out."""
        with self._turn():
            self._rewind()
            check(lib.maplog_commit(self._open().consumer))

    def close(self) -> None:
        """Commits nothing. Messages stay readable."""
        if getattr(self, "_reader", None) is None:
            return
        with self._turn():
            reader, self._reader = self._reader, None
            self._drop()
            if reader is not None:
                lib.binding_reader_close(reader)
        self._wake()
