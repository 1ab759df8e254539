"""maplog backup, import and export, against directories that maplog itself wrote."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
from conftest import PROGRAM, Maplog, wait_until

LINES = b"".join(b"line %d\n" % i for i in range(3000))


def other(maplog, name):
    """Another data directory of the same test."""
    made = Maplog(maplog.directory / name)
    made.directory.mkdir()
    made.started = maplog.started
    return made


def fill(maplog):
    maplog.run("topic", "create", "t", "--partitions", "2", "--config", "segment.bytes=20000", "--config",
               "retention.ms=-1")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        maplog.produce("t", LINES, "--compression", codec, "--batch", "3000", "--header", "codec=" + codec)
    maplog.produce("t", b"key=value\n" * 100, "--key-separator", "=")
    maplog.produce("u", LINES)
    maplog.run("topic", "delete-records", "t", "--partition", "0", "--before", "1234")


def records(maplog, topic):
    return sorted(maplog.consume(topic, "--json").splitlines())


def sound(maplog):
    assert b"is sound" in maplog.run("inspect").stdout


# ---- backup --------------------------------------------------------------------------------------

def test_a_backup_opens_and_has_everything(maplog):
    fill(maplog)
    maplog.consume("u", "--group", "g", "--count", "100")
    done = maplog.run("backup", maplog.directory / "copy/data", status=1)
    assert b"copy/data" in done.stderr  # its parent is missing
    copy = other(maplog, "copy")
    done = maplog.run("backup", copy.data)
    assert re.match(rb"copied 3 topics, \d+ partitions, \d+ segments, \d+ records, ", done.stdout)
    sound(copy)
    for topic in ("t", "u"):
        assert records(copy, topic) == records(maplog, topic)
    described = [json.loads(log.run("topic", "describe", "t", "--json").stdout) for log in (maplog, copy)]
    for each in described:
        for partition in each["partitions"]:
            del partition["leader_epoch"], partition["durable"]
    assert described[0] == described[1]
    assert copy.consume("u", "--group", "g", "--count", "1", "--format", "%o") == b"100"
    copy.produce("u", b"only here\n")
    assert copy.end("u") == maplog.end("u") + 1
    sound(copy)


def test_a_backup_of_a_log_in_use_is_a_prefix_of_it(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=50000")
    producer = maplog.start("produce", "t", "--batch", "0")
    text = b""
    for i in range(5):
        text += LINES
        producer.stdin.write(LINES)
        producer.stdin.flush()
        wait_until(lambda: maplog.end("t") >= i * 3000)
        copy = other(maplog, f"copy{i}")
        maplog.run("backup", copy.data)
        sound(copy)
        copied = copy.consume("t")
        assert text.startswith(copied) and copied.count(b"\n") >= i * 3000
    producer.stdin.close()
    assert producer.wait(30) == 0


def test_a_backup_does_not_replace_anything(maplog):
    fill(maplog)
    target = other(maplog, "copy")
    target.data.mkdir()
    (target.data / "mine").write_text("precious")
    done = maplog.run("backup", target.data, status=1)
    assert b"is not empty" in done.stderr
    assert os.listdir(target.data) == ["mine"]
    assert maplog.run("backup", status=2).stderr


def test_a_backup_that_is_killed_does_not_open(maplog):
    fill(maplog)
    target = other(maplog, "copy")
    done = subprocess.run([PROGRAM, "backup", target.data, "--data", maplog.data], capture_output=True,
                          env={**os.environ, "MAPLOG_CRASH": "backup-copied:1"})
    assert done.returncode == -signal.SIGKILL
    done = target.run("topic", "list", status=1)
    assert b"no maplog directory" in done.stderr or b"no log was made" in done.stderr or b"copy" in done.stderr
    shutil.rmtree(target.data, ignore_errors=True)
    maplog.run("backup", target.data)
    sound(target)


# ---- export and import ---------------------------------------------------------------------------

def test_there_and_back_again(maplog):
    fill(maplog)
    done = maplog.run("export", "--to", maplog.directory / "kafka")
    assert re.match(rb"exported 2 topics, 3 partitions, \d+ segments, ", done.stdout)
    assert b"make the topic in Kafka first" in done.stderr
    back = other(maplog, "back")
    done = back.run("import", maplog.directory / "kafka")
    assert re.match(rb"imported 2 topics, 3 partitions, \d+ segments, ", done.stdout)
    assert b"nothing is deleted from them until retention is set" in done.stderr
    sound(back)
    for topic in ("t", "u"):
        assert records(back, topic) == records(maplog, topic)
        ids = [json.loads(log.run("topic", "describe", topic, "--json").stdout)["id"] for log in (maplog, back)]
        assert ids[0] == ids[1]
    configs = json.loads(back.run("topic", "describe", "t", "--json").stdout)["configs"]
    assert configs["retention.ms"]["value"] == configs["retention.bytes"]["value"] == "-1"
    back.produce("t", LINES)
    sound(back)
    again = back.run("import", maplog.directory / "kafka", status=1)
    assert b"topic t exists" in again.stderr and b"topic u exists" in again.stderr
    assert b"nothing was imported" in again.stderr


def test_topics_can_be_imported_while_others_are_in_use(maplog):
    fill(maplog)
    maplog.run("export", "--to", maplog.directory / "kafka")
    busy = other(maplog, "busy")
    busy.run("topic", "create", "mine")
    producer = busy.start("produce", "mine", "--batch", "0")
    consumer = busy.start("consume", "mine", "--follow", "--from", "begin")
    producer.stdin.write(b"one\n")
    producer.stdin.flush()
    assert consumer.stdout.readline() == b"one\n"
    busy.run("import", maplog.directory / "kafka", "u")
    assert busy.consume("u") == LINES
    producer.stdin.write(b"two\n")
    producer.stdin.flush()
    assert consumer.stdout.readline() == b"two\n"
    sound(busy)


def test_what_cannot_be_imported_is_said(maplog):
    fill(maplog)
    maplog.run("export", "u", "--to", maplog.directory / "kafka")
    back = other(maplog, "back")
    assert b"backup" in back.run("import", maplog.data, status=1).stderr
    assert b"nothing" in back.run("import", maplog.directory / "nothing", status=1).stderr
    assert b"no topic x" in back.run("import", maplog.directory / "kafka", "x", status=1).stderr
    assert back.run("import", status=2).stderr
    path = maplog.directory / f"kafka/u-0/{0:020}.log"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    done = back.run("import", maplog.directory / "kafka", status=1)
    assert re.search(rb"u-0/0{20}\.log ends with \d+ bytes that are no batch", done.stderr)
    path.write_bytes(whole)
    with open(path, "r+b") as file:
        file.seek(16)
        file.write(b"\1")
    done = back.run("import", maplog.directory / "kafka", status=1)
    assert b"position 0: a message of format 1" in done.stderr
    assert b"TOPIC" not in back.run("topic", "list").stdout


@pytest.mark.parametrize("point", ["import-copied:1", "import-copied:2", "topics-slots:1", "import-placed:1",
                                   "import-placed:2", "topics-stored:1"])
def test_an_import_that_is_killed_leaves_nothing_half_done(maplog, point):
    fill(maplog)
    maplog.run("export", "t", "--to", maplog.directory / "kafka")
    back = other(maplog, "back")
    back.produce("before", LINES)
    done = subprocess.run(back.command("import", maplog.directory / "kafka"), capture_output=True,
                          env={**os.environ, "MAPLOG_CRASH": point})
    assert done.returncode == -signal.SIGKILL, done.stderr
    topics = {topic["topic"] for topic in json.loads(back.run("topic", "list", "--json").stdout)}
    assert topics in ({"before"}, {"before", "t"})
    if "t" not in topics:
        back.run("import", maplog.directory / "kafka")
    assert records(back, "t") == records(maplog, "t")
    assert back.consume("before") == LINES
    sound(back)
    back.run("topic", "list")
    left = [name for name in os.listdir(back.data) if "-delete" in name or "-stray" in name]
    assert left == []


def test_an_export_replaces_no_records(maplog):
    fill(maplog)
    target = maplog.directory / "kafka"
    maplog.run("export", "u", "--to", target)
    done = maplog.run("export", "--to", target, status=1)
    assert b"u-0/00000000000000000000.log has records already" in done.stderr
    assert not (target / "t-0").exists()
    assert maplog.run("export", status=2).stderr
    assert b"no topic x" in maplog.run("export", "x", "--to", target, status=1).stderr
    assert b"directory of maplog" in maplog.run("export", "--to", maplog.data, status=1).stderr
