"""The clients behind one small interface, so that one list of cases holds for all of them.

A client is made with the broker's address and has
    produce(topic, records, partition, codec, acks, idempotent, **settings)
                           -> offsets, None where the client is not told; ProduceError
    consume(topic, count, partition, start, **settings)
                           -> the first `count` records from `start`: an offset or "begin"
    follow(topic)          -> context of a function (count -> records) that stands at the end now
    offset_at(topic, time) -> the first offset at or after the time, None when there is none
    ends(topic)            -> (first offset, end offset) of partition 0
Settings are librdkafka's names and each adapter's own business.
"""
import asyncio
import contextlib
import os
import subprocess
import tempfile
import time
from typing import NamedTuple, Optional

import aiokafka
import confluent_kafka
import kafka

from conftest import TIMEOUT, wait_until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LARGEST = 4 << 20  # bytes of a message, as far as the clients are concerned


class Record(NamedTuple):
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple = ()
    timestamp: Optional[int] = None
    offset: Optional[int] = None

    def content(self):
        return Record(self.key, self.value, self.headers)


class ProduceError(Exception):
    """What the client said."""


def contents(records):
    return [record.content() for record in records]


class Confluent:
    """confluent-kafka, on the newest librdkafka."""

    name = "confluent"
    nulls_in_headers = null_pairs = True

    def __init__(self, address):
        self.address = address

    def settings(self, **settings):
        return {"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": TIMEOUT * 1000, **settings}

    def produce(self, topic, records, partition=0, codec="none", acks="all", idempotent=False, **settings):
        producer = confluent_kafka.Producer(self.settings(**{
            "acks": acks, "compression.type": codec, "enable.idempotence": idempotent,
            "message.max.bytes": LARGEST, "message.timeout.ms": TIMEOUT * 1000, "linger.ms": 5, **settings}))
        answers = []
        for record in records:
            producer.produce(topic, record.value, record.key, partition, headers=list(record.headers),
                             timestamp=record.timestamp or 0,
                             on_delivery=lambda error, message: answers.append((error, message.offset())))
            producer.poll(0)
        assert producer.flush(TIMEOUT) == 0, "not all were delivered"
        for error, _ in answers:
            if error:
                raise ProduceError(error.name())
        return [offset if str(acks) != "0" else None for _, offset in answers]

    @contextlib.contextmanager
    def consumer(self, **settings):
        consumer = confluent_kafka.Consumer(self.settings(**{
            "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True, "check.crcs": True,
            "auto.offset.reset": "error", **settings}))
        try:
            yield consumer
        finally:
            consumer.close()

    @contextlib.contextmanager
    def assigned(self, topic, partition, offset, **settings):
        with self.consumer(**settings) as consumer:
            consumer.assign([confluent_kafka.TopicPartition(topic, partition, offset)])
            yield consumer

    def take(self, consumer, count, until_end=False):
        records, deadline = [], time.monotonic() + TIMEOUT
        while len(records) < count:
            message = consumer.poll(1)
            assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
            if message is None:
                continue
            if message.error():
                if message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                    raise confluent_kafka.KafkaException(message.error())
                if until_end:
                    break
                continue
            records.append(Record(message.key(), message.value(), tuple(message.headers() or ()),
                                  message.timestamp()[1], message.offset()))
        return records

    def consume(self, topic, count, partition=0, start="begin", **settings):
        offset = confluent_kafka.OFFSET_BEGINNING if start == "begin" else start
        with self.assigned(topic, partition, offset, **settings) as consumer:
            return self.take(consumer, count)

    @contextlib.contextmanager
    def follow(self, topic):
        with self.assigned(topic, 0, confluent_kafka.OFFSET_END) as consumer:
            assert self.take(consumer, 1, until_end=True) == []
            yield lambda count: self.take(consumer, count)

    def offset_at(self, topic, timestamp):
        with self.consumer() as consumer:
            found, = consumer.offsets_for_times([confluent_kafka.TopicPartition(topic, 0, timestamp)], TIMEOUT)
            # It turns "none" into the end of the partition, as a place to go on from.
            return found.offset if found.offset >= 0 else None

    def ends(self, topic):
        with self.consumer() as consumer:  # closing one that begins where nothing is left may take for ever
            return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), TIMEOUT)


