"""Load from real clients that outlive the server: idempotent producers and a consumer group.

usage: server_load.py ADDRESS TOPIC PRODUCERS CONSUMERS, in the Python of build/python. Runs until its
standard input ends; then the producers wait for their last acknowledgements, the group reads to the
end and commits. Prints what was acknowledged, committed and seen as JSON:
  acked    {producer: [[partition, offset], ...]} in the order of its numbers from 0
  unacked  what producers were told was not written: a failure, here
  commits  {partition: highest offset whose commit was acknowledged}
  seen     {partition: [offset of each record that the group got]}
  resumed  [[partition, committed before the assignment, first offset after it]]
  errors   fatal ones
"""
import collections
import json
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer

PATIENCE = 120
COMMON = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
          "log_level": 0}


class Load:
    def __init__(self, address, topic):
        self.address, self.topic = address, topic
        self.lock = threading.Lock()
        self.stopping = threading.Event()  # producers send no more
        self.over = threading.Event()      # the group has seen everything
        self.acked, self.unacked, self.errors, self.resumed = {}, [], [], []
        self.commits, self.seen = collections.Counter(), collections.defaultdict(list)

    def produce(self, name):
        producer = Producer({**COMMON, "bootstrap.servers": self.address, "acks": "all",
                             "enable.idempotence": True, "linger.ms": 1,
                             "message.timeout.ms": PATIENCE * 1000})
        places = []
        self.acked[name] = places

        def delivered(number):
            def callback(error, message):
                if error:
                    self.unacked.append(f"{name} {number}: {error}")
                else:
                    places[number] = [message.partition(), message.offset()]
            return callback

        while not self.stopping.is_set():
            try:
                for _ in range(3):
                    places.append(None)
                    number = len(places) - 1
                    producer.produce(self.topic, b"%s %d" % (name.encode(), number),
                                     key=b"%d" % (number % 50), on_delivery=delivered(number))
            except BufferError:
                places.pop()
            producer.poll(0.005)
        if producer.flush(PATIENCE):
            self.errors.append(f"{name}: {len(producer)} records were never answered")

    def consume(self, name):
        consumer = Consumer({**COMMON, "bootstrap.servers": self.address, "group.id": "crash",
                             "client.id": name, "auto.offset.reset": "earliest",
                             "enable.auto.commit": False, "session.timeout.ms": 6000,
                             "heartbeat.interval.ms": 200, "fetch.wait.max.ms": 50,
                             "topic.metadata.refresh.interval.ms": 200})
        fresh = {}

        def assigned(_, parts):
            with self.lock:
                fresh.update({part.partition: self.commits[part.partition] for part in parts})

        consumer.subscribe([self.topic], on_assign=assigned)
        while not self.over.is_set():
            messages = consumer.consume(200, timeout=0.05)
            good = [message for message in messages if not message.error()]
            for message in messages:
                if message.error() and message.error().fatal():
                    self.errors.append(f"{name}: {message.error()}")
            with self.lock:
                for message in good:
                    if message.partition() in fresh:
                        before = fresh.pop(message.partition())
                        self.resumed.append([message.partition(), before, message.offset()])
                    self.seen[message.partition()].append(message.offset())
            if good:
                self.commit(consumer)
        consumer.close()

    def commit(self, consumer):
        try:
            committed = consumer.commit(asynchronous=False)
        except KafkaException:
            return  # the server is away, or there was a rebalance: what counts is what was acknowledged
        with self.lock:
            for part in committed:
                if not part.error:
                    self.commits[part.partition] = max(self.commits[part.partition], part.offset)

    def wait_for_group(self):
        """Until every acknowledged record was seen."""
        deadline = time.monotonic() + PATIENCE
        wanted = {tuple(place) for places in self.acked.values() for place in places if place}
        while time.monotonic() < deadline:
            with self.lock:
                left = wanted - {(p, offset) for p, offsets in self.seen.items() for offset in offsets}
            if not left:
                return
            time.sleep(0.1)
        self.errors.append(f"the group did not see {len(left)} records, as {sorted(left)[:5]}")

    def run(self, producers, consumers):
        senders = [threading.Thread(target=self.produce, args=(f"p{i}",)) for i in range(producers)]
        group = [threading.Thread(target=self.consume, args=(f"c{i}",)) for i in range(consumers)]
        for thread in senders + group:
            thread.start()
        sys.stdin.read()
        self.stopping.set()
        for thread in senders:
            thread.join()
        if consumers:
            self.wait_for_group()
        self.over.set()
        for thread in group:
            thread.join()


def main():
    address, topic, producers, consumers = sys.argv[1:]
    load = Load(address, topic)
    load.run(int(producers), int(consumers))
    json.dump({"acked": load.acked, "unacked": load.unacked, "commits": load.commits, "seen": load.seen,
               "resumed": load.resumed, "errors": load.errors}, sys.stdout)


main()
