"""What each client writes is what every client, and a local reader, then reads."""
import json
import time

import pytest

from clients import ALL, CODECS, ProduceError, Record, contents

TEXT = b"the same words again and again, which a codec makes small " * 20


@pytest.fixture(params=ALL, ids=lambda client: client.name)
def client(request, server):
    return request.param(server.address)


def records_for(client):
    """Of every shape that the client can write."""
    shapes = [Record(b"key", b"value"), Record(None, b"no key"), Record(b"k", b""), Record(b"deleted", None),
              Record(b"k", b"1"), Record(b"k", b"\0\xff\n\r binary"), Record(b"k", TEXT),
              Record(b"h", b"headers", (("one", b"1"), ("two", b"2"), ("one", b"again"))),
              Record(b"h", None, (("only", b"a header"),)), Record(b"h", b"v", (("empty", b""),))]
    if client.null_pairs:
        shapes.append(Record(None, None))
    if client.nulls_in_headers:
        shapes.append(Record(b"h", b"v", (("null", None),)))
    return shapes


def as_told_by(client, records):
    """kcat prints a header without a value as this word."""
    if client.name != "kcat":
        return contents(records)
    return [Record(record.key, record.value,
                   tuple((name, b"NULL" if value is None else value) for name, value in record.headers))
            for record in records]


def test_every_client_reads_what_it_writes_in_every_codec(client, server):
    server.create("t")
    written = []
    for codec in CODECS:
        records = records_for(client)
        offsets = client.produce("t", records, codec=codec)
        assert offsets in ([*range(len(written), len(written) + len(records))], [None] * len(records))
        written += records
    for other in ALL:
        read = other(server.address).consume("t", len(written))
        assert contents(read) == as_told_by(other, written), other.name
        assert [record.offset for record in read] == [*range(len(written))], other.name
    local = server.run("consume", "t", "--format", "%K %S\n").stdout.splitlines()
    sizes = [(len(r.key) if r.key is not None else -1, len(r.value) if r.value is not None else -1)
             for r in written]
    assert [tuple(map(int, line.split())) for line in local] == sizes
    server.run("inspect")


def test_the_codec_stays_as_the_producer_chose_it(client, server):
    for codec in CODECS:
        server.create(codec)
        client.produce(codec, [Record(b"k", TEXT)] * 20, codec=codec)
        batches = [json.loads(line) for line in
                   server.run("inspect", server.data / f"{codec}-0", "--batches", "--json").stdout.splitlines()]
        assert {batch["codec"] for batch in batches if "codec" in batch} == {codec}


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(client, server, acks):
    server.create("t")
    records = [Record(b"k", b"%d" % i) for i in range(500)]
    offsets = client.produce("t", records, acks=acks)
    if acks == "0":
        assert set(offsets) == {None}
    elif client.name != "kcat":
        assert offsets == [*range(500)]
    assert contents(client.consume("t", 500)) == records
    assert client.ends("t") == (0, 500)


def test_idempotent(client, server):
    server.create("t")
    records = [Record(b"k", b"%d" % i) for i in range(2000)]
    client.produce("t", records, idempotent=True)
    assert contents(client.consume("t", 2000)) == records
    assert client.ends("t") == (0, 2000)
    batches = [json.loads(line) for line in
               server.run("inspect", server.data / "t-0", "--batches", "--json").stdout.splitlines()]
    assert {batch["producer_id"] >= 0 for batch in batches if "producer_id" in batch} == {True}


def test_a_large_message(client, server):
    server.create("t")
    value = bytes(range(256)) * 3515  # 900 kB
    client.produce("t", [Record(b"k", value)])
    for other in ALL:
        assert contents(other(server.address).consume("t", 1)) == [Record(b"k", value)], other.name


def test_a_message_over_the_limit_is_refused(client, server):
    server.create("t")
    with pytest.raises(ProduceError, match="(?i)msg_size_too_large|MessageSizeTooLarge|Message size too large"):
        client.produce("t", [Record(b"k", b"x" * 1_200_000)])
    client.produce("t", [Record(b"k", b"fits")])
    server.run("topic", "alter", "t", "--config", "max.message.bytes=2000000")
    client.produce("t", [Record(b"k", b"x" * 1_200_000)])
    assert [len(record.value) for record in client.consume("t", 2)] == [4, 1_200_000]


def test_timestamps(client, server):
    """CreateTime is the producer's, LogAppendTime the log's."""
    server.create("mine", message_timestamp_type="CreateTime", retention_ms="-1")
    server.create("theirs", message_timestamp_type="LogAppendTime", retention_ms="-1")
    then = 1_600_000_000_000
    given = None if client.name == "kcat" else then
    before = int(time.time() * 1000) - 1
    for topic in ("mine", "theirs"):
        client.produce(topic, [Record(b"k", b"v", timestamp=given)])
    after = int(time.time() * 1000) + 1
    for other in ALL:
        reader = other(server.address)
        mine, theirs = (reader.consume(topic, 1)[0].timestamp for topic in ("mine", "theirs"))
        assert mine == then if given else before <= mine <= after, other.name
        assert before <= theirs <= after, other.name


@pytest.mark.parametrize("client", [client for client in ALL if client.name != "kcat"], indirect=True,
                         ids=lambda client: client.name)
def test_a_timestamp_far_ahead_is_refused(client, server):
    server.create("t")
    with pytest.raises(ProduceError, match="(?i)invalid_?timestamp"):
        client.produce("t", [Record(b"k", b"v", timestamp=int(time.time() * 1000) + 7_200_000)])
    assert client.ends("t") == (0, 0)


def test_an_unknown_topic_is_created(client, server):
    server.restart(num_partitions="3")
    client.produce("new", [Record(b"k", b"v")], partition=2)
    assert contents(client.consume("new", 1, partition=2)) == [Record(b"k", b"v")]
    described = json.loads(server.run("topic", "describe", "new", "--json").stdout)
    assert [partition["end"] for partition in described["partitions"]] == [0, 0, 1]


def test_an_unknown_topic_is_unknown_when_none_may_be_created(client, server):
    server.restart(auto_create_topics_enable="false")
    patience = {"confluent": {"message.timeout.ms": 1000}, "kcat": {"message.timeout.ms": 1000},
                "kafka-python": {"max_block_ms": 1000}, "aiokafka": {"request_timeout_ms": 1000}}[client.name]
    with pytest.raises(ProduceError):
        client.produce("unknown", [Record(b"k", b"v")], **patience)
    assert b"unknown" not in server.run("topic", "list").stdout
    server.create("known")
    client.produce("known", [Record(b"k", b"v")])
    assert client.ends("known") == (0, 1)


def test_an_unknown_partition(client, server):
    server.create("t", 2)
    patience = {"confluent": {"message.timeout.ms": 2000}, "kcat": {"message.timeout.ms": 2000},
                "kafka-python": {"max_block_ms": 1000}, "aiokafka": {"request_timeout_ms": 1000}}[client.name]
    with pytest.raises((ProduceError, ValueError, AssertionError)):
        client.produce("t", [Record(b"k", b"v")], partition=7, **patience)
    assert client.ends("t") == (0, 0)
