"""produce, consume and topic through every door: the directory, a server's port, its Unix socket."""
import json
import random
import signal
import time

import pytest
from conftest import wait_until
from doors import Doors, at, free_port

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DOORS = ["directory", "server", "unix"]


@pytest.fixture
def doors(maplog):
    made = Doors(maplog)
    yield made
    made.stop()


@pytest.fixture(params=DOORS)
def door(doors, request):
    """One way to the log; the server runs in any case."""
    return doors.open(request.param)


@pytest.fixture(params=DOORS[1:])
def far(doors, request):
    return doors.open(request.param)


def values(text):
    return text.split(b"\n")[:-1]


# ---- records ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [b"", b"\n", b"one", b"one\n\nthree\n", b"a\0b\n\0\n", b"\xff\xfe\n\x80",
                                  b"x" * 70000 + b"\n" + b"y" * 70000], ids=lambda text: repr(text[:8]))
@pytest.mark.parametrize("way", ["stdin", "lines"])
def test_text_comes_back_byte_for_byte(door, maplog, text, way):
    (maplog.directory / "text").write_bytes(text)
    if way == "stdin":
        door.run("produce", "t", input=text)
    else:
        door.run("produce", "t", "--lines", "text")
    expected = text if text.endswith(b"\n") or not text else text + b"\n"
    assert door.run("consume", "t").stdout == expected
    assert maplog.consume("t", "--check-crcs") == expected


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_keys_headers_and_nulls(door, maplog, codec):
    source = random.Random(codec)
    lines = b"".join(b"key%d:%s\n" % (i % 7, source.randbytes(source.randrange(200)).hex().encode())
                     for i in range(5000))
    words = ["--key-separator", ":", "--header", "h=1", "--header", "empty=", "--compression", codec]
    door.run("produce", "t", *words, input=lines + b"no key\n:empty key\n")
    shown = ["--format", "%K|%k|%S|%s|%h\\n"]
    text = door.run("consume", "t", "--check-crcs", *shown).stdout
    assert text == maplog.consume("t", *shown)
    rows = values(text)
    assert len(rows) == 5002
    assert rows[5000:] == [b"-1||6|no key|h=1,empty=", b"0||9|empty key|h=1,empty="]
    assert b"".join(b"%s:%s\n" % tuple(row.split(b"|")[i] for i in (1, 3)) for row in rows[:5000]) == lines


def test_random_bytes_over_many_segments(door, maplog):
    source = random.Random(4)
    text = b"".join(source.randbytes(source.randrange(3000)).replace(b"\n", b"N") + b"\n" for _ in range(8000))
    (maplog.directory / "text").write_bytes(text)
    door.run("topic", "create", "t", "--config", "segment.bytes=1048576")
    door.run("produce", "t", "--lines", "text")
    assert door.run("consume", "t").stdout == text


def test_whole_files_are_records(door, maplog):
    contents = [b"first\nfile\n", b"", b"\0binary\xff"]
    for i, content in enumerate(contents):
        (maplog.directory / f"file{i}").write_bytes(content)
    door.run("produce", "t", "--file", "file0", "file1", "file2")
    assert door.run("consume", "t", "--format", "%S|%s|").stdout == b"11|first\nfile\n|0||8|\0binary\xff|"


def test_keys_place_records_alike(doors, maplog):
    maplog.run("topic", "create", "t", "--partitions", "10")
    text = b"".join(b"key %d=%d\n" % (i, i) for i in range(200))
    places = []
    for name in DOORS:
        before = maplog.end("t")
        doors.open(name).run("produce", "t", "--key-separator", "=", input=text)
        assert maplog.end("t") == before + 200
    for line in maplog.values("t", "--format", "%k %p\\n"):
        places.append(line)
    assert len(places) == 600 and len(set(places)) == 200


def test_records_without_keys_fill_all_partitions(door):
    door.run("topic", "create", "t", "--partitions", "3")
    door.run("produce", "t", input=(b"x" * 1000 + b"\n") * 2000)
    assert all(partition["end"] > 300 for partition in door.described("t")["partitions"])


def test_each_file_goes_to_one_partition(door, maplog):
    door.run("topic", "create", "t", "--partitions", "3")
    for i in range(3):
        (maplog.directory / f"text{i}").write_bytes(b"".join(b"%d %d\n" % (i, n) for n in range(20000)))
    door.run("produce", "t", "--lines", "text0", "text1", "text2")
    for i in range(3):
        assert values(door.run("consume", "t", "--partition", i).stdout) == \
            [b"%d %d" % (i, n) for n in range(20000)]


