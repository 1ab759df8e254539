"""Control files of another time, of another program, of nobody: the right result or a clear error."""
import json
import os
import random
import shutil

import pytest

from conftest import wait_until

FILES = ["maplog.control", "maplog.bell", "maplog.lock"]


def filled(maplog):
    maplog.run("topic", "create", "t", "--partitions", "2", "--config", "segment.bytes=16384")
    maplog.produce("t", b"".join(b"%d " % i + b"x" * 300 + b"\n" for i in range(200)))
    return sorted(maplog.values("t"))


def epochs(maplog):
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    return [partition["leader_epoch"] for partition in described["partitions"]]


def assert_works(maplog, values):
    assert sorted(maplog.values("t")) == values
    maplog.produce("t", b"more\n")
    values.append(b"more")
    assert sorted(maplog.values("t")) == sorted(values)
    maplog.run("topic", "create", "u")
    maplog.produce("u", b"a\n")
    maplog.run("topic", "delete", "u")
    maplog.run("inspect")
    values.sort()


def test_any_bytes(maplog):
    values = filled(maplog)
    random.seed(5)
    control = maplog.data / "maplog.control"
    size = control.stat().st_size
    good = control.read_bytes()
    for fill in (os.urandom(size), b"\0" * size, b"\xff" * size,
                 good[:64] + os.urandom(size - 64), good[:4096] + os.urandom(size - 4096)):
        with open(control, "r+b") as file:
            file.write(fill)
        assert_works(maplog, values)


def test_any_word_of_the_header(maplog):
    """Words that say something else than they did, at random, in an otherwise good file."""
    values = filled(maplog)
    random.seed(7)
    control = maplog.data / "maplog.control"
    partitions = control.stat().st_size - 32768 * 512
    for _ in range(25):
        with open(control, "r+b") as file:
            for _ in range(4):
                place = random.choice([random.randrange(0, 576), partitions + random.randrange(1024)])
                file.seek(place)
                file.write(bytes([random.randrange(256)]))
        # Bytes of a log that nobody wrote by its rules: all that was published, or a clear error.
        done = maplog.run("consume", "t", "--check-crcs", status=None)
        if done.returncode == 0:
            got = done.stdout.split(b"\n")[:-1]
            assert set(got) <= set(values)
        else:
            assert done.stderr.startswith(b"maplog: ")
        control.unlink()  # what the errors advise
        assert_works(maplog, values)


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20, 100 << 20])
def test_any_size(maplog, size):
    values = filled(maplog)
    for name in FILES:
        os.truncate(maplog.data / name, size)
        assert_works(maplog, values)


def test_all_of_them_gone(maplog):
    values = filled(maplog)
    for name in FILES:
        (maplog.data / name).unlink()
    assert_works(maplog, values)
    assert epochs(maplog) == [1, 1]


def test_of_another_directory(maplog):
    """The same boot, the same file system, the same topics even."""
    values = filled(maplog)
    other = maplog.directory / "other"
    shutil.copytree(maplog.data, other)
    maplog.produce("t", b"x\n" * 1000)
    values = sorted(maplog.values("t"))
    shutil.copy2(other / "maplog.control", maplog.data / "maplog.control")
    assert_works(maplog, values)
    shutil.rmtree(other)


def test_directories_instead_of_files(maplog):
    filled(maplog)
    for name in FILES:
        (maplog.data / name).unlink()
        (maplog.data / name).mkdir()
        refused = maplog.produce("t", b"a\n", status=1)
        assert name.encode() in refused.stderr
        (maplog.data / name).rmdir()
    assert len(maplog.values("t")) == 200


@pytest.mark.parametrize("line, says", [
    ("maplog.version=2", b"use the newer maplog"),
    ("maplog.version=999999", b"use the newer maplog"),
    ("maplog.version=", b"maplog.version"),
    ("maplog.version=one", b"maplog.version"),
    ("nothing=1", b"maplog import"),
])
def test_another_versions_directory(maplog, line, says):
    filled(maplog)
    meta = maplog.data / "meta.properties"
    good = meta.read_text()
    meta.write_text(good.replace("maplog.version=1", line))
    changed = {path: path.read_bytes() for path in maplog.data.rglob("*") if path.is_file()}
    for words in (["produce", "t"], ["consume", "t"], ["topic", "list"], ["topic", "delete", "t"]):
        refused = maplog.run(*words, input=b"a\n", status=1)
        assert says in refused.stderr, refused.stderr
    assert {path: path.read_bytes() for path in changed} == changed, "it was left alone"
    meta.write_text(good + "of.the.future=kept\n")
    maplog.produce("t", b"a\n")
    assert meta.read_text().endswith("of.the.future=kept\n")


def test_another_versions_control_file_while_it_is_attached(maplog):
    maplog.produce("t", b"a\n")
    reader = maplog.start("consume", "t", "--follow")
    assert reader.stdout.readline() == b"a\n"
    control = maplog.data / "maplog.control"
    with open(control, "r+b") as file:
        file.seek(8)
        version = file.read(1)
        file.seek(8)
        file.write(b"\x63")
        file.flush()
        refused = maplog.produce("t", b"b\n", status=1)
        assert b"version 99" in refused.stderr and b"stop" in refused.stderr
        file.seek(8)
        file.write(version)
    maplog.produce("t", b"b\n")
    assert reader.stdout.readline() == b"b\n"


def test_a_damaged_list_of_topics_is_named_and_kept(maplog):
    values = filled(maplog)
    topics = maplog.data / "maplog.topics"
    good = topics.read_bytes()
    for bad in (b"", b"nonsense\n", good[:-1], good + b"t id=x\n", os.urandom(300)):
        topics.write_bytes(bad)
        refused = maplog.produce("t", b"a\n", status=1)
        assert b"maplog.topics" in refused.stderr, (bad, refused.stderr)
        assert topics.read_bytes() == bad
    topics.write_bytes(good)
    assert_works(maplog, values)


def test_damaged_checkpoints(maplog):
    """They only make recovery faster: a damaged one is named, and may be removed."""
    maplog.run("topic", "create", "t", "--config", "segment.bytes=16384")
    maplog.produce("t", b"".join(b"%d " % i + b"x" * 300 + b"\n" for i in range(200)), "--acks", "disk")
    values = maplog.values("t")
    for name in ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint"):
        path = maplog.data / name
        path.write_bytes(b"0\n1\nt 0 999999\n")
        (maplog.data / "maplog.control").unlink()
        done = maplog.run("consume", "t", status=None)
        assert done.returncode == 0 or name.encode() in done.stderr
        path.write_bytes(b"nonsense\n")
        (maplog.data / "maplog.control").unlink(missing_ok=True)
        done = maplog.run("consume", "t", status=None)
        assert done.returncode == 0 or name.encode() in done.stderr
        path.unlink()
    assert maplog.values("t") == values


def test_a_lock_that_somebody_else_holds(maplog):
    """flock(2) and POSIX locks on the lock file are no business of ours; ours are on open files."""
    import fcntl
    maplog.produce("t", b"a\n")
    with open(maplog.data / "maplog.lock", "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert maplog.values("t") == [b"a"]
        maplog.produce("t", b"b\n")
    assert maplog.values("t") == [b"a", b"b"]
    wait_until(lambda: maplog.run("ps").stdout.startswith(b"nobody"))
