"""Logs, topics, partitions; what all handles have in common."""
import copy
import multiprocessing
import pickle
import threading

import maplog
import pytest


def test_a_missing_directory_is_not_found(path):
    with pytest.raises(maplog.NotFound) as raised:
        maplog.open(path)
    assert raised.value.code == -4
    assert raised.value.name == "MAPLOG_NOT_FOUND"
    assert path in str(raised.value)
    assert isinstance(raised.value, LookupError) and isinstance(raised.value, maplog.MaplogError)


def test_every_code_of_the_library_has_its_class():
    from maplog import _errors
    from maplog._binding import lib
    codes = {value: name for name, value in vars(type("E", (), {n: getattr(lib, n) for n in dir(lib)
             if n.startswith("MAPLOG_")})).items() if name.startswith("MAPLOG_")}
    errors = {code for code in codes if -100 < code < 0 and codes[code] not in ("MAPLOG_END", "MAPLOG_BEGIN")}
    assert errors | {-1, -2} == set(_errors.KINDS)
    for code, kind in _errors.KINDS.items():
        assert kind("x").name.replace("_", "").lower() in (
            "maplog" + kind.__name__.lower(), "maplogio")


def test_paths_may_be_of_any_kind(tmp_path):
    for path in (tmp_path / "a", str(tmp_path / "b"), bytes(tmp_path / "c")):
        with maplog.open(path, create=True) as log:
            assert log.topics() == []
            assert not log.closed
    with pytest.raises(TypeError):
        maplog.open(3.5)
    with pytest.raises(ValueError):
        maplog.open("a\0b")


def test_topics(log):
    log.create_topic("orders", 3, {"retention.ms": 60000, "segment.bytes": 1 << 20})
    assert [topic.name for topic in log.topics()] == ["orders", "t"]
    orders = log.describe_topic("orders")
    assert orders.partitions == 3 and len(orders.id) == 22
    assert log.topic_configs("orders")["retention.ms"] == ("60000", False)
    log.alter_topic("orders", {"retention.ms": None})
    assert log.topic_configs("orders")["retention.ms"].is_default
    log.grow_topic("orders", 5)
    assert log.describe_topic("orders").partitions == 5
    with pytest.raises(maplog.Exists):
        log.create_topic("orders")
    log.create_topic("orders", exist_ok=True)
    with pytest.raises(maplog.Invalid):
        log.create_topic("a/b")
    with pytest.raises(maplog.Invalid):
        log.alter_topic("orders", {"no.such.setting": 1})
    log.delete_topic("orders")
    with pytest.raises(maplog.NotFound):
        log.describe_topic("orders")


def test_partitions(log):
    log.create_topic("cut", configs={"segment.bytes": 4096})
    with log.producer("cut") as producer:
        producer.produce_many([b"x" * 100] * 200)
    before = log.describe_partition("cut")
    assert (before.start_offset, before.end_offset) == (0, 200)
    assert before.segments > 2
    log.delete_records("cut", 0, 100)
    after = log.describe_partition("cut", 0)
    assert after.start_offset == 100 and after.segments < before.segments
    log.delete_records("cut")
    assert log.describe_partition("cut").start_offset == 200
    with pytest.raises(maplog.NotFound):
        log.describe_partition("cut", 7)


def test_read_only(path, log):
    with log.producer("t") as producer:
        producer.produce("seen")
    with maplog.open(path, read_only=True) as other:
        assert [bytes(m.value) for m in other.consumer("t", timeout=0)] == [b"seen"]
        with pytest.raises(maplog.Denied):
            other.create_topic("more")
        with pytest.raises(PermissionError):
            other.producer("t")
        with pytest.raises(maplog.Denied):
            other.consumer("t", group="g")


def test_an_anonymous_log_is_attached_by_its_descriptor():
    with maplog.open_anonymous("ring", segment_bytes=1 << 20, segments=2) as log:
        assert log.path is None
        with maplog.attach(log.descriptor) as other, log.producer("ring") as producer:
            producer.produce("through memory")
            assert bytes(other.consumer("ring").next(5).value) == b"through memory"
        with pytest.raises(maplog.NotPersistent):
            log.sync()
    with pytest.raises(maplog.Invalid):
        maplog.attach(-1)


def test_a_full_ring_says_so_until_its_readers_let_go():
    with maplog.open_anonymous(segment_bytes=65536, segments=2) as log:
        producer, consumer = log.producer("anonymous"), log.consumer("anonymous")
        producer.produce("kept")
        kept = consumer.next(5)
        consumer.close()
        with pytest.raises(maplog.Full) as raised:
            producer.produce_many([bytes(1000)] * 1000)
        assert 0 < raised.value.produced < 1000
        assert bytes(kept.value) == b"kept"
        del kept
        assert producer.produce_many([bytes(1000)] * 1000) == 1000


def test_a_directory_has_no_descriptor(log):
    with pytest.raises(maplog.Unsupported):
        log.descriptor


def test_closing_twice_and_using_afterwards(path):
    log = maplog.open(path, create=True)
    log.create_topic("t")
    producer, consumer = log.producer("t"), log.consumer("t")
    log.close()
    log.close()
    assert log.closed and "closed" in repr(log)
    for use in (log.topics, log.sync, lambda: log.create_topic("u"), lambda: log.producer("t"),
                lambda: log.descriptor, lambda: log.group_committed("g", "t")):
        with pytest.raises(maplog.Closed):
            use()
    producer.produce("after the log")  # they keep what they need
    assert bytes(consumer.next(5).value) == b"after the log"
    producer.close()
    producer.close()
    consumer.close()
    consumer.close()
    for use in (lambda: producer.produce(b""), lambda: producer.produce_many([b""]), producer.flush,
                lambda: producer.produce(b"", headers={}), lambda: producer.produce_buffer(b"a", record_size=1),
                lambda: producer.prepare(0, 1)):
        with pytest.raises(maplog.Closed):
            use()
    for use in (consumer.next, lambda: list(consumer), lambda: consumer.seek(0), consumer.position,
                lambda: consumer.seek_time(0), consumer.commit, consumer.fileno,
                lambda: consumer.consume_many(1)):
        with pytest.raises(maplog.Closed):
            use()
    with pytest.raises(ValueError):
        consumer.next(0)


def test_nothing_is_pickled_or_copied(log):
    with log.producer("t") as producer, log.consumer("t") as consumer:
        producer.produce("x")
        for thing, advice in ((log, "path"), (producer, "own"), (consumer, "own"),
                              (consumer.next(5), "bytes\\(message.value\\)")):
            with pytest.raises(TypeError, match=advice):
                pickle.dumps(thing)
            with pytest.raises(TypeError):
                copy.copy(thing)
    error = pickle.loads(pickle.dumps(maplog.NotFound("gone")))
    assert type(error) is maplog.NotFound and str(error) == "gone"


def spawned(path, count):
    with maplog.open(path) as log, log.producer("t") as producer:
        producer.produce_many(b"%d" % i for i in range(count))


def test_spawned_workers_open_it_by_its_path(path, log):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=spawned, args=(path, 1000)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(int(bytes(m.value)) for m in log.consumer("t", timeout=0)) == sorted(2 * list(range(1000)))


def test_a_log_may_be_used_and_closed_by_many_threads(path):
    for _ in range(20):
        log = maplog.open(path, create=True)
        started, strange = threading.Event(), []

        def use():
            try:
                while True:
                    log.topics()
                    started.set()
            except maplog.Closed:
                pass
            except BaseException as error:
                strange.append(error)

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        started.wait()
        log.close()
        for thread in threads:
            thread.join()
        assert not strange
