"""A full disk is an error to who appends, and to nobody else; appends go on when there is space."""
import pytest

from conftest import Maplog, wait_until
from filesystems import ext4, tmpfs

LINES = b"".join(b"line %d of a file system that is too small\n" % i for i in range(400000))
SEGMENTS = ["--config", "segment.bytes=262144"]


@pytest.fixture(params=["tmpfs", "ext4"])
def small(request):
    with (tmpfs(8) if request.param == "tmpfs" else ext4(24)) as system:
        maplog = Maplog(system.point)
        maplog.system = system
        yield maplog
        maplog.stop_all()


def is_prefix(maplog, topic, lines):
    values = maplog.consume(topic)
    return lines.startswith(values) and (not values or values.endswith(b"\n"))


def test_the_error_names_the_place_and_nothing_is_lost(small):
    small.run("topic", "create", "t", *SEGMENTS)
    failed = small.produce("t", LINES, status=1)
    assert b"No space left on device" in failed.stderr
    assert str(small.data).encode() in failed.stderr and b"t-0/" in failed.stderr
    assert small.end("t") > 1000
    assert is_prefix(small, "t", LINES)
    small.run("inspect")


def test_appends_go_on_when_there_is_space(small):
    small.run("topic", "create", "t", *SEGMENTS)
    small.produce("t", b"before\n")
    ballast = small.system.fill()
    small.produce("t", LINES, status=1)
    end = small.end("t")
    ballast.unlink()
    small.produce("t", b"after\n")
    values = small.values("t")
    assert values[0] == b"before" and values[-1] == b"after" and len(values) == end + 1
    small.run("inspect")


def test_an_attached_producer_appends_again_by_itself(small):
    small.run("topic", "create", "t", *SEGMENTS)
    producer = small.start("produce", "t", "--batch", "1")
    producer.stdin.write(b"before\n")
    producer.stdin.flush()
    wait_until(lambda: small.end("t") == 1)
    ballast = small.system.fill()
    # What is allocated takes small records still; a consumer reads on.
    assert small.values("t") == [b"before"]
    ballast.unlink()
    producer.stdin.write(LINES[:1 << 20])
    producer.stdin.close()
    assert producer.wait(60) == 0
    assert small.end("t") == 1 + LINES[:1 << 20].count(b"\n") + (LINES[(1 << 20) - 1:1 << 20] != b"\n")


def test_consumers_are_not_affected(small):
    small.run("topic", "create", "t", *SEGMENTS)
    small.produce("t", b"one\ntwo\n")
    follower = small.start("consume", "t", "--follow")
    assert follower.stdout.readline() == b"one\n"
    small.system.fill()
    small.produce("t", LINES, status=1)
    assert follower.stdout.readline() == b"two\n"
    assert follower.poll() is None
    assert small.values("t")[:2] == [b"one", b"two"]


def test_no_topic_is_made_by_halves(small):
    small.run("topic", "create", "t")
    small.system.fill()
    for number in range(200):
        done = small.run("topic", "create", f"more-{number}", "--partitions", "50", status=None)
        if done.returncode:
            break
    small.run("topic", "list")
    (small.system.point / "ballast").unlink()
    if done.returncode:
        small.run("topic", "create", f"more-{number}", "--partitions", "50")
    small.produce("t", b"works\n")


def test_a_directory_is_not_made_by_halves(small):
    ballast = small.system.fill()
    failed = small.run("topic", "create", "t", status=1)
    assert b"No space left on device" in failed.stderr
    ballast.unlink()
    small.run("topic", "create", "t")
    small.produce("t", b"works\n")
    assert small.values("t") == [b"works"]
