"""Where a client begins to read, and what it gets from there."""
import pytest

import clients
from clients import ALL, Record, contents


@pytest.fixture(params=ALL, ids=lambda client: client.name)
def client(request, server):
    return request.param(server.address)


def numbered(count, size=0, base=None):
    """Records that tell their number; with base each is a second younger than the one before."""
    return [Record(b"k%d" % i, (b"%08d" % i).ljust(size, b"."), (), base + 1000 * i if base else None)
            for i in range(count)]


def test_from_the_beginning_and_an_offset(client, server):
    server.create("t")
    records = numbered(1000)
    clients.Confluent(server.address).produce("t", records, codec="lz4")  # offsets lie within batches
    assert contents(client.consume("t", 1000)) == contents(records)
    for start in (1, 499, 998):
        assert contents(client.consume("t", 1000 - start, start=start)) == contents(records[start:])


def test_from_the_end(client, server):
    server.create("t")
    clients.Confluent(server.address).produce("t", numbered(10))
    with client.follow("t") as take:
        for number in range(3):
            server.run("produce", "t", input=b"new %d\n" % number)
            assert take(1)[0].value == b"new %d" % number
        client.produce("t", numbered(5))
        assert contents(take(5)) == contents(numbered(5))


def test_by_time(client, server):
    """To the record, also within batches and across segments."""
    server.create("t", segment_bytes="16384", index_interval_bytes="1000", retention_ms="-1")
    base = 1_700_000_000_000
    writer = clients.Confluent(server.address)
    for at in range(0, 400, 40):
        writer.produce("t", numbered(400, 200, base)[at:at + 40], codec="none" if at % 80 else "zstd")
    for number in (0, 1, 39, 40, 41, 123, 398, 399):
        assert client.offset_at("t", base + 1000 * number) == number
        assert client.offset_at("t", base + 1000 * number - 999) == number
    assert client.offset_at("t", 1) == 0
    # librdkafka says "none" as the end, others as nothing.
    assert client.offset_at("t", base + 1000 * 399 + 1) in (None, 400)


def test_thousands_of_records_across_segments(client, server):
    server.create("t", segment_bytes="65536", index_interval_bytes="4096")
    records = numbered(5000, 150)
    for at in range(0, 5000, 250):  # a batch must fit into a segment
        client.produce("t", records[at:at + 250])
    assert len(list((server.data / "t-0").glob("*.log"))) > 5
    read = client.consume("t", 5000)
    assert contents(read) == contents(records)
    assert [record.offset for record in read] == [*range(5000)]
    assert contents(client.consume("t", 100, start=4321)) == contents(records[4321:4421])


FETCHES_OF_1000_BYTES = {
    "confluent": {"fetch.max.bytes": 4_200_000, "message.max.bytes": 4_200_000, "max.partition.fetch.bytes": 1000,
                  "fetch.message.max.bytes": 1000},
    "kcat": {"fetch.message.max.bytes": 1000},
    "kafka-python": {"fetch_max_bytes": 1000, "max_partition_fetch_bytes": 1000},
    "aiokafka": {"fetch_max_bytes": 1000, "max_partition_fetch_bytes": 1000},
}


def test_batches_beyond_the_limit_of_a_fetch(client, server):
    """The first batch always comes whole, so nobody hangs."""
    server.create("t")
    records = numbered(30, 3000)
    writer = clients.Confluent(server.address)
    for record in records:
        writer.produce("t", [record])
    assert contents(client.consume("t", 30, **FETCHES_OF_1000_BYTES[client.name])) == contents(records)


def test_each_of_many_partitions(client, server):
    server.create("t", 50)
    for partition in (0, 7, 49):
        client.produce("t", [Record(b"k", b"%d" % partition)], partition=partition)
    for partition in (0, 7, 49):
        assert contents(client.consume("t", 1, partition=partition)) == [Record(b"k", b"%d" % partition)]


def test_an_offset_that_is_gone(client, server):
    """The client is told, and goes where its policy says."""
    server.create("t")
    client.produce("t", numbered(20))
    server.run("topic", "delete-records", "t", "--before", "15", "--partition", "0")
    earliest = {"confluent": {"auto.offset.reset": "earliest"}, "kcat": {"topic.auto.offset.reset": "earliest"}}
    policy = earliest.get(client.name, {"auto_offset_reset": "earliest"})
    assert client.ends("t") == (15, 20)
    for start in (3, "begin"):
        read = client.consume("t", 5, start=start, **policy)
        assert [record.offset for record in read] == [*range(15, 20)]
    if client.name != "kcat":  # which only says so
        with pytest.raises(Exception, match="(?i)out.?of.?range|no offset|reset"):
            client.consume("t", 1, start=3)
            pytest.fail("it was not told")


def test_records_before_a_restart_are_there_after_it(client, server):
    server.create("t", segment_bytes="16384")
    records = numbered(300, 100)
    client.produce("t", records[:100])
    server.restart()
    client.produce("t", records[100:200])
    server.kill_and_restart()
    client.produce("t", records[200:])
    assert contents(client.consume("t", 300)) == contents(records)


def test_a_waiting_consumer_lives_through_a_restart(client, server):
    server.create("t")
    with client.follow("t") as take:
        client.produce("t", numbered(1))
        assert len(take(1)) == 1
        server.kill_and_restart()
        client.produce("t", numbered(3))
        assert contents(take(3)) == contents(numbered(3))
