"""An idempotent producer in a process of its own, so that a test can kill it.

usage: producer.py CLIENT ADDRESS TOPIC PARTITIONS NAME    CLIENT: confluent, kafka-python, aiokafka
Writes "NAME-000000", "NAME-000001"... to the partitions in turn until its input ends, then waits for
all answers. Prints a JSON object a line: {"acked": [partition, offset, value]}, {"failed": [value, why]},
and {"done": true} last.
"""
import asyncio
import sys
import time

from member import input_ended, started, tell

AT_ONCE, PAUSE = 10, 0.02
PATIENCE = 120_000  # milliseconds: longer than a test


def values(name, partitions):
    number = 0
    while True:
        yield number % partitions, f"{name}-{number:06}"
        number += 1


def confluent(address, topic, each, ended):
    import confluent_kafka
    producer = confluent_kafka.Producer({
        "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 2, "log_level": 0,
        "message.timeout.ms": PATIENCE, "reconnect.backoff.max.ms": 300})

    def answered(error, message):
        value = message.value().decode()
        if error:
            tell(failed=[value, error.str()])
        else:
            tell(acked=[message.partition(), message.offset(), value])

    while not ended.is_set():
        for _ in range(AT_ONCE):
            partition, value = next(each)
            producer.produce(topic, value, partition=partition, on_delivery=answered)
        producer.poll(PAUSE)
    producer.flush()


def kafka_python(address, topic, each, ended):
    import kafka
    producer = kafka.KafkaProducer(bootstrap_servers=address, enable_idempotence=True, linger_ms=2,
                                   reconnect_backoff_max_ms=300, delivery_timeout_ms=PATIENCE)
    while not ended.is_set():
        for _ in range(AT_ONCE):
            partition, value = next(each)
            future = producer.send(topic, value.encode(), partition=partition)
            future.add_callback(lambda done, value=value: tell(acked=[done.partition, done.offset, value]))
            future.add_errback(lambda error, value=value: tell(failed=[value, repr(error)]))
        time.sleep(PAUSE)
    producer.flush()
    producer.close()


def aiokafka(address, topic, each, ended):
    import aiokafka

    def answered(future, value):
        if future.exception():
            tell(failed=[value, repr(future.exception())])
        else:
            tell(acked=[future.result().partition, future.result().offset, value])

    async def run():
        producer = await started(lambda: aiokafka.AIOKafkaProducer(
            bootstrap_servers=address, enable_idempotence=True, linger_ms=2, request_timeout_ms=PATIENCE))
        while not ended.is_set():
            for _ in range(AT_ONCE):
                partition, value = next(each)
                future = await producer.send(topic, value.encode(), partition=partition)
                future.add_done_callback(lambda future, value=value: answered(future, value))
            await asyncio.sleep(PAUSE)
        await producer.flush()
        await producer.stop()

    asyncio.run(run())


if __name__ == "__main__":
    client, address, topic, partitions, name = sys.argv[1:]
    {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}[client](
        address, topic, values(name, int(partitions)), input_ended())
    tell(done=True)
