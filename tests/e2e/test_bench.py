"""maplog bench prints what it measured; how fast it was is no matter here."""
import json
import os

import pytest
from conftest import PROGRAM, Maplog
import subprocess


def bench(*words):
    done = subprocess.run([PROGRAM, "bench", *map(str, words)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(*words):
    return {row["name"]: row for row in map(json.loads, bench(*words, "--json").splitlines())}


def test_lines(maplog):
    text = maplog.directory / "text"
    text.write_bytes(b"".join(b"x" * (i % 200) + b"\n" for i in range(100_000)) + b"no newline")
    measured = rows("lines", text)
    assert list(measured) == ["fgets", "getline", "read+memchr", "mmap+memchr", "maplog"]
    for row in measured.values():
        assert row["value"] > 0 and row["unit"] == "GB/s" and row["roof"] > 0
    assert b"100001 lines" in bench("lines", text)


def test_lines_of_an_empty_file_and_of_none(maplog):
    (maplog.directory / "empty").write_bytes(b"")
    bench("lines", maplog.directory / "empty")
    done = subprocess.run([PROGRAM, "bench", "lines", "/nowhere"], capture_output=True)
    assert done.returncode == 1 and b"/nowhere" in done.stderr


def test_log(maplog):
    measured = rows("log", "--directory", maplog.directory)
    assert list(measured) == ["produce_one_by_one", "produce_batches", "consume"]
    assert all(row["value"] > 0 and row["roof"] > 0 for row in measured.values())
    assert os.listdir(maplog.directory) == []


def test_latency(maplog):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("spinning on both sides wants two CPUs")
    measured = rows("latency", "--directory", maplog.directory)
    assert list(measured) == ["latency_spinning_p50", "latency_spinning_p99", "latency_sleeping_p50",
                              "latency_sleeping_p99"]
    assert os.listdir(maplog.directory) == []
