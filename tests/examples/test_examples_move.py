"""The examples that move text and bytes: each does what its section of docs/cookbook.md says.

They are run as built, from the folder of $MAPLOG, else from build/release/examples.
"""
import collections
import contextlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from programs import EXAMPLES, MAPLOG, TIMEOUT, started

ENGINES = ["epoll", "poll", "select", "nonblocking", "sigio", "blocking", "pool", "aio", "uring"]
METHODS = ["auto", "copy", "mmap", "sendfile", "splice", "zerocopy"]


def run(*words, status=0, **more):
    """Its standard output, or with another status its standard error."""
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=TIMEOUT, **more)
    assert done.returncode == status, f"{words}: {done.returncode}, {done.stderr}"
    return (done.stdout if status == 0 else done.stderr).decode()


def stop(process):
    """SIGTERM; its exit status and what it said on standard error."""
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, errors


@contextlib.contextmanager
def server(*words):
    """A server at a port of its own choice: the process, and its address."""
    with started(*words, "127.0.0.1:0") as process:
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), process.stderr.read()
        yield process, ("127.0.0.1", int(line.rsplit(":", 1)[1]))


def connect(address):
    return socket.create_connection(address, timeout=TIMEOUT)


def read_all(peer):
    return b"".join(iter(lambda: peer.recv(1 << 16), b""))


# ---- tail ------------------------------------------------------------------------------------------

