"""The same commands through Apache Kafka's own broker; skipped where test_kafka_tools.py is."""
import json

import pytest
from conftest import Maplog
from doors import at
from test_kafka_tools import CODECS, directory, free_ports, jars, oracle  # noqa: F401 (fixtures)


@pytest.fixture(scope="module")
def kafka(oracle, directory):
    """A way to the broker."""
    ports = free_ports(2)
    oracle.ask("start", directory / "remote", *ports)
    maplog = Maplog(directory)
    yield at(maplog, f"localhost:{ports[0]}")
    oracle.ask("stop")
    maplog.stop_all()


@pytest.mark.parametrize("codec", CODECS)
def test_records_come_back_and_kafka_s_consumer_reads_them(kafka, oracle, directory, codec):
    text = b"".join(b"key%d:value number %d\n" % (i % 5, i) for i in range(20000))
    topic = f"remote-{codec}"
    kafka.run("topic", "create", topic, "--partitions", "3")
    kafka.run("produce", topic, "--key-separator", ":", "--header", "h=1", "--compression", codec, input=text)
    shown = kafka.run("consume", topic, "--check-crcs", "--format", "%p %o %k:%s %h\\n").stdout.splitlines()
    assert len(shown) == 20000
    seen = [(partition, offset, b"%s:%s" % (key, value), headers)
            for partition, offset, _, key, value, headers in oracle.records(topic, directory)]
    assert seen == sorted((int(line.split(b" ")[0]), int(line.split(b" ")[1]),
                           line.split(b" ", 2)[2].rsplit(b" ", 1)[0], (("h", b"1"),)) for line in shown)
    assert sorted(row[2] for row in seen) == sorted(text.splitlines())


def test_topics(kafka):
    kafka.run("topic", "create", "topics", "--partitions", "2", "--config", "flush.messages=1")
    kafka.run("produce", "topics", "--acks", "disk", "--partition", "1", input=b"a\nb\nc\n")
    kafka.run("topic", "alter", "topics", "--partitions", "3", "--config", "retention.ms=5000000")
    kafka.run("topic", "delete-records", "topics", "--partition", "1", "--before", "2")
    described = kafka.described("topics")
    assert [(p["start"], p["end"]) for p in described["partitions"]] == [(0, 0), (2, 3), (0, 0)]
    assert described["configs"]["retention.ms"] == {"value": "5000000", "default": False}
    assert described["configs"]["segment.bytes"]["default"]
    listed = {row["topic"]: row for row in json.loads(kafka.run("topic", "list", "--json").stdout)}
    assert listed["topics"]["records"] == 1
    kafka.run("topic", "delete", "topics")
    assert kafka.run("topic", "delete", "topics", status=1).stderr


def test_acks_disk_is_refused_where_kafka_does_not_keep_it(kafka):
    kafka.run("topic", "create", "lazy")
    assert b"flush.messages" in kafka.run("produce", "lazy", "--acks", "disk", input=b"a\n", status=1).stderr


def test_a_missing_topic_is_created(kafka):
    assert b"created topic made" in kafka.run("produce", "made", input=b"a\n").stderr
    assert kafka.run("consume", "made").stdout == b"a\n"


def test_a_group(kafka):
    kafka.run("topic", "create", "grouped", "--partitions", "2")
    kafka.run("produce", "grouped", "--batch", "100", input=b"".join(b"%d\n" % i for i in range(1000)))
    read = kafka.run("consume", "grouped", "--group", "g").stdout.splitlines()
    assert sorted(map(int, read)) == list(range(1000))
    rows, state = kafka.group("g")
    assert state == "Empty" and sum(row["committed"] for row in rows.values()) == 1000
    assert all(row["lag"] == 0 for row in rows.values())
    kafka.run("group", "reset", "g", "--topic", "grouped", "--to", "-1")
    assert sum(row["lag"] for row in kafka.group("g")[0].values()) == 2
    assert len(kafka.run("consume", "grouped", "--group", "g").stdout.splitlines()) == 2
    kafka.run("group", "delete", "g")
    assert b"no group g" in kafka.run("group", "describe", "g", status=1).stderr
