"""Consuming: messages and their memory, waiting, positions, groups, asyncio, NumPy."""
import asyncio
import gc
import signal
import threading
import time

import maplog
import numpy
import pytest


def fill(log, count, topic="t", **options):
    with log.producer(topic, **options) as producer:
        producer.produce_many(b"%d" % i for i in range(count))


def numbers(messages):
    return [int(bytes(message.value)) for message in messages]


def mapped(path):
    """How many segments of the log this process has mapped."""
    with open("/proc/self/maps") as maps:
        return sum(path in line and ".log" in line for line in maps)


# ---- messages and their memory ----------------------------------------------------------------------

def test_views_are_read_only_and_not_copies(log):
    fill(log, 1000)
    for message in log.consumer("t", timeout=0):
        assert isinstance(message.value, memoryview) and message.value.readonly
        with pytest.raises(TypeError):
            message.value[0] = 0
    one, other = (numpy.frombuffer(message.value, "u1") for _ in range(2))
    assert one.ctypes.data == other.ctypes.data


def test_memory_outlives_consumer_log_and_retention(path):
    log = maplog.open(path, create=True)
    log.create_topic("t", configs={"segment.bytes": 4096})
    fill(log, 5000)
    consumer = log.consumer("t", timeout=0)
    messages = list(consumer)
    views = [message.value for message in messages]
    consumer.close()
    log.delete_records("t")
    log.close()
    gc.collect()
    assert numbers(messages) == list(range(5000))
    kept = views[4321]
    del messages, views
    gc.collect()
    assert bytes(kept) == b"4321"


def test_memory_goes_when_nobody_looks(path, log):
    log.create_topic("cut", configs={"segment.bytes": 16384})
    fill(log, 5000, "cut")
    consumer = log.consumer("cut", timeout=0)
    messages = list(consumer)
    consumer.close()
    log.delete_records("cut")
    before = mapped(path + "/cut")
    view = messages[2500].value
    assert before > 10
    del messages
    gc.collect()
    assert bytes(view) == b"2500"
    assert mapped(path + "/cut") <= before - 10
    view.release()
    del view
    gc.collect()
    assert mapped(path + "/cut") <= 2


def test_runs_end_at_segments_partitions_and_compressed_batches(log):
    log.create_topic("many", 3, {"segment.bytes": 4096})
    for options in ({}, {"batch_bytes": 500}, {"batch_bytes": 500, "compression": "lz4"}):
        with log.producer("many", **options) as producer:
            producer.produce_many((b"%d" % i, b"%d" % i) for i in range(3000))
    seen = list(log.consumer("many", timeout=0))
    assert len(seen) == 9000
    assert all(bytes(message.key) == bytes(message.value) for message in seen)
    for partition in range(3):
        offsets = [message.offset for message in seen if message.partition == partition]
        assert offsets == list(range(len(offsets))) and offsets


def test_messages_say_who_they_are(log):
    fill(log, 1)
    message = log.consumer("t", timeout=0).next(0)
    assert repr(message) == "<maplog.Message 0:0 key=None value=b'0'>"
    assert message.headers == [] and message.leader_epoch >= 0


def test_records_leave_nothing_behind(log):
    fill(log, 20000)

    def once():
        with log.consumer("t", timeout=0) as consumer, log.producer("t") as producer:
            for message in consumer:
                message.value, message.key, message.headers
            consumer.seek(maplog.BEGIN)
            consumer.consume_many(100)
            for kind in (7, b"x" * 2_000_000):
                with pytest.raises((TypeError, maplog.TooLarge)):
                    producer.produce_many([kind])

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    for _ in range(3):
        once()
    before, objects = resident(), len(gc.get_objects())
    for _ in range(20):
        once()
    assert len(gc.get_objects()) - objects < 200
    assert resident() - before < 8 << 20


# ---- waiting ----------------------------------------------------------------------------------------

def test_timeouts(log):
    with log.consumer("t", timeout=0) as consumer:
        assert list(consumer) == []
        assert consumer.next(0) is None
        begin = time.monotonic()
        assert consumer.next(0.3) is None
        assert time.monotonic() - begin >= 0.3
        assert consumer.consume_many(5, timeout=0.01) == []
        for timeout in (-1, float("nan")):
            with pytest.raises(maplog.Invalid):
                consumer.next(timeout)
        with pytest.raises((TypeError, ValueError)):
            consumer.next("soon")


