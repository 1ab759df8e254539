"""The examples by which processes share memory: each does what its section of docs/cookbook.md says.

They are run as built, from the folder of $MAPLOG, else from build/release/examples; and built as a
user would, with the public headers alone.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import programs
from programs import EXAMPLES, MAPLOG, ROOT, TIMEOUT

NAMES = ["watch_and_change", "parent_and_child", "strangers", "passed_descriptor", "many_producers",
         "request_and_reply", "blackboard"]


def command(name, *words):
    return [str(EXAMPLES / name), *map(str, words)]


def run(name, *words, status=0):
    """Its standard output, or with another status its standard error."""
    done = subprocess.run(command(name, *words), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == status, f"{name} {words}: {done.returncode}, {done.stderr}"
    return done.stdout if status == 0 else done.stderr


def started(name, *words):
    return programs.started(*command(name, *words))


def rest(process):
    """What else it prints until it ends well."""
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (0, "")
    return out


def wait_for(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(process):
    return pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.fixture
def memory():
    """A folder in /dev/shm."""
    folder = tempfile.mkdtemp(prefix="maplog-examples-", dir="/dev/shm")
    yield pathlib.Path(folder)
    shutil.rmtree(folder)


# ---- watch and change ------------------------------------------------------------------------------

def test_a_watcher_sees_what_another_process_changes(tmp_path):
    file = tmp_path / "weather"
    with started("watch_and_change", "watch", file) as watcher:
        assert watcher.stdout.readline() == 'watching; it says ""\n'
        assert run("watch_and_change", "change", file, "sun") == ""
        assert watcher.stdout.readline() == 'it changed to "sun"\n'
        run("watch_and_change", "change", file, "bye")
        assert rest(watcher) == 'it changed to "bye"\n'
    assert b"bye\0" in file.read_bytes()  # the memory is the file


def test_nobody_sees_a_private_change(tmp_path):
    file = tmp_path / "weather"
    run("watch_and_change", "change", file, "sun")
    before = file.read_bytes()
    with started("watch_and_change", "watch", file) as watcher:
        assert watcher.stdout.readline() == 'watching; it says "sun"\n'
        assert run("watch_and_change", "private", file, "snow") == \
            'in this process it says "snow"\nfor everybody else it says "sun"\n'
        assert file.read_bytes() == before
        run("watch_and_change", "change", file, "bye")
        assert rest(watcher) == 'it changed to "bye"\n'


def test_another_file_is_left_alone(tmp_path):
    file = tmp_path / "letter"
    file.write_text("dear reader")
    assert "letter was made by something else" in run("watch_and_change", "change", file, "sun", status=1)
    assert file.read_text() == "dear reader"


# ---- parent and child ------------------------------------------------------------------------------

def test_a_child_answers_its_parent():
    with started("parent_and_child", "one", "seventeen", "") as parent:
        lines = rest(parent).splitlines()
        processes = set(re.findall(r"process (\d+)", "\n".join(lines)))
    assert [re.sub(r"\d+", "N", line, count=1) for line in lines] == [
        'process N counts 3 bytes in "one"', 'process N counts 9 bytes in "seventeen"',
        'process N counts 0 bytes in ""', "the child ended with success"]
    assert len(processes) == 1 and str(parent.pid) not in processes


# ---- strangers -------------------------------------------------------------------------------------

def test_strangers_exchange_texts_in_any_order_of_start(memory):
    bus = memory / "bus"
    with started("strangers", "read", bus) as reader:
        assert run("strangers", "write", bus, "hello", "bye") == \
            "wrote hello at offset 0\nwrote bye at offset 1\n"
        assert rest(reader) == "read  hello at offset 0\nread  bye at offset 1\n"
    run("strangers", "write", bus, "again", "bye")
    assert run("strangers", "read", bus) == "read  again at offset 2\nread  bye at offset 3\n"


def test_what_a_killed_reader_had_not_committed_comes_again(memory):
    bus = memory / "bus"
    run("strangers", "write", bus, "one")
    with started("strangers", "read", bus) as reader:
        assert reader.stdout.readline() == "read  one at offset 0\n"
        reader.send_signal(signal.SIGKILL)
        reader.wait(TIMEOUT)
    run("strangers", "write", bus, "bye")
    lines = run("strangers", "read", bus).splitlines()
    # It died before or after its commit, and what it read is lost in neither case.
    assert lines[-1] == "read  bye at offset 1"
    assert lines[:-1] in ([], ["read  one at offset 0"])


# ---- a passed descriptor ---------------------------------------------------------------------------

def test_a_log_without_a_name_is_passed_on(tmp_path):
    place = tmp_path / "socket"
    with started("passed_descriptor", "take", place) as taker, \
            started("passed_descriptor", "give", place, "hello", "", "world") as giver:
        assert rest(giver) == ""
        assert rest(taker) == "hello\n\nworld\n"
    assert list(tmp_path.iterdir()) == []


def test_a_taker_looks_at_what_it_is_given(tmp_path):
    place = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        with started("passed_descriptor", "take", place) as taker:
            with listener.accept()[0] as connection, open(os.devnull) as no_log:
                socket.send_fds(connection, [b"L"], [no_log.fileno()])
            assert taker.wait(TIMEOUT) == 1
            assert taker.stderr.read().startswith("passed_descriptor: log: ")
        with started("passed_descriptor", "take", place) as taker:
            listener.accept()[0].close()
            assert taker.wait(TIMEOUT) == 1
            assert "no descriptor came" in taker.stderr.read()


# ---- many producers --------------------------------------------------------------------------------

@pytest.mark.parametrize("producers, count", [(1, 1), (3, 1000), (4, 500000)])
def test_records_of_many_producers_come_in_the_order_of_each(producers, count):
    line = run("many_producers", producers, count)
    assert line.startswith(f"{producers} producers, {count} records of each, all in order; ")


def test_producers_wait_for_a_consumer_that_is_stopped():
    # 16 million records are twice what the ring holds.
    with started("many_producers", 2, 8000000) as consumer:
        wait_for(lambda: len(children(consumer)) == 2)
        consumer.send_signal(signal.SIGSTOP)
        time.sleep(1)  # the ring becomes full
        assert len(children(consumer)) == 2
        consumer.send_signal(signal.SIGCONT)
        assert rest(consumer).startswith("2 producers, 8000000 records of each, all in order; ")


# ---- request and reply -----------------------------------------------------------------------------

@pytest.mark.parametrize("way, count", [("spin", 20000), ("sleep", 1000)])
def test_round_trips_have_percentiles(way, count):
    line = run("request_and_reply", way, count)
    assert line.startswith(f"{count} round trips: ")
    p50, p99, p999, most = map(float, re.findall(r"(?:p[\d.]+|max) ([\d.]+) us", line))
    assert 0 < p50 <= p99 <= p999 <= most


def switches(process):
    return int(re.search(r"^voluntary_ctxt_switches:\s(\d+)", (process / "status").read_text(), re.M)[1])


def test_the_server_ends_with_its_client():
    with started("request_and_reply", "sleep", 1000000) as client:
        wait_for(lambda: children(client))
        server = pathlib.Path("/proc") / children(client)[0]
        wait_for(lambda: switches(server) > 20)  # it answers, and sleeps in between
        client.kill()
        client.wait(TIMEOUT)
    wait_for(lambda: not server.exists() or "State:\tZ" in (server / "status").read_text())


# ---- a blackboard ----------------------------------------------------------------------------------

def test_a_blackboard_shows_the_latest_value_of_each_key(memory):
    board = memory / "board"
    for words in (["door", "open"], ["lamp", "on"], ["door", "closed"], ["lamp"], ["empty", ""]):
        run("blackboard", "set", board, *words)
    assert run("blackboard", "show", board) == "door is closed\n"


def test_a_blackboard_shows_changes_and_nothing_else(memory):
    board = memory / "board"
    run("blackboard", "set", board, "door", "open")
    with started("blackboard", "watch", board, 3) as watcher:
        assert watcher.stdout.readline() == "door is open\n"
        for words in (["door", "open"], ["door", "closed"], ["lamp", "on"], ["door"]):
            run("blackboard", "set", board, *words)
        assert rest(watcher) == 'door: "open" -> "closed"\nlamp: "" -> "on"\ndoor: "closed" -> ""\n'


def test_values_longer_than_a_board_has_room_are_cut(memory):
    run("blackboard", "set", memory / "board", "k" * 500, "v" * 5000)
    assert run("blackboard", "show", memory / "board") == f"{'k' * 63} is {'v' * 191}\n"


# ---- all of them -----------------------------------------------------------------------------------

USAGE = {"many_producers": ["none"], "request_and_reply": ["hop"]}


@pytest.mark.parametrize("name", NAMES)
def test_wrong_words_are_answered_by_the_usage(name):
    assert run(name, *USAGE.get(name, []), status=2).startswith(f"usage: {name} ")


@pytest.mark.parametrize("name, words", [
    ("watch_and_change", ["watch", "/dev/null/none"]), ("strangers", ["write", "/dev/null/none", "a"]),
    ("blackboard", ["show", "/dev/null/none"]), ("passed_descriptor", ["give", "/dev/null/none", "a"]),
    ("passed_descriptor", ["take", "/" + "long" * 40])])
def test_a_place_that_cannot_be_is_an_error_with_its_name(name, words):
    assert run(name, *words, status=1).startswith(f"{name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short_and_builds_with_the_public_headers_alone(name, tmp_path):
    source = ROOT / f"examples/{name}.c"
    assert len(source.read_text().splitlines()) <= 120
    sanitize = ["-fsanitize=address,undefined"] if "asan" in str(MAPLOG.parent) else []
    libraries = subprocess.run(["pkg-config", "--libs", "libisal", "liblz4", "libzstd", "snappy", "zlib"],
                               check=True, capture_output=True, text=True).stdout.split()
    shutil.copy(source, tmp_path)
    shutil.copytree(ROOT / "include", tmp_path / "include")
    done = subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-o", name, f"{name}.c",
                           str(MAPLOG.parent / "libmaplog.a"), *libraries, "-pthread", *sanitize],
                          cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
