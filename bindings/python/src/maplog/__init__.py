"""maplog - a message log in a directory, shared by mapping, in Kafka's on-disk format.

    import maplog

    with maplog.open("data", create=True) as log:
        log.create_topic("ticks", exist_ok=True)
        with log.producer("ticks") as producer:
            producer.produce("tick")
        for message in log.consumer("ticks", timeout=0):
            print(message.offset, bytes(message.value))

Times to wait are in seconds, None is for ever; times of records are in milliseconds since 1970. A
Log may be used by any number of threads, a Producer or a Consumer by one at a time. Handles do not
survive fork(): they raise Forked in the child, which opens its own.
"""
from . import _errors
from ._binding import ffi as _ffi
from ._binding import lib as _lib
from ._consumer import BEGIN, END, Consumer, Header, Message
from ._errors import (Busy, Closed, Corrupt, Denied, DiskFull, Exists, Forked, Full, GroupActive,
                      GroupBusy, InputOutput, Invalid, Limit, MaplogError, NoMemory, NotFound,
                      NotPersistent, OffsetOutOfRange, TimedOut, TooLarge, TopicDeleted,
                      Unsupported, Version)
from ._file import MappedFile, open_file
from ._log import Log, Partition, Setting, Topic, attach, open, open_anonymous
from ._producer import Producer

for _kind in (MaplogError, *_errors.KINDS.values()):
    _kind.__module__ = "maplog"  # where people import it from

__version__: str = _ffi.string(_lib.maplog_version()).decode()

__all__ = [
    "BEGIN", "END", "Consumer", "Header", "Log", "MappedFile", "Message", "Partition", "Producer",
    "Setting", "Topic", "attach", "open", "open_anonymous", "open_file",
    *sorted(kind.__name__ for kind in _errors.KINDS.values()), "MaplogError",
]