class KafkaPython:
    """kafka-python."""

    name = "kafka-python"
    nulls_in_headers = null_pairs = False

    def __init__(self, address):
        self.address = address

    def produce(self, topic, records, partition=0, codec="none", acks="all", idempotent=False, **settings):
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.address, acks=acks if acks == "all" else int(acks),
            compression_type=None if codec == "none" else codec, enable_idempotence=idempotent, linger_ms=5,
            max_request_size=LARGEST, **{"max_block_ms": TIMEOUT * 1000, **settings})
        try:
            sent = [producer.send(topic, record.value, record.key, list(record.headers), partition,
                                  record.timestamp) for record in records]
            producer.flush(TIMEOUT)
            offsets = [future.get(TIMEOUT).offset for future in sent]
            return [offset if str(acks) != "0" else None for offset in offsets]
        except kafka.errors.KafkaError as error:
            raise ProduceError(repr(error)) from error
        finally:
            producer.close(5)

    @contextlib.contextmanager
    def assigned(self, topic, partition, **settings):
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False,
                                       **{"auto_offset_reset": "none", **settings})
        where = kafka.TopicPartition(topic, partition)
        consumer.assign([where])
        try:
            yield consumer, where
        finally:
            consumer.close()

    def take(self, consumer, where, count):
        records, deadline = [], time.monotonic() + TIMEOUT
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
            for message in consumer.poll(1000, max_records=count - len(records)).get(where, []):
                records.append(Record(message.key, message.value, tuple(message.headers), message.timestamp,
                                      message.offset))
        return records

    def consume(self, topic, count, partition=0, start="begin", **settings):
        with self.assigned(topic, partition, **settings) as (consumer, where):
            if start == "begin":
                consumer.seek_to_beginning(where)
            else:
                consumer.seek(where, start)
            return self.take(consumer, where, count)

    @contextlib.contextmanager
    def follow(self, topic):
        with self.assigned(topic, 0) as (consumer, where):
            consumer.seek_to_end(where)
            consumer.position(where)
            yield lambda count: self.take(consumer, where, count)

    def offset_at(self, topic, timestamp):
        with self.assigned(topic, 0) as (consumer, where):
            found = consumer.offsets_for_times({where: timestamp})[where]
            return found.offset if found else None

    def ends(self, topic):
        with self.assigned(topic, 0) as (consumer, where):
            return consumer.beginning_offsets([where])[where], consumer.end_offsets([where])[where]


class Aiokafka:
    """aiokafka; each call runs its own loop to the end."""

    name = "aiokafka"
    nulls_in_headers, null_pairs = True, False

    def __init__(self, address):
        self.address = address

    def produce(self, topic, records, partition=0, codec="none", acks="all", idempotent=False, **settings):
        async def produce():
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=self.address, acks=acks if acks == "all" else int(acks),
                compression_type=None if codec == "none" else codec, enable_idempotence=idempotent, linger_ms=5,
                max_request_size=LARGEST, **{"request_timeout_ms": TIMEOUT * 1000, **settings})
            await producer.start()
            try:
                sent = [await producer.send(topic, record.value, record.key, partition, record.timestamp,
                                            list(record.headers)) for record in records]
                answers = await asyncio.gather(*sent)
                return [answer.offset if answer and str(acks) != "0" else None for answer in answers]
            finally:
                await producer.stop()

        try:
            return asyncio.run(produce())
        except aiokafka.errors.KafkaError as error:
            raise ProduceError(repr(error)) from error

    @contextlib.asynccontextmanager
    async def assigned(self, topic, partition, **settings):
        consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=self.address, enable_auto_commit=False,
                                             **{"auto_offset_reset": "none", **settings})
        await consumer.start()
        where = aiokafka.TopicPartition(topic, partition)
        try:
            consumer.assign([where])
            yield consumer, where
        finally:
            await consumer.stop()

    async def take(self, consumer, where, count):
        records, deadline = [], time.monotonic() + TIMEOUT
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} of {count} records came"
            came = await consumer.getmany(where, timeout_ms=1000, max_records=count - len(records))
            for message in came.get(where, []):
                records.append(Record(message.key, message.value, tuple(message.headers), message.timestamp,
                                      message.offset))
        return records

    def consume(self, topic, count, partition=0, start="begin", **settings):
        async def consume():
            async with self.assigned(topic, partition, **settings) as (consumer, where):
                if start == "begin":
                    await consumer.seek_to_beginning(where)
                else:
                    consumer.seek(where, start)
                return await self.take(consumer, where, count)

        return asyncio.run(consume())

    @contextlib.contextmanager
    def follow(self, topic):
        loop = asyncio.new_event_loop()
        stack = contextlib.AsyncExitStack()

        async def begin():
            consumer, where = await stack.enter_async_context(self.assigned(topic, 0))
            await consumer.seek_to_end(where)
            await consumer.position(where)
            return consumer, where

        try:
            consumer, where = loop.run_until_complete(begin())
            yield lambda count: loop.run_until_complete(self.take(consumer, where, count))
        finally:
            loop.run_until_complete(stack.aclose())
            loop.close()

    def offset_at(self, topic, timestamp):
        async def find():
            async with self.assigned(topic, 0) as (consumer, where):
                found = (await consumer.offsets_for_times({where: timestamp}))[where]
                return found.offset if found else None

        return asyncio.run(find())

    def ends(self, topic):
        async def find():
            async with self.assigned(topic, 0) as (consumer, where):
                return ((await consumer.beginning_offsets([where]))[where],
                        (await consumer.end_offsets([where]))[where])

        return asyncio.run(find())


