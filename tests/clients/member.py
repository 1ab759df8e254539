"""A member of a group in a process of its own, so that a test can kill it.

usage: member.py CLIENT ADDRESS GROUP TOPIC JSON    CLIENT: confluent, kafka-python, aiokafka
JSON: instance, strategy (range, roundrobin, cooperative-sticky), session (ms), commit (false: never)
Prints a JSON object a line: {"assigned": [partition...]} when that changes, {"revoked": [...]} when
the client says so, {"record": [partition, offset, value]}, {"committed": {partition: offset}} after a
commit that succeeded, {"left": true}. Leaves the group when its input ends.
"""
import asyncio
import json
import sys
import threading

HEARTBEAT = 150


LOCK = threading.Lock()


def tell(**what):
    with LOCK:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def input_ended():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    return ended


class Assignment:
    """Tells when it changes."""

    def __init__(self):
        self.now = None

    def is_now(self, partitions):
        partitions = sorted(partitions)
        if partitions != self.now and (partitions or self.now is not None):
            self.now = partitions
            tell(assigned=partitions)


def confluent(address, group, topic, options):
    import confluent_kafka
    settings = {"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False, "log_level": 0,
                "auto.offset.reset": "earliest", "session.timeout.ms": options["session"],
                "heartbeat.interval.ms": HEARTBEAT, "partition.assignment.strategy": options["strategy"],
                "topic.metadata.refresh.interval.ms": 500, "reconnect.backoff.max.ms": 500}
    if options["instance"]:
        settings["group.instance.id"] = options["instance"]
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic], on_revoke=lambda _, gone: tell(revoked=[each.partition for each in gone]))
    ended, assignment = input_ended(), Assignment()
    while not ended.is_set():
        messages = [each for each in consumer.consume(100, 0.05) if not each.error()]
        assignment.is_now(each.partition for each in consumer.assignment())
        for message in messages:
            tell(record=[message.partition(), message.offset(), message.value().decode()])
        if messages and options["commit"]:
            ends = {message.partition(): message.offset() + 1 for message in messages}
            try:
                done = consumer.commit(asynchronous=False, offsets=[
                    confluent_kafka.TopicPartition(topic, partition, offset) for partition, offset in ends.items()])
                if not any(each.error for each in done):
                    tell(committed=ends)
            except confluent_kafka.KafkaException as error:
                print(error, file=sys.stderr)
    consumer.close()


def kafka_python(address, group, topic, options):
    import kafka
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    strategy = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
                "cooperative-sticky": CooperativeStickyAssignor}[options["strategy"]]
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=address, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        session_timeout_ms=options["session"], heartbeat_interval_ms=HEARTBEAT,
        partition_assignment_strategy=[strategy], group_instance_id=options["instance"])

    class Listener(kafka.ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            tell(revoked=[each.partition for each in revoked])

        def on_partitions_assigned(self, assigned):
            pass

    consumer.subscribe([topic], listener=Listener())
    # The topic is known before it joins: a rejoin because of new metadata that outlasts a poll is never
    # finished by kafka-python 3.0.12, which then spins without an assignment.
    assert topic in consumer.topics()
    ended, assignment = input_ended(), Assignment()
    while not ended.is_set():
        came = consumer.poll(50)
        assignment.is_now(each.partition for each in consumer.assignment())
        ends = {}
        for where, messages in came.items():
            for message in messages:
                tell(record=[message.partition, message.offset, message.value.decode()])
            ends[where] = kafka.OffsetAndMetadata(messages[-1].offset + 1, "", -1)
        if ends and options["commit"]:
            try:
                consumer.commit(ends)
                tell(committed={where.partition: end.offset for where, end in ends.items()})
            except kafka.errors.KafkaError as error:
                print(repr(error), file=sys.stderr)
    consumer.close()


async def started(make):
    """aiokafka gives up at once when the server is killed just then; the other clients go on trying."""
    from aiokafka.errors import KafkaConnectionError
    while True:
        client = make()
        try:
            await client.start()
            return client
        except KafkaConnectionError:
            await client.stop()
            await asyncio.sleep(0.02)


def aiokafka(address, group, topic, options):
    import aiokafka
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    strategy = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}[options["strategy"]]

    class Listener(aiokafka.ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            tell(revoked=[each.partition for each in revoked])

        def on_partitions_assigned(self, assigned):
            pass

    def consumer_of_topic():
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=address, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
            session_timeout_ms=options["session"], heartbeat_interval_ms=HEARTBEAT,
            partition_assignment_strategy=[strategy], group_instance_id=options["instance"])
        consumer.subscribe([topic], listener=Listener())
        return consumer

    async def run():
        consumer = await started(consumer_of_topic)
        ended, assignment = input_ended(), Assignment()
        while not ended.is_set():
            came = await consumer.getmany(timeout_ms=50)
            assignment.is_now(each.partition for each in consumer.assignment())
            ends = {}
            for where, messages in came.items():
                for message in messages:
                    tell(record=[message.partition, message.offset, message.value.decode()])
                ends[where] = messages[-1].offset + 1
            if ends and options["commit"]:
                try:
                    await consumer.commit(ends)
                    tell(committed={where.partition: end for where, end in ends.items()})
                except aiokafka.errors.KafkaError as error:
                    print(repr(error), file=sys.stderr)
        await consumer.stop()

    asyncio.run(run())


if __name__ == "__main__":
    name, address, group, topic, options = sys.argv[1:]
    options = {"instance": None, "strategy": "range", "session": 1500, "commit": True, **json.loads(options)}
    {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}[name](address, group, topic, options)
    tell(left=True)
