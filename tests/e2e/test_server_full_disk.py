"""A full disk under a server: writers get a retriable error, readers read on, and writes go on by
themselves when there is space again."""
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from filesystems import ext4, tmpfs  # noqa: E402
from kafka_server import Server  # noqa: E402
from kafka_wire import batch  # noqa: E402

NONE, STORAGE_ERROR = 0, 56
CHUNK = batch([bytes(60_000)])


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request):
    with (tmpfs(16) if request.param == "tmpfs" else ext4(32)) as system:
        with Server(directory=system.point) as server:
            server.system = system
            with server.peer() as peer:
                assert peer.create("t", segment_bytes=262144) == NONE
            yield server


def fill(peer, topic="t"):
    """Produces until the disk is full; how many batches were acknowledged."""
    for count in range(1000):
        error = peer.produce(topic, CHUNK)["ErrorCode"]
        if error:
            assert error == STORAGE_ERROR
            return count
    raise AssertionError("the disk is never full")


def commit(peer, offset):
    part = {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": "x" * 3000}
    answer = peer.ask("OffsetCommit", 2, {"GroupId": "g", "Topics": [{"Name": "t", "Partitions": [part]}]})
    return answer["Topics"][0]["Partitions"][0]["ErrorCode"]


def committed(peer):
    asked = {"GroupId": "g", "Topics": [{"Name": "t", "PartitionIndexes": [0]}]}
    return peer.ask("OffsetFetch", 2, asked)["Topics"][0]["Partitions"][0]["CommittedOffset"]


def until(what, seconds=20):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_reads_go_on_and_writes_resume(small):
    with small.peer() as peer:
        assert peer.produce("t", batch([b"first"]))["ErrorCode"] == NONE
        ballast = small.system.fill()
        count = fill(peer)
        assert peer.produce("t", CHUNK)["ErrorCode"] == STORAGE_ERROR
        values = peer.values("t")
        assert values[0] == b"first" and len(values) == 1 + count
        small.wait_for("No space left on device")
        ballast.unlink()
        until(lambda: peer.produce("t", CHUNK)["ErrorCode"] == NONE)
        assert len(peer.values("t")) == 2 + count
    small.stop()


def test_a_server_that_is_killed_on_a_full_disk_starts_there(small):
    with small.peer() as peer:
        ballast = small.system.fill()
        count = fill(peer)
    small.kill()
    small.start()
    with small.peer() as peer:
        assert len(peer.values("t")) == count
        ballast.unlink()
        until(lambda: peer.produce("t", CHUNK)["ErrorCode"] == NONE)
        assert len(peer.values("t")) == count + 1
    small.stop()


def test_commits(small):
    """The last commit that was acknowledged stands; later ones go through when there is space."""
    with small.peer() as peer:
        assert commit(peer, 1) == NONE
        ballast = small.system.fill()
        fill(peer)
        last, errors = 1, set()
        for offset in range(2, 2000):
            error = commit(peer, offset)
            if error:
                errors.add(error)
                break
            last = offset
        assert committed(peer) == last
        assert errors <= {14, 15, 16, 56, 7}, errors  # those after which clients try again
        ballast.unlink()
        until(lambda: commit(peer, 5000) == NONE)
        assert committed(peer) == 5000
    small.restart()
    with small.peer() as peer:
        assert committed(peer) == 5000


def test_topics_are_not_created_by_halves(small):
    with small.peer() as peer:
        ballast = small.system.fill()
        fill(peer)
        errors = {peer.create(f"new-{i}", 8) for i in range(20)}
        assert errors <= {NONE, STORAGE_ERROR}, errors
        ballast.unlink()
        until(lambda: peer.create("later") == NONE)
        assert peer.produce("later", batch([b"x"]))["ErrorCode"] == NONE
        for i in range(20):
            assert peer.create(f"new-{i}", 8) in (NONE, 36)
            assert peer.produce(f"new-{i}", batch([b"x"]), 7)["ErrorCode"] == NONE
    small.restart()
    with small.peer() as peer:
        assert peer.values("later") == [b"x"]
        assert peer.values("new-3", 7) == [b"x"]
