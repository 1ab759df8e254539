"""The log: opening, topics, partitions, group progress."""
from __future__ import annotations

import os
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Union

from . import _arguments as arguments
from ._binding import ffi, lib
from ._consumer import END, Consumer
from ._errors import check
from ._handle import Handle
from ._producer import Acks, Compression, Producer

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Topic(NamedTuple):
    name: str
    id: str  # Kafka's text form of the UUID
    partitions: int


class Setting(NamedTuple):
    value: str
    is_default: bool  # nobody set it


class Partition(NamedTuple):
    start_offset: int  # first offset that can be read
    end_offset: int  # of the next record
    durable_offset: int  # everything below is on disk; -1 for a log in memory
    bytes: int
    segments: int
    leader_epoch: int


@ffi.def_extern(error=-1)  # type: ignore[untyped-decorator]
def binding_visit_topic(context: Any, topic: Any) -> int:
    ffi.from_handle(context).append(_topic(ffi.string(topic.name).decode(), topic))
    return 0


@ffi.def_extern(error=-1)  # type: ignore[untyped-decorator]
def binding_visit_config(context: Any, name: Any, value: Any, is_default: int) -> int:
    ffi.from_handle(context)[ffi.string(name).decode()] = Setting(
        ffi.string(value).decode(errors="surrogateescape"), bool(is_default))
    return 0


def _topic(name: str, found: Any) -> Topic:
    return Topic(name, ffi.string(found.id).decode(), found.partitions)


class Log(Handle):
    """An attached log. Any number of threads may use it at once; producers and consumers that it
    opened live on when it is closed."""

    _what = "log"
    _pickle_advice = "open it again by its path, or attach its descriptor, in the other process"

    def __init__(self, pointer: Any, path: Optional[str] = None) -> None:
        # Closed when nobody has it any more: not the handle, and no call of another thread.
        self._pointer: Any = ffi.gc(pointer, lib.maplog_close)
        #: The directory; None of an anonymous log.
        self.path = path

    def __repr__(self) -> str:
        return f"<maplog.Log {self.path or 'in memory'}{' closed' if self.closed else ''}>"

    def _open(self) -> Any:
        pointer = self._pointer
        if pointer is None:
            raise self._closed_error()
        return pointer

    @property
    def closed(self) -> bool:
        return self._pointer is None

    def close(self) -> None:
        """Lets go of the log. Safe to call again, and while other threads are in a call."""
        self._pointer = None

    def sync(self) -> None:
        """Returns when everything published so far is on disk."""
        check(lib.maplog_sync(self._open()))

    @property
    def descriptor(self) -> int:
        """Of an anonymous log: to be inherited by a child, or passed over a Unix socket, for
        attach(). It belongs to the log."""
        return check(lib.maplog_descriptor(self._open()))

    # ---- topics ------------------------------------------------------------------------------

    def create_topic(self, topic: str, partitions: int = 1,
                     configs: Optional[Mapping[str, Any]] = None, *,
                     exist_ok: bool = False) -> None:
        """Creates a topic with settings under Kafka's names: {"retention.ms": 60000}."""
        words, kept = arguments.settings(configs)
        name = arguments.text(topic, "the topic")
        result = lib.maplog_topic_create(self._open(), name, partitions, words)
        if not (exist_ok and result == lib.MAPLOG_EXISTS):
            check(result)

    def delete_topic(self, topic: str) -> None:
        name = arguments.text(topic, "the topic")
        check(lib.maplog_topic_delete(self._open(), name))

    def alter_topic(self, topic: str, configs: Mapping[str, Any]) -> None:
        """Changes settings at once, for all attached processes; None goes back to the default."""
        words, kept = arguments.settings(configs)
        name = arguments.text(topic, "the topic")
        check(lib.maplog_topic_alter(self._open(), name, words))

    def grow_topic(self, topic: str, partitions: int) -> None:
        """Grows the topic to `partitions` in all."""
        name = arguments.text(topic, "the topic")
        check(lib.maplog_topic_grow(self._open(), name, partitions))

    def describe_topic(self, topic: str) -> Topic:
        name = arguments.text(topic, "the topic")
        found = ffi.new("struct maplog_topic *")
        check(lib.maplog_topic_describe(self._open(), name, found))
        return _topic(name.decode(errors="surrogateescape"), found)

    def topics(self) -> List[Topic]:
        """All topics, in the order of their names."""
        found: List[Topic] = []
        handle = ffi.new_handle(found)
        check(lib.maplog_topic_list(self._open(), lib.binding_visit_topic, handle))
        return found

    def topic_configs(self, topic: str) -> Dict[str, Setting]:
        found: Dict[str, Setting] = {}
        handle = ffi.new_handle(found)
        name = arguments.text(topic, "the topic")
        check(lib.maplog_topic_configs(self._open(), name, lib.binding_visit_config, handle))
        return found

    def describe_partition(self, topic: str, partition: int = 0) -> Partition:
        name = arguments.text(topic, "the topic")
        found = ffi.new("struct maplog_partition *")
        check(lib.maplog_partition_describe(self._open(), name, partition, found))
        return Partition(found.start_offset, found.end_offset, found.durable_offset, found.bytes,
                         found.segments, found.leader_epoch)

    def delete_records(self, topic: str, partition: int = 0, before: int = END) -> None:
        """Moves the start to `before`; whole segments below it go."""
        name = arguments.text(topic, "the topic")
        check(lib.maplog_delete_records(self._open(), name, partition, before))

    # ---- groups ------------------------------------------------------------------------------

    def group_commit(self, group: str, topic: str, partition: int, offset: int,
                     metadata: Optional[str] = None) -> None:
        """Commits an offset for a group by hand."""
        words = [arguments.text(group, "the group"), arguments.text(topic, "the topic")]
        note = ffi.NULL if metadata is None else arguments.text(metadata, "the metadata")
        check(lib.maplog_group_commit(self._open(), *words, partition, offset, note))

    def group_committed(self, group: str, topic: str, partition: int = 0) -> Optional[int]:
        """The group's committed offset, or None."""
        words = [arguments.text(group, "the group"), arguments.text(topic, "the topic")]
        offset = ffi.new("int64_t *")
        check(lib.maplog_group_committed(self._open(), *words, partition, offset))
        return None if offset[0] < 0 else int(offset[0])

    # ---- producing and consuming ---------------------------------------------------------------

    def producer(self, topic: str, *, acks: Acks = "memory", compression: Compression = "none",
                 batch_bytes: int = 0, linger: float = 0, timeout: float = 10) -> Producer:
        """A producer on the topic, for one thread. acks: "memory", "disk" or "none". batch_bytes:
        gather records and publish them together, at the latest after `linger` seconds; compression
        ("gzip", "snappy", "lz4", "zstd") is of such batches. timeout: for another writer."""
        return Producer(self._open(), topic, acks, compression, batch_bytes, linger, timeout)

    def consumer(self, topic: str, *, group: Optional[str] = None,
                 partitions: Optional[Iterable[int]] = None, at_end: bool = False,
                 check_crcs: bool = False, timeout: Optional[float] = None) -> Consumer:
        """A consumer of the topic, for one thread. timeout: iteration ends when no message came for
        so many seconds; 0: at the end of what is there; None: never."""
        return Consumer(self._open(), topic, group, partitions, at_end, check_crcs, timeout)


