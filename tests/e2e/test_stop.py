"""SIGSTOP is no death: nobody takes over from a stopped writer, nothing is damaged when it goes on.

MAPLOG_STOP=name:N stops a process at a named point (src/os/fault.h).
"""
import json
import os
import signal
import time

import pytest

from conftest import wait_until

POINTS = ["append-begun:3", "append-copied:3", "append-published:3", "index-begun:1",
          "roll-created:2", "roll-allocated:2", "roll-sealed:1", "roll-published:2"]
LINES = [b"%04d " % i + b"x" * 700 for i in range(60)]


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def start_and_stop(maplog, point, *words):
    """A producer of LINES, one a batch, that stopped itself at the point."""
    environment = {**os.environ, "MAPLOG_STOP": point}
    producer = maplog.start("produce", "t", "--batch", "0", *words, env=environment)
    producer.stdin.write(b"".join(line + b"\n" for line in LINES))
    producer.stdin.close()
    wait_until(lambda: state(producer.pid) == "T")
    return producer


def topic(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=16384", "--config",
               "index.interval.bytes=1000")


@pytest.mark.parametrize("point", POINTS)
def test_others_are_told_who_holds_the_partition(maplog, point):
    topic(maplog)
    # Every record through appender_append(), where the points are: with a key.
    stopped = start_and_stop(maplog, point, "--key-separator", " ")
    end = maplog.end("t")
    for _ in range(2):
        failed = maplog.run("produce", "t", "--timeout", "200ms", input=b"other\n", status=1)
        assert f"{stopped.pid} (maplog), which is stopped".encode() in failed.stderr, failed.stderr
    assert maplog.end("t") == end, "somebody took over"
    assert len(maplog.values("t")) == end  # readers are not held up
    described = json.loads(maplog.run("ps", "--json").stdout)
    assert [p["inside"] for p in described if p["pid"] == stopped.pid] == [["t-0"]]

    waiting = maplog.start("produce", "t", "--timeout", "60s")
    waiting.stdin.write(b"patient\n")
    waiting.stdin.close()
    time.sleep(0.05)
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(30) == 0 and waiting.wait(30) == 0
    values = maplog.values("t")
    assert sorted(values) == sorted([line[5:] for line in LINES] + [b"patient"])
    keys = maplog.consume("t", "--format", "%k\n").split(b"\n")[:-1]
    assert [key for key in keys if key] == [line[:4] for line in LINES]
    maplog.run("inspect")


def test_a_stopped_writer_that_is_killed_is_taken_over_from(maplog):
    topic(maplog)
    stopped = start_and_stop(maplog, "append-copied:3", "--key-separator", " ")
    stopped.kill()
    stopped.wait()
    maplog.produce("t", b"other\n")
    assert maplog.values("t") == [LINES[0][5:], LINES[1][5:], b"other"]
    maplog.run("inspect")


def test_a_stopped_idle_writer_holds_nobody_up(maplog):
    maplog.run("topic", "create", "t")
    idle = maplog.start("produce", "t", "--batch", "0")
    idle.stdin.write(b"a\n")
    idle.stdin.flush()
    wait_until(lambda: maplog.end("t") == 1)
    idle.send_signal(signal.SIGSTOP)
    maplog.produce("t", b"b\n")
    idle.send_signal(signal.SIGCONT)
    idle.stdin.write(b"c\n")
    idle.stdin.close()
    assert idle.wait(30) == 0
    assert maplog.values("t") == [b"a", b"b", b"c"]


def test_a_stopped_keeper_holds_nobody_up(maplog):
    """The keeper stops; others roll, grow, are retained by hand, come and go."""
    topic(maplog)
    keeper = maplog.start("produce", "t")
    keeper.stdin.write(b"first\n")
    keeper.stdin.flush()
    wait_until(lambda: maplog.end("t") == 1)

    def is_keeper():
        return any(p["pid"] == keeper.pid and p["keeper"]
                   for p in json.loads(maplog.run("ps", "--json").stdout))

    # A producer that goes on producing becomes the keeper.
    deadline = time.monotonic() + 30
    while not is_keeper() and time.monotonic() < deadline:
        keeper.stdin.write(b"more\n")
        keeper.stdin.flush()
        time.sleep(0.01)
    assert is_keeper()
    wait_until(lambda: maplog.end("t") > 1)
    keeper.send_signal(signal.SIGSTOP)
    wait_until(lambda: state(keeper.pid) == "T")
    before = maplog.end("t")
    maplog.produce("t", b"".join(line + b"\n" for line in LINES))
    assert maplog.end("t") == before + len(LINES)
    maplog.run("topic", "create", "u")
    maplog.run("topic", "delete", "u")
    maplog.produce("t", b"durable\n", "--acks", "disk")
    assert maplog.values("t")[-1] == b"durable"
    keeper.send_signal(signal.SIGCONT)
    keeper.stdin.write(b"last\n")
    keeper.stdin.close()
    assert keeper.wait(30) == 0
    assert maplog.values("t")[-1] == b"last"
    maplog.run("inspect")


def test_a_process_that_stops_while_attaching_is_waited_for(maplog):
    maplog.produce("t", b"a\n")
    environment = {**os.environ, "MAPLOG_STOP": "prepare-begun:1"}
    stopped = maplog.start("consume", "t", env=environment)
    wait_until(lambda: state(stopped.pid) == "T")
    waiting = maplog.start("produce", "t")
    waiting.stdin.write(b"b\n")
    waiting.stdin.close()
    time.sleep(0.2)
    assert waiting.poll() is None
    stopped.send_signal(signal.SIGCONT)
    assert stopped.communicate()[0].startswith(b"a\n")
    assert waiting.wait(30) == 0
    assert maplog.values("t") == [b"a", b"b"]
