"""Apache Kafka's command line tools, judged by what they print."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import toolchains
from conftest import BROKER, Server

TOOLS = "org.apache.kafka.tools."
TOPICS = TOOLS + "TopicCommand"
GROUPS = TOOLS + "consumer.group.ConsumerGroupCommand"
CONFIGS = "kafka.admin.ConfigCommand"
PRODUCE = TOOLS + "ConsoleProducer"
CONSUME = TOOLS + "consumer.ConsoleConsumer"
NOISE = re.compile(r"StatusLogger|SLF4J|deprecated|KIP-848")


def tool(name, *words, input=None, status=0):
    """Its lines, those of standard error after the others."""
    done = subprocess.run([*toolchains.kafka_tools(), name, *map(str, words)], input=input, capture_output=True,
                          text=True, timeout=60)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line and not NOISE.search(line)]
    assert done.returncode == status, f"{name} {words}: {done.returncode}, {lines}"
    return lines


@pytest.fixture
def at(server):
    return "--bootstrap-server", server.address


def test_topics(at, name):
    assert tool(TOPICS, *at, "--create", "--topic", name, "--partitions", 2, "--config", "retention.ms=1000000") == [
        f"Created topic {name}."]
    assert tool(TOPICS, *at, "--create", "--topic", name, "--if-not-exists") == []
    again = tool(TOPICS, *at, "--create", "--topic", name, status=1)
    assert name in again[0] and "exists" in again[0]
    assert tool(TOPICS, *at, "--alter", "--topic", name, "--partitions", 3) == []
    assert name in tool(TOPICS, *at, "--list")
    first, *partitions = tool(TOPICS, *at, "--describe", "--topic", name)
    assert re.fullmatch(rf"Topic: {name}\tTopicId: [\w-]{{22}}\tPartitionCount: 3\tReplicationFactor: 1\t"
                        r"Configs: (.*,)?retention.ms=1000000", first)
    found = [re.match(r"\tTopic: (\S+)\tPartition: (\d)\tLeader: (\d+)\tReplicas: (\d+)\tIsr: (\d+)", line).groups()
             for line in partitions]
    assert found == [(name, str(i), "1", "1", "1") for i in range(3)]
    assert tool(TOPICS, *at, "--describe", "--under-replicated-partitions", "--topic", name) == []
    assert tool(TOPICS, *at, "--delete", "--topic", name) == []
    gone = tool(TOPICS, *at, "--describe", "--topic", name, status=1)
    assert f"Topic '{name}' does not exist as expected" in gone[0]


def test_configs(at, name):
    tool(TOPICS, *at, "--create", "--topic", name)
    entity = "--entity-type", "topics", "--entity-name", name
    assert tool(CONFIGS, *at, *entity, "--alter", "--add-config", "segment.bytes=2000000,retention.ms=5000") == [
        f"Completed updating config for topic {name}."]
    lines = tool(CONFIGS, *at, *entity, "--describe")
    assert lines[0] == f"Dynamic configs for topic {name} are:"
    assert [line.split()[0] for line in lines[1:]] == ["retention.ms=5000", "segment.bytes=2000000"]
    assert "synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=5000, " in lines[1]
    tool(CONFIGS, *at, *entity, "--alter", "--delete-config", "retention.ms")
    every = tool(CONFIGS, *at, *entity, "--describe", "--all")
    assert any(line.startswith("  retention.ms=604800000 sensitive=false") for line in every)
    wrong = tool(CONFIGS, *at, *entity, "--alter", "--add-config", "segment.bytes=few", status=1)
    assert any("InvalidConfigurationException" in line and "segment.bytes" in line for line in wrong)
    broker = tool(CONFIGS, *at, "--entity-type", "brokers", "--entity-name", 1, "--describe", "--all")
    assert broker[0] == "All configs for broker 1 are:"
    assert any("auto.create.topics.enable=true" in line for line in broker)


def test_console(at, name):
    tool(TOPICS, *at, "--create", "--topic", name)
    text = "".join(f"k{i}\tvalue {i}\n" for i in range(200))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        assert tool(PRODUCE, *at, "--topic", name, "--property", "parse.key=true", "--compression-codec", codec,
                    input=text) == []
    read = [CONSUME, *at, "--topic", name, "--timeout-ms", 10000]
    lines = tool(*read, "--from-beginning", "--max-messages", 1000, "--property", "print.key=true", "--property",
                 "print.offset=true", "--property", "print.partition=true")
    expected = [f"Partition:0\tOffset:{i}\tk{i % 200}\tvalue {i % 200}" for i in range(1000)]
    assert lines == [*expected, "Processed a total of 1000 messages"]
    assert tool(*read, "--partition", 0, "--offset", 997, "--max-messages", 3)[:3] == [
        f"value {i}" for i in (197, 198, 199)]


def test_groups(at, name):
    tool(TOPICS, *at, "--create", "--topic", name)
    tool(PRODUCE, *at, "--topic", name, input="".join(f"{i}\n" for i in range(50)))
    tool(CONSUME, *at, "--topic", name, "--from-beginning", "--group", name, "--max-messages", 20)
    assert name in tool(GROUPS, *at, "--list")
    lines = tool(GROUPS, *at, "--describe", "--group", name)
    assert lines[0].split()[:6] == ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"]
    assert lines[1].split()[:6] == [name, name, "0", "20", "50", "30"]
    assert lines[2] == f"Consumer group '{name}' has no active members."
    state = tool(GROUPS, *at, "--describe", "--group", name, "--state")
    assert any("Empty" in line.split() for line in state), state
    reset = "--reset-offsets", "--group", name, "--topic", name, "--execute"
    assert tool(GROUPS, *at, *reset, "--to-offset", 7)[-1].split() == [name, name, "0", "7"]
    assert tool(GROUPS, *at, *reset, "--shift-by", 3)[-1].split() == [name, name, "0", "10"]
    assert tool(GROUPS, *at, *reset, "--to-datetime", "2000-01-01T00:00:00.000")[-1].split()[-1] == "0"
    tool(GROUPS, *at, "--delete-offsets", "--group", name, "--topic", name)
    assert tool(GROUPS, *at, "--delete", "--group", name) == [
        f"Deletion of requested consumer groups ('{name}') was successful."]
    gone = tool(GROUPS, *at, "--describe", "--group", name)
    assert any("GroupIdNotFoundException" in line for line in gone), gone


def test_offsets_sizes_and_deleted_records(at, server, name):
    tool(TOPICS, *at, "--create", "--topic", name, "--partitions", 1)
    tool(PRODUCE, *at, "--topic", name, input="".join(f"{i}\n" for i in range(50)))
    offsets = TOOLS + "GetOffsetShell"
    assert tool(offsets, *at, "--topic", name) == [f"{name}:0:50"]
    assert tool(offsets, *at, "--topic", name, "--time", "max-timestamp")[0].startswith(f"{name}:0:")
    assert tool(offsets, *at, "--topic", name, "--time", "0") == [f"{name}:0:0"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"partitions": [{"topic": name, "partition": 0, "offset": 30}], "version": 1}, file)
        file.flush()
        lines = tool(TOOLS + "DeleteRecordsCommand", *at, "--offset-json-file", file.name)
    assert lines[-1].split() == ["partition:", f"{name}-0", "low_watermark:", "30"]
    assert tool(offsets, *at, "--topic", name, "--time", "earliest") == [f"{name}:0:30"]
    lines = tool(TOOLS + "LogDirsCommand", *at, "--describe", "--topic-list", name)
    (broker,) = json.loads(lines[-1])["brokers"]
    (directory,) = broker["logDirs"]
    (partition,) = directory["partitions"]
    assert (broker["broker"], directory["error"], partition["partition"]) == (1, None, f"{name}-0")
    assert partition["size"] > 50 and partition["offsetLag"] == 0
    if server.data:
        assert directory["logDir"] == str(server.data)


def test_performance(server, at, name):
    producer = tool(TOOLS + "ProducerPerformance", "--topic", name, "--num-records", 20000, "--record-size", 100,
                    "--throughput", -1, "--command-property", f"bootstrap.servers={server.address}",
                    "acks=all")
    assert re.match(r"20000 records sent, [\d.]+ records/sec", producer[-1])
    title, figures = tool(TOOLS + "ConsumerPerformance", *at, "--topic", name, "--num-records", 20000)[-2:]
    assert dict(zip(title.split(", "), figures.split(", ")))["data.consumed.in.nMsg"] == "20000"


def test_what_is_offered(at):
    lines = tool(TOOLS + "BrokerApiVersionsCommand", *at)
    versions = dict(re.findall(r"(\w+)\(\d+\): (\d+ to \d+)", "\n".join(lines)))
    assert versions["Metadata"] == "0 to 13"
    assert versions["ApiVersions"].startswith("0 to ")


def test_client_compatibility(at, name):
    supported = {"--offsets-for-times-supported": True, "--cluster-id-supported": True,
                 "--expect-record-too-large-exception": False, "--num-cluster-nodes": 1,
                 "--create-topics-supported": True, "--describe-acls-supported": True,
                 "--describe-configs-supported": True, "--idempotent-producer-supported": True}
    words = [word for pair in supported.items() for word in pair]
    assert tool(TOOLS + "ClientCompatibilityTest", *at, "--topic", name, *words)[-1] == "SUCCESS."


@pytest.mark.skipif(bool(BROKER), reason="the files are another broker's")
def test_dump_log(name):
    """Of what clients produced, after the server's end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="maplog-matrix-", dir="/tmp"))
    try:
        server = Server(directory)
        try:
            at = "--bootstrap-server", server.address
            for codec in ("none", "zstd"):
                tool(PRODUCE, *at, "--topic", name, "--compression-codec", codec, input="one\ntwo\n")
        finally:
            server.stop()
        files = [server.data / f"{name}-0" / f"{0:020}.{suffix}" for suffix in ("log", "index", "timeindex")]
        lines = tool(TOOLS + "DumpLogSegments", "--print-data-log", "--files", ",".join(map(str, files)))
        assert [line.split("payload: ")[1] for line in lines if "payload: " in line] == ["one", "two", "one", "two"]
        assert not [line for line in lines if re.search(r"(?i)mismatch|corrupt|invalid|isvalid: false|exception", line)]
    finally:
        shutil.rmtree(directory)