def test_waiting_leaves_other_threads_running(log):
    def later():
        time.sleep(0.05)
        fill(log, 1)

    thread = threading.Thread(target=later)
    thread.start()
    with log.consumer("t") as consumer:
        assert numbers([next(iter(consumer))]) == [0]
    thread.join()


def test_a_signal_ends_the_waiting(log):
    class Rang(Exception):
        pass

    def ring(*_):
        raise Rang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with log.consumer("t") as consumer, pytest.raises(Rang):
            consumer.next()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_two_threads_are_told(log):
    with log.consumer("t") as consumer:
        waiting = threading.Thread(target=lambda: consumer.next(1))
        waiting.start()
        with pytest.raises(maplog.Busy, match="another thread"):
            while waiting.is_alive():
                consumer.position()
        with pytest.raises(maplog.Busy):
            while waiting.is_alive():
                consumer.close()
            raise maplog.Busy  # it was slow to begin
        waiting.join()
        assert consumer.position() == 0


def test_many_in_one_call(log):
    fill(log, 3000)
    with log.consumer("t", timeout=0) as consumer:
        assert numbers(consumer.consume_many(0)) == []
        assert numbers(consumer.consume_many(2500)) == list(range(2500))
        assert numbers([consumer.next(0)]) == [2500]
        assert numbers(consumer.consume_many(2**40)) == list(range(2501, 3000))
        assert consumer.consume_many(-1) == []


def test_iteration_goes_on_where_it_was(log):
    fill(log, 100)
    with log.consumer("t", timeout=0) as consumer:
        assert numbers(message for message, _ in zip(consumer, range(10))) == list(range(10))
        rest = numbers(consumer)
        assert rest[-1] == 99 and rest[0] in (10, 11)  # zip() took one to find its end
        fill(log, 1)
        assert numbers(consumer) == [0]


# ---- positions --------------------------------------------------------------------------------------

def test_seeking(log):
    fill(log, 1000)
    with log.consumer("t", timeout=0) as consumer:
        assert numbers([consumer.next(0)]) == [0]
        assert consumer.position() == 1
        consumer.seek(500)
        assert consumer.position(0) == 500
        assert numbers(consumer.consume_many(2)) == [500, 501]
        consumer.seek(maplog.END, 0)
        assert consumer.next(0) is None
        consumer.seek(maplog.BEGIN)
        assert numbers([consumer.next(0)]) == [0]
        consumer.seek_time(2**50)
        assert consumer.next(0) is None
        consumer.seek_time(0)
        assert numbers([consumer.next(0)]) == [0]
        consumer.seek(5000)
        with pytest.raises(maplog.OffsetOutOfRange):
            consumer.next(0)
        consumer.seek(999)
        assert numbers(consumer) == [999]
        with pytest.raises(maplog.NotFound):
            consumer.seek(0, 3)
        with pytest.raises(maplog.Invalid):
            consumer.seek(-3)


def test_seeking_within_a_loop(log):
    fill(log, 100)
    seen = []
    with log.consumer("t", timeout=0) as consumer:
        for message in consumer:
            seen += numbers([message])
            if seen == [0, 1, 2]:
                consumer.seek(98)
    assert seen == [0, 1, 2, 98, 99]


def test_at_end_and_listed_partitions(log):
    log.create_topic("three", 3)
    with log.producer("three") as producer:
        for partition in range(3):
            producer.produce(str(partition), partition=partition)
    assert sorted(numbers(log.consumer("three", partitions=[0, 2], timeout=0))) == [0, 2]
    with log.consumer("three", at_end=True, timeout=0, check_crcs=True) as consumer:
        assert list(consumer) == []
        fill(log, 1, "three")
        assert numbers(consumer) == [0]
    for odd in ([], [1, 1], [7], [-1]):
        with pytest.raises((maplog.Invalid, maplog.NotFound)):
            log.consumer("three", partitions=odd)
    with pytest.raises(maplog.NotFound):
        log.consumer("nowhere")


def test_a_deleted_topic_is_told_after_the_last_message(log):
    fill(log, 10)
    with log.consumer("t") as consumer:
        assert numbers([consumer.next(0)]) == [0]
        log.delete_topic("t")
        seen = []
        with pytest.raises(maplog.TopicDeleted):
            for message in consumer:
                seen += numbers([message])
        assert seen == list(range(1, 10))


# ---- groups -----------------------------------------------------------------------------------------

