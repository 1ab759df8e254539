"""The server built for ThreadSanitizer, with several clients at a time on the same topics and groups,
local processes beside them, and signals: no report."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/fuzz")]

from conversation import converse  # noqa: E402
from kafka_server import PROGRAM, Server  # noqa: E402
from kafka_wire import batch  # noqa: E402

SECONDS = int(os.environ.get("MAPLOG_SECONDS", 300 if os.environ.get("MAPLOG_LONG") else 8))
TSAN = os.environ.get("MAPLOG_TSAN", str(ROOT / "build/tsan/maplog"))


@pytest.fixture
def server():
    server = Server(program=TSAN, settings=["num.network.threads=3", "log.segment.bytes=65536",
                                            "offsets.retention.check.interval.ms=50",
                                            "auto.create.topics.enable=true"])
    server.environment = {"TSAN_OPTIONS": "second_deadlock_stack=1:halt_on_error=0:exitcode=66"}
    personality = ["setarch", "-R"]  # TSan cannot place its shadow in every random layout
    if shutil.which("setarch") and subprocess.run([*personality, "true"], capture_output=True).returncode == 0:
        command = server.command
        server.command = lambda: [*personality, *command()]
    with server:
        with server.peer() as peer:
            assert peer.create("t", 2, segment_bytes=65536) == 0
        yield server


def speak(server, until, number):
    """What many ordinary clients do at once, and now and then something else."""
    rng, seed = random.Random(number), 77_000_000 + number
    while time.monotonic() < until:
        with server.peer(timeout=60) as peer:
            for _ in range(30):
                assert peer.produce("t", batch([rng.randbytes(500)]), rng.randrange(2))["ErrorCode"] == 0
                part = peer.fetch("t", -1 if rng.random() < 0.1 else 0, rng.randrange(2), 5)
                assert part["ErrorCode"] in (0, 1)
                member = {"PartitionIndex": 0, "CommittedOffset": rng.randrange(100), "CommittedMetadata": ""}
                asked = {"GroupId": f"g{rng.randrange(3)}", "Topics": [{"Name": "t", "Partitions": [member]}]}
                peer.ask("OffsetCommit", 2, asked)
                peer.ask("Metadata", 4, {"Topics": [{"Name": f"made-{rng.randrange(20)}"}],
                                         "AllowAutoTopicCreation": True})
        converse((server.host, server.port), seed)
        seed += 100


def beside(server, until):
    """Local processes, and settings read again."""
    while time.monotonic() < until:
        subprocess.run([PROGRAM, "produce", "t", "--data", str(server.data)], input=b"local\n" * 50,
                       capture_output=True, timeout=60)
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)


def test_no_data_race(server):
    until, failures = time.monotonic() + SECONDS, []

    def run(what, *arguments):
        try:
            what(server, until, *arguments)
        except Exception as error:
            failures.append(repr(error))
    threads = [threading.Thread(target=run, args=(speak, i)) for i in range(5)]
    threads.append(threading.Thread(target=run, args=(beside,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0] + "\n" + server.text()[-6000:]
    server.stop()
    assert not server.find("WARNING: ThreadSanitizer")