class Kcat:
    """kcat, on Debian's librdkafka."""

    name = "kcat"
    nulls_in_headers = False
    null_pairs = True
    # Lengths first: keys, values and headers may hold anything.
    FORMAT = "%o %T %K %S %h\n%k%s\n"

    def __init__(self, address):
        self.address = address

    def command(self, *words, **settings):
        options = [word for name, value in settings.items() for word in ("-X", f"{name}={value}")]
        return ["kcat", "-b", self.address, "-m", str(TIMEOUT), *words, *options]

    def run(self, *words, input=b"", **settings):
        return subprocess.run(self.command(*words, **settings), input=input, capture_output=True, timeout=2 * TIMEOUT)

    def produce(self, topic, records, partition=0, codec="none", acks="all", idempotent=False, **settings):
        words = ["-P", "-t", topic, "-p", str(partition), "-z", codec]
        settings = {"acks": acks, "enable.idempotence": str(idempotent).lower(), "message.max.bytes": LARGEST,
                    "message.timeout.ms": TIMEOUT * 1000, **settings}
        lines = all(record.key and record.value and not record.headers for record in records)
        if lines and not any(b"\n" in record.value or b"\x1f" in record.key for record in records):
            text = b"".join(b"%s\x1f%s\n" % (record.key, record.value) for record in records)
            self.check(self.run(*words, "-K", "\\x1f", input=text, **settings))
        else:
            for record in records:
                self.produce_one(words, record, settings)
        return [None] * len(records)

    def produce_one(self, words, record, settings):
        words = list(words)
        for name, value in record.headers:
            words += ["-H", f"{name}={value.decode()}"]
        if not record.value:  # it skips empty files and lines, but not lines with a separator
            words += ["-Z"] if record.value is None else []
            self.check(self.run(*words, "-K", "\\x1f", input=(record.key or b"") + b"\x1f\n", **settings))
            return
        if record.key is not None:
            words += ["-k", record.key.decode()]
        with tempfile.NamedTemporaryFile() as file:
            file.write(record.value)
            file.flush()
            self.check(self.run(*words, file.name, **settings))

    def check(self, done):
        if done.returncode or b"ERROR" in done.stderr or b"% Delivery failed" in done.stderr:
            raise ProduceError(done.stderr.decode())

    def parse(self, text, count):
        records = []
        while text and len(records) < count:
            line, newline, text = text.partition(b"\n")
            if not newline:
                break  # cut: the rest is still to come
            offset, timestamp, key, value, headers = line.split(b" ", 4)
            key, value = int(key), int(value)
            at = max(key, 0)
            end = at + max(value, 0)
            if len(text) <= end:
                break  # cut, too
            records.append(Record(text[:at] if key >= 0 else None, text[at:end] if value >= 0 else None,
                                  tuple(self.header(each) for each in headers.split(b",") if each),
                                  int(timestamp), int(offset)))
            text = text[end + 1:]
        return records

    def header(self, text):
        name, _, value = text.partition(b"=")
        return name.decode(), value

    def consume(self, topic, count, partition=0, start="begin", **settings):
        start = "beginning" if start == "begin" else start
        done = self.run("-C", "-t", topic, "-p", str(partition), "-o", str(start), "-c", str(count), "-q", "-f",
                        self.FORMAT, **{"check.crcs": "true", "topic.auto.offset.reset": "error", **settings})
        assert done.returncode == 0, done.stderr
        return self.parse(done.stdout, count)

    @contextlib.contextmanager
    def follow(self, topic):
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            consumer = subprocess.Popen(self.command("-C", "-t", topic, "-p", "0", "-o", "end", "-u", "-E",
                                                     "-f", self.FORMAT), stdout=output, stderr=errors)

            def text(file):
                return os.pread(file.fileno(), 1 << 24, 0)

            def take(count):
                begin = len(taken)
                wait_until(lambda: len(self.parse(text(output), begin + count)) == begin + count)
                taken.extend(self.parse(text(output), begin + count)[begin:])
                return taken[begin:]

            taken = []
            try:
                wait_until(lambda: b"Reached end of topic" in text(errors))
                yield take
            finally:
                consumer.kill()
                consumer.wait()

    def offset_at(self, topic, timestamp):
        done = self.run("-Q", "-t", f"{topic}:0:{timestamp}")
        assert done.returncode == 0, done.stderr
        offset = int(done.stdout.split(b"offset ")[1])
        return offset if offset >= 0 else None

    def ends(self, topic):
        return self.offset_at(topic, -2), self.offset_at(topic, -1)


ALL = (Confluent, KafkaPython, Aiokafka, Kcat)
