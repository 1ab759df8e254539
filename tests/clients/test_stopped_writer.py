"""A local writer that is stopped inside an append holds one partition, and nothing else.

MAPLOG_STOP=append-copied:N stops a process there (src/os/fault.h).
"""
import os
import signal
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import pytest

import clients
from clients import ALL, ProduceError, Record, contents
from conftest import wait_until
from members import join, wait_values


def state(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


@pytest.fixture
def stopped(server):
    """A local writer in the middle of its third append to partition 0 of "t"; two are published."""
    server.create("t", 3)
    writer = server.begin("produce", "t", "--partition", "0", "--batch", "0", "--key-separator", " ",
                          env={**os.environ, "MAPLOG_STOP": "append-copied:3"})
    writer.stdin.write(b"k 0\nk 1\nk 2\nk 3\n")
    writer.stdin.close()
    wait_until(lambda: state(writer.pid) == "T")
    return writer



def test_its_partition_times_out_and_all_else_goes_on(stopped, server):
    address = server.address
    waiting = clients.Confluent(address)
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "request.timeout.ms": 3000, "retries": 0,
                                         "message.timeout.ms": 20000, "log_level": 0, "acks": "all"})
    answers = []
    producer.produce("t", b"refused", b"k", 0, on_delivery=lambda error, _: answers.append(error))
    producer.poll(0)
    # Meanwhile: every other partition and every other request, from the same and from new connections.
    before = time.monotonic()
    rounds = 0
    while not answers and time.monotonic() < before + 30:
        for client in (clients.Confluent, clients.Aiokafka):
            client(address).produce("t", [Record(b"k", b"%d" % rounds)], partition=1)
        assert contents(waiting.consume("t", 2)) == [Record(b"k", b"0"), Record(b"k", b"1")]
        assert waiting.ends("t") == (0, 2)
        rounds += 1
        producer.poll(0)
    assert [error.code() for error in answers] == [confluent_kafka.KafkaError.REQUEST_TIMED_OUT]
    assert rounds >= 2, "the others were held up"
    assert len(waiting.consume("t", 2 * rounds, partition=1)) == 2 * rounds

    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(30) == 0
    waiting.produce("t", [Record(b"k", b"after")])
    wait_until(lambda: [r.value for r in waiting.consume("t", 5)] == [b"0", b"1", b"2", b"3", b"after"])


@pytest.mark.parametrize("name", [client.name for client in ALL])
def test_a_patient_producer_gets_through_when_it_goes_on(name, stopped, server):
    client = next(client for client in ALL if client.name == name)(server.address)
    result = []
    thread = threading.Thread(target=lambda: result.append(client.produce("t", [Record(b"k", b"patient")])))
    thread.start()
    time.sleep(0.5)
    assert thread.is_alive() and not result
    stopped.send_signal(signal.SIGCONT)
    thread.join(30)
    assert len(result) == 1
    assert stopped.wait(30) == 0
    values = [record.value for record in client.consume("t", 5)]
    assert sorted(values) == [b"0", b"1", b"2", b"3", b"patient"]


def test_groups_and_administrators_do_not_notice(stopped, server):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address})
    members = [join(name, server.address, "g") for name in ("confluent", "aiokafka")]
    try:
        wait_until(lambda: all(member.assigned() for member in members))
        clients.Confluent(server.address).produce("t", [Record(b"k", b"x")], partition=2)
        wait_values(["0", "1", "x"], *members)
        admin.create_topics([confluent_kafka.admin.NewTopic("u", 2, 1)])["u"].result(10)
        assert {"t", "u"} <= set(admin.list_topics(timeout=10).topics)
        assert admin.list_consumer_groups().result(10).valid
        admin.delete_topics(["u"])["u"].result(10)
    finally:
        for member in members:
            member.end()


def test_many_waiting_requests_take_no_thread(stopped, server):
    """Far more producers of the held partition than the server has threads."""
    producers = [confluent_kafka.Producer({"bootstrap.servers": server.address, "log_level": 0,
                                           "message.timeout.ms": 60000}) for _ in range(24)]
    answers = []
    for number, producer in enumerate(producers):
        producer.produce("t", b"w%d" % number, b"k", 0, on_delivery=lambda error, _: answers.append(error))
    time.sleep(0.5)
    client = clients.Confluent(server.address)
    client.produce("t", [Record(b"k", b"free")], partition=1)
    assert contents(client.consume("t", 1, partition=1)) == [Record(b"k", b"free")]
    assert not answers
    stopped.send_signal(signal.SIGCONT)
    for producer in producers:
        assert producer.flush(30) == 0
    assert answers == [None] * 24
    assert sorted(record.value for record in client.consume("t", 28)) == \
        sorted([b"0", b"1", b"2", b"3"] + [b"w%d" % number for number in range(24)])


def test_a_stop_of_the_server_does_not_wait_for_it(stopped, server):
    """The producer is not acknowledged, and the server ends within its time."""
    client = clients.Confluent(server.address)
    with pytest.raises((ProduceError, AssertionError)):
        thread = threading.Timer(0.5, server.process.terminate)
        thread.start()
        client.produce("t", [Record(b"k", b"late")], **{"message.timeout.ms": 3000})
    assert server.process.wait(20) == 0
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(30) == 0
    server.start()
    assert [record.value for record in client.consume("t", 4)] == [b"0", b"1", b"2", b"3"]
    assert client.ends("t") == (0, 4)
