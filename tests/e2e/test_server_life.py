"""How a server begins, hears signals and ends: with clients, in odd surroundings, on odd settings."""
import collections
import contextlib
import fcntl
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from kafka_server import MOST, Server, engine  # noqa: E402
from kafka_wire import Peer, batch, fetched, request  # noqa: E402

NONE, UNKNOWN_TOPIC = 0, 3


@pytest.fixture
def server():
    with Server() as server:
        with server.peer() as peer:
            assert peer.create("t") == NONE
        yield server


def refused(server, status=1, **popen):
    """Starts it; it must end by itself with this status. What it said."""
    server.start(wait=False, **popen)
    try:
        assert server.wait(20) == status
    finally:
        if server.process.poll() is None:
            server.kill()
    return server.text()


@pytest.fixture
def spare():
    """A server that was not started."""
    server = Server()
    yield server
    server.remove()


# ---- ending ----------------------------------------------------------------------------------------

class Senders:
    """Produce one record a request until the server goes; what was acknowledged."""

    def __init__(self, server, count=4):
        self.server, self.acked = server, []
        self.threads = [threading.Thread(target=self.run, args=(b"%d" % i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, name):
        number = 0
        with contextlib.suppress(OSError, AssertionError):
            with self.server.peer() as peer:
                while peer.produce("t", batch([b"%s %d" % (name, number)]))["ErrorCode"] == NONE:
                    self.acked.append(b"%s %d" % (name, number))
                    number += 1

    def join(self):
        for thread in self.threads:
            thread.join()


def test_stop_while_clients_produce(server):
    """Also with a long poll and a client that says nothing: nobody holds it up."""
    acked = []
    for _ in range(3):
        with server.peer() as idle, server.peer() as waiting:
            end = waiting.ask("ListOffsets", 1, {"ReplicaId": -1, "Topics": [
                {"Name": "t", "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})
            end = end["Topics"][0]["Partitions"][0]["Offset"]
            waiting.send(request("Fetch", 4, fetched("t", end + 1000000, 0, 600_000)))
            idle.send(struct.pack(">i", 1000) + b"some of it")
            senders = Senders(server)
            time.sleep(0.3)
            server.stop(8)
            senders.join()
            acked += senders.acked
            server.start()
    with server.peer() as peer:
        values = peer.values("t")
    assert len(acked) > 100
    there = collections.Counter(values)
    for value, count in collections.Counter(acked).items():
        assert there[value] >= count, value


def test_a_second_signal_changes_nothing(server):
    server.process.send_signal(signal.SIGTERM)
    for _ in range(5):
        with contextlib.suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGINT)
    assert server.wait() == 0


# ---- settings --------------------------------------------------------------------------------------

def exists(server, topic):
    with server.peer() as peer:
        asked = {"Topics": [{"Name": topic}], "AllowAutoTopicCreation": True}
        return peer.ask("Metadata", 4, asked)["Topics"][0]["ErrorCode"] == NONE


def configured(server, *lines):
    path = server.directory / "server.properties"
    places = [f"log.dirs={server.data}", f"listeners=PLAINTEXT://127.0.0.1:{server.port}"]
    path.write_text("\n".join([*places, *lines]) + "\n")
    server.words = ["--config", str(path)]


def test_settings_are_read_again_under_load(spare):
    configured(spare, "auto.create.topics.enable=false")
    with spare as server:
        with server.peer() as peer:
            assert peer.create("t") == NONE
        senders = Senders(server)
        assert not exists(server, "a")
        for count in range(20):
            configured(server, f"auto.create.topics.enable={'true' if count % 2 else 'false'}")
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 20
            while len(server.find("settings were read again")) <= count:
                assert time.monotonic() < deadline
                time.sleep(0.002)
        assert exists(server, "a")
        configured(server, "auto.create.topics.enable=perhaps")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("E settings stay as they were: .*server.properties line 3")
        assert exists(server, "b")
        server.stop()
        senders.join()
        assert senders.acked


@pytest.mark.parametrize("line, text", [
    ("num.partitions=many", "num.partitions"),
    ("num.partitions=0", "num.partitions"),
    ("num.partitions=99999999999999999999", "num.partitions"),
    ("log.dirs=/a,/b", "one directory"),
    ("no equals sign or colon", "line 3"),
    ("listeners=SSL://localhost:0", "SSL"),
    ("listeners=nonsense", "nonsense"),
    ("listeners=PLAINTEXT://localhost:99999", "99999"),
    ("listeners=unix://" + "/long" * 40, "long"),
    ("advertised.listeners=PLAINTEXT://0.0.0.0:9092", "advertised.listeners"),
    ("socket.request.max.bytes=-1", "socket.request.max.bytes"),
])
def test_a_bad_line_is_named(spare, line, text):
    configured(spare, line)
    said = end_of(spare)
    assert text in said and "Sanitizer" not in said, said


def end_of(server):
    server.start(wait=False)
    code = server.wait(20)
    assert code in (1, 2), server.text()
    return server.text()


def test_rubbish_as_settings(spare):
    path = spare.directory / "rubbish"
    path.write_bytes(os.urandom(3000) + b"\n\0=\0\nno value\n")
    spare.words = ["--config", str(path)]
    end_of(spare)
    spare.words = ["--config", str(spare.directory / "missing")]
    assert "missing" in end_of(spare)


def test_an_unknown_setting_warns_and_names_the_nearest(spare):
    configured(spare, "num.partition=3", "log.retention.hour=5", "what.is.this=1")
    with spare as server:
        server.wait_for("W .*num.partition.*num.partitions")
        server.wait_for("W .*log.retention.hour.*log.retention.hours")
        server.wait_for("W .*what.is.this")


# ---- where it lives --------------------------------------------------------------------------------

def test_two_servers_on_one_directory(server):
    other = Server(directory=server.directory)
    said = refused(other)
    assert str(server.data) in said
    with server.peer() as peer:
        assert peer.produce("t", batch([b"x"]))["ErrorCode"] == NONE


def test_a_port_in_use(server, spare):
    spare.port = server.port
    said = refused(spare)
    assert str(server.port) in said and "in use" in said
    assert not spare.data.exists()


def test_a_directory_that_kafka_has_locked(spare):
    spare.start().stop()
    with open(spare.data / ".lock", "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        said = refused(spare)
        assert ".lock" in said or "Kafka" in said, said
    with spare as server:
        assert exists(server, "t")


def test_directories_that_cannot_be(spare):
    (spare.directory / "file").write_text("not a directory")
    for place in ("file", "file/below", "/proc/nowhere/data"):
        spare.data = spare.directory / place
        assert str(spare.data) in refused(spare)


def test_a_missing_directory_is_made(spare):
    spare.data = spare.directory / "new"
    with spare as server:
        assert server.data.is_dir()


def test_without_standard_streams(spare):
    spare.start(wait=False, preexec_fn=lambda: [os.close(fd) for fd in (0, 1, 2)])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            assert exists(spare, "t")
            break
        time.sleep(0.01)
    with spare.peer() as peer:
        assert peer.produce("t", batch([b"x"]))["ErrorCode"] == NONE
        assert peer.values("t") == [b"x"]
    spare.process.send_signal(signal.SIGTERM)
    assert spare.wait() == 0
    with spare as server:
        with server.peer() as peer:
            assert peer.values("t") == [b"x"]


def test_a_closed_pipe_as_standard_error(spare):
    read, write = os.pipe()
    command = spare.command()
    spare.process = subprocess.Popen(command, stderr=write, stdin=subprocess.DEVNULL)
    os.close(write), os.close(read)
    spare.reader = threading.Thread(target=lambda: None)
    spare.reader.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            assert exists(spare, "t")
            break
        time.sleep(0.01)
    spare.process.send_signal(signal.SIGTERM)
    assert spare.wait() == 0


# ---- addresses -------------------------------------------------------------------------------------

def told(address):
    """Where Metadata says the broker is."""
    with Peer(address) as peer:
        broker = peer.ask("Metadata", 1, {"Topics": []})["Brokers"][0]
        return broker["Host"], broker["Port"]


def test_localhost_is_both_families(spare):
    spare.words = ["--listen", f"localhost:{spare.port}"]
    with spare as server:
        assert told(("127.0.0.1", server.port))[1] == server.port
        assert told(("::1", server.port))[1] == server.port
        for address in (("127.0.0.1", server.port), ("::1", server.port)):
            host, port = told(address)
            socket.create_connection((host, port), 5).close()


def test_ipv6(spare):
    spare.words = ["--listen", f"[::1]:{spare.port}"]
    with spare as server:
        assert told(("::1", server.port)) == ("::1", server.port)


def test_a_unix_socket(spare):
    path = str(spare.directory / "socket")
    spare.words = ["--listen", f"unix://{path}", "--listen", f"127.0.0.1:{spare.port}"]
    with spare as server:
        with Peer(path) as peer:
            assert peer.create("t") == NONE
            assert peer.produce("t", batch([b"x"]))["ErrorCode"] == NONE
        server.kill()  # and leaves its socket file
        server.start()
        with Peer(path) as peer:
            assert peer.values("t") == [b"x"]
        server.stop()
        assert not os.path.exists(path)
        pathlib.Path(path).write_text("somebody's file")
        refused(server)
        assert pathlib.Path(path).read_text() == "somebody's file"


@pytest.fixture
def other_host():
    """A network namespace with an address from which this machine is another host."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and ip")
    name, here = f"mlog{os.getpid()}", f"ml{os.getpid() % 100000}"

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)
    ip("netns", "add", name)
    try:
        ip("link", "add", here, "type", "veth", "peer", "name", "far", "netns", name)
        ip("addr", "add", "10.213.77.1/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", name, "addr", "add", "10.213.77.2/30", "dev", "far")
        ip("-n", name, "link", "set", "far", "up")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", here], capture_output=True)
        ip("netns", "del", name)


def told_there(namespace, port):
    program = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests/support')!r})\n"
               "from kafka_wire import Peer\n"
               f"with Peer(('10.213.77.1', {port})) as peer:\n"
               "    broker = peer.ask('Metadata', 1, {'Topics': []})['Brokers'][0]\n"
               "    print(broker['Host'], broker['Port'])\n")
    done = subprocess.run(["ip", "netns", "exec", namespace, sys.executable, "-c", program],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    host, port = done.stdout.split()
    return host, int(port)


def test_another_host(spare, other_host):
    """Told the address by which it came, or the one that was set."""
    spare.words = ["--listen", f"0.0.0.0:{spare.port}"]
    with spare as server:
        assert told_there(other_host, server.port) == ("10.213.77.1", server.port)
        assert told(("127.0.0.1", server.port)) == ("127.0.0.1", server.port)
        server.stop()
        server.settings.append("advertised.listeners=PLAINTEXT://broker.example:1234")
        server.start()
        assert told_there(other_host, server.port) == ("broker.example", 1234)


# ---- limits ----------------------------------------------------------------------------------------

def served_in_the_end(server):
    """When those whose clients are gone have given back what they held."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            return exists(server, "t")
        time.sleep(0.01)
    return False


def test_few_descriptors(spare):
    """More clients than descriptors: some are refused, the others are served, and later all are."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
    spare.start(preexec_fn=few)
    with spare.peer() as peer:
        assert peer.create("t", 4) == NONE
        peers = []
        for _ in range(150):
            with contextlib.suppress(OSError):
                peers.append(spare.peer(timeout=5))
        spare.wait_for("Too many open files|max.connections|cannot accept")
        assert peer.ask("Metadata", 1, {"Topics": []})["Brokers"]
        for each in peers:
            each.close()
        deadline = time.monotonic() + 20
        while peer.produce("t", batch([b"x"]))["ErrorCode"] != NONE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert served_in_the_end(spare)
    assert len(spare.lines) < 500  # it does not flood its log
    spare.stop()


def test_max_connections(spare):
    spare.settings += ["max.connections=10", "num.network.threads=1"]
    with spare as server:
        peers = [server.peer() for _ in range(10)]
        for peer in peers:
            assert peer.ask("Metadata", 1, {"Topics": []})["Brokers"]
        with server.peer() as eleventh:
            assert eleventh.is_closed()
        server.wait_for("max.connections")
        for peer in peers:
            peer.close()
        time.sleep(0.1)
        assert exists(server, "t")


def test_ten_thousand_connections(spare):
    count = 10_000
    if engine() in MOST:
        pytest.skip("the engine serves fewer")
    thread = 16 << 10 if engine() == "blocking" else 0  # bytes: each connection has one
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < count + 500:
        pytest.skip("more descriptors are not allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        with spare as server:
            before = server.memory()
            peers = [server.peer() for _ in range(count)]
            for peer in peers[::100]:
                assert peer.ask("Metadata", 1, {"Topics": []})["Brokers"]
            assert server.uses_less_than(before + (40 << 20) + count * thread)
            assert exists(server, "t")
            for peer in peers:
                peer.close()
            assert exists(server, "t")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
