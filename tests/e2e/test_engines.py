"""What every engine must do for the server's clients, each in the real server: order, crowds, slow and
vanishing peers, back-pressure, deadlines, a graceful end. tests/engine asks more of the engines alone."""
import os
import pathlib
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from conftest import wait_until  # noqa: E402
from kafka_server import CANNOT_SEND_BY, MOST, PROGRAM, Server, choices  # noqa: E402
from kafka_wire import Peer, answer, batch, fetched, produced, request  # noqa: E402

NONE = 0
CROWD = 1100  # more than select and aio serve
LARGE = [(b"%d " % number * 50_000)[:100_000] for number in range(40)]  # records
METADATA = request("Metadata", 1, {"Topics": []})


def started(server):
    """Skips where the kernel or the build does not have the engine."""
    server.start(wait=False)
    wait_until(lambda: server.find(" I serving ") or server.process.poll() is not None)
    if server.process.poll() is not None:
        server.reader.join()
        assert server.find("io_uring|liburing"), server.text()
        server.remove()
        pytest.skip(server.text())
    return server


def serving(engine, *settings):
    made = Server(words=["--io", engine], settings=settings)
    made.words += ["--listen", f"127.0.0.1:{made.port}", "--listen", f"unix://{made.directory}/socket"]
    made.engine = engine
    started(made)
    with made.peer() as peer:
        assert peer.create("t") == peer.create("large") == NONE
    append(made, "large", LARGE)
    return made


@pytest.fixture(scope="module", params=choices("--io"))
def server(request):
    with serving(request.param) as server:
        yield server


def append(server, topic, values):
    """By a process of its own."""
    subprocess.run([PROGRAM, "produce", topic, "--data", server.data, "--batch", "1000"], check=True, timeout=60,
                   input=b"".join(value + b"\n" for value in values))


def count_large(data, first=0):
    """How many of them came, whole and in order."""
    number, at = first, 0
    while number < len(LARGE) and (found := data.find(LARGE[number], at)) >= 0:
        number, at = number + 1, found + len(LARGE[number])
    return number - first


def of_fetch(frame):
    return answer("Fetch", 4, frame)[1]["Responses"][0]["Partitions"][0]


def slow_peer(server):
    """One that takes little before it is read."""
    peer = Peer.__new__(Peer)
    peer.socket = socket.socket()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer.socket.settimeout(30)
    peer.socket.connect((server.host, server.port))
    return peer


def begin_to_read(peer):
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    peer.socket.settimeout(30)


def sockets_of(server):
    """How many it has."""
    found, place = 0, f"/proc/{server.process.pid}/fd"
    for name in os.listdir(place):
        try:
            found += os.readlink(f"{place}/{name}").startswith("socket:")
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def test_it_says_which_it_is(server):
    assert f" io={server.engine} " in server.find(" I serving ")[0]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_answers_come_in_the_order_of_requests(server, kind):
    asked = [("Metadata", 1, {"Topics": []}), ("Fetch", 4, fetched("large", 3, wait_ms=1)),
             ("ApiVersions", 0, {}), ("Produce", 8, produced("t", batch([b"x"])))]
    where = f"{server.directory}/socket" if kind == "unix" else (server.host, server.port)
    with Peer(where) as peer:
        peer.send(b"".join(request(*asked[i % 4], i) for i in range(80)))
        for i in range(80):
            correlation, body = answer(asked[i % 4][0], asked[i % 4][1], peer.frame())
            assert correlation == i
            if i % 4 == 1:
                assert count_large(body["Responses"][0]["Partitions"][0]["Records"], 3) == 10


def test_a_crowd(server):
    """All are served, or those beyond what the engine can are told why in the log, and the rest go on."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 3 * CROWD:
        pytest.skip("more descriptors are not allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        peers = [server.peer() for _ in range(CROWD)]
        served = 0
        for peer in peers:
            try:
                served += bool(peer.ask("Metadata", 1, {"Topics": []})["Brokers"])
            except (AssertionError, BrokenPipeError, ConnectionResetError):
                pass
        if server.engine in MOST:
            assert MOST[server.engine] <= served < CROWD
            assert server.find(rf" W .*closed: {server.engine} .*epoll"), server.text()[-2000:]
        else:
            assert served == CROWD, server.text()[-2000:]
        for peer in peers:
            peer.close()
        wait_until(lambda: sockets_of(server) < 20)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    with server.peer() as peer:
        assert peer.produce("t", batch([b"after"]))["ErrorCode"] == NONE


def test_a_local_append_wakes_a_long_poll(server):
    """Its wait is longer than the test's own."""
    with server.peer() as peer, server.peer() as other:
        end = other.produce("t", batch([b"before"]))["BaseOffset"] + 1
        peer.send(request("Fetch", 4, fetched("t", end, wait_ms=600_000)))
        assert other.fetch("t", end, wait_ms=20)["Records"] in (None, b"")  # a deadline that comes
        append(server, "t", [b"local"])
        assert b"local" in of_fetch(peer.frame())["Records"]


