"""Apache Kafka's own code reads what maplog writes, and maplog takes over what Kafka wrote.

The jars come from the Maven registry and stay in a cache outside the tree ($XDG_CACHE_HOME, else
/tmp). Without java, mvn or the registry everything here is skipped.
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

import pytest
from conftest import ROOT, Maplog

KAFKA = "4.0.0"  # its broker wants Java 17
JAVA = 17
SOURCE = ROOT / "tests/e2e/kafka/Oracle.java"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>maplog.tests</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version>
  </dependency></dependencies>
</project>
"""
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
JVM = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1"]


def cache():
    home = os.environ.get("XDG_CACHE_HOME")
    return pathlib.Path(home or tempfile.gettempdir()) / f"maplog-kafka-{KAFKA}-{os.getuid()}"


def java_version():
    try:
        text = subprocess.run(["javac", "-version"], capture_output=True, text=True).stdout
    except OSError:
        return 0
    found = re.search(r"(\d+)", text)
    return int(found.group(1)) if found else 0


def fetch(directory):
    """Puts the jars there; says why not."""
    if (directory / "complete").exists():
        return None
    if not shutil.which("mvn"):
        return "mvn is not installed"
    fresh = pathlib.Path(tempfile.mkdtemp(prefix="maplog-kafka-", dir=directory.parent))
    try:
        (fresh / "pom.xml").write_text(POM)
        try:
            done = subprocess.run(["mvn", "-q", "-B", "-ntp", "-f", fresh / "pom.xml",
                                   "dependency:copy-dependencies", f"-DoutputDirectory={fresh}/lib"],
                                  capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "the Maven registry does not answer"
        if done.returncode != 0:
            return "the Maven registry cannot be reached: " + (done.stdout.strip().splitlines() or [""])[-1][:200]
        (fresh / "complete").touch()
        try:
            fresh.rename(directory)
        except OSError:
            pass  # another run was faster
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return None


@pytest.fixture(scope="module")
def jars():
    if java_version() < JAVA:
        pytest.skip(f"no JDK {JAVA} or later is installed")
    directory = cache()
    directory.parent.mkdir(parents=True, exist_ok=True)
    missing = fetch(directory)
    if missing:
        pytest.skip(missing)
    return f"{directory}/lib/*"


@pytest.fixture(scope="module")
def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="maplog-kafka-tools-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


class Oracle:
    """A broker with its clients in one Java process; see Oracle.java."""

    def __init__(self, jars, classes):
        self.log = open(classes / "log", "w+")
        subprocess.run(["javac", "-nowarn", "-cp", jars, "-d", classes, SOURCE], check=True, timeout=120)
        self.process = subprocess.Popen([*JVM, "-cp", f"{classes}:{jars}", "Oracle"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ask(self, *words, seconds=90):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, f"{words}: no answer; {self.said()}"
        answer = self.process.stdout.readline()
        assert answer.startswith("ok"), f"{words}: {answer} {self.said()}"
        return answer[3:].strip()

    def start(self, path):
        self.ask("start", path, *free_ports(2))

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()[-2000:]

    def records(self, topic, directory):
        """Every record as (partition, offset, timestamp, key, value, headers)."""
        path = directory / f"{topic}.records"
        self.ask("consume", topic, path)
        return sorted(parse_record(line) for line in path.read_text().splitlines())

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def from_hex(text):
    return None if text == "null" else bytes.fromhex(text[1:])


def parse_record(line):
    partition, offset, timestamp, key, value, *headers = line.split(" ")
    pairs = tuple((name, from_hex(text)) for name, text in (header.split("=") for header in headers))
    return int(partition), int(offset), int(timestamp), from_hex(key), from_hex(value), pairs


@pytest.fixture(scope="module")
def oracle(jars, directory):
    classes = directory / "classes"
    classes.mkdir()
    made = Oracle(jars, classes)
    yield made
    made.close()


class Log(Maplog):
    def records(self, topic):
        """The same as Oracle.records."""
        found = []
        for line in self.consume(topic, "--json").splitlines():
            record = json.loads(line)
            headers = record.get("headers", [])
            pairs = tuple((name, as_bytes(value)) for name, value in zip(headers[::2], headers[1::2]))
            found.append((record["partition"], record["offset"], record["ts"], field(record, "key"),
                          field(record, "payload"), pairs))
        return sorted(found)


def field(record, name):
    if name + "_base64" in record:
        return base64.b64decode(record[name + "_base64"])
    return as_bytes(record.get(name))


def as_bytes(value):
    if isinstance(value, dict):
        return base64.b64decode(next(iter(value.values())))
    return None if value is None else value.encode()


# ---- Kafka's dump tool ---------------------------------------------------------------------------

COMPLAINTS = re.compile(r"mismatch|Found |not found|out of order|non-consecutive|invalid: true|isvalid: false|"
                        r"exception|error|corrupt|could not|trailing|unexpected", re.I)


def dump(jars, files, *options):
    """What DumpLogSegments prints for the files; fails on any complaint."""
    done = subprocess.run([*JVM, "-cp", jars, "kafka.tools.DumpLogSegments", "--deep-iteration", "--print-data-log",
                           "--files", ",".join(map(str, files)), *options], capture_output=True, text=True, timeout=120)
    complaints = [line for line in done.stdout.splitlines() if COMPLAINTS.search(line.split(" payload:")[0])]
    errors = [line for line in done.stderr.splitlines() if "SLF4J" not in line]
    assert (done.returncode, complaints, errors) == (0, [], [])
    return done.stdout


def parts(data):
    return sorted(path for suffix in ("log", "index", "timeindex") for path in data.glob(f"*-*/*.{suffix}"))


def offsets_in(text):
    return len(re.findall(r"^\| offset: ", text, re.M))


def test_dump_log_segments_finds_nothing_in_our_files(jars, directory):
    log = Log(directory / "dumped")
    log.directory.mkdir()
    lines = b"".join(b"line %d %s\n" % (i, b"x" * (i * 37 % 300)) for i in range(3000))
    total = 0
    for codec in CODECS:
        log.run("topic", "create", codec, "--partitions", "2", "--config", "segment.bytes=20000",
                "--config", "index.interval.bytes=600")
        log.produce(codec, lines, "--compression", codec, "--batch", "2000", "--header", "who=me")
        log.produce(codec, b"k:v\n" * 100, "--key-separator", ":", "--compression", codec)
        total += 3100
    log.run("topic", "create", "single", "--config", "segment.bytes=20000")
    log.produce("single", lines, "--batch", "0")
    log.run("topic", "create", "stamped", "--config", "message.timestamp.type=LogAppendTime")
    log.produce("stamped", lines, "--compression", "lz4")
    total += 6000
    files = parts(log.data)
    assert len(files) > 100
    text = dump(jars, files)
    assert offsets_in(text) == total
    assert text.count("Dumping ") == len(files)
    assert text.count("Log starting offset: ") == sum(path.suffix == ".log" for path in files)


def test_kafkas_coordinator_reads_our_group_progress(jars, directory):
    log = Log(directory / "progress")
    log.directory.mkdir()
    log.run("topic", "create", "t", "--partitions", "3")
    log.produce("t", b"".join(b"%d\n" % i for i in range(300)), "--partition", "1")
    for group in ("readers", "gr\u00fc\u00dfe"):
        for _ in range(2):
            log.consume("t", "--group", group, "--count", "20")
    log.run("topic", "create", "gone")
    log.produce("gone", b"x\n")
    log.consume("gone", "--group", "readers")
    log.run("topic", "delete", "gone")
    text = dump(jars, sorted(log.data.glob("__consumer_offsets-*/*.log")), "--offsets-decoder")
    latest = {}
    for key, value in re.findall(r" key: (\{.*?\}\}) payload: (\{.*\}|<DELETE>)$", text, re.M):
        key, value = json.loads(key), None if value == "<DELETE>" else json.loads(value)
        assert key["type"] == "1"
        place = key["data"]["group"], key["data"]["topic"], key["data"]["partition"]
        latest[place] = value and (value["version"], value["data"]["offset"], value["data"]["leaderEpoch"],
                                   value["data"]["metadata"])
        assert value is None or abs(value["data"]["commitTimestamp"] / 1000 - time.time()) < 3600
    assert {place: value for place, value in latest.items() if place[2] == 1 or value is None} == {
        ("readers", "t", 1): ("3", 40, -1, ""), ("gr\u00fc\u00dfe", "t", 1): ("3", 40, -1, ""),
        ("readers", "gone", 0): None}


def test_the_dump_tool_does_complain_about_damage(jars, directory):
    """Or the test above would prove nothing."""
    log = Log(directory / "damaged")
    log.directory.mkdir()
    log.run("topic", "create", "t", "--config", "index.interval.bytes=600")
    log.produce("t", b"some text\n" * 3000, "--batch", "1000")
    for suffix, position in (("log", 70), ("index", 3), ("timeindex", 6)):
        path = log.data / f"t-0/{0:020}.{suffix}"
        good = path.read_bytes()
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1:])
        with pytest.raises(AssertionError):
            dump(jars, [path])
        path.write_bytes(good)
    dump(jars, [log.data / f"t-0/{0:020}.log"])


# ---- import --------------------------------------------------------------------------------------

def fill_broker(oracle):
    for codec in CODECS:
        oracle.ask("create", codec, 2)
        oracle.ask("produce", codec, 0, codec, 400, 7)
        oracle.ask("produce", codec, 1, codec, 300, 0)
    oracle.ask("create", "compacted", 1, "cleanup.policy=compact", "segment.ms=200",
               "min.cleanable.dirty.ratio=0.01", "delete.retention.ms=0", "min.compaction.lag.ms=0")
    for i, codec in enumerate(CODECS):  # fewer and fewer keys: the last record of some is old
        oracle.ask("produce", "compacted", 0, codec, 100, 9 - i)
    oracle.ask("compacted", "compacted", 60)
    oracle.ask("create", "transactions", 1)
    oracle.ask("produce", "transactions", 0, "none", 5, 0)
    oracle.ask("transaction", "transactions", "commit", 5)
    oracle.ask("transaction", "transactions", "abort", 5)
    oracle.ask("transaction", "transactions", "commit", 5)
    oracle.ask("create", "unfinished", 1)
    oracle.ask("transaction", "unfinished", "open", 3)
    oracle.ask("commit", "readers", "none", 42)


def test_import_takes_over_what_a_broker_wrote(oracle, jars, directory):
    kafka = directory / "kafka"
    log = Log(directory / "imported")
    log.directory.mkdir()
    oracle.start(kafka)
    fill_broker(oracle)
    busy = log.run("import", kafka, status=1)
    assert b"broker runs on this directory" in busy.stderr
    topics = CODECS + ["compacted", "transactions"]
    expected = {topic: oracle.records(topic, directory) for topic in topics}
    offsets = [record[1] for record in expected["compacted"]]
    assert len(offsets) < offsets[-1] - offsets[0], "compaction left no gap"
    oracle.ask("stop")
    before = digest(kafka)

    refused = log.run("import", kafka, status=1).stderr.decode()
    assert re.search(r"unfinished-0: the transaction of producer \d+ that began at offset 0 is still open", refused)
    assert b"none" not in log.run("topic", "list").stdout

    done = log.run("import", kafka, *topics, "__consumer_offsets")
    assert done.stdout.startswith(b"imported 8 topics, ")
    assert b"__consumer_offsets is taken over" in done.stderr
    assert b"1 aborted" in done.stderr
    assert digest(kafka) == before, "the source was changed"
    log.run("inspect", log.data)
    for topic in topics:
        assert log.records(topic) == expected[topic], topic
    ids = {topic: re.search(r"topic_id: (\S+)", (kafka / f"{topic}-0/partition.metadata").read_text()).group(1)
           for topic in topics}
    listed = json.loads(log.run("topic", "list", "--json").stdout)
    assert {topic["topic"]: topic["id"] for topic in listed if topic["topic"] in ids} == ids

    # The group goes on where it was, and appends follow the old offsets.
    group = log.consume("none", "--group", "readers", "--partition", "0", "--format", "%o\n", "--count", "1")
    assert group == b"42\n"
    ends = {topic: log.end(topic) for topic in topics}
    for topic in topics:
        log.produce(topic, b"one more\n")
        assert log.end(topic) == ends[topic] + 1
    log.run("inspect", log.data)
    # To the dump tool, gaps of compaction are a finding.
    dump(jars, [path for path in parts(log.data) if not path.parent.name.startswith(("compacted", "__"))])


def digest(directory):
    sums = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        sums.update(str(path).encode())
        if path.is_file():
            sums.update(path.read_bytes())
    return sums.hexdigest()


# ---- export --------------------------------------------------------------------------------------

def test_a_broker_serves_what_was_exported(oracle, jars, directory):
    log = Log(directory / "exporting")
    log.directory.mkdir()
    log.run("topic", "create", "mixed", "--partitions", "2", "--config", "segment.bytes=30000",
            "--config", "index.interval.bytes=600")
    for codec in CODECS:
        log.produce("mixed", b"".join(b"%s %d\n" % (codec.encode(), i) for i in range(1000)), "--compression", codec,
                    "--batch", "3000", "--header", "codec=" + codec)
        # As after a power cut: the leader epoch rises, in the batches too.
        (log.data / "maplog.control").unlink()
    log.produce("mixed", b"k\tv\n" * 50, "--key-separator", "\t")
    log.run("topic", "delete-records", "mixed", "--partition", "0", "--before", "700")
    expected = log.records("mixed")

    kafka = directory / "kafka-export"
    oracle.start(kafka)
    oracle.ask("create", "mixed", 2)
    oracle.ask("create", "other", 1)
    oracle.ask("produce", "other", 0, "none", 10, 0)
    busy = log.run("export", "--to", kafka, status=1)
    assert b"broker runs on this directory" in busy.stderr
    oracle.ask("stop")
    ids = (kafka / "mixed-0/partition.metadata").read_text()
    done = log.run("export", "mixed", "--to", kafka)
    assert done.stdout.startswith(b"exported 1 topic, 2 partitions, ")
    assert (kafka / "mixed-0/partition.metadata").read_text() == ids
    dump(jars, sorted(path for path in parts(kafka) if "mixed" in str(path)))

    oracle.start(kafka)
    assert oracle.records("mixed", directory) == expected
    ends = [max(record[1] for record in expected if record[0] == partition) + 1 for partition in (0, 1)]
    assert oracle.ask("produce", "mixed", 0, "zstd", 20, 0) == str(ends[0] + 20)
    more = oracle.records("mixed", directory)
    assert [record for record in more if record[0] == 1 or record[1] < ends[0]] == expected
    assert len(more) == len(expected) + 20
    assert len(oracle.records("other", directory)) == 10
    oracle.ask("stop")
    again = log.run("export", "mixed", "--to", kafka, status=1)
    assert b"has records already" in again.stderr

    # And back again, with what the broker added.
    back = Log(directory / "back")
    back.directory.mkdir()
    back.run("import", kafka, "mixed")
    assert back.records("mixed") == more
    back.run("inspect", back.data)


# ---- producers -----------------------------------------------------------------------------------

def producers_in(jars, snapshot):
    """Idempotent producers of a .snapshot: {id: (epoch, last sequence, last offset, offset delta, timestamp)}."""
    done = subprocess.run([*JVM, "-cp", jars, "kafka.tools.DumpLogSegments", "--files", str(snapshot)],
                          capture_output=True, text=True, timeout=120)
    errors = [line for line in done.stderr.splitlines() if "SLF4J" not in line]
    assert (done.returncode, errors) == (0, [])
    found = {}
    for line in done.stdout.splitlines():
        if "producerId:" in line:
            fields = dict(re.findall(r"(\w+): (-?\d+)", line))
            found[int(fields["producerId"])] = tuple(int(fields[name]) for name in (
                "producerEpoch", "lastSequence", "lastOffset", "offsetDelta", "timestamp"))
    return found


def newest_snapshot(partition):
    return sorted(partition.glob("*.snapshot"))[-1]


def test_the_state_of_producers_goes_both_ways(oracle, jars, directory):
    kafka = directory / "kafka-producers"
    oracle.start(kafka)
    oracle.ask("create", "exactly", 1)
    for codec in ("none", "zstd"):
        oracle.ask("produce", "exactly", 0, codec, 300, 0)
    oracle.ask("stop")
    theirs = producers_in(jars, newest_snapshot(kafka / "exactly-0"))
    assert len(theirs) == 2

    log = Log(directory / "producers")
    log.directory.mkdir()
    log.run("import", kafka, "exactly")
    assert int((log.data / "maplog.producers").read_text().split("=")[1]) > max(theirs)
    log.produce("exactly", b"ours\n" * 10)

    again = directory / "kafka-producers-again"
    oracle.start(again)
    oracle.ask("create", "exactly", 1)
    oracle.ask("create", "other", 1)
    oracle.ask("produce", "other", 0, "none", 1, 0)  # from now on it gives out other ids than the first broker
    oracle.ask("stop")
    log.run("export", "exactly", "--to", again)
    snapshot = newest_snapshot(again / "exactly-0")
    assert snapshot.name == f"{610:020}.snapshot"
    assert producers_in(jars, snapshot) == theirs

    # The broker takes them up: they are in what it writes next.
    oracle.start(again)
    oracle.ask("produce", "exactly", 0, "none", 20, 0)
    oracle.ask("stop")
    snapshot = newest_snapshot(again / "exactly-0")
    assert snapshot.name == f"{630:020}.snapshot"
    after = producers_in(jars, snapshot)
    assert {producer: after.get(producer) for producer in theirs} == theirs
