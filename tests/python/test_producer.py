"""Producing: one by one, iterables, buffers."""
import array
import threading
import time

import maplog
import numpy
import pytest


def values(log, topic="t"):
    with log.consumer(topic, timeout=0) as consumer:
        return [None if m.value is None else bytes(m.value) for m in consumer]


def test_values_of_many_kinds(log):
    numbers = array.array("i", [1, 2])
    with log.producer("t") as producer:
        offsets = [producer.produce(value) for value in
                   (b"bytes", bytearray(b"array"), memoryview(b"a view")[2:], "grün", numbers, b"", None)]
    assert offsets == list(range(7))
    assert values(log) == [b"bytes", b"array", b"view", "grün".encode(), numbers.tobytes(), b"", None]


@pytest.mark.parametrize("value", [7, 3.5, [b"x"], object(), memoryview(b"abcd")[::2]])
def test_what_has_no_bytes_is_refused(log, value):
    with log.producer("t") as producer:
        with pytest.raises(TypeError):
            producer.produce(value)
        with pytest.raises(TypeError):
            producer.produce(b"", key=value)
        with pytest.raises(TypeError):
            producer.produce(b"", headers={"h": value})
        with pytest.raises(TypeError):
            producer.produce_many([b"good", value])
    assert values(log) == []


def test_key_headers_timestamp_partition(log):
    log.create_topic("two", 2)
    with log.producer("two") as producer:
        assert producer.produce("v", "k", headers={"a": b"1", "b": None, "c": "ü"},
                                timestamp=1700000000000, partition=1) == 0
        assert producer.produce("w", headers=[("same", b"x"), ("same", b"y")], partition=1) == 1
    with log.consumer("two", timeout=0) as consumer:
        first, second = consumer
    assert (bytes(first.key), bytes(first.value), first.partition) == (b"k", b"v", 1)
    assert first.timestamp == 1700000000000 and first.timestamp_type == 0
    assert [(h.name, None if h.value is None else bytes(h.value)) for h in first.headers] == [
        ("a", b"1"), ("b", None), ("c", "ü".encode())]
    assert second.key is None and second.offset == 1
    assert [(h.name, bytes(h.value)) for h in second.headers] == [("same", b"x"), ("same", b"y")]
    assert abs(second.timestamp - time.time() * 1000) < 60000


def test_a_key_keeps_to_its_partition(log):
    log.create_topic("keyed", 4)
    with log.producer("keyed") as producer:
        for i in range(100):
            producer.produce(str(i), f"key {i % 10}")
        producer.produce_many((f"key {i % 10}", str(i)) for i in range(100))
    homes = {}
    for message in log.consumer("keyed", timeout=0):
        homes.setdefault(bytes(message.key), set()).add(message.partition)
    assert len(homes) == 10 and all(len(home) == 1 for home in homes.values())


def test_many_from_any_iterable(log):
    with log.producer("t") as producer:
        assert producer.produce_many([]) == 0
        assert producer.produce_many(b"%d" % i for i in range(10000)) == 10000
        assert producer.produce_many(["text", None, b"", bytearray(b"z"), (b"k", None), ("k", "v")]) == 6
        assert producer.produce_many([array.array("i", [1]), memoryview(b"12")]) == 2
    found = values(log)
    assert found[:10000] == [b"%d" % i for i in range(10000)]
    assert found[10000:] == [b"text", None, b"", b"z", None, b"v", array.array("i", [1]).tobytes(), b"12"]


def test_many_large_ones_go_in_small_chunks(log):
    ahead = []
    with log.producer("t") as producer:
        def large():
            for i in range(300):
                ahead.append(i - log.describe_partition("t").end_offset)
                yield bytes(200_000)

        assert producer.produce_many(large()) == 300
    assert log.describe_partition("t").end_offset == 300
    assert max(ahead[100:]) <= 2


def test_an_error_says_how_many_were_taken(log):
    log.create_topic("small", configs={"max.message.bytes": 1000})
    with log.producer("small") as producer:
        with pytest.raises(maplog.TooLarge) as raised:
            producer.produce_many([b"x"] * 5000 + [bytes(5000)] + [b"x"])
        assert raised.value.produced == 5000
        with pytest.raises(maplog.TooLarge):
            producer.produce(bytes(5000))
        with pytest.raises(RuntimeError) as raised:
            producer.produce_many(failing())
        assert raised.value.args == ("of the caller",)
    assert log.describe_partition("small").end_offset == 5064


def failing():
    yield from [b"x"] * 64
    raise RuntimeError("of the caller")


