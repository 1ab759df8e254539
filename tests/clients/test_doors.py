"""Local processes and network clients on one directory: the same records, offsets and progress."""
import json

import confluent_kafka
import confluent_kafka.admin
import pytest

import clients
from clients import ALL, Record, contents
from conftest import wait_until
from members import join, wait_assigned, wait_values


@pytest.fixture(params=ALL, ids=lambda client: client.name)
def client(request, server):
    return request.param(server.address)


def committed(server, group):
    """{partition: offset} as a network administrator sees it."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address})
    answer = admin.list_consumer_group_offsets([confluent_kafka.ConsumerGroupTopicPartitions(group)])
    return {each.partition: each.offset for each in answer[group].result(30).topic_partitions}


def test_a_waiting_network_consumer_gets_what_a_local_producer_writes(client, server):
    server.create("t")
    with client.follow("t") as take:
        producer = server.begin("produce", "t", "--batch", "0", "--key-separator", "=")
        for number in range(20):  # one after the other: each has to wake the consumer
            producer.stdin.write(b"k=%d\n" % number)
            producer.stdin.flush()
            assert contents(take(1)) == [Record(b"k", b"%d" % number)]
        producer.stdin.close()
        assert producer.wait(30) == 0


def test_a_waiting_local_consumer_gets_what_a_network_producer_writes(client, server):
    server.create("t")
    consumer = server.begin("consume", "t", "--follow", "--format", "%o %k=%s\n")
    for number in range(5):
        client.produce("t", [Record(b"k", b"%d" % number)])
        assert consumer.stdout.readline() == b"%d k=%d\n" % (number, number)


def test_writers_of_both_doors_take_turns(client, server):
    server.create("t")
    for number in range(0, 40, 2):
        server.run("produce", "t", input=b"%d\n" % number)
        client.produce("t", [Record(b"k", b"%d" % (number + 1))])
    assert [record.value for record in client.consume("t", 40)] == [b"%d" % number for number in range(40)]
    server.run("inspect")


def test_topics_made_and_deleted_at_either_door(server):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address})
    server.create("local", 3, retention_ms="1234567")
    assert len(admin.list_topics("local", 30).topics["local"].partitions) == 3
    resource = confluent_kafka.admin.ConfigResource("topic", "local")
    assert admin.describe_configs([resource])[resource].result(30)["retention.ms"].value == "1234567"
    admin.create_topics([confluent_kafka.admin.NewTopic("remote", 2, 1, config={"segment.bytes": "1048576"})])[
        "remote"].result(30)
    described = json.loads(server.run("topic", "describe", "remote", "--json").stdout)
    assert len(described["partitions"]) == 2
    server.run("produce", "remote", input=b"x\n")
    admin.delete_topics(["local"])["local"].result(30)
    server.run("topic", "delete", "remote")
    assert not {b"local", b"remote"} & set(server.run("topic", "list").stdout.split())
    wait_until(lambda: not {"local", "remote"} & set(admin.list_topics(timeout=30).topics))


def test_progress_of_a_local_group_is_seen_on_the_network(server):
    server.create("t")
    server.run("produce", "t", input=b"".join(b"%d\n" % number for number in range(10)))
    assert server.run("consume", "t", "--group", "g", "--count", "4").stdout == b"0\n1\n2\n3\n"
    assert committed(server, "g") == {0: 4}
    member = join("confluent", server.address, "g")
    try:
        wait_values([f"{number}" for number in range(4, 10)], member)
        assert [offset for _, offset, _ in member.records()] == [*range(4, 10)]
    finally:
        member.end()


@pytest.mark.parametrize("name", ["confluent", "kafka-python", "aiokafka", "kcat"])
def test_progress_of_a_network_group_is_seen_locally(name, server):
    server.create("t")
    server.run("produce", "t", input=b"".join(b"%d\n" % number for number in range(10)))
    member = join(name, server.address, "g")
    try:
        wait_values([f"{number}" for number in range(10)], member)
        wait_until(lambda: committed(server, "g") == {0: 10})
        member.leave()
    finally:
        member.end()
    server.run("produce", "t", input=b"10\n")
    assert server.run("consume", "t", "--group", "g").stdout == b"10\n"
    assert committed(server, "g") == {0: 11}
    server.stop()  # and with no server at all
    server.run("produce", "t", input=b"11\n")
    assert server.run("consume", "t", "--group", "g").stdout == b"11\n"
    server.start()
    assert committed(server, "g") == {0: 12}


def test_a_local_consumer_does_not_commit_for_a_group_with_members(server):
    """It is told that the group is active; the group's progress stays its own."""
    server.create("t")
    values = [f"{number}" for number in range(10)]
    server.run("produce", "t", input="\n".join(values).encode() + b"\n")
    member = join("confluent", server.address, "g")
    try:
        wait_assigned((member, {0}))
        wait_values(values, member)
        wait_until(lambda: committed(server, "g") == {0: 10})
        refused = server.run("consume", "t", "--group", "g", "--from", "begin", status=1)
        assert b"member" in refused.stderr or b"active" in refused.stderr, refused.stderr
        assert committed(server, "g") == {0: 10}
    finally:
        member.end()


def test_one_log_at_both_loopbacks(server):
    """By either address and by name."""
    server.create("t")
    port = server.address.split(":")[1]
    server.stop()
    server.address = f"localhost:{port}"
    server.start()
    for address in (f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{port}"):
        client = clients.Confluent(address)
        client.produce("t", [Record(b"k", address.encode())])
    assert clients.Kcat(f"localhost:{port}").ends("t") == (0, 3)