def produce(data, *lines):
    run(MAPLOG, "produce", "texts", "--data", data, input="".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def log(tmp_path):
    produce(tmp_path / "log", *range(20))
    return tmp_path / "log"


def test_tail_prints_the_last_and_what_comes(log):
    with started(EXAMPLES / "tail", "-n", "3", log / "texts") as tail:
        assert [tail.stdout.readline() for _ in range(3)] == ["17\n", "18\n", "19\n"]
        produce(log, "new", "newer")
        assert [tail.stdout.readline() for _ in range(2)] == ["new\n", "newer\n"]
        assert tail.poll() is None


def test_tail_over_the_network_is_the_same(log):
    with started(MAPLOG, "serve", "--data", log, "--listen", "127.0.0.1:0") as process:
        address = None
        while not address:
            line = process.stderr.readline()
            assert line
            address = re.search(r"listeners=(127\.0\.0\.1:\d+)", line)
        with started(EXAMPLES / "tail", f"{address.group(1)}/texts") as tail:
            assert [tail.stdout.readline() for _ in range(10)] == [f"{n}\n" for n in range(10, 20)]
            produce(log, "new")
            assert tail.stdout.readline() == "new\n"
        assert "nothing" in run(EXAMPLES / "tail", f"{address.group(1)}/nothing", status=1)


def test_tail_says_what_is_missing(log):
    assert "usage" in run(EXAMPLES / "tail", status=2)
    assert "usage" in run(EXAMPLES / "tail", "texts", status=2)
    assert "usage" in run(EXAMPLES / "tail", "-n", "x", log / "texts", status=2)
    assert "nothing" in run(EXAMPLES / "tail", log / "nothing", status=1)
    assert "missing" in run(EXAMPLES / "tail", log / "missing/texts", status=1)


# ---- the echo server -------------------------------------------------------------------------------

@pytest.fixture(params=ENGINES)
def echo(request):
    with started(EXAMPLES / "echo_server", "--io", request.param, "127.0.0.1:0") as process:
        line = process.stdout.readline()
        if not line and request.param == "uring":
            pytest.skip(process.stderr.read().strip())
        assert line, process.stderr.read()
        yield process, ("127.0.0.1", int(line.rsplit(":", 1)[1]))


def test_the_echo_server_has_each_engine():
    """What its error lists is what is tested."""
    text = run(EXAMPLES / "echo_server", "--io", "pigeon", "127.0.0.1:0", status=1)
    assert set(re.findall(r"\w+", text.rsplit("pigeon", 1)[1])) >= set(ENGINES), text
    assert "usage" in run(EXAMPLES / "echo_server", status=2)


def test_fifty_connections_get_their_own_bytes_back(echo):
    process, address = echo
    peers = [connect(address) for _ in range(50)]
    for turn in range(3):
        for number, peer in enumerate(peers):
            peer.sendall(b"%d says %d;" % (number, turn))
    for number, peer in enumerate(peers):
        peer.shutdown(socket.SHUT_WR)  # half closed: it still gets all of it
        assert read_all(peer) == b"".join(b"%d says %d;" % (number, turn) for turn in range(3))
        peer.close()
    assert stop(process) == (0, "")


def test_more_than_a_buffer_comes_back_while_it_is_sent(echo):
    process, address = echo
    sent = random.Random(1).randbytes(3 << 20)
    with connect(address) as peer:
        def send():
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        assert read_all(peer) == sent
        sender.join()
    assert stop(process) == (0, "")


def test_a_stop_sends_back_what_has_arrived(echo):
    process, address = echo
    peers = [connect(address) for _ in range(50)]
    for peer in peers:
        peer.sendall(b"first")
        assert peer.recv(5, socket.MSG_WAITALL) == b"first"
    for peer in peers:
        peer.sendall(b"last")
    process.send_signal(signal.SIGTERM)
    for peer in peers:
        assert read_all(peer) == b"last"
    assert process.wait(TIMEOUT) == 0
    with pytest.raises(ConnectionRefusedError):
        connect(address)


# ---- the file server -------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [0, 1, 4096, 10 << 20])
def test_every_peer_gets_every_byte(tmp_path, method, size):
    file = tmp_path / "file"
    file.write_bytes(random.Random(size).randbytes(size))
    with server(EXAMPLES / "file_server", "--send", method, file) as (process, address):
        peers = [connect(address) for _ in range(3)]
        for peer in peers:
            peer.sendall(b"please")  # is read and of no interest
            assert read_all(peer) == file.read_bytes()
            peer.close()
        assert stop(process) == (0, "")


@pytest.mark.parametrize("method", METHODS)
def test_a_peer_that_vanishes_ends_its_own_transfer(tmp_path, method):
    file = tmp_path / "file"
    file.write_bytes(random.Random(1).randbytes(10 << 20))
    with server(EXAMPLES / "file_server", "--send", method, file) as (process, address):
        with connect(address) as gone:
            gone.recv(1)  # and the rest is unread: the server sees a reset
        with connect(address) as peer:
            peer.shutdown(socket.SHUT_WR)
            assert read_all(peer) == file.read_bytes()
        status, errors = stop(process)
        assert status == 0 and errors.count("a transfer ended early") == 1, errors


def test_a_stop_waits_for_transfers(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(random.Random(1).randbytes(10 << 20))
    with server(EXAMPLES / "file_server", "--send", "auto", file) as (process, address):
        with connect(address) as peer:
            first = peer.recv(1)
            process.send_signal(signal.SIGTERM)
            assert first + read_all(peer) == file.read_bytes()
        assert process.wait(TIMEOUT) == 0


def test_the_file_server_says_what_is_wrong(tmp_path):
    missing = tmp_path / "missing"
    text = run(EXAMPLES / "file_server", "--send", "pigeon", missing, "127.0.0.1:0", status=1)
    assert all(method in text for method in METHODS), text
    assert "missing" in run(EXAMPLES / "file_server", "--send", "auto", missing, "127.0.0.1:0", status=1)
    assert "usage" in run(EXAMPLES / "file_server", status=2)


# ---- the word counter ------------------------------------------------------------------------------

def counted(file, *words):
    """What it prints: the words with their counts, the lines, and how many words there are."""
    *top, last = run(EXAMPLES / "count_words", file, *words).splitlines()
    pairs = [(word, int(count)) for count, word in (line.split() for line in top)]
    lines, different = re.match(r"(\d+) lines, (\d+) words that differ", last).groups()
    return pairs, int(lines), int(different)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("ends_with", ["", "\n"])
def test_words_are_counted_as_python_counts_them(tmp_path, threads, ends_with):
    choice = random.Random(threads)
    # A few words that are everywhere, and more than the first table has room for.
    words = [f"w{min(choice.randrange(40000), choice.randrange(40000))}" for _ in range(200000)]
    lines = []
    while words:
        count = choice.randrange(12)  # also lines without any
        lines.append(choice.choice([" ", "\t", "  "]).join(words[:count]))
        del words[:count]
    text = "\n".join(lines) + ends_with
    (tmp_path / "text").write_text(text)
    expected = collections.Counter(text.split())
    pairs, line_count, different = counted(tmp_path / "text", len(expected), threads)
    assert pairs == sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))
    assert (line_count, different) == (len(text.splitlines()), len(expected))


