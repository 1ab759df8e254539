"""Processes that do not see each other otherwise: pid namespaces, crowds of commands."""
import json
import os
import shutil
import signal
import subprocess

import pytest

from conftest import wait_until
from filesystems import needs_root

LINES = [b"%05d" % i for i in range(3000)]
TEXT = b"".join(line + b"\n" for line in LINES)


def unshare(maplog, *words):
    needs_root()
    if not shutil.which("unshare"):
        pytest.skip("unshare is not installed")
    # Not as process 1: that one may neither kill nor stop itself.
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", '"$@"; exit $?',
            "sh", *maplog.command(*words)]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def keyed(prefix):
    return b"".join(prefix + b" " + line + b"\n" for line in LINES)


def check_order(maplog, prefixes):
    """Every producer's records are there once, in their order."""
    values = maplog.values("t")
    assert len(values) == len(prefixes) * len(LINES)
    for prefix in prefixes:
        mine = [value[len(prefix) + 1:] for value in values if value.startswith(prefix + b" ")]
        assert mine == LINES


def test_pid_namespaces_share_a_directory(maplog):
    """The pids are the same on both sides, and mean different processes."""
    maplog.run("topic", "create", "t", "--config", "segment.bytes=65536")
    producers = []
    for prefix in (b"a", b"b"):
        producers.append((prefix, subprocess.Popen(unshare(maplog, "produce", "t", "--batch", "200"),
                                                   stdin=subprocess.PIPE)))
    producers.append((b"c", maplog.start("produce", "t", "--batch", "200")))
    for prefix, producer in producers:
        producer.stdin.write(keyed(prefix))
    for _, producer in producers:
        producer.stdin.close()
    for _, producer in producers:
        assert producer.wait(60) == 0
    check_order(maplog, [b"a", b"b", b"c"])
    maplog.run("inspect")


@pytest.mark.parametrize("point", ["append-copied:40", "roll-sealed:1"])
def test_a_death_in_another_namespace_is_noticed(maplog, point):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=16384")
    for _ in range(5):
        died = subprocess.run(unshare(maplog, "produce", "t", "--batch", "200"), input=keyed(b"k"),
                              env={**os.environ, "MAPLOG_CRASH": point})
        assert died.returncode != 0
        end = maplog.end("t")
        maplog.produce("t", b"next\n", "--timeout", "5s")
        assert maplog.end("t") == end + 1
    maplog.run("inspect")


def test_a_writer_that_is_stopped_in_another_namespace_is_not_taken_for_dead(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=65536")
    stopped = subprocess.Popen(unshare(maplog, "produce", "t", "--batch", "200"), stdin=subprocess.PIPE,
                               env={**os.environ, "MAPLOG_STOP": "append-copied:10"})
    stopped.stdin.write(keyed(b"s"))
    stopped.stdin.close()
    # While it attaches the control file is being made anew, and ps may say so.
    wait_until(lambda: json.loads(maplog.run("ps", "--json", status=None).stdout or "[]"))
    shell = children_of(stopped.pid)[0]
    child = children_of(shell)[0]
    wait_until(lambda: open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[0] == "T")
    end = maplog.end("t")
    failed = maplog.produce("t", b"other\n", "--timeout", "300ms", status=1)
    assert b"is held by" in failed.stderr
    assert maplog.end("t") == end
    os.kill(child, signal.SIGCONT)
    assert stopped.wait(60) == 0
    check_order(maplog, [b"s"])
    maplog.run("inspect")


def test_many_commands_at_once(maplog):
    """Forty producers that come and go, and consumers beside them."""
    maplog.run("topic", "create", "t", "--config", "segment.bytes=262144")
    prefixes = [b"p%02d" % i for i in range(40)]
    follower = maplog.start("consume", "t", "--follow", "--count", str(40 * len(LINES)))
    producers = []
    for prefix in prefixes:
        producer = maplog.start("produce", "t", "--batch", "500", stdout=subprocess.DEVNULL)
        producer.stdin.write(keyed(prefix))
        producer.stdin.close()
        producers.append(producer)
    got, _ = follower.communicate(timeout=120)
    assert got.count(b"\n") == 40 * len(LINES)
    for producer in producers:
        assert producer.wait(60) == 0
    check_order(maplog, prefixes)
    assert maplog.run("ps").stdout.startswith(b"nobody")
    maplog.run("inspect")