def test_where_to_begin(door, maplog):
    maplog.produce("t", b"".join(b"%d\n" % i for i in range(10)))
    time.sleep(0.01)
    between = int(time.time() * 1000)
    time.sleep(0.01)
    maplog.produce("t", b"late\n")
    read = lambda *words: values(door.run("consume", "t", *words).stdout)
    assert read("--from", "end") == []
    assert read("--from", "8") == [b"8", b"9", b"late"]
    assert read("--from", "-2") == [b"9", b"late"]
    assert read("--from", "-100", "--count", "1") == [b"0"]
    assert read("--from", f"@{between}") == [b"late"]
    assert read("--from", f"@{between + 3600000}") == []
    assert b"OFFSET_OUT_OF_RANGE" in door.run("consume", "t", "--from", "99", status=1).stderr.upper() \
        .replace(b" ", b"_") or door.name == "directory"


def test_followers_get_what_any_door_appends(door, maplog):
    maplog.produce("t", b"first\n")
    follower = door.start("consume", "t", "--follow", "--count", "3")
    assert follower.stdout.readline() == b"first\n"
    maplog.produce("t", b"second\n")
    assert follower.stdout.readline() == b"second\n"
    door.run("produce", "t", input=b"third\n")
    assert follower.stdout.readline() == b"third\n"
    assert follower.wait(30) == 0


