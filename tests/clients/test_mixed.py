"""Everybody at once on one topic, and everybody is killed now and then.

Local producers, idempotent network producers, local consumers, a Kafka group, and the server itself.
Then each record is looked at: nothing that was acknowledged is lost or elsewhere, no network producer
has left a duplicate, everyone's records are in order, every consumer saw what is there and all of it.
"""
import json
import os
import random
import re
import sys
import threading
import time

import confluent_kafka
import confluent_kafka.admin

from conftest import wait_until
from members import Process, join

PARTITIONS = 4
LONG = bool(os.environ.get("MAPLOG_LONG"))
ROUNDS = 20 if LONG else 2
CLIENTS = ("confluent", "kafka-python", "aiokafka")


class NetworkProducer(Process):
    program = os.path.join(os.path.dirname(__file__), "producer.py")

    def __init__(self, client, address, name):
        super().__init__([sys.executable, "-W", "ignore", self.program, client, address, "t", PARTITIONS, name])
        self.client, self.name, self.events = client, name, []

    def told(self, what):
        self.events += [json.loads(line) for line in self.new_lines(self.output)]
        return [event[what] for event in self.events if what in event]

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(90) == 0, self.said()
        assert self.told("done") == [True]


class LocalProducer(threading.Thread):
    """Runs `maplog produce` again and again, fifty lines each; success acknowledges all of them."""

    def __init__(self, server, name, partition):
        super().__init__()
        self.server, self.name, self.partition = server, name, partition
        self.acked, self.process, self.over = [], None, threading.Event()
        self.failures = []

    def run(self):
        number = 0
        while not self.over.is_set():
            lines = [f"{self.name}-{number + i:06}" for i in range(50)]
            number += 50
            self.process = self.server.begin("produce", "t", "--partition", self.partition, "--batch", "0")
            try:
                self.process.communicate("".join(line + "\n" for line in lines).encode(), 60)
            except BrokenPipeError:
                self.process.wait(60)
            if self.process.returncode == 0:
                self.acked += lines
            elif self.process.returncode != -9:
                self.failures.append(self.process.returncode)
            time.sleep(0.02)

    def kill(self):
        if self.process:
            self.process.kill()

    def finish(self):
        self.over.set()
        self.join()


class LocalConsumer(Process):
    """`maplog consume --follow`, alone or in a group."""

    def __init__(self, server, *words):
        super().__init__(server.command("consume", "t", "--follow", "--format", "%p %o %s\n", *words))
        self.lines = []

    def records(self):
        self.lines += self.new_lines(self.output)
        return [parse(line) for line in self.lines]


def parse(line):
    partition, offset, value = line.split(" ")
    return int(partition), int(offset), value


class Scene:
    """Who is there now, and who was."""

    def __init__(self, server):
        self.server = server
        self.names = (f"{number:02}" for number in range(10000))
        self.producers = [self.new_producer(client) for client in CLIENTS]
        self.members = [self.new_member(client) for client in CLIENTS]
        self.grouped = [LocalConsumer(server, "--group", "local", "--from", "begin")]
        self.followers = [LocalConsumer(server)]
        self.locals = [LocalProducer(server, f"local{number}", number) for number in range(2)]
        self.gone = {"producers": [], "members": [], "grouped": [], "followers": []}
        for producer in self.locals:
            producer.start()

    def new_producer(self, client):
        return NetworkProducer(client, self.server.address, f"{client}.{next(self.names)}")

    def new_member(self, client):
        made = join(client, self.server.address, "remote")
        made.client = client
        return made

    def replace(self, kind, new):
        present = getattr(self, kind)
        victim = present.pop(random.randrange(len(present)))
        victim.kill()
        self.gone[kind].append(victim)
        present.append(new(victim))

    def kill_producer(self):
        self.replace("producers", lambda victim: self.new_producer(victim.client))

    def kill_member(self):
        self.replace("members", lambda victim: self.new_member(victim.client))

    def kill_local_consumers(self):
        self.replace("grouped", lambda _: LocalConsumer(self.server, "--group", "local"))
        self.replace("followers", lambda _: LocalConsumer(self.server))

    def kill_local_producer(self):
        random.choice(self.locals).kill()

    def kill_server(self):
        self.server.kill_and_restart()

    def restart_server(self):
        self.server.restart()

    def actions(self):
        return [self.kill_producer, self.kill_member, self.kill_local_consumers, self.kill_local_producer,
                self.kill_local_producer, self.kill_server, self.kill_member, self.restart_server]

    def all(self, kind):
        return getattr(self, kind) + self.gone[kind]

    def end(self):
        for producer in self.locals:
            producer.over.set()
        for kind in self.gone:
            for process in self.all(kind):
                process.end()


