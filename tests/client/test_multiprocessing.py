"""libmaplog.so under Python's multiprocessing: forked and spawned workers, each with its own log."""
import ctypes
import multiprocessing
import os

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FORKED = -18
CREATE = 1
RECORDS = 500
WORKERS = 4


class Options(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint), ("timeout_ms", ctypes.c_int), ("reserved", ctypes.c_uint64 * 4)]


class Record(ctypes.Structure):
    _fields_ = [("key", ctypes.c_char_p), ("key_size", ctypes.c_size_t), ("value", ctypes.c_char_p),
                ("value_size", ctypes.c_size_t), ("headers", ctypes.c_void_p),
                ("header_count", ctypes.c_size_t), ("timestamp", ctypes.c_int64)]


class Partition(ctypes.Structure):
    _fields_ = [("start_offset", ctypes.c_int64), ("end_offset", ctypes.c_int64),
                ("durable_offset", ctypes.c_int64), ("bytes", ctypes.c_int64),
                ("segments", ctypes.c_int32), ("leader_epoch", ctypes.c_int32)]


def library():
    return ctypes.CDLL(f"{ROOT}/build/release/libmaplog.so")


def open_producer(maplog, directory):
    log, producer = ctypes.c_void_p(), ctypes.c_void_p()
    options = Options(flags=CREATE)
    assert maplog.maplog_open(os.fsencode(directory), ctypes.byref(options), ctypes.byref(log)) == 0
    maplog.maplog_topic_create(log, b"work", 1, None)  # may exist
    assert maplog.maplog_producer_open(log, b"work", None, ctypes.byref(producer)) == 0
    return log, producer


def produce(maplog, producer):
    record = Record(value=b"x", value_size=1)
    return maplog.maplog_produce(producer, ctypes.byref(record), None)


def work(directory, inherited):
    """A worker; inherited: the parent's handles as numbers, when it was forked."""
    maplog = library()
    if inherited:
        assert produce(maplog, ctypes.c_void_p(inherited[1])) == FORKED
        maplog.maplog_producer_close(ctypes.c_void_p(inherited[1]))
        maplog.maplog_close(ctypes.c_void_p(inherited[0]))
    log, producer = open_producer(maplog, directory)
    for _ in range(RECORDS):
        assert produce(maplog, producer) == 0
    assert maplog.maplog_producer_close(producer) == 0
    maplog.maplog_close(log)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_share_a_partition(method, tmp_path):
    maplog = library()
    log, producer = open_producer(maplog, tmp_path)
    for _ in range(RECORDS):  # the helper thread runs by now
        assert produce(maplog, producer) == 0
    inherited = (log.value, producer.value) if method == "fork" else None
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=work, args=(tmp_path, inherited)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert produce(maplog, producer) == 0
    found = Partition()
    assert maplog.maplog_partition_describe(log, b"work", 0, ctypes.byref(found)) == 0
    assert found.end_offset == RECORDS * (WORKERS + 1) + 1
    assert maplog.maplog_producer_close(producer) == 0
    maplog.maplog_close(log)