def open(path: Path, *, create: bool = False, read_only: bool = False,
         timeout: float = 10) -> Log:
    """Attaches the log directory. timeout: for another process that is attaching, in seconds."""
    options = ffi.new("struct maplog_open_options *")
    options.flags = (lib.MAPLOG_CREATE if create else 0) | (lib.MAPLOG_READ_ONLY if read_only else 0)
    options.timeout_ms = max(arguments.milliseconds(timeout), 0)
    log = ffi.new("maplog **")
    check(lib.maplog_open(arguments.text(os.fsencode(path), "the path"), options, log))
    return Log(log[0], os.fsdecode(path))


def open_anonymous(topic: Optional[str] = None, *, segment_bytes: int = 0,
                   segments: int = 0) -> Log:
    """A log in shared memory that has no name: one topic ("anonymous"), one partition, a ring of
    segments. Another process attaches its descriptor."""
    options = ffi.new("struct maplog_anonymous_options *")
    name = None if topic is None else ffi.new("char[]", arguments.text(topic, "the topic"))
    options.topic = ffi.NULL if name is None else name
    options.segment_bytes, options.segments = segment_bytes, segments
    log = ffi.new("maplog **")
    check(lib.maplog_open_anonymous(options, log))
    return Log(log[0])


def attach(descriptor: int) -> Log:
    """Attaches the anonymous log behind a descriptor, which stays the caller's."""
    log = ffi.new("maplog **")
    check(lib.maplog_attach(descriptor, log))
    return Log(log[0])