def test_those_that_read_slowly_hold_up_nobody(server):
    """More of them than a pool has threads."""
    slow = [slow_peer(server) for _ in range(12)]
    for peer in slow:
        peer.send(request("Fetch", 4, fetched("large", 0, limit=4_000_000)))
        peer.size, = struct.unpack(">i", peer.take(4))
    with server.peer() as fast:
        for number in range(40):
            assert count_large(fast.fetch("large", number, limit=1000)["Records"], number) == 1
    for peer in slow:
        begin_to_read(peer)
        assert count_large(of_fetch(peer.take(peer.size))["Records"]) > 30
        peer.close()


def test_who_does_not_read_cannot_ask_without_end(server):
    """The server stops receiving; all that was asked is answered, in order, once it is read."""
    with slow_peer(server) as peer:
        asked, rest = 0, b""
        peer.socket.setblocking(False)
        while asked < 2000:
            rest = rest or request("Fetch", 4, fetched("large", asked % 40, limit=1000), asked, "c" * 30_000)
            try:
                rest = rest[peer.socket.send(rest):]
            except BlockingIOError:
                peer.socket.settimeout(0.5)  # as long as nothing goes: full, not only slow
                try:
                    rest = rest[peer.socket.send(rest):]
                except TimeoutError:
                    break
                peer.socket.setblocking(False)
            asked += not rest
        assert asked < 2000
        begin_to_read(peer)
        for number in range(asked):
            frame = peer.frame()
            assert struct.unpack_from(">i", frame)[0] == number
            assert count_large(of_fetch(frame)["Records"], number % 40) == 1


def test_what_was_asked_before_the_end_is_answered(server):
    with slow_peer(server) as peer:
        peer.send(request("Fetch", 4, fetched("large", 0, limit=4_000_000), 1) + METADATA)
        peer.socket.shutdown(socket.SHUT_WR)
        begin_to_read(peer)
        assert count_large(of_fetch(peer.frame())["Records"]) > 30
        assert answer("Metadata", 1, peer.frame())[1]["Brokers"]
        assert peer.is_closed()


def test_those_that_vanish_leave_nothing(server):
    """With a long poll, with half a request, with an answer half sent; and the server lets idle ones go."""
    at_once = struct.pack("ii", 1, 0)
    with serving(server.engine, "connections.max.idle.ms=500") as server, server.peer() as idle:
        assert idle.ask("Metadata", 1, {"Topics": []})["Brokers"]
        before = sockets_of(server)
        for i in range(30):
            peer = slow_peer(server)
            if i % 3 == 0:
                peer.send(request("Fetch", 4, fetched("large", 40, wait_ms=600_000)))
            elif i % 3 == 1:
                peer.send(request("Fetch", 4, fetched("large", 0, limit=4_000_000)))
                peer.take(100)
            else:
                peer.send(METADATA[:-1])
            if i % 2:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            peer.close()
        assert idle.is_closed()
        wait_until(lambda: sockets_of(server) < before)
        with server.peer() as peer:
            assert peer.produce("t", batch([b"after"]))["ErrorCode"] == NONE


def test_it_ends_well_under_load(server):
    """What was acknowledged is there afterwards; the port is free at once."""
    acked, stopping = [], threading.Event()

    def send(name):
        with server.peer() as peer:
            try:
                for number in range(1_000_000):
                    value = b"%s %d" % (name, number)
                    if peer.produce("t", batch([value]))["ErrorCode"] != NONE:
                        return
                    acked.append(value)
            except (AssertionError, OSError):
                assert stopping.is_set()
    with server.peer() as waiting:
        waiting.send(request("Fetch", 4, fetched("large", 40, wait_ms=600_000)))
        threads = [threading.Thread(target=send, args=(b"%d" % i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acked) > 100)
        stopping.set()
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        for thread in threads:
            thread.join()
    assert not server.find(" E "), server.text()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((server.host, server.port))
    server.start()
    with server.peer() as peer:
        assert set(acked) <= set(peer.values("t"))


@pytest.mark.parametrize("engine, method", [(engine, method) for engine, methods in CANNOT_SEND_BY.items()
                                            for method in methods])
def test_a_way_to_send_that_it_has_not_is_refused(engine, method, tmp_path):
    done = subprocess.run([PROGRAM, "serve", "--data", tmp_path / "data", "--listen", f"unix://{tmp_path}/socket",
                           "--io", engine, "--send", method], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and re.search(f"{engine} .*{method}", done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []
