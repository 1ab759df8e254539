"""Lines go in and come out: byte for byte, in order, whatever happens to the processes."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from conftest import wait_until


def lines_of(text):
    """The records that a text must become."""
    return text.split(b"\n")[:-1] if text.endswith(b"\n") or not text else text.split(b"\n")


def random_text(seed, lines, longest=300):
    source = random.Random(seed)
    return b"".join(source.randbytes(source.randrange(longest)).replace(b"\n", b"N") + b"\n"
                    for _ in range(lines))


# ---- what a record is ------------------------------------------------------------------------------

@pytest.mark.parametrize("text", [
    b"", b"\n", b"\n\n\n", b"one\n", b"one", b"one\ntwo", b"one\n\nthree\n", b"\r\n\r\n", b"a\0b\n\0\n",
    b"\xff\xfe\n\x80", b" leading and trailing \n", b"x" * 70000 + b"\n" + b"y" * 70000,
], ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("door", ["stdin", "lines"])
def test_text_comes_back_byte_for_byte(maplog, text, door):
    if door == "stdin":
        maplog.produce("t", text)
    else:
        (maplog.directory / "text").write_bytes(text)
        maplog.run("produce", "t", "--lines", "text")
    assert maplog.values("t") == lines_of(text)
    assert maplog.end("t") == len(lines_of(text))


def test_an_empty_line_is_an_empty_value_and_no_null(maplog):
    maplog.produce("t", b"\n")
    assert maplog.consume("t", "--format", "%S,%K\\n") == b"0,-1\n"


def test_random_bytes_through_both_doors(maplog):
    text = random_text(1, 20000)
    (maplog.directory / "text").write_bytes(text)
    maplog.produce("a", text)
    maplog.run("produce", "b", "--lines", "text")
    assert maplog.consume("a") == text
    assert maplog.consume("b") == text
    assert maplog.consume("b", "--check-crcs") == text


def test_lines_longer_than_any_chunk_or_buffer(maplog):
    maplog.run("topic", "create", "t", "--config", "max.message.bytes=20000000")
    text = (b"short\n" + b"a" * 5_000_000 + b"\n\n" + b"b" * 1_048_575 + b"\n" + b"c" * 1_048_576 + b"\n"
            + b"d" * 3_000_001 + b"\nshort\n")
    (maplog.directory / "text").write_bytes(text)
    maplog.produce("t", text)
    maplog.run("produce", "t", "--lines", "text")
    assert maplog.consume("t") == text * 2


def test_chunks_may_end_anywhere_in_a_line(maplog):
    """Files whose lines end just before, at and behind the bounds of the chunks that CPUs take."""
    chunk = 1 << 20
    for at in range(chunk - 3, chunk + 4):
        text = b"x" * 100 + b"\n"
        text += b"y" * (at - len(text) - 1) + b"\n" + b"z" * 10 + b"\n" + b"w" * chunk + b"\nend"
        (maplog.directory / "text").write_bytes(text)
        topic = f"t{at}"
        maplog.run("topic", "create", topic, "--config", "max.message.bytes=3000000")
        maplog.run("produce", topic, "--lines", "text")
        assert maplog.values(topic) == lines_of(text)


def test_many_files_in_order_over_many_segments(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=1048576")
    texts = [random_text(seed, 5000) for seed in range(8)]
    texts[2] = b""
    texts[3] = texts[3][:-1]  # no newline at the end
    for i, text in enumerate(texts):
        (maplog.directory / f"text{i}").write_bytes(text)
    maplog.run("produce", "t", "--lines", *(f"text{i}" for i in range(8)))
    expected = [line for text in texts for line in lines_of(text)]
    assert maplog.values("t") == expected
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    assert described["partitions"][0]["segments"] > 4


def test_whole_files_are_records(maplog):
    contents = [b"first\nfile\n", b"", b"\0binary\xff"]
    for i, content in enumerate(contents):
        (maplog.directory / f"file{i}").write_bytes(content)
    maplog.run("produce", "t", "--file", "file0", "file1", "file2")
    assert maplog.consume("t", "--format", "%S|%s|") == b"11|first\nfile\n|0||8|\0binary\xff|"


def test_a_missing_topic_is_created_and_it_is_said_once(maplog):
    first = maplog.produce("orders", b"a\n")
    assert b"created topic orders" in first.stderr
    assert maplog.produce("orders", b"b\n").stderr == b""
    assert maplog.values("orders") == [b"a", b"b"]


# ---- keys, headers, batches ------------------------------------------------------------------------

def test_keys_place_records_as_kafka_does(maplog):
    """Places of Kafka's default partitioner: murmur2 of the key, of 10 partitions."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536,
             b"a-little-bit-longer-string": -1486304829, b"abc": 479470107}
    maplog.run("topic", "create", "t", "--partitions", "10")
    text = b"".join(key + b"=v\n" for key in known)
    (maplog.directory / "text").write_bytes(text)
    maplog.produce("t", text, "--key-separator", "=")
    maplog.run("produce", "t", "--key-separator", "=", "--lines", "text")
    printed = maplog.values("t", "--format", "%k %p %s\\n")
    expected = [b"%s %d v" % (key, (hash & 0x7fffffff) % 10) for key, hash in known.items()]
    assert sorted(printed) == sorted(expected * 2)


def test_a_line_without_the_separator_has_no_key(maplog):
    maplog.produce("t", b"k\tv\nplain\n\tempty key\nk\t\nk\ta\tb\n", "--key-separator", "\\t")
    assert maplog.consume("t", "--format", "%K %k|%S %s;") == \
        b"1 k|1 v;-1 |5 plain;0 |9 empty key;1 k|0 ;1 k|3 a\tb;"


def test_records_of_a_key_keep_their_order(maplog):
    maplog.run("topic", "create", "t", "--partitions", "4")
    text = b"".join(b"key%d:%d\n" % (i % 7, i) for i in range(20000))
    (maplog.directory / "text").write_bytes(text)
    maplog.run("produce", "t", "--key-separator", ":", "--lines", "text")
    seen = {}
    for line in maplog.values("t", "--format", "%k %s\\n"):
        key, value = line.split()
        seen.setdefault(key, []).append(int(value))
    assert sorted(seen) == [b"key%d" % i for i in range(7)]
    for i in range(7):
        assert seen[b"key%d" % i] == list(range(i, 20000, 7))


def test_without_keys_each_file_goes_to_one_partition(maplog):
    maplog.run("topic", "create", "t", "--partitions", "3")
    for i in range(3):
        (maplog.directory / f"text{i}").write_bytes(b"".join(b"%d %d\n" % (i, n) for n in range(100000)))
    maplog.run("produce", "t", "--lines", "text0", "text1", "text2")
    for i in range(3):
        values = maplog.values("t", "--partition", str(i))
        assert values == [b"%d %d" % (i, n) for n in range(100000)]


def test_records_without_keys_fill_all_partitions(maplog):
    maplog.run("topic", "create", "t", "--partitions", "3")
    maplog.produce("t", b"x" * 1000 + b"\n" + (b"x" * 1000 + b"\n") * 2000)
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    assert all(partition["end"] > 300 for partition in described["partitions"])


def test_partition_of_choice(maplog):
    maplog.run("topic", "create", "t", "--partitions", "3")
    maplog.produce("t", b"a\nb\n", "--partition", "2")
    assert maplog.values("t", "--format", "%p %o %s\\n") == [b"2 0 a", b"2 1 b"]
    (maplog.directory / "text").write_bytes(b"c\n")
    failed = maplog.run("produce", "t", "--partition", "3", "--lines", "text", status=1)
    assert b"partition" in failed.stderr
    assert b"partition" in maplog.produce("t", b"c\n", "--partition", "3", status=1).stderr
    assert b"partition" in maplog.run("consume", "t", "--partition", "3", status=1).stderr


def test_headers(maplog):
    (maplog.directory / "text").write_bytes(b"w\n")
    words = ["--header", "source=test", "--header", "empty="]
    maplog.produce("t", b"v\n", *words)
    maplog.run("produce", "t", *words, "--lines", "text")
    assert maplog.values("t", "--format", "%s %h\\n") == [b"v source=test,empty=", b"w source=test,empty="]
    for line in maplog.values("t", "--json"):
        assert json.loads(line)["headers"] == ["source", "test", "empty", ""]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression(maplog, codec):
    text = b"".join(b"line number %d of a text that compresses\n" % i for i in range(20000))
    (maplog.directory / "text").write_bytes(text)
    maplog.produce("t", text, "--compression", codec)
    maplog.run("produce", "t", "--lines", "text", "--compression", codec, "--batch", "256k")
    assert maplog.consume("t") == text * 2
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    size = described["partitions"][0]["bytes"]
    assert size > 2 * len(text) if codec == "none" else size < len(text)


def test_bytes_that_do_not_compress_fit_all_the_same(maplog):
    text = random_text(5, 100, 60000)
    (maplog.directory / "text").write_bytes(text)
    maplog.run("produce", "t", "--lines", "text", "--compression", "gzip", "--batch", "1048588")
    maplog.produce("t", text, "--compression", "snappy", "--batch", "1048588")
    assert maplog.consume("t") == text * 2


def test_batches_of_one(maplog):
    maplog.produce("t", b"a\n" * 100, "--batch", "0")
    (maplog.directory / "text").write_bytes(b"a\n" * 100)
    maplog.run("produce", "t", "--batch", "0", "--lines", "text")
    assert maplog.values("t") == [b"a"] * 200
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    assert described["partitions"][0]["bytes"] >= 200 * 69  # a header each


# ---- durability ------------------------------------------------------------------------------------

@pytest.mark.parametrize("door", ["stdin", "lines"])
def test_durable_acknowledgement(maplog, door):
    (maplog.directory / "text").write_bytes(b"a\nb\nc\n")
    if door == "stdin":
        maplog.produce("t", b"a\nb\nc\n", "--acks", "disk")
    else:
        maplog.run("produce", "t", "--acks", "disk", "--lines", "text")
    described = json.loads(maplog.run("topic", "describe", "t", "--json").stdout)
    assert described["partitions"][0]["durable"] == 3


def test_nothing_is_durable_in_memory(in_memory):
    in_memory.produce("t", b"a\n")
    failed = in_memory.produce("t", b"b\n", "--acks", "disk", status=1)
    assert b"memory" in failed.stderr
    (in_memory.directory / "text").write_bytes(b"b\n")
    in_memory.run("produce", "t", "--acks", "disk", "--lines", "text", status=1)
    assert in_memory.values("t") == [b"a"]
    described = json.loads(in_memory.run("topic", "describe", "t", "--json").stdout)
    assert described["partitions"][0]["durable"] is None


# ---- errors ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("door", ["stdin", "lines"])
def test_a_line_that_is_too_large_is_named_and_those_before_it_are_in(maplog, door):
    text = b"a\nb\n" + b"x" * 2_000_000 + b"\nc\n"
    if door == "stdin":
        failed = maplog.produce("t", text, status=1)
        assert b"line 3" in failed.stderr
    else:
        (maplog.directory / "text").write_bytes(text)
        failed = maplog.run("produce", "t", "--lines", "text", status=1)
        assert b"text: " in failed.stderr and b"byte 4 " in failed.stderr
    assert b"max.message.bytes" in failed.stderr
    assert maplog.values("t") == [b"a", b"b"]


def test_files_that_cannot_be_read_are_found_before_anything_is_done(maplog):
    (maplog.directory / "text").write_bytes(b"a\n")
    (maplog.directory / "folder").mkdir()
    os.mkfifo(maplog.directory / "pipe")
    for name in ["missing", "folder", "pipe", "/proc/self/status"]:
        failed = maplog.run("produce", "t", "--lines", "text", name, status=1)
        assert name.encode() in failed.stderr
        assert maplog.values("t") == []
    failed = maplog.run("produce", "t", "--file", "missing", status=1)
    assert b"missing" in failed.stderr


