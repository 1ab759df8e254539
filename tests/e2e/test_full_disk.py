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


def test_attaching_needs_no_space(small):
    """Everything that is there is read, groups too, by who attaches when nothing is left."""
    small.run("topic", "create", "t", *SEGMENTS)
    small.produce("t", b"one\ntwo\n")
    small.consume("t", "--group", "g")
    small.system.fill()
    assert small.values("t") == [b"one", b"two"]
    small.run("inspect")
    small.run("topic", "describe", "t")
    small.run("ps")
    ballast = small.system.point / "ballast"
    # With the control file gone it cannot be made: that is said, and a reader does without.
    (small.data / "maplog.control").unlink()
    small.system.fill()
    done = small.run("consume", "t", status=None)
    assert done.stdout == b"one\ntwo\n" or b"No space left on device" in done.stderr
    refused = small.produce("t", b"three\n", status=None)
    assert refused.returncode == 0 or b"No space left on device" in refused.stderr
    ballast.unlink()
    small.produce("t", b"four\n")
    values = small.values("t")
    assert values[:2] == [b"one", b"two"] and values[-1] == b"four"


def test_progress_is_committed_again_when_there_is_space(small):
    """Group progress is a log too; reading goes on whether or not it can be stored."""
    small.run("topic", "create", "t", *SEGMENTS)
    small.produce("t", b"".join(b"%d\n" % i for i in range(100)))
    assert small.consume("t", "--group", "g", "--count", "10").count(b"\n") == 10
    ballast = small.system.fill()
    commits = 0
    for _ in range(60):
        done = small.run("consume", "t", "--group", "g", "--count", "1", status=None)
        if done.returncode:
            assert b"No space left on device" in done.stderr
        commits += done.returncode == 0
    ballast.unlink()
    rest = small.consume("t", "--group", "g").split(b"\n")[:-1]
    assert rest == [b"%d" % i for i in range(10 + commits, 100)]
    assert small.consume("t", "--group", "g") == b""
    small.run("inspect")


def test_every_roll_may_meet_the_end_of_the_space(small):
    """The space comes and goes, a little at a time, while a producer rolls on."""
    small.run("topic", "create", "t", "--config", "segment.bytes=65536")
    expected = []
    for turn in range(12):
        ballast = small.system.fill()
        with open(ballast, "r+b") as file:
            file.truncate(max(0, ballast.stat().st_size - 30000 * (turn + 1)))
        lines = [b"%d %d " % (turn, i) + b"x" * 400 for i in range(300)]
        before = len(expected)
        small.run("produce", "t", "--batch", "0", input=b"".join(line + b"\n" for line in lines),
                  status=None)
        taken = small.end("t") - before
        expected += lines[:taken]
        ballast.unlink()
    small.produce("t", b"last\n")
    assert small.values("t") == expected + [b"last"]
    small.run("inspect")


def test_retention_frees_space_on_a_full_disk(small):
    small.run("topic", "create", "t", *SEGMENTS)
    small.produce("t", LINES, status=1)
    small.system.fill()
    small.run("topic", "delete-records", "t", "--before", "end", status=None)
    small.run("topic", "alter", "t", "--config", "retention.bytes=300000", status=None)
    small.produce("t", b"fits again\n", status=None)
    small.run("topic", "delete", "t", status=None)
    (small.system.point / "ballast").unlink()
    small.run("topic", "create", "u")
    small.produce("u", b"works\n")
    assert small.values("u") == [b"works"]
    small.run("inspect")
