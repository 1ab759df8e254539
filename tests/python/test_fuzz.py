"""Calls in any order with arguments of any kind: exceptions, and nothing else."""
import os

LONG = bool(os.environ.get("MAPLOG_LONG"))

PROGRAM = r'''
import array, gc, os, sys, tempfile
import hypothesis, maplog, numpy
from hypothesis import HealthCheck, settings, stateful, strategies as st
from hypothesis.stateful import rule

EXAMPLES, FOLDER = int(sys.argv[1]), sys.argv[2]
EDGES = [-2**63, -2**31 - 1, -2**31, -3, -2, -1, 0, 1, 2, 7, 1000, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64]
# What takes long is no crash: waits and sizes stay small where they are obeyed.
names = st.sampled_from(["t", "two", "gone", "", "a\0b", "\ud800", "x" * 300, b"t", "anonymous"])
odd = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.binary(max_size=3),
                st.sampled_from([object(), [], (), {}, b"", array.array("i"), ValueError]))
whole = st.one_of(st.sampled_from(EDGES), st.integers(-3, 50), odd)
waits = st.sampled_from([0, 0.0, 1e-9, 0.001, -1, float("nan"), -0.0, "1", b"", []])
buffers = st.one_of(
    st.binary(max_size=200), st.text(max_size=20), st.just(bytearray(b"array")), odd,
    st.builds(lambda: memoryview(bytearray(9))), st.builds(bytes, st.just(100_000)),
    st.sampled_from([memoryview(b"abcdef")[::2], memoryview(b"abcdef")[::-1],
                     array.array("d", [1, 2]), numpy.zeros((2, 3)), numpy.zeros(()), numpy.zeros((0, 4)),
                     numpy.zeros(3, [("a", "i4"), ("b", "S5")]), numpy.zeros((4, 4))[:, 1],
                     numpy.array([None]), numpy.zeros(2, "M8[s]")]))
rows = st.one_of(st.lists(st.one_of(buffers, st.tuples(buffers, buffers), st.tuples(buffers)), max_size=5), buffers)
headers = st.one_of(odd, st.dictionaries(names, buffers, max_size=3),
                    st.lists(st.tuples(names, buffers), max_size=3), st.lists(odd, max_size=2))
offsets = st.one_of(st.lists(st.one_of(st.integers(-2, 12), st.sampled_from(EDGES)), max_size=5), buffers,
                    st.sampled_from([array.array("q", [0, 1]), array.array("d", [0, 1]), numpy.zeros(3, "u8")]))
FINE = (maplog.MaplogError, TypeError, ValueError, OverflowError, UnicodeError, MemoryError, AttributeError,
        BufferError)


class Calls(stateful.RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        self.logs = [maplog.open(self.folder, create=True), maplog.open_anonymous(segment_bytes=65536, segments=2)]
        self.logs[0].create_topic("t", configs={"segment.bytes": 4096})
        self.logs[0].create_topic("two", 2)
        self.handles = list(self.logs)
        self.messages, self.views = [], []

    def attempt(self, call, *arguments, **more):
        try:
            return call(*arguments, **more)
        except FINE:
            return None

    def pick(self, kind, at):
        found = [handle for handle in self.handles if isinstance(handle, kind)]
        return found[at % len(found)] if found else None

    def keep(self, found):
        if found is not None:
            self.handles.append(found)

    at = st.integers(0, 9)

    @rule(at=at, topic=st.one_of(names, odd), batch=whole, compression=st.sampled_from(["none", "lz4", "zip", None]),
          linger=waits)
    def producer(self, at, topic, batch, compression, linger):
        if isinstance(batch, int) and batch > 1000: batch = 1000 + batch % 1000
        self.keep(self.attempt(self.pick(maplog.Log, at).producer, topic, batch_bytes=batch,
                               compression=compression, linger=linger, timeout=0.01))

    @rule(at=at)
    def plain_producer(self, at):
        self.keep(self.attempt(self.pick(maplog.Log, at).producer, ["t", "two", "anonymous"][at % 3]))

    @rule(at=at, topic=st.one_of(names, odd), group=st.sampled_from([None, "g", "", 3, "a\0"]),
          partitions=st.one_of(st.none(), st.lists(whole, max_size=3)), timeout=waits, crcs=odd)
    def consumer(self, at, topic, group, partitions, timeout, crcs):
        self.keep(self.attempt(self.pick(maplog.Log, at).consumer, topic, group=group,
                               partitions=partitions, timeout=timeout, check_crcs=crcs, at_end=crcs))

    @rule(at=at)
    def plain_consumer(self, at):
        self.keep(self.attempt(self.pick(maplog.Log, at).consumer, ["t", "two", "anonymous"][at % 3], timeout=0))

    @rule(at=at, value=buffers, key=buffers, headers=headers, timestamp=whole, partition=whole)
    def produce(self, at, value, key, headers, timestamp, partition):
        if producer := self.pick(maplog.Producer, at):
            self.attempt(producer.produce, value, key, headers=headers, timestamp=timestamp, partition=partition)
            self.attempt(producer.produce, value)

    @rule(at=at, rows=rows, timestamp=whole, partition=whole)
    def produce_many(self, at, rows, timestamp, partition):
        if producer := self.pick(maplog.Producer, at):
            self.attempt(producer.produce_many, rows, timestamp=timestamp, partition=partition)
            self.attempt(producer.produce_many, rows)

    @rule(at=at, buffer=buffers, size=whole, offsets=offsets)
    def produce_buffer(self, at, buffer, size, offsets):
        if producer := self.pick(maplog.Producer, at):
            self.attempt(producer.produce_buffer, buffer, record_size=size)
            self.attempt(producer.produce_buffer, buffer, offsets=offsets)

    @rule(at=at, size=whole, partition=whole)
    def settle(self, at, size, partition):
        if producer := self.pick(maplog.Producer, at):
            self.attempt(producer.prepare, partition, size)
            self.attempt(producer.flush)

    @rule(at=at, count=whole, timeout=waits)
    def consume(self, at, count, timeout):
        if consumer := self.pick(maplog.Consumer, at):
            found = self.attempt(consumer.consume_many, count, timeout) or []
            self.messages += found[:50]
            self.messages.append(self.attempt(consumer.next, timeout))
            self.messages += self.attempt(lambda: [m for m, _ in zip(consumer, range(30))]
                                          if consumer.timeout is not None else []) or []

    @rule(at=at, offset=whole, partition=whole)
    def place(self, at, offset, partition):
        if consumer := self.pick(maplog.Consumer, at):
            self.attempt(consumer.seek, offset, partition)
            self.attempt(consumer.seek_time, offset, partition)
            self.attempt(consumer.position, partition)
            self.attempt(consumer.commit)
            self.attempt(consumer.fileno)

    @rule()
    def look(self):
        for message in self.messages[-60:]:
            if message is not None:
                for name in ("value", "key", "headers", "offset", "timestamp", "partition"):
                    getattr(message, name)
                self.views.append(message.value)
                repr(message)
        for view in self.views:
            if view is not None:
                bytes(view)

    @rule()
    def forget(self):
        self.messages, self.views = [], self.views[-3:]
        gc.collect()

    @rule(at=at, topic=names, count=st.sampled_from([-1, 0, 1, 3, 2**31, None]), before=whole, group=names)
    def topics(self, at, topic, count, before, group):
        log = self.pick(maplog.Log, at)
        for call, arguments in ((log.create_topic, (topic, count)), (log.grow_topic, (topic, count)),
                                (log.describe_topic, (topic,)), (log.topics, ()), (log.topic_configs, (topic,)),
                                (log.describe_partition, (topic, before)), (log.delete_records, (topic, 0, before)),
                                (log.group_commit, (group, topic, 0, before, group)),
                                (log.group_committed, (group, topic, before))):
            self.attempt(call, *arguments)

    @rule(at=at, topic=names, configs=st.one_of(odd, st.dictionaries(
        st.sampled_from(["retention.ms", "segment.bytes", "", "a=b", "\0"]), odd, max_size=2)))
    def alter(self, at, topic, configs):
        self.attempt(self.pick(maplog.Log, at).alter_topic, topic, configs)

    @rule(at=at)
    def delete(self, at):
        self.attempt(self.pick(maplog.Log, at).delete_topic, "two")

    @rule(fd=whole)
    def attach(self, fd):
        if not isinstance(fd, int) or fd < 0 or fd > 500:  # another descriptor may be anything's
            self.keep(self.attempt(maplog.attach, fd))
        self.keep(self.attempt(maplog.attach, self.attempt(lambda: self.logs[1].descriptor)))

    @rule(path=st.one_of(names, odd), flag=odd)
    def open(self, path, flag):
        self.keep(self.attempt(maplog.open, self.folder, read_only=flag, timeout=0.01))
        if not isinstance(path, (int, float, bool)):
            self.attempt(maplog.open, path)

    @rule(size=whole, flags=st.lists(st.booleans(), min_size=3, max_size=3), reserve=whole)
    def open_file(self, size, flags, reserve):
        if not isinstance(size, int) or size < 1 << 20:
            self.keep(self.attempt(maplog.open_file, self.folder + "/f", create=flags[0], read_only=flags[1],
                                   private=flags[2], size=size, reserve=reserve))
            self.keep(self.attempt(maplog.open_file, self.folder + "/f", create=True, size=size))

    @rule(at=at, position=whole, length=whole, data=buffers, advice=st.sampled_from(["cold", "populate", "", None]))
    def use_file(self, at, position, length, data, advice):
        if file := self.pick(maplog.MappedFile, at):
            for call, arguments in ((file.read, (position, length)), (file.write, (position, data)),
                                    (file.sync, (position, length)), (file.advise, (advice, position, length)),
                                    (file.punch, (position, length)), (file.fill, (position, length)),
                                    (file.shrink, (length,)), (file.refresh, ())):
                self.attempt(call, *arguments)
            if not isinstance(length, int) or length < 1 << 20:
                self.attempt(file.grow, length)
            self.views.append(self.attempt(lambda: file.view))

    @rule(at=at)
    def close(self, at):
        self.attempt(self.handles[at % len(self.handles)].close)

    def teardown(self):
        for handle in self.handles[::-1]:
            self.attempt(handle.close)
        self.look()


stateful.run_state_machine_as_test(Calls, settings=settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, database=None,
    derandomize=EXAMPLES < 1000, suppress_health_check=list(HealthCheck)))
print("survived")
'''


def test_any_calls(run, tmp_path):
    os.chdir(tmp_path)
    assert run(PROGRAM, "5000" if LONG else "60", str(tmp_path)).endswith("survived\n")