def test_a_file_that_is_cut_while_it_is_loaded(maplog):
    """What was appended is a prefix of it, and the command ends with an error, or had read it all."""
    line = b"a line of the file that is cut, number %09d\n"
    text = b"".join(line % i for i in range(1_000_000))
    path = maplog.directory / "text"
    loaded = maplog.data / "t-0" / ("0" * 20 + ".log")
    cut = 0
    for attempt in range(10):
        path.write_bytes(text)
        process = maplog.start("produce", "t", "--lines", "text", stdin=subprocess.DEVNULL)
        wait_until(lambda: process.poll() is not None or loaded.exists() and loaded.stat().st_size > 0)
        os.truncate(path, [0, 4096, 1_000_001][attempt % 3])
        _, errors = process.communicate(timeout=60)
        values = maplog.consume("t")
        assert text.startswith(values)
        if process.returncode != 0:
            assert process.returncode == 1
            assert b"text became shorter" in errors
            cut += 1
        else:
            assert values == text
        maplog.run("topic", "delete", "t")
        if cut >= 3:
            break
    assert cut > 0


def test_a_deleted_topic_ends_its_producer(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"a\n")
    producer.stdin.flush()
    wait_until(lambda: maplog.run("topic", "describe", "t", status=None).returncode == 0
               and maplog.end("t") == 1)
    maplog.run("topic", "delete", "t")
    producer.stdin.write(b"b\n")
    producer.stdin.close()
    assert producer.wait(30) == 1
    assert b"deleted" in producer.stderr.read()


# ---- while it goes on ------------------------------------------------------------------------------

def test_a_line_appears_before_the_input_ends(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"first\nsecond\nhalf a li")
    producer.stdin.flush()
    wait_until(lambda: (maplog.data / "maplog.topics").exists()
               and maplog.run("topic", "describe", "t", status=None).returncode == 0
               and maplog.end("t") == 2)
    producer.stdin.write(b"ne\n")
    producer.stdin.flush()
    wait_until(lambda: maplog.end("t") == 3)
    producer.stdin.close()
    assert producer.wait(30) == 0
    assert maplog.values("t") == [b"first", b"second", b"half a line"]


def test_a_killed_producer_leaves_a_prefix_of_its_lines(maplog):
    for round in range(10):
        topic = f"t{round}"
        producer = maplog.start("produce", topic)
        written = 0
        for i in range(random.Random(round).randrange(1, 40)):
            producer.stdin.write(b"".join(b"%d\n" % n for n in range(written, written + 1000)))
            written += 1000
        producer.kill()
        producer.wait()
        if maplog.run("topic", "describe", topic, status=None).returncode == 0:
            values = maplog.values(topic)
            assert values == [b"%d" % n for n in range(len(values))]
        # The next one goes on behind them.
        maplog.produce(topic, b"next\n")
        assert maplog.values(topic)[-1] == b"next"


def test_an_interrupted_producer_keeps_whole_lines(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"one\ntwo\nhal")
    producer.stdin.flush()
    wait_until(lambda: maplog.run("topic", "describe", "t", status=None).returncode == 0
               and maplog.end("t") == 2)
    producer.send_signal(signal.SIGINT)
    assert producer.wait(30) == 128 + signal.SIGINT
    assert maplog.values("t") == [b"one", b"two"]


def test_an_interrupted_loader_leaves_a_prefix(maplog):
    text = b"".join(b"number %09d of the file\n" % i for i in range(3_000_000))
    (maplog.directory / "text").write_bytes(text)
    loaded = maplog.data / "t-0" / ("0" * 20 + ".log")
    process = maplog.start("produce", "t", "--lines", "text", stdin=subprocess.DEVNULL)
    wait_until(lambda: loaded.exists() and loaded.stat().st_size > 0)
    process.send_signal(signal.SIGTERM)
    status = process.wait(30)
    values = maplog.consume("t")
    assert text.startswith(values)
    assert status == 128 + signal.SIGTERM or (status == 0 and values == text)