@pytest.mark.parametrize("text", ["", "one", "\n", "one\n\n two one"])
def test_short_texts_are_counted_by_more_threads_than_lines(tmp_path, text):
    (tmp_path / "text").write_text(text)
    pairs, lines, different = counted(tmp_path / "text", 10, 8)
    assert dict(pairs) == collections.Counter(text.split())
    assert (lines, different) == (len(text.splitlines()), len(set(text.split())))


def test_the_word_counter_says_what_is_wrong(tmp_path):
    assert "missing" in run(EXAMPLES / "count_words", tmp_path / "missing", status=1)
    assert "usage" in run(EXAMPLES / "count_words", status=2)
    assert "usage" in run(EXAMPLES / "count_words", tmp_path / "text", "10", "0", status=2)


# ---- appending by memory ---------------------------------------------------------------------------

def test_several_processes_append_whole_lines(tmp_path):
    file = tmp_path / "notes"
    file.write_text("before\n")
    lines = {who: [f"{who} {number}\n" for number in range(50000)] for who in "abcd"}
    programs = [subprocess.Popen([EXAMPLES / "append_by_memory", file], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True) for _ in lines]
    said = []
    feeders = [threading.Thread(target=lambda program=program, text="".join(text):
                                said.append(program.communicate(text, timeout=TIMEOUT)[0]))
               for program, text in zip(programs, lines.values())]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join()
    assert [program.returncode for program in programs] == [0] * 4
    assert any("trimmed" in text for text in said)
    found = file.read_text().splitlines(keepends=True)
    assert found[0] == "before\n" and len(found) == 1 + 4 * 50000
    for who in lines:  # each one's lines are whole, and in their order
        assert [line for line in found if line[0] == who and line[1] == " "] == lines[who]


def test_while_one_appends_the_file_is_longer_than_its_lines(tmp_path):
    file = tmp_path / "notes"
    first = subprocess.Popen([EXAMPLES / "append_by_memory", file], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        first.stdin.write(b"first\n" * 10000)  # more than its input holds back
        first.stdin.flush()
        deadline = time.monotonic() + TIMEOUT
        while not (file.exists() and file.read_bytes()[:6] == b"first\n"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert run(EXAMPLES / "append_by_memory", file, input=b"second\n") == "1 lines\n"
        assert file.stat().st_size % (1 << 20) == 0 and b"second\n\0" in file.read_bytes() + b"\0"
    finally:
        first.stdin.close()
        first.wait(TIMEOUT)
    assert first.stdout.read() == b"10000 lines; the file is trimmed\n"
    first.stdout.close()
    assert file.stat().st_size == 6 * 10000 + 7 and b"\0" not in file.read_bytes()
    assert run(EXAMPLES / "append_by_memory", file, input=b"third\n").endswith("trimmed\n")
    assert file.read_bytes().endswith(b"third\n") and file.stat().st_size == 6 * 10001 + 7


def test_appending_says_what_is_wrong(tmp_path):
    assert "usage" in run(EXAMPLES / "append_by_memory", status=2)
    assert "missing" in run(EXAMPLES / "append_by_memory", tmp_path / "missing/notes", status=1)
