"""The server is killed again and again under the load of real clients that go on: nothing that was
acknowledged is lost, idempotent producers leave no duplicate and keep their order, the group resumes
where it committed.

MAPLOG_KILLS (14; with MAPLOG_LONG 1000) how often.
"""
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from kafka_server import PROGRAM, Server  # noqa: E402

KILLS = int(os.environ.get("MAPLOG_KILLS", 1000 if os.environ.get("MAPLOG_LONG") else 14))
PYTHON = os.environ.get("MAPLOG_PYTHON", str(ROOT / "build/python/bin/python"))
PARTITIONS = 3
# Where MAPLOG_CRASH kills, and at which passage at the latest; None: at any time.
POINTS = [None, ("append-begun", 60), ("append-copied", 60), ("append-published", 60), None,
          ("roll-created", 2), ("roll-allocated", 2), ("roll-sealed", 2), ("roll-published", 2), None,
          ("index-begun", 20), ("index-put", 20), ("grow-allocated", 5), ("producers-stored", 3), None,
          ("progress-gathered", 1), ("progress-appended", 1), ("progress-rewritten", 1),
          ("prepare-begun", 1), ("prepare-done", 1), ("recover-mended", 1), ("recover-removed", 1),
          ("producer-ids-stored", 1)]


class Load:
    """server_load.py as a child."""

    def __init__(self, server, producers=4, consumers=2):
        self.process = subprocess.Popen(
            [PYTHON, str(ROOT / "tests/crash/server_load.py"), server.bootstrap(), "t", str(producers),
             str(consumers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def finish(self):
        out = self.process.communicate(timeout=300)[0]
        assert self.process.returncode == 0
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def server():
    if not os.path.exists(PYTHON):
        pytest.skip("there are no clients in build/python")
    settings = ["group.min.session.timeout.ms=1000", "log.segment.bytes=65536"]
    with Server(settings=settings) as server:
        with server.peer() as peer:
            assert peer.create("t", PARTITIONS, segment_bytes=65536, index_interval_bytes=1024) == 0
        yield server


def kill_once(server, point, rng):
    """One life of the server under load, to its violent end. librdkafka takes up to two seconds to
    come back."""
    server.environment = {"MAPLOG_CRASH": f"{point[0]}:{rng.randint(1, point[1])}"} if point else {}
    server.start(wait=False)
    deadline = time.monotonic() + (4 if point else rng.uniform(0.02, 2))
    while server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    came = server.process.poll() is not None
    assert not came or point and server.process.returncode == -9, server.text()
    server.kill()
    assert not server.find(" E |Sanitizer|runtime error"), server.text()
    return came


def read_log(server):
    """{partition: {offset: value}} of what is in the log; offsets are contiguous from 0."""
    found = {}
    with server.peer() as peer:
        for partition in range(PARTITIONS):
            values = peer.values("t", partition)
            found[partition] = values
    return found


def check_records(log, result):
    """Each acknowledged record stands where its producer was told, each one once and in order."""
    assert result["unacked"] == [] and result["errors"] == []
    copies = {}
    for partition, values in log.items():
        last = {}
        for offset, value in enumerate(values):
            name, number = value.decode().split()
            assert int(number) > last.get(name, -1), f"{value} at {partition}:{offset} is out of order"
            last[name] = int(number)
            assert copies.setdefault(value, (partition, offset)) == (partition, offset), \
                f"{value} is there twice"
    for name, places in result["acked"].items():
        for number, (partition, offset) in enumerate(places):
            value = f"{name} {number}".encode()
            assert log[partition][offset:offset + 1] == [value], f"{value} is not at {partition}:{offset}"
    assert sum(map(len, log.values())) == sum(map(len, result["acked"].values()))


def check_group(server, log, result):
    for partition, before, first in result["resumed"]:
        assert first >= before, f"partition {partition} went back from {before} to {first}"
    for partition, offsets in result["seen"].items():
        assert set(offsets) == set(range(len(log[int(partition)]))), f"records of {partition} were skipped"
    asked = {"GroupId": "crash", "Topics": [{"Name": "t", "PartitionIndexes": list(range(PARTITIONS))}]}
    with server.peer() as peer:
        answer = peer.ask("OffsetFetch", 2, asked)["Topics"][0]["Partitions"]
    for part in answer:
        acknowledged = result["commits"].get(str(part["PartitionIndex"]), -1)
        assert part["CommittedOffset"] >= acknowledged, part


def inspect(server):
    done = subprocess.run([PROGRAM, "inspect", "--data", str(server.data)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def check_all(server, result):
    log = read_log(server)
    check_records(log, result)
    check_group(server, log, result)
    server.stop()
    inspect(server)
    return log


def test_stop_under_load(server):
    """The same where the server ends well and begins again, four times."""
    with Load(server) as load:
        for _ in range(4):
            time.sleep(1)
            server.restart()
            assert load.process.poll() is None, "the load has ended"
        result = load.finish()
    check_all(server, result)


def test_kill_under_load(server):
    rng, points, came = random.Random(KILLS), itertools.cycle(POINTS), 0
    with Load(server) as load:
        time.sleep(1)
        server.kill()
        for _ in range(KILLS):
            assert load.process.poll() is None, "the load has ended"
            came += kill_once(server, next(points), rng)
        server.environment = {}
        server.start()
        result = load.finish()
    assert came > 0
    log = check_all(server, result)
    print(f"{KILLS} kills, {came} at their point, {sum(map(len, log.values()))} records")
