"""Every way to send records, in the real server: while a local process appends and segments go, each
byte that a client gets is the one that was written; a damaged file costs a connection and no more."""
import contextlib
import itertools
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from kafka_server import CANNOT_SEND_BY, PROGRAM, Server, choices, engine  # noqa: E402
from kafka_wire import Peer, answer, batches, fetched, request  # noqa: E402

NONE, OFFSET_OUT_OF_RANGE = 0, 1
SEGMENT = 1 << 20
VALUE = 1000  # bytes
FILLED = 4000  # records that are there from the beginning: four segments
ANSWER = 8 << 20  # bytes that a client asks for


METHODS = [method for method in choices("--send") if method not in CANNOT_SEND_BY.get(engine(), [])]


def value_of(number):
    """The record at this offset, which no other one resembles."""
    text = b"%d " % number
    return (text * (VALUE // len(text) + 1))[:VALUE]


@contextlib.contextmanager
def serving(method):
    server = Server(words=["--verbose", "--send", method])
    server.words += ["--listen", f"unix://{server.directory}/socket"]
    server.words += ["--listen", f"127.0.0.1:{server.port}"]
    with server:
        assert f" send={method} " in server.find("I serving")[0]
        yield server


def address(server, kind):
    return f"{server.directory}/socket" if kind == "unix" else ("127.0.0.1", server.port)


def produce(server, numbers):
    lines = b"".join(value_of(number) + b"\n" for number in numbers)
    subprocess.run([PROGRAM, "produce", "t", "--data", server.data, "--batch", "20000"], input=lines, check=True,
                   timeout=60)


def append(server, numbers, stop):
    """What a local process does meanwhile."""
    while not stop.is_set():
        produce(server, itertools.islice(numbers, 500))


def check(part):
    """Compares all records of an answer; the offset behind them."""
    assert part["ErrorCode"] == NONE
    found = batches(part["Records"])
    assert found
    for base, _, _, values in found:
        assert values == [value_of(base + delta) for delta in range(len(values))]
    return found[-1][0] + len(found[-1][3])


def follow(peer, read, stop):
    """A fast reader: what there is, from the log's start on, and again from there when it is behind."""
    offset = 0
    while not stop.is_set():
        part = peer.fetch("t", offset, wait_ms=100)
        if part["ErrorCode"] == OFFSET_OUT_OF_RANGE:
            asked = {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [
                {"Name": "t", "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}]}
            offset = peer.ask("ListOffsets", 2, asked)["Topics"][0]["Partitions"][0]["Offset"]
        elif part["Records"]:
            before, offset = offset, check(part)
            read.append(offset - before)


def slow_peer(where):
    """A client with so little room that most of its answer is still in the file when it begins to
    read. Small packets keep the server's own buffer small, too."""
    peer = Peer.__new__(Peer)
    peer.socket = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if not isinstance(where, str):
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    peer.socket.settimeout(30)
    peer.socket.connect(where)
    return peer


def ask_slowly(peer):
    """Asks for the first segment; the size of the answer that has begun to come."""
    peer.send(request("Fetch", 4, fetched("t", 0, 0, 0, ANSWER), 1))
    size = struct.unpack(">i", peer.take(4))[0]
    assert size > 900000
    return size


def segments(server):
    return {path.name for path in (server.data / "t-0").glob("*.log")}


def delete_before(peer, offset):
    asked = {"Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0, "Offset": offset}]}], "TimeoutMs": 10000}
    assert peer.ask("DeleteRecords", 1, asked)["Topics"][0]["Partitions"][0]["ErrorCode"] == NONE


def wait_gone(server, names):
    """Until none of these files has a name any more."""
    deadline = time.monotonic() + 30
    while segments(server) & names:
        assert time.monotonic() < deadline, segments(server)
        time.sleep(0.01)


@contextlib.contextmanager
def in_thread(stop, work, *arguments):
    failed = []

    def run():
        try:
            work(*arguments, stop)
        except BaseException as error:  # told to the test, whatever it is
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    assert not failed, failed


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("method", METHODS)
def test_readers_get_what_was_written_while_segments_come_and_go(method, kind):
    with serving(method) as server:
        where, stop, read = address(server, kind), threading.Event(), []
        numbers = itertools.count()
        with Peer(where) as peer, Peer(where) as fast, slow_peer(where) as slow:
            assert peer.create("t", segment_bytes=SEGMENT, file_delete_delay_ms=0) == NONE
            produce(server, itertools.islice(numbers, FILLED))
            first = segments(server)
            assert len(first) > 3
            size = ask_slowly(slow)
            with in_thread(stop, append, server, numbers), in_thread(stop, follow, fast, read):
                delete_before(peer, FILLED)
                wait_gone(server, set(sorted(first)[:-1]))
                data = b""
                while len(data) < size:  # bit by bit
                    data += slow.take(min(5000, size - len(data)))
                assert check(answer("Fetch", 4, data)[1]["Responses"][0]["Partitions"][0]) > 800
                deadline = time.monotonic() + 30
                while sum(read) < 1000:
                    assert time.monotonic() < deadline and not stop.is_set()
                    time.sleep(0.01)
            start, end = FILLED, next(numbers)
            while start < end:  # all that is left, in answers of several sizes
                start = check(peer.fetch("t", start, limit=(end - start) % 3 * 150000 + 5000))
            assert start == end


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("method", METHODS)
def test_a_file_that_is_cut_while_it_is_sent_costs_a_connection_and_no_more(method, kind):
    with serving(method) as server:
        where = address(server, kind)
        with Peer(where) as peer, slow_peer(where) as slow:
            assert peer.create("t", segment_bytes=SEGMENT) == NONE
            produce(server, range(FILLED))
            size = ask_slowly(slow)
            os.truncate(server.data / "t-0" / f"{0:020}.log", 600 * 1024)
            assert slow.take(size) is None  # the end comes early
            server.wait_for(r" W peer=.* closed: t-0/0{20}\.log: cannot send: the file ends")
            assert check(peer.fetch("t", FILLED - 100)) == FILLED


@pytest.mark.parametrize("option", ["--io", "--send"])
def test_a_name_that_is_none_is_refused_with_those_there_are(option, tmp_path):
    done = subprocess.run([PROGRAM, "serve", "--data", tmp_path / "data", "--listen", f"unix://{tmp_path}/socket",
                           option, "pigeon"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pigeon" in done.stderr and ", ".join(choices(option)) in done.stderr
    assert list(tmp_path.iterdir()) == []
