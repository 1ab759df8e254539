"""Groups of real clients: members come, go, vanish and stop; what they committed stays."""

import confluent_kafka
import confluent_kafka.admin
import pytest

import clients
from clients import Record
from conftest import wait_until
from members import join, wait_assigned, wait_values

NAMES = ["confluent", "kafka-python", "aiokafka", "kcat"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def group(server):
    """Starts members of the group "g" on topic "t"; they end with the test."""
    members = []

    def start(name, **options):
        members.append(join(name, server.address, "g", **options))
        return members[-1]

    server.create("t", 4)
    yield start
    for member in members:
        member.end()


def produce(server, begin, end):
    """Values that tell their number, over all partitions; returns them."""
    values = [f"{number:06}" for number in range(begin, end)]
    for partition in range(4):
        clients.Confluent(server.address).produce(
            "t", [Record(None, value.encode()) for value in values[partition::4]], partition=partition)
    return values


def committed(server, group="g"):
    """{partition: offset} as an administrator sees it."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address})
    asked = confluent_kafka.ConsumerGroupTopicPartitions(group)
    answer = admin.list_consumer_group_offsets([asked])[group].result(30)
    return {each.partition: each.offset for each in answer.topic_partitions}


def test_members_come_go_and_vanish(name, server, group):
    values = produce(server, 0, 100)
    first = group(name)
    wait_assigned((first, {0, 1, 2, 3}))
    wait_values(values, first)

    second = group(name)
    wait_assigned((first, 2), (second, 2))
    values += produce(server, 100, 200)
    wait_values(values, first, second)

    first.leave()
    wait_assigned((second, {0, 1, 2, 3}))
    values += produce(server, 200, 300)
    wait_values(values, first, second)

    third = group(name)
    wait_assigned((second, 2), (third, 2))
    second.kill()
    wait_assigned((third, {0, 1, 2, 3}))
    values += produce(server, 300, 400)
    wait_values(values, first, second, third)


def test_a_member_that_stops_is_replaced_and_comes_back(name, server, group):
    first, second = group(name), group(name)
    wait_assigned((first, 2), (second, 2))
    second.stop()
    wait_until(lambda: first.assigned() == {0, 1, 2, 3})
    values = produce(server, 0, 100)
    wait_values(values, first)
    second.go_on()
    wait_assigned((first, 2), (second, 2))
    values = produce(server, 100, 200)
    wait_values(values, first, second)


def test_commits_survive_a_restart(name, server, group):
    """Of the server, well stopped and killed; and the members live through both."""
    values = produce(server, 0, 100)
    member = group(name)
    wait_values(values, member)
    wait_until(lambda: committed(server) == {partition: 25 for partition in range(4)})
    server.restart()
    assert committed(server) == {partition: 25 for partition in range(4)}
    values += produce(server, 100, 200)
    wait_values(values, member)
    wait_until(lambda: committed(server) == {partition: 50 for partition in range(4)})
    server.kill_and_restart()
    assert committed(server) == {partition: 50 for partition in range(4)}
    values += produce(server, 200, 300)
    wait_values(values, member)
    wait_until(lambda: committed(server) == {partition: 75 for partition in range(4)})
    member.leave()
    after = group(name)
    values = produce(server, 300, 400)
    wait_values(values, after)
    assert min(value for _, _, value in after.records()) == "000300", "it began too early"


def test_a_static_member_comes_back_to_its_partitions(name, server, group):
    """Killed and started again within its session it is the same member; nobody else moves."""
    session = 30000  # long enough for a busy machine
    first = group(name, instance="one", session=session)
    second = group(name, instance="two", session=session)
    wait_assigned((first, 2), (second, 2))
    values = produce(server, 0, 100)
    wait_values(values, first, second)
    held, moved = second.assigned(), len(first.revocations())
    second.kill()
    again = group(name, instance="two", session=session)
    wait_assigned((again, held))
    values = produce(server, 100, 200)
    wait_values(values, first, again)
    assert len(first.revocations()) == moved, first.revocations()
    assert first.assigned() == {0, 1, 2, 3} - held


@pytest.mark.parametrize("name", ["confluent", "kafka-python"])
def test_cooperative_members_keep_what_they_can(name, server, group):
    first = group(name, strategy="cooperative-sticky")
    wait_assigned((first, {0, 1, 2, 3}))
    second = group(name, strategy="cooperative-sticky")
    wait_assigned((first, 2), (second, 2))
    assert [len(each) for each in first.revocations()] == [2], "more was taken than had to go"
    values = produce(server, 0, 100)
    wait_values(values, first, second)
    second.kill()
    wait_assigned((first, {0, 1, 2, 3}))
    assert [len(each) for each in first.revocations()] == [2]
    values = produce(server, 100, 200)
    wait_values(values, first, second)


def test_clients_of_all_kinds_in_one_group(server, group):
    """What they tell each other passes through the server as it is."""
    members = [group(name) for name in NAMES]
    wait_assigned(*((member, 1) for member in members))
    values = produce(server, 0, 100)
    wait_values(values, *members)
    for gone in members[:2]:
        gone.kill()
    wait_assigned(*((member, 2) for member in members[2:]))
    values = produce(server, 100, 200)
    wait_values(values, *members)
    described = describe(server)
    assert described.state == confluent_kafka.ConsumerGroupState.STABLE
    assert described.partition_assignor == "range"
    assert sorted(len(member.assignment.topic_partitions) for member in described.members) == [2, 2]


def describe(server, group="g"):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": server.address})
    return admin.describe_consumer_groups([group])[group].result(30)


def test_a_group_grows_with_its_topic(server, group):
    members = [group("confluent"), group("confluent")]
    wait_assigned(*((member, 2) for member in members))
    server.run("topic", "alter", "t", "--partitions", "6")
    wait_assigned(*((member, 3) for member in members))
    assert set().union(*(member.assigned() for member in members)) == set(range(6))


def test_members_that_cannot_agree_are_told(server, group):
    first = group("confluent", strategy="range")
    wait_assigned((first, {0, 1, 2, 3}))
    other = confluent_kafka.Consumer({"bootstrap.servers": server.address, "group.id": "g", "log_level": 0,
                                      "partition.assignment.strategy": "roundrobin"})
    other.subscribe(["t"])
    try:
        def refused():
            message = other.poll(0.2)
            return message and message.error() and \
                message.error().code() == confluent_kafka.KafkaError.INCONSISTENT_GROUP_PROTOCOL
        wait_until(refused)
    finally:
        other.close()
    assert first.assigned() == {0, 1, 2, 3}


def test_two_members_with_one_name_are_fenced(server, group):
    first = group("confluent", instance="same", session=6000)
    wait_assigned((first, {0, 1, 2, 3}))
    second = group("confluent", instance="same", session=6000)
    wait_assigned((second, {0, 1, 2, 3}))
    values = produce(server, 0, 50)
    wait_values(values, second)
    assert [member.group_instance_id for member in describe(server).members] == ["same"]