def test_a_group_goes_on_behind_what_was_handed_out(log):
    log.create_topic("work", 2)
    with log.producer("work") as producer:
        for i in range(200):
            producer.produce(str(i), partition=i % 2)
    seen = []
    while True:
        with log.consumer("work", group="g", timeout=0) as consumer:
            got = consumer.consume_many(5)
            got += [message for message in (consumer.next(0), consumer.next(0)) if message]
            consumer.commit()
            seen += numbers(got)
            if not got:
                break
            if len(seen) < 100:
                seen += numbers([consumer.next(0)])
                consumer.commit()
    assert sorted(seen) == list(range(200))
    assert log.group_committed("g", "work", 0) == log.group_committed("g", "work", 1) == 100


def test_commits_by_hand(log):
    assert log.group_committed("g", "t") is None
    log.group_commit("g", "t", 0, 5, "a note")
    assert log.group_committed("g", "t", 0) == 5
    fill(log, 10)
    with log.consumer("t", group="g", timeout=0) as consumer:
        assert numbers([consumer.next(0)]) == [5]
        with pytest.raises(maplog.GroupBusy):
            log.consumer("t", group="g")
    with log.consumer("t") as consumer, pytest.raises(maplog.Invalid):
        consumer.commit()
    with pytest.raises(maplog.NotFound):
        log.group_commit("g", "t", 9, 5)


# ---- asyncio ----------------------------------------------------------------------------------------

def test_async_for(log):
    async def read():
        seen = []
        with log.consumer("t") as consumer:
            async for message in consumer:
                seen += numbers([message])
                if len(seen) == 3000:
                    return seen

    async def write():
        with log.producer("t") as producer:
            for i in range(3000):
                producer.produce(b"%d" % i)
                if i % 100 == 0:
                    await asyncio.sleep(0.001)

    async def both():
        return (await asyncio.wait_for(asyncio.gather(read(), write()), 60))[0]

    assert asyncio.run(both()) == list(range(3000))


def test_async_for_ends_after_its_timeout(log):
    async def read():
        return [message async for message in log.consumer("t", timeout=0.05)]

    fill(log, 3)
    assert numbers(asyncio.run(read())) == [0, 1, 2]


def test_async_for_can_be_cancelled_and_begun_again(log):
    async def read():
        with log.consumer("t") as consumer:
            async def forever():
                async for message in consumer:
                    pass

            task = asyncio.ensure_future(forever())
            await asyncio.sleep(0.05)
            with pytest.raises(maplog.Busy):
                async for message in consumer:
                    pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            fill(log, 1)
            async for message in consumer:
                return numbers([message])

    assert asyncio.run(read()) == [0]


def test_a_consumer_closed_under_async_for(log):
    async def read():
        consumer = log.consumer("t")

        async def forever():
            async for message in consumer:
                pass

        task = asyncio.ensure_future(forever())
        await asyncio.sleep(0.05)
        consumer.close()
        with pytest.raises(maplog.Closed):
            await asyncio.wait_for(task, 10)

    asyncio.run(read())


# ---- NumPy ------------------------------------------------------------------------------------------

def test_numpy_reads_and_writes_without_a_copy(log):
    dtype = numpy.dtype([("price", "<f8"), ("size", "<i4"), ("side", "S1")])
    trades = numpy.zeros(1000, dtype)
    trades["price"], trades["size"], trades["side"] = numpy.arange(1000) / 4, 7, b"B"
    with log.producer("t") as producer:
        assert producer.produce_buffer(trades) == 1000  # a row, a record
        assert producer.produce(trades) == 1000  # all in one
        assert producer.produce_buffer(numpy.arange(6, dtype="<i4").reshape(3, 2)) == 3
        assert producer.produce_buffer(b"abc", offsets=numpy.array([0, 1, 3], "u4")) == 2
        with pytest.raises(TypeError):
            producer.produce_buffer(trades[::2])
    with log.consumer("t", timeout=0) as consumer:
        rows = consumer.consume_many(1000)
        assert numpy.concatenate([row.array(dtype) for row in rows]).tolist() == trades.tolist()
        block = consumer.next(0)
        found = block.array(dtype)
        assert not found.flags.owndata and not found.flags.writeable
        assert found["price"].sum() == trades["price"].sum()
        with pytest.raises(ValueError):
            found["price"][0] = 1
        assert [message.array("<i4").tolist() for message in consumer.consume_many(3)] == [
            [0, 1], [2, 3], [4, 5]]
        assert [bytes(message.value) for message in consumer] == [b"a", b"bc"]
    del consumer, rows, block
    log.close()
    gc.collect()
    assert found["price"].max() == 999 / 4