def test_a_buffer_of_records_of_one_size(log):
    with log.producer("t") as producer:
        assert producer.produce_buffer(b"aabbcc", record_size=2) == 3
        assert producer.produce_buffer(array.array("H", [0x6464])) == 1
        assert producer.produce_buffer(b"", record_size=9) == 0
        for size in (0, -1, 4):
            with pytest.raises(maplog.Invalid):
                producer.produce_buffer(b"aabbcc", record_size=size)
        with pytest.raises(maplog.Invalid):
            producer.produce_buffer(b"no size")
        with pytest.raises(TypeError):
            producer.produce_buffer("text", record_size=1)
        with pytest.raises(TypeError):
            producer.produce_buffer(memoryview(b"abcd")[::2], record_size=1)
    assert values(log) == [b"aa", b"bb", b"cc", b"dd"]


def test_a_buffer_with_offsets(log):
    with log.producer("t") as producer:
        assert producer.produce_buffer(b"onetwothree", offsets=[0, 3, 6, 6, 11]) == 4
        assert producer.produce_buffer(b"xy", offsets=array.array("i", [0, 1, 2])) == 2
        assert producer.produce_buffer(b"", offsets=array.array("q")) == 0
        for offsets in ([0, 12], [-1, 3], [3, 1], [2**62, 2**63 - 1]):
            with pytest.raises(maplog.Invalid) as raised:
                producer.produce_buffer(b"onetwothree", offsets=offsets)
            assert raised.value.produced == 0
        with pytest.raises(maplog.Invalid):
            producer.produce_buffer(b"ab", offsets=[0, 1], record_size=1)
        with pytest.raises(OverflowError):
            producer.produce_buffer(b"ab", offsets=[0, 2**64])
        for offsets in (array.array("d", [0, 1]), numpy.zeros(3, [("a", "i4"), ("b", "S5")]), numpy.zeros((2, 2)), 7):
            with pytest.raises(TypeError):
                producer.produce_buffer(b"ab", offsets=offsets)
    assert values(log) == [b"one", b"two", b"", b"three", b"x", b"y"]


def test_batches_are_seen_when_they_are_full_or_flushed(log):
    with log.producer("t", batch_bytes=1 << 16) as producer:
        assert producer.produce("gathers") is None
        assert values(log) == []
        producer.flush()
        assert values(log) == [b"gathers"]
        producer.produce("comes at the end")
    assert values(log) == [b"gathers", b"comes at the end"]


def test_a_batch_lingers(log):
    with log.producer("t", batch_bytes=1 << 16, linger=0.01) as producer, log.consumer("t") as consumer:
        producer.produce("by itself")
        assert bytes(consumer.next(10).value) == b"by itself"


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compression(log, compression):
    with log.producer("t", batch_bytes=1 << 16, compression=compression) as producer:
        producer.produce_many(b"the same again " * 10 for _ in range(5000))
    assert log.describe_partition("t").bytes < 300_000
    assert values(log) == [b"the same again " * 10] * 5000


def test_durable(tmp_path):
    with maplog.open(tmp_path, create=True) as log:
        log.create_topic("t")
        try:
            producer = log.producer("t", acks="disk")
        except maplog.NotPersistent:  # the tests' folder is in memory
            return
        producer.produce("safe")
        assert log.describe_partition("t").durable_offset == 1
        producer.close()


@pytest.mark.parametrize("options", [
    {"acks": "all"}, {"acks": None}, {"compression": "lzma"}, {"compression": "lz4"}, {"linger": 1},
    {"linger": -1}, {"timeout": -1}, {"timeout": float("nan")}])
def test_odd_options(log, options):
    with pytest.raises(maplog.Invalid):
        log.producer("t", **options)


def test_odd_partitions(log):
    with log.producer("t") as producer:
        for call in (lambda p: producer.produce(b"", partition=p),
                     lambda p: producer.produce_many([b""], partition=p),
                     lambda p: producer.produce_buffer(b"a", record_size=1, partition=p)):
            with pytest.raises(maplog.Invalid):
                call(-1)
            with pytest.raises(maplog.NotFound):
                call(1)
            with pytest.raises(OverflowError):
                call(2**31)


def test_a_deleted_topic_is_told(log):
    with log.producer("t") as producer:
        producer.produce("x")
        log.delete_topic("t")
        with pytest.raises(maplog.TopicDeleted):
            producer.produce("y")


def test_the_rows_may_come_from_the_producer_itself(log):
    with log.producer("t") as producer:
        producer.produce_many(b"%d" % producer.produce("inner") for _ in range(10))
    assert len(values(log)) == 20


def test_two_threads_are_told(log):
    producer = log.producer("t")
    told, go = [], threading.Event()

    def use():
        go.wait()
        try:
            for _ in range(200):
                producer.produce_buffer(bytes(100_000), record_size=10)
        except maplog.Busy as error:
            told.append(str(error))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert told and "one for each thread" in told[0]
    producer.produce("still works")
    producer.close()
