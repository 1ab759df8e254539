"""What administrators ask for, through each client that has the calls."""
import asyncio

import aiokafka.admin
import confluent_kafka
import confluent_kafka.admin as confluent
import kafka
import kafka.admin
import pytest
from confluent_kafka import KafkaError, KafkaException

import clients
from clients import Record
from conftest import wait_until
from members import join, wait_assigned


def write(server, topic, values, partition=0):
    clients.Confluent(server.address).produce(topic, [Record(b"k", value) for value in values], partition)


def code(future):
    """Of the error that a call ends with; None when it succeeds."""
    try:
        future.result(30)
    except KafkaException as error:
        return error.args[0].code()


@pytest.fixture
def member(server):
    """Stands in group "g" of topic "t", two partitions, and has committed all of its five records."""
    server.create("t", 2)
    write(server, "t", [b"0", b"1", b"2"])
    write(server, "t", [b"3", b"4"], partition=1)
    member = join("confluent", server.address, "g")
    try:
        wait_assigned((member, {0, 1}))
        wait_until(lambda: member.committed() == {0: 3, 1: 2})
        yield member
    finally:
        member.end()


# ---- confluent-kafka -------------------------------------------------------------------------------

@pytest.fixture
def admin(server):
    return confluent.AdminClient({"bootstrap.servers": server.address, "log_level": 0})


def test_topics(admin, server):
    made = admin.create_topics([confluent.NewTopic("a", 3, 1, config={"retention.ms": "1000000"}),
                                confluent.NewTopic("b")])
    assert [code(future) for future in made.values()] == [None, None]
    listed = admin.list_topics(timeout=30)
    assert len(listed.topics["a"].partitions) == 3 and len(listed.topics["b"].partitions) == 1
    assert listed.controller_id in listed.brokers and listed.cluster_id
    described = admin.describe_topics(confluent_kafka.TopicCollection(["a", "missing"]))
    a = described["a"].result(30)
    assert [partition.id for partition in a.partitions] == [0, 1, 2] and str(a.topic_id) and not a.is_internal
    assert code(described["missing"]) == KafkaError.UNKNOWN_TOPIC_OR_PART
    for topic, expected in ((confluent.NewTopic("a", 1), KafkaError.TOPIC_ALREADY_EXISTS),
                            (confluent.NewTopic("no/slash", 1), KafkaError.TOPIC_EXCEPTION),
                            (confluent.NewTopic("c", 1, 3), KafkaError.INVALID_REPLICATION_FACTOR),
                            (confluent.NewTopic("c", 1, config={"no.such": "1"}), KafkaError.INVALID_CONFIG),
                            (confluent.NewTopic("c", 1, config={"retention.ms": "x"}), KafkaError.INVALID_CONFIG)):
        assert code(admin.create_topics([topic])[topic.topic]) == expected, topic
    assert code(admin.create_topics([confluent.NewTopic("only-asked", 1)], validate_only=True)["only-asked"]) is None
    assert {"c", "only-asked"}.isdisjoint(admin.list_topics(timeout=30).topics)
    assert code(admin.create_partitions([confluent.NewPartitions("b", 4)])["b"]) is None
    assert code(admin.create_partitions([confluent.NewPartitions("b", 2)])["b"]) == KafkaError.INVALID_PARTITIONS
    assert len(admin.list_topics(timeout=30).topics["b"].partitions) == 4
    gone = admin.delete_topics(["a", "b", "missing"])
    assert [code(gone[name]) for name in ("a", "b", "missing")] == [None, None, KafkaError.UNKNOWN_TOPIC_OR_PART]
    assert {"a", "b"}.isdisjoint(admin.list_topics(timeout=30).topics)


def test_a_topic_made_again_is_empty_and_another(admin, server):
    ids = []
    for _ in range(3):
        admin.create_topics([confluent.NewTopic("t", 1)])["t"].result(30)
        assert clients.Confluent(server.address).ends("t") == (0, 0)
        write(server, "t", [b"x"])
        ids.append(str(admin.describe_topics(confluent_kafka.TopicCollection(["t"]))["t"].result(30).topic_id))
        admin.delete_topics(["t"])["t"].result(30)
    assert len(set(ids)) == 3


