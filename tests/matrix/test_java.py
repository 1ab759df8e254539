"""Apache Kafka's Java client."""
import pytest
import toolchains
from cases import Cases, numbers, record, wait_until
from conftest import BROKER
from program import ClientError, Program

NEWEST = "4.4.0"


class TestNewest(Cases):
    @classmethod
    def command(cls):
        return toolchains.java(NEWEST)

    refuses_to_create = False  # its producer always lets the server make the topic


class Test3(TestNewest):
    @classmethod
    def command(cls):
        return toolchains.java("3.9.2")


class Test2(TestNewest):
    @classmethod
    def command(cls):
        return toolchains.java("2.8.2")


@pytest.fixture(scope="module")
def admin(server):
    program = Program(toolchains.administration(NEWEST), server.address)
    yield program
    program.close()


class TestMore:
    """What only this client has."""

    @classmethod
    def command(cls):
        return toolchains.java(NEWEST)

    def test_cluster(self, admin):
        cluster = admin.ask("cluster")
        assert cluster["id"] and cluster["nodes"] == [cluster["controller"]]
        assert admin.ask("reassignments") == 0
        admin.ask("features")

    def test_there_are_no_acls(self, admin):
        with pytest.raises(ClientError, match="SecurityDisabledException"):
            admin.ask("acls")

    def test_a_topic_in_pages_and_by_its_id(self, admin, client, name):
        client.ask("create", topic=name, partitions=5)
        found = admin.ask("describe", topic=name)
        assert (found["partitions"], found["leaders"]) == ([0, 1, 2, 3, 4], [1] * 5)
        assert admin.ask("describe_id", topic=name) == name
        with pytest.raises(ClientError, match="UnknownTopicOrPartition"):
            admin.ask("describe", topic=name + "-not")

    def test_configs(self, admin, client, name):
        client.ask("create", topic=name, partitions=1)
        topic = {"type": "TOPIC", "name": name}
        assert admin.ask("config", key="retention.ms", **topic)["source"] == "DEFAULT_CONFIG"
        admin.ask("change", key="retention.ms", value="60000", how="SET", only_check=True, **topic)
        assert admin.ask("config", key="retention.ms", **topic)["source"] == "DEFAULT_CONFIG"
        admin.ask("change", key="retention.ms", value="60000", how="SET", **topic)
        found = admin.ask("config", key="retention.ms", **topic)
        assert (found["value"], found["source"], found["type"]) == ("60000", "DYNAMIC_TOPIC_CONFIG", "LONG")
        assert not found["read_only"] and found["synonyms"] >= 1
        admin.ask("change", key="cleanup.policy", value="compact", how="APPEND", **topic)
        assert admin.ask("config", key="cleanup.policy", **topic)["value"] == "delete,compact"
        admin.ask("change", key="cleanup.policy", value="compact", how="SUBTRACT", **topic)
        assert admin.ask("config", key="cleanup.policy", **topic)["value"] == "delete"
        admin.ask("change", key="retention.ms", how="DELETE", **topic)
        assert admin.ask("config", key="retention.ms", **topic)["source"] == "DEFAULT_CONFIG"
        with pytest.raises(ClientError, match="InvalidConfigurationException"):
            admin.ask("change", key="no.such.thing", value="1", how="SET", **topic)
        assert admin.ask("config", key="num.partitions", type="BROKER", name="1")["value"] == "1"

    def test_offsets_by_time(self, admin, client, name):
        configs = {"retention.ms": "-1"}  # these are records of 1970
        client.ask("create", topic=name, partitions=1, configs=configs)
        sent = [record(b"x", timestamp=time) for time in (1000, 5000, 3000, 2000)]
        for one in sent:
            client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=[one])
        where = {"topic": name, "partition": 0}
        assert admin.ask("offset", at="max", **where) == [1, 5000]
        assert admin.ask("offset", at="1001", **where) == [1, 5000]
        assert admin.ask("offset", at="5001", **where) == [-1, -1]
        assert admin.ask("offset", at="begin", **where) == [0, -1]
        assert admin.ask("offset", at="end", **where) == [4, -1]

    def test_sizes_and_producers(self, admin, client, name):
        client.ask("create", topic=name, partitions=2)
        client.ask("produce", topic=name, partition=1, codec="none", acks=-1, idempotent=True, records=numbers(0, 40))
        sizes = admin.ask("log_dirs")
        assert sizes[f"{name}-0"] == 0 and sizes[f"{name}-1"] > 40 * 7
        assert admin.ask("producers", topic=name, partition=0) == []
        ((producer, epoch, sequence),) = admin.ask("producers", topic=name, partition=1)
        assert producer >= 0 and (epoch, sequence) == (0, 39)

    def test_commits(self, admin, client, name):
        client.ask("create", topic=name, partitions=2)
        admin.ask("alter_commit", group=name, topic=name, partition=1, offset=5, metadata="a note")
        assert admin.ask("commits", group=name) == {f"{name}-1": [5, "a note"]}
        assert admin.ask("group_states")[name] == "Empty"
        admin.ask("delete_commit", group=name, topic=name, partition=1)
        assert admin.ask("commits", group=name) == {}
        with pytest.raises(ClientError, match="GroupIdNotFound"):
            admin.ask("group", group=name + "-not")

    def test_cooperative_members_keep_what_they_need_not_give(self, client, start, name):
        client.ask("create", topic=name, partitions=4)
        settings = {"partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}
        first, second = start(), start()
        first.ask("join", group=name, topic=name, settings=settings)
        first.wait(lambda: first.assigned() == {0, 1, 2, 3})
        second.ask("join", group=name, topic=name, settings=settings)

        def shared():
            one, two = first.assigned(), second.assigned()
            return one and two and len(one) == len(two) == 2 and not one & two
        wait_until(shared, [first, second])
        revoked = [event["partitions"] for event in first.events if event["event"] == "revoked"]
        assert [set(each) for each in revoked if each] == [second.assigned()]

    def test_static_members_come_back_without_a_rebalance(self, admin, client, start, name):
        client.ask("create", topic=name, partitions=4)

        def member(instance):
            program = start()
            program.ask("join", group=name, topic=name, settings={
                "group.instance.id": instance, "session.timeout.ms": "60000"})
            return program

        def shared(one, two):
            return (one.assigned() and two.assigned() and not one.assigned() & two.assigned()
                    and len(one.assigned() | two.assigned()) == 4)
        first, second = member("one"), member("two")
        wait_until(lambda: shared(first, second), [first, second])
        held, before = second.assigned(), len(first.events)
        second.kill()
        again = member("two")
        wait_until(lambda: again.assigned() == held, [again])
        first.take()
        assert len(first.events) == before, "the other one noticed"
        found = admin.ask("group", group=name)
        assert (found["state"], found["assignor"]) == ("Stable", "range")
        assert {each["instance"]: set(each["partitions"]) for each in found["members"]}["two"] == held

        admin.ask("remove_member", group=name, instance="two")
        wait_until(lambda: first.assigned() == {0, 1, 2, 3}, [first])

    @pytest.mark.skipif(bool(BROKER), reason="another broker may have transactions")
    def test_a_transactional_producer_is_told_at_once(self, client, name):
        client.ask("create", topic=name, partitions=1)
        settings = {"transactional.id": name, "enable.idempotence": "true"}
        with pytest.raises(ClientError) as failed:
            client.ask("produce", topic=name, codec="none", acks=-1, settings=settings, records=numbers(0, 1))
        assert "Timeout" not in str(failed.value), failed.value
        assert "TransactionalIdAuthorization" in str(failed.value) or "Unsupported" in str(failed.value)
