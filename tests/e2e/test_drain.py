"""drain and device where there is no device of the module: what they say, and that nothing is made.

With a device they are tested in a virtual machine (tests/driver/drain_test.c), the loop of drain in
tests/unit/cmd/drain_loop_test.c.
"""
import os
import pathlib
import re
import stat
import subprocess

import pytest
from conftest import PROGRAM

REAL = pathlib.Path("/dev/maplog")


def lines(done):
    return done.stderr.decode().splitlines()


def device(*words):
    return subprocess.run([PROGRAM, "device", *map(str, words)], capture_output=True, timeout=60)


def assert_made_nothing(maplog):
    assert not maplog.data.exists()


@pytest.mark.parametrize("command", ["drain", "device"])
def test_a_missing_device_is_one_sentence_with_what_to_do(maplog, command):
    missing = maplog.directory / "maplog"
    done = maplog.run("drain", missing, "t", status=1) if command == "drain" else device(missing)
    assert done.returncode == 1 and done.stdout == b""
    assert lines(done) == [f"maplog: there is no device {missing}; is the module loaded? modprobe maplog"]
    assert_made_nothing(maplog)


def test_device_is_dev_maplog_unless_it_is_named():
    unnamed, named = device(), device(REAL)
    assert (unnamed.returncode, unnamed.stderr) == (named.returncode, named.stderr)
    assert unnamed.returncode == 0 or str(REAL) in unnamed.stderr.decode()


def make_file(path):
    path.write_bytes(b"\0MLPRING" * 1024)


def make_pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_file, make_pipe])
def test_what_is_no_character_device_is_refused(maplog, make):
    path = maplog.directory / "maplog"
    make(path)
    done = maplog.run("drain", path, "t", status=1)
    assert lines(done) == [f"maplog: {path} is no character device; the module makes /dev/maplog"]
    assert_made_nothing(maplog)
    assert device(path).stderr == done.stderr


def test_a_directory_is_refused(maplog):
    (maplog.directory / "maplog").mkdir()
    done = maplog.run("drain", maplog.directory / "maplog", "t", status=1)
    assert len(lines(done)) == 1 and str(maplog.directory / "maplog") in lines(done)[0]
    assert device(maplog.directory / "maplog").returncode == 1
    assert_made_nothing(maplog)


@pytest.mark.parametrize("other", ["/dev/null", "/dev/zero"])
def test_a_device_of_another_driver_is_refused(maplog, other):
    assert stat.S_ISCHR(os.stat(other).st_mode)
    done = maplog.run("drain", other, "t", status=1)
    assert len(lines(done)) == 1 and other in lines(done)[0]
    done = device(other)
    assert done.returncode == 1 and other in done.stderr.decode() and done.stdout == b""
    assert_made_nothing(maplog)


@pytest.mark.parametrize("words, said", [
    ([], "drain needs a device and a topic"),
    (["/dev/maplog"], "drain needs a device and a topic"),
    (["/dev/maplog", "t", "u"], '"u" is one argument too many'),
    (["/dev/maplog", "t", "--acks", "none"], "--acks is memory or disk"),
    (["/dev/maplog", "t", "--acks", "all"], "all"),
    (["/dev/maplog", "t", "--compression", "rar"], "rar"),
    (["/dev/maplog", "t", "--batch", "0"], "--batch"),
    (["/dev/maplog", "t", "--batch", "1g"], "--batch"),
    (["/dev/maplog", "t", "--exit-oef"], "did you mean --exit-eof?"),
])
def test_a_wrong_call_of_drain(maplog, words, said):
    done = maplog.run("drain", *words, status=2)
    assert said in done.stderr.decode() and done.stdout == b""
    assert re.search(r"see maplog drain --help", done.stderr.decode())
    assert_made_nothing(maplog)


def test_a_wrong_call_of_device():
    done = device("/dev/maplog", "/dev/maplog")
    assert done.returncode == 2 and b'"/dev/maplog" is one argument too many' in done.stderr