def test_settings(admin, server):
    server.create("t")
    resource = confluent.ConfigResource("topic", "t")

    def value(name):
        entry = admin.describe_configs([resource])[resource].result(30)[name]
        return entry.value, entry.is_default

    def alter(name, text, operation):
        entry = confluent.ConfigEntry(name, text, incremental_operation=operation)
        asked = confluent.ConfigResource("topic", "t", incremental_configs=[entry])
        return code(admin.incremental_alter_configs([asked])[asked])

    server.expect("logs are not compacted")
    operations = confluent.AlterConfigOpType
    assert value("retention.ms") == ("604800000", True)
    assert alter("retention.ms", "1000000", operations.SET) is None
    assert value("retention.ms") == ("1000000", False)
    assert alter("cleanup.policy", "compact", operations.APPEND) is None
    assert value("cleanup.policy") == ("delete,compact", False)
    assert alter("cleanup.policy", "delete", operations.SUBTRACT) is None
    assert value("cleanup.policy") == ("compact", False)
    assert alter("retention.ms", "many", operations.SET) == KafkaError.INVALID_CONFIG
    assert alter("retention.ms", None, operations.DELETE) is None
    assert value("retention.ms") == ("604800000", True)
    whole = confluent.ConfigResource("topic", "t", set_config={"segment.bytes": "2097152"})
    assert code(admin.alter_configs([whole])[whole]) is None
    assert value("segment.bytes") == ("2097152", False)
    assert value("cleanup.policy") == ("delete", True)
    server.restart()
    assert value("segment.bytes") == ("2097152", False)
    missing = confluent.ConfigResource("topic", "missing")
    assert code(admin.describe_configs([missing])[missing]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_the_broker_and_the_cluster(admin, server):
    cluster = admin.describe_cluster().result(30)
    assert [node.id for node in cluster.nodes] == [cluster.controller.id] and cluster.cluster_id
    assert f"{cluster.nodes[0].host}:{cluster.nodes[0].port}" == server.address
    resource = confluent.ConfigResource("broker", str(cluster.controller.id))
    settings = admin.describe_configs([resource])[resource].result(30)
    assert settings["group.initial.rebalance.delay.ms"].value == "0"
    assert settings["message.max.bytes"].value == "1048588"
    entry = confluent.ConfigEntry("num.partitions", "5", incremental_operation=confluent.AlterConfigOpType.SET)
    asked = confluent.ConfigResource("broker", resource.name, incremental_configs=[entry])
    assert code(admin.incremental_alter_configs([asked])[asked]) is None
    write(server, "by-itself", [b"x"])
    assert len(admin.list_topics("by-itself", 30).topics["by-itself"].partitions) == 5


def test_offsets(admin, server):
    server.create("t", 2)
    base = 1_700_000_000_000
    server.run("topic", "alter", "t", "--config", "retention.ms=-1")
    clients.Confluent(server.address).produce("t", [Record(b"k", b"v", (), base + number) for number in (0, 30, 20)])
    where = confluent_kafka.TopicPartition("t", 0)
    spec = confluent.OffsetSpec
    for asked, expected in ((spec.earliest(), 0), (spec.latest(), 3), (spec.max_timestamp(), 1),
                            (spec.for_timestamp(base + 10), 1), (spec.for_timestamp(base + 31), -1)):
        assert admin.list_offsets({where: asked})[where].result(30).offset == expected, asked
    gone = admin.delete_records([confluent_kafka.TopicPartition("t", 0, 2)])
    assert [each.result(30).low_watermark for each in gone.values()] == [2]
    assert admin.list_offsets({where: spec.earliest()})[where].result(30).offset == 2
    assert [code(each) for each in admin.delete_records([confluent_kafka.TopicPartition("t", 0, 9)]).values()] == \
        [KafkaError.OFFSET_OUT_OF_RANGE]
    assert [each.result(30).low_watermark for each in admin.delete_records([
        confluent_kafka.TopicPartition("t", 0, confluent_kafka.OFFSET_END)]).values()] == [3]


def test_groups(admin, server, member):
    listed = {each.group_id: each for each in admin.list_consumer_groups().result(30).valid}
    assert listed["g"].state == confluent_kafka.ConsumerGroupState.STABLE
    described = admin.describe_consumer_groups(["g"])["g"].result(30)
    only, = described.members
    assert only.host == "/127.0.0.1" and only.client_id == "rdkafka"
    assert {each.partition for each in only.assignment.topic_partitions} == {0, 1}
    offsets = [confluent_kafka.TopicPartition("t", partition, 1) for partition in (0, 1)]
    altered = confluent_kafka.ConsumerGroupTopicPartitions("g", offsets)
    # A group with members is not to be changed under them.
    assert code(admin.delete_consumer_groups(["g"])["g"]) == KafkaError.NON_EMPTY_GROUP
    answer = admin.alter_consumer_group_offsets([altered])["g"].result(30)
    assert [each.error.code() for each in answer.topic_partitions] == [KafkaError.UNKNOWN_MEMBER_ID] * 2
    member.leave()
    assert admin.describe_consumer_groups(["g"])["g"].result(30).state == confluent_kafka.ConsumerGroupState.EMPTY
    assert code(admin.alter_consumer_group_offsets([altered])["g"]) is None
    asked = confluent_kafka.ConsumerGroupTopicPartitions("g")
    answer = admin.list_consumer_group_offsets([asked])["g"].result(30)
    assert {each.partition: each.offset for each in answer.topic_partitions} == {0: 1, 1: 1}
    assert code(admin.delete_consumer_groups(["g"])["g"]) is None
    assert "g" not in {each.group_id for each in admin.list_consumer_groups().result(30).valid}
    assert code(admin.delete_consumer_groups(["g"])["g"]) == KafkaError.GROUP_ID_NOT_FOUND


def test_transactions_are_not_offered_and_say_so(server):
    producer = confluent_kafka.Producer({"bootstrap.servers": server.address, "transactional.id": "x", "log_level": 0})
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(20)
    error = refused.value.args[0]
    assert error.code() != KafkaError._TIMED_OUT and not error.retriable(), error


# ---- kafka-python ----------------------------------------------------------------------------------

@pytest.fixture
def python(server):
    admin = kafka.KafkaAdminClient(bootstrap_servers=server.address)
    yield admin
    admin.close()


def test_kafka_python_topics(python, server):
    python.create_topics({"a": {"num_partitions": 3, "configs": {"retention.ms": "1000000"}}, "b": {}})
    assert {"a", "b"} <= set(python.list_topics())
    described = {each["name"]: each for each in python.describe_topics(["a", "b"])}
    assert (len(described["a"]["partitions"]), len(described["b"]["partitions"])) == (3, 1)
    with pytest.raises(kafka.errors.TopicAlreadyExistsError):
        python.create_topics({"a": {}})
    python.create_partitions({"b": 2})
    assert len(python.describe_topics(["b"])[0]["partitions"]) == 2
    write(server, "a", [b"0", b"1", b"2"])
    where = kafka.TopicPartition("a", 0)
    assert python.delete_records({where: 2})[where]["low_watermark"] == 2
    spec = kafka.admin.OffsetSpec
    offsets = [python.list_partition_offsets({where: each})[where].offset
               for each in (spec.EARLIEST, spec.LATEST, spec.MAX_TIMESTAMP)]
    assert offsets[:2] == [2, 3] and offsets[2] >= 2
    assert len(python.describe_topic_partitions(["a"])["topics"][0]["partitions"]) == 3
    python.delete_topics(["a", "b"])
    assert not {"a", "b"} & set(python.list_topics())


def test_kafka_python_settings(python, server):
    server.create("t")
    resource = kafka.admin.ConfigResource

    def value(name):
        asked = resource("TOPIC", "t")
        return python.describe_configs([asked], config_filter="all")["topic"]["t"][name]["value"]

    assert python.alter_configs([resource("TOPIC", "t", {"retention.ms": "1000000"})])["topic"]["t"] == "OK"
    assert value("retention.ms") == "1000000"
    assert python.alter_configs([resource("TOPIC", "t", {"segment.bytes": "2097152"})],
                                incremental=False)["topic"]["t"] == "OK"
    assert (value("retention.ms"), value("segment.bytes")) == ("1000000", "2097152")
    assert python.reset_configs([resource("TOPIC", "t", ["retention.ms"])])["topic"]["t"] == "OK"
    assert value("retention.ms") == "604800000"


def test_kafka_python_cluster(python, server):
    server.create("t", 2)
    cluster = python.describe_cluster()
    assert len(cluster["brokers"]) == 1 and cluster["cluster_id"]
    text = str(python.describe_log_dirs())
    assert str(server.data.resolve()) in text and "'t'" in text
    assert not python.list_partition_reassignments()
    of = kafka.admin.ResourcePattern(kafka.admin.ResourceType.TOPIC, "t")
    with pytest.raises(kafka.errors.SecurityDisabledError):
        python.describe_acls(kafka.admin.ACLFilter("User:*", "*", kafka.admin.ACLOperation.ANY,
                                                   kafka.admin.ACLPermissionType.ANY, of))
    clients.KafkaPython(server.address).produce("t", [Record(b"k", b"v")], idempotent=True)
    where = kafka.TopicPartition("t", 0)
    assert len(python.describe_producers([where])[where].active_producers) == 1


def test_kafka_python_groups(python, server, member):
    where = kafka.TopicPartition("t", 0)
    assert "g" in {each["group_id"] for each in python.list_groups()}
    assert "g" in {each["group_id"] for each in python.list_groups(states_filter=["Stable"])}
    assert "g" not in {each["group_id"] for each in python.list_groups(states_filter=["Empty"])}
    described = python.describe_groups(["g"])["g"]
    assert described["group_state"] == "Stable" and len(described["members"]) == 1
    assert python.list_group_offsets("g")["g"][where].offset == 3
    assert python.delete_group_offsets("g", [where])[where] is kafka.errors.GroupSubscribedToTopicError
    assert python.delete_groups(["g"])["g"] == "NonEmptyGroupError"
    id = described["members"][0]["member_id"]
    removed = python.remove_group_members("g", [kafka.admin.MemberToRemove(member_id=id)])
    assert set(removed.values()) == {kafka.errors.NoError}
    member.kill()
    wait_until(lambda: python.describe_groups(["g"])["g"]["group_state"] == "Empty")
    reset = python.reset_group_offsets("g", {where: kafka.admin.OffsetSpec.EARLIEST})
    assert reset[where] == {"error": kafka.errors.NoError, "offset": 0}
    assert python.list_group_offsets("g")["g"][where].offset == 0
    assert python.delete_group_offsets("g", [where])[where] is kafka.errors.NoError
    assert where not in python.list_group_offsets("g")["g"]
    assert python.delete_groups(["g"])["g"] == "OK"
    assert python.list_groups() == []


# ---- aiokafka --------------------------------------------------------------------------------------

def test_aiokafka(server, member):
    async def run():
        admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=server.address)
        await admin.start()
        try:
            new = aiokafka.admin.NewTopic("a", 2, 1, topic_configs={"retention.ms": "1000000"})
            assert [error for _, error, *_ in (await admin.create_topics([new])).topic_errors] == [0]
            assert [error for _, error, *_ in (await admin.create_topics([new])).topic_errors] == [36]
            assert {"a", "t"} <= set(await admin.list_topics())
            assert len((await admin.describe_topics(["a"]))[0]["partitions"]) == 2
            await admin.create_partitions({"a": aiokafka.admin.NewPartitions(5)})
            assert len((await admin.describe_topics(["a"]))[0]["partitions"]) == 5
            resource = aiokafka.admin.config_resource
            asked = resource.ConfigResource(resource.ConfigResourceType.TOPIC, "a", {"retention.ms": "2000000"})
            await admin.alter_configs([asked])
            answer, = await admin.describe_configs([
                resource.ConfigResource(resource.ConfigResourceType.TOPIC, "a")])
            assert {entry[0]: entry[1] for entry in answer.resources[0][4]}["retention.ms"] == "2000000"
            where = aiokafka.TopicPartition("t", 0)
            assert "g" in [name for name, _ in await admin.list_consumer_groups()]
            assert (await admin.list_consumer_group_offsets("g"))[where].offset == 3
            answer, = await admin.describe_consumer_groups(["g"])
            assert answer.groups[0][2] == "Stable"
            kept = await admin.delete_records({where: aiokafka.admin.RecordsToDelete(before_offset=2)})
            assert kept[where] == 2
            assert len((await admin.describe_cluster())["brokers"]) == 1
            assert [error for _, error in (await admin.delete_topics(["a"])).topic_error_codes] == [0]
        finally:
            await admin.close()

    asyncio.run(run())