def test_two_producers_at_once(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=1048576")
    texts = [b"".join(b"%d %d\n" % (who, n) for n in range(100_000)) for who in range(2)]
    producers = [maplog.start("produce", "t") for _ in texts]
    for producer, text in zip(producers, texts):
        (maplog.directory / f"text{producer.pid}").write_bytes(text)
    for producer, text in zip(producers, texts):
        producer.stdin.write(text)
        producer.stdin.close()
    assert [producer.wait(60) for producer in producers] == [0, 0]
    values = maplog.values("t")
    for who in range(2):
        mine = [value for value in values if value.startswith(b"%d " % who)]
        assert mine == [b"%d %d" % (who, n) for n in range(100_000)]
    assert len(values) == 200_000


# ---- consuming -------------------------------------------------------------------------------------

@pytest.fixture
def numbers(maplog):
    maplog.produce("n", b"".join(b"%d\n" % i for i in range(100)), "--batch", "200")
    return maplog


def test_where_to_begin(numbers):
    assert numbers.values("n", "--from", "begin") == [b"%d" % i for i in range(100)]
    assert numbers.values("n", "--from", "end") == []
    assert numbers.values("n", "--from", "97") == [b"97", b"98", b"99"]
    assert numbers.values("n", "--from", "-2") == [b"98", b"99"]
    assert numbers.values("n", "--from", "-1000") == [b"%d" % i for i in range(100)]
    assert numbers.values("n", "--from", "-1h", "--count", "1") == [b"0"]
    assert numbers.values("n", "--from", "@1") == [b"%d" % i for i in range(100)]
    assert numbers.values("n", "--from", "2999-01-01") == []
    assert numbers.values("n", "--from", "100") == []
    assert b"101" in numbers.run("consume", "n", "--from", "101", status=1).stderr
    assert numbers.values("n", "--count", "0") == []
    assert numbers.values("n", "--count", "3") == [b"0", b"1", b"2"]


def test_from_a_time_in_the_middle(maplog):
    maplog.produce("t", b"old\n")
    stamp = int(maplog.values("t", "--format", "%T\\n")[0])
    wait_until(lambda: time.time() * 1000 > stamp + 20)
    maplog.produce("t", b"new\n")
    assert maplog.values("t", "--from", f"@{stamp + 1}") == [b"new"]
    assert maplog.values("t", "--from", f"@{stamp}") == [b"old", b"new"]


def test_an_offset_means_one_partition(maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    maplog.produce("t", b"a\nb\nc\n", "--partition", "1")
    assert b"--partition" in maplog.run("consume", "t", "--from", "1", status=1).stderr
    assert maplog.values("t", "--from", "1", "--partition", "1") == [b"b", b"c"]
    assert maplog.values("t", "--from", "-1") == [b"c"]


def test_deleted_records_are_gone(numbers):
    numbers.run("topic", "delete-records", "n", "--before", "40")
    assert numbers.values("n")[0] == b"40"
    assert b"39" in numbers.run("consume", "n", "--from", "39", status=1).stderr


def test_it_ends_at_the_end_that_was_there_though_more_comes(maplog):
    maplog.produce("t", b"first\n")
    producer = maplog.start("produce", "t")
    feeding = threading.Event()

    def feed():
        try:
            while not stop.is_set():
                producer.stdin.write(b"a line that comes again and again\n" * 1000)
                feeding.set()
        except BrokenPipeError:
            pass

    stop = threading.Event()
    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        assert feeding.wait(30)
        for _ in range(5):
            before = maplog.end("t")
            values = maplog.values("t")
            assert values[0] == b"first" and len(values) >= before
        assert producer.poll() is None
    finally:
        stop.set()
        producer.kill()
        feeder.join()


def test_follow_prints_what_comes(numbers):
    consumer = numbers.start("consume", "n", "--from", "end", "--follow")
    wait_until(lambda: b"maplog" in numbers.run("ps").stdout)
    time.sleep(0.3)  # it is at the end now
    numbers.produce("n", b"a\n")
    assert consumer.stdout.readline() == b"a\n"
    numbers.produce("n", b"b\nc\n")
    assert consumer.stdout.readline() == b"b\n"
    assert consumer.stdout.readline() == b"c\n"
    consumer.send_signal(signal.SIGINT)
    assert consumer.wait(30) == 128 + signal.SIGINT
    assert consumer.stderr.read() == b""


def test_follow_ends_by_count_or_timeout(numbers):
    assert numbers.values("n", "--follow", "--count", "5") == [b"%d" % i for i in range(5)]
    assert len(numbers.values("n", "--follow", "--timeout", "100ms")) == 100


def test_follow_sees_partitions_that_are_added(maplog):
    maplog.run("topic", "create", "t")
    consumer = maplog.start("consume", "t", "--follow", "--format", "%p %s\\n")
    wait_until(lambda: b"reader" in maplog.run("ps").stdout)
    maplog.run("topic", "alter", "t", "--partitions", "3")
    maplog.produce("t", b"a\n", "--partition", "2")
    assert consumer.stdout.readline() == b"2 a\n"


def test_follow_ends_when_the_topic_is_deleted(maplog):
    maplog.produce("t", b"a\n")
    consumer = maplog.start("consume", "t", "--follow")
    assert consumer.stdout.readline() == b"a\n"
    maplog.run("topic", "delete", "t")
    assert consumer.wait(30) == 1
    assert b"deleted" in consumer.stderr.read()


def test_an_idle_follower_uses_no_cpu(numbers):
    consumer = numbers.start("consume", "n", "--follow")
    for _ in range(100):
        consumer.stdout.readline()

    def ticks():
        with open(f"/proc/{consumer.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 4  # of 200


def test_who_does_not_read_on_ends_the_consumer_quietly(maplog):
    maplog.produce("t", b"x" * 100 + b"\n" + (b"x" * 100 + b"\n") * 50000)
    consumer = maplog.start("consume", "t")
    consumer.stdout.readline()
    consumer.stdout.close()
    assert consumer.wait(30) == 141
    assert consumer.stderr.read() == b""


def test_a_full_output_is_an_error(numbers):
    with open("/dev/full", "wb") as full:
        consumer = numbers.start("consume", "n", stdout=full)
        assert consumer.wait(30) == 1
    assert b"standard output" in consumer.stderr.read()


def test_json(maplog):
    maplog.produce("t", b"k:caf\xc3\xa9 \"q\" \x01\n", "--key-separator", ":")
    maplog.produce("t", b"\xff\xfe\n")
    first, second = map(json.loads, maplog.values("t", "--json"))
    assert first.pop("ts") > 1_600_000_000_000
    assert first == {"topic": "t", "partition": 0, "offset": 0, "tstype": "create", "key": "k",
                     "payload": "café \"q\" \x01"}
    assert second["key"] is None
    assert second["payload_base64"] == "//4=" and "payload" not in second


def test_log_append_time(maplog):
    maplog.run("topic", "create", "t", "--config", "message.timestamp.type=LogAppendTime")
    maplog.produce("t", b"a\n")
    assert json.loads(maplog.values("t", "--json")[0])["tstype"] == "logappend"


# ---- groups ----------------------------------------------------------------------------------------

def test_a_group_goes_on_where_it_stopped(numbers):
    assert numbers.values("n", "--group", "g", "--count", "30") == [b"%d" % i for i in range(30)]
    assert numbers.values("n", "--group", "g") == [b"%d" % i for i in range(30, 100)]
    assert numbers.values("n", "--group", "g") == []
    numbers.produce("n", b"new\n")
    assert numbers.values("n", "--group", "g") == [b"new"]
    assert len(numbers.values("n", "--group", "other")) == 101
    assert numbers.values("n", "--group", "g", "--from", "99") == [b"99", b"new"]


def test_members_of_a_group_share_partitions(maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    first = maplog.start("consume", "t", "--group", "g", "--follow", "--partition", "0")
    wait_until(lambda: b"reader" in maplog.run("ps").stdout)
    maplog.produce("t", b"zero\n", "--partition", "0")
    assert first.stdout.readline() == b"zero\n"
    maplog.produce("t", b"one\n", "--partition", "1")
    assert maplog.values("t", "--group", "g") == [b"one"]
    busy = maplog.run("consume", "t", "--group", "g", "--partition", "0", status=1)
    assert b"another consumer" in busy.stderr


def test_reading_nothing_commits_nothing(maplog):
    maplog.run("topic", "create", "t")
    assert maplog.values("t", "--group", "g") == []
    assert b"__consumer_offsets" not in maplog.run("topic", "list").stdout


def test_what_was_not_delivered_is_not_committed(maplog):
    maplog.produce("t", b"x" * 100 + b"\n" + (b"x" * 100 + b"\n") * 50000)
    consumer = maplog.start("consume", "t", "--group", "g")
    consumer.stdout.readline()
    consumer.stdout.close()
    assert consumer.wait(30) == 141
    assert len(maplog.values("t", "--group", "g")) == 50001