def truth(server):
    """{(partition, offset): value} of all that is in the log."""
    lines = server.run("consume", "t", "--format", "%p %o %s\n").stdout.decode().splitlines()
    return {(partition, offset): value for partition, offset, value in map(parse, lines)}


def check_producers(scene, log):
    place = {}
    for where, value in log.items():
        assert value not in place, f"{value} is there twice: {place[value]} and {where}"
        place[value] = where
    for producer in scene.all("producers"):
        assert producer.told("failed") == [], producer.name
        acked = producer.told("acked")
        for partition, offset, value in acked:
            assert log.get((partition, offset)) == value, f"{value} was acknowledged at {partition}, {offset}"
    for producer in scene.locals:
        assert producer.acked and not producer.failures
        lost = [value for value in producer.acked if value not in place]
        assert not lost, lost
    # In order: a producer's numbers rise with the offsets of a partition.
    last = {}
    for (partition, offset), value in sorted(log.items()):
        name, number = re.fullmatch(r"(.*)-(\d+)", value).groups()
        assert last.get((name, partition), -1) < int(number), f"{value} at {partition}, {offset} is out of order"
        last[name, partition] = int(number)


def check_offsets(log):
    """Without holes, from 0."""
    for partition in range(PARTITIONS):
        offsets = sorted(offset for at, offset in log if at == partition)
        assert offsets == [*range(len(offsets))]


def check_consumers(scene, log):
    for kind in ("members", "grouped", "followers"):
        for consumer in scene.all(kind):
            for partition, offset, value in consumer.records():
                assert log.get((partition, offset)) == value, (kind, partition, offset, value)

    def seen(consumers):
        return {(partition, offset) for each in consumers for partition, offset, _ in each.records()}

    for kind in ("members", "grouped"):
        wait_until(lambda kind=kind: seen(scene.all(kind)) == set(log), 60)
    wait_until(lambda: seen(scene.followers) == set(log), 60)
    for follower in scene.followers:
        assert len(follower.records()) == len(log), "it was given a record twice"


def check_progress(server, log):
    ends = {partition: sum(at == partition for at, _ in log) for partition in range(PARTITIONS)}
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address, "log_level": 0})

    def committed():
        answer = admin.list_consumer_group_offsets([confluent_kafka.ConsumerGroupTopicPartitions("remote")])
        return {each.partition: each.offset for each in answer["remote"].result(30).topic_partitions}

    wait_until(lambda: committed() == ends)


def test_everybody_at_once(server):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("SEED", seed)
    random.seed(seed)
    server.create("t", PARTITIONS, segment_bytes="262144", index_interval_bytes="4096")
    scene = Scene(server)
    try:
        for producer in scene.producers:
            wait_until(lambda producer=producer: producer.told("acked"))
        for _ in range(ROUNDS):
            actions = scene.actions()
            random.shuffle(actions)
            for action in actions:
                time.sleep(random.uniform(0.1, 0.7))
                action()
        time.sleep(1)
        for producer in scene.producers + scene.locals:
            producer.finish()
        log = truth(server)
        print(len(log), "records")
        check_producers(scene, log)
        check_offsets(log)
        check_consumers(scene, log)
        check_progress(server, log)
        server.run("inspect")
    finally:
        scene.end()