def test_a_typed_line_appears_at_once(door, maplog):
    maplog.run("topic", "create", "t")
    producer = door.start("produce", "t")
    producer.stdin.write(b"typed\nhalf a li")
    producer.stdin.flush()
    wait_until(lambda: maplog.end("t") == 1)
    producer.stdin.write(b"ne\n")
    producer.stdin.close()
    assert producer.wait(30) == 0
    assert maplog.values("t") == [b"typed", b"half a line"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_follower(door, maplog, number):
    maplog.produce("t", b"first\n")
    follower = door.start("consume", "t", "--follow")
    assert follower.stdout.readline() == b"first\n"
    follower.send_signal(number)
    assert follower.wait(30) == 128 + number


# ---- acknowledgements and limits -------------------------------------------------------------------

def test_a_server_does_not_promise_what_its_topic_does_not_keep(far, maplog):
    maplog.produce("t", b"a\n")
    refused = far.run("produce", "t", "--acks", "disk", input=b"b\n", status=1)
    assert b"flush.messages" in refused.stderr
    missing = far.run("produce", "new", "--acks", "disk", input=b"b\n", status=1)
    assert b"flush.messages=1" in missing.stderr
    assert b"no topic" in far.run("topic", "describe", "new", status=1).stderr
    maplog.run("topic", "alter", "t", "--config", "flush.messages=1")
    far.run("produce", "t", "--acks", "disk", input=b"b\n")
    assert maplog.values("t") == [b"a", b"b"]
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    assert described["partitions"][0]["durable"] == 2


@pytest.mark.parametrize("acks", ["none", "memory"])
def test_other_acknowledgements(door, maplog, acks):
    maplog.run("topic", "create", "t")
    door.run("produce", "t", "--acks", acks, input=b"a\nb\n")
    wait_until(lambda: maplog.end("t") == 2)


@pytest.mark.parametrize("way", ["stdin", "lines"])
def test_a_line_that_is_too_large_is_named_and_those_before_it_are_in(far, maplog, way):
    text = b"a\nb\n" + b"x" * 2_000_000 + b"\nc\n"
    (maplog.directory / "text").write_bytes(text)
    words = ["--lines", "text"] if way == "lines" else []
    failed = far.run("produce", "t", *words, input=text, status=1)
    assert b"line 3" in failed.stderr and b"max.message.bytes" in failed.stderr
    assert maplog.values("t") == [b"a", b"b"]


def test_bytes_that_do_not_compress_fit_all_the_same(far, maplog):
    source = random.Random(5)
    text = b"".join(source.randbytes(60000).replace(b"\n", b"N") + b"\n" for _ in range(50))
    far.run("produce", "t", "--compression", "gzip", "--batch", "1048588", input=text)
    assert maplog.consume("t") == text


def test_producers_are_idempotent_over_a_restart_of_the_server(doors, maplog):
    """The server is killed again and again while one loads: every line is there once, in order."""
    text = b"".join(b"line %d %s\n" % (i, b"x" * 100) for i in range(300_000))
    (maplog.directory / "text").write_bytes(text)
    maplog.run("topic", "create", "t")
    door = doors.open("server")
    producer = door.start("produce", "t", "--lines", "text", "--timeout", "30s", "--batch", "4k")
    for kill in range(3):
        before = maplog.end("t")
        wait_until(lambda: producer.poll() is not None or maplog.end("t") > before)
        doors.kill()
        doors.serve()
    _, errors = producer.communicate(timeout=60)
    assert producer.returncode == 0, errors
    assert maplog.consume("t") == text


# ---- topics ----------------------------------------------------------------------------------------

def test_the_life_of_a_topic(door, maplog):
    door.run("topic", "create", "t", "--partitions", "2", "--config", "retention.ms=5000000")
    assert b"exists" in door.run("topic", "create", "t", status=1).stderr
    door.run("topic", "alter", "t", "--config", "segment.bytes=1000000", "--partitions", "3")
    described = door.described("t")
    assert [p["partition"] for p in described["partitions"]] == [0, 1, 2]
    assert described["configs"]["segment.bytes"] == {"value": "1000000", "default": False}
    assert described["configs"]["retention.ms"] == {"value": "5000000", "default": False}
    assert described["configs"]["max.message.bytes"]["default"]
    door.run("topic", "alter", "t", "--config", "segment.bytes=")
    assert door.described("t")["configs"]["segment.bytes"]["default"]
    assert b"did you mean" in door.run("topic", "alter", "t", "--config", "segment.byte=1", status=1).stderr
    assert door.run("topic", "alter", "t", "--partitions", "1", status=1).stderr
    door.run("produce", "t", "--partition", "1", input=b"a\nb\nc\n")
    door.run("topic", "delete-records", "t", "--partition", "1", "--before", "2")
    assert door.run("topic", "delete-records", "t", "--partition", "1", "--before", "9", status=1).stderr
    partition = door.described("t")["partitions"][1]
    assert (partition["start"], partition["end"]) == (2, 3)
    assert door.run("consume", "t").stdout == b"c\n"
    listed = {row["topic"]: row for row in json.loads(door.run("topic", "list", "--json").stdout)}
    assert listed["t"]["records"] == 1 and listed["t"]["partitions"] == 3 and listed["t"]["bytes"] > 0
    assert listed["t"]["id"] == described["id"]
    door.run("topic", "delete", "t")
    assert b"topic t" in door.run("topic", "delete", "t", status=1).stderr
    assert b"no topic t" in door.run("consume", "t", status=1).stderr


def test_all_doors_describe_alike(doors, maplog):
    maplog.run("topic", "create", "t", "--partitions", "3", "--config", "segment.bytes=65536")
    maplog.produce("t", b"x" * 1000 + b"\n" + (b"x" * 1000 + b"\n") * 500)
    near = doors.open("directory").described("t")
    for partition in near["partitions"]:
        partition["durable"] = partition["segments"] = None  # a server does not tell
    for name in DOORS[1:]:
        assert doors.open(name).described("t") == near


# ---- what goes wrong -------------------------------------------------------------------------------

def test_nobody_listens(maplog):
    for address in [f"localhost:{free_port()}", f"unix://{maplog.directory}/none.sock"]:
        failed = at(maplog, address).run("topic", "list", status=1)
        assert address.encode() in failed.stderr
        assert b"maplog serve" in failed.stderr


def test_the_first_server_that_answers_is_taken(doors, maplog):
    maplog.produce("t", b"a\n")
    address = f"localhost:{free_port()},{doors.address}"
    assert at(maplog, address).run("consume", "t").stdout == b"a\n"


def test_something_else_listens(maplog):
    import socket
    import threading
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        peer, _ = listener.accept()
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.close()

    thread = threading.Thread(target=answer)
    thread.start()
    failed = at(maplog, f"127.0.0.1:{listener.getsockname()[1]}").run("topic", "list", status=1)
    thread.join()
    listener.close()
    assert b"Kafka server" in failed.stderr


def test_a_directory_or_a_server_but_not_both(maplog):
    failed = maplog.run("topic", "list", "--bootstrap", "localhost:9092", status=1)
    assert b"--data and --bootstrap" in failed.stderr


def test_a_deleted_topic_ends_its_consumer(far, maplog):
    maplog.produce("t", b"a\n")
    follower = far.start("consume", "t", "--follow")
    assert follower.stdout.readline() == b"a\n"
    maplog.run("topic", "delete", "t")
    assert follower.wait(30) == 1
    assert b"deleted" in follower.stderr.read()


def test_a_closed_pipe_ends_a_consumer(far, maplog):
    maplog.produce("t", b"line\n" * 500_000)
    reader = far.start("consume", "t")
    assert reader.stdout.readline() == b"line\n"
    reader.stdout.close()
    assert reader.wait(30) == 141


def test_a_consumer_waits_for_a_server_that_comes_back(doors, maplog):
    maplog.produce("t", b"a\n")
    follower = doors.open("server").start("consume", "t", "--follow", "--count", "2")
    assert follower.stdout.readline() == b"a\n"
    doors.kill()
    maplog.produce("t", b"b\n")
    doors.serve()
    assert follower.stdout.readline() == b"b\n"
    assert follower.wait(30) == 0
