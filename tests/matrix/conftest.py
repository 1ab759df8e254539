"""What the matrix shares: the server, and client programs that are ended with the test."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import pytest
from program import Program

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAPLOG = os.environ.get("MAPLOG", str(ROOT / "build/release/maplog"))
BROKER = os.environ.get("MATRIX_BROKER")
SETTINGS = ["group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=1000"]


class Server:
    """`maplog serve` on a directory of its own; `address` is where clients go."""

    def __init__(self, directory):
        self.data = directory / "data"
        self.notes = directory / "notes"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"localhost:{free.getsockname()[1]}"
        command = [MAPLOG, "serve", "--data", self.data, "--listen", self.address]
        for setting in SETTINGS:
            command += ["--set", setting]
        with open(self.notes, "w") as notes:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=notes)
        self.wait()

    def wait(self):
        host, port = self.address.split(":")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        pytest.fail("the server does not start: " + self.notes.read_text())

    def stop(self):
        """It must still be there, end well, and have nothing to complain of."""
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "it does not end"
        errors = [line for line in self.notes.read_text().splitlines() if line.split()[1:2] == ["E"]]
        assert (alive, status, errors) == (True, 0, [])


class OtherBroker:
    address, data = BROKER, None


@pytest.fixture(scope="session")
def server():
    if BROKER:
        yield OtherBroker()
        return
    directory = pathlib.Path(tempfile.mkdtemp(prefix="maplog-matrix-", dir="/tmp"))
    made = Server(directory)
    try:
        yield made
        made.stop()
    finally:
        made.process.kill()
        made.process.wait()
        shutil.rmtree(directory)


@pytest.fixture(scope="class")
def client(request, server):
    """The one that most cases talk to."""
    program = Program(request.cls.command(), server.address)
    yield program
    program.close()


@pytest.fixture
def start(request, server):
    """More of them, for one test."""
    started = []

    def start():
        started.append(Program(request.cls.command(), server.address))
        return started[-1]

    yield start
    for program in started:
        program.close()


@pytest.fixture
def name():
    """A topic or group that nobody used before."""
    return "m" + uuid.uuid4().hex[:12]
