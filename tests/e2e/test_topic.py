"""Topics are made, changed and deleted, also under processes that use them."""
import json
import os
import shutil

from conftest import PROGRAM, wait_until


def described(maplog, topic):
    return json.loads(maplog.run("topic", "describe", topic, "--json").stdout)


def test_create_makes_the_directory_and_list_shows_it(maplog):
    maplog.run("topic", "create", "orders", "--partitions", "3", "--config", "segment.bytes=8388608",
               "--config", "retention.ms=-1")
    maplog.run("topic", "create", "a.b_c-D9")
    maplog.produce("orders", b"a\nb\n")
    topics = json.loads(maplog.run("topic", "list", "--json").stdout)
    assert [(topic["topic"], topic["partitions"], topic["records"]) for topic in topics] == \
        [("a.b_c-D9", 1, 0), ("orders", 3, 2)]
    text = maplog.run("topic", "list").stdout.decode().splitlines()
    assert text[0].split() == ["TOPIC", "PARTITIONS", "RECORDS", "BYTES"]
    assert text[2].split()[:3] == ["orders", "3", "2"]
    assert maplog.run("topic", "list").stderr == b""


def test_describe(maplog):
    maplog.run("topic", "create", "orders", "--config", "segment.bytes=8388608")
    maplog.produce("orders", b"a\nb\n")
    orders = described(maplog, "orders")
    assert orders["topic"] == "orders" and len(orders["id"]) == 22
    assert orders["configs"]["segment.bytes"] == {"value": "8388608", "default": False}
    assert orders["configs"]["retention.ms"] == {"value": "604800000", "default": True}
    partition = orders["partitions"][0]
    assert (partition["partition"], partition["start"], partition["end"], partition["segments"]) == \
        (0, 0, 2, 1)
    log = maplog.data / "orders-0" / ("0" * 20 + ".log")
    assert partition["bytes"] == log.stat().st_size
    text = maplog.run("topic", "describe", "orders").stdout.decode()
    assert orders["id"] in text and "segment.bytes" in text and "retention.ms" not in text
    everything = maplog.run("topic", "describe", "orders", "--all").stdout.decode()
    assert "retention.ms" in everything


def test_what_cannot_be_created(maplog):
    maplog.run("topic", "create", "orders")
    assert b"orders" in maplog.run("topic", "create", "orders", status=1).stderr
    for name in ["", ".", "..", "a/b", "a b", "x" * 250, "ünicode"]:
        maplog.run("topic", "create", name, status=1)
    # Kafka takes these two for the same, because of the names of its metrics.
    maplog.run("topic", "create", "a.b")
    maplog.run("topic", "create", "a_b", status=1)
    wrong = maplog.run("topic", "create", "t", "--config", "segment.byts=8388608", status=1)
    assert b"segment.bytes" in wrong.stderr
    for config in ["segment.bytes=many", "segment.bytes=1", "segment.bytes", "=1",
                   "message.timestamp.type=Sometimes"]:
        maplog.run("topic", "create", "t", "--config", config, status=1)
    assert [topic["topic"] for topic in json.loads(maplog.run("topic", "list", "--json").stdout)] == \
        ["a.b", "orders"]


def test_alter_and_back_to_the_default(maplog):
    maplog.run("topic", "create", "t")
    maplog.run("topic", "alter", "t", "--config", "segment.bytes=1048576", "--config", "flush.ms=1000")
    assert described(maplog, "t")["configs"]["segment.bytes"]["value"] == "1048576"
    maplog.run("topic", "alter", "t", "--config", "segment.bytes=")
    configs = described(maplog, "t")["configs"]
    assert configs["segment.bytes"]["default"] and configs["flush.ms"]["value"] == "1000"
    wrong = maplog.run("topic", "alter", "t", "--config", "flush.ms=5", "--config", "x=1", status=1)
    assert b"x" in wrong.stderr
    assert described(maplog, "t")["configs"]["flush.ms"]["value"] == "1000"  # all or nothing


def test_partitions_are_added_and_never_taken_away(maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    maplog.run("topic", "alter", "t", "--partitions", "5")
    assert len(described(maplog, "t")["partitions"]) == 5
    maplog.run("topic", "alter", "t", "--partitions", "3", status=1)
    maplog.produce("t", b"x\n", "--partition", "4")
    assert maplog.values("t") == [b"x"]


def test_settings_change_under_a_producer(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"x" * 1000 + b"\n")
    producer.stdin.flush()
    wait_until(lambda: maplog.run("topic", "describe", "t", status=None).returncode == 0
               and maplog.end("t") == 1)
    maplog.run("topic", "alter", "t", "--config", "segment.bytes=65536")
    producer.stdin.write((b"x" * 1000 + b"\n") * 1000)
    producer.stdin.close()
    assert producer.wait(30) == 0
    assert described(maplog, "t")["partitions"][0]["segments"] > 10
    assert maplog.end("t") == 1001


def test_delete(maplog):
    maplog.produce("t", b"a\n")
    maplog.run("topic", "delete", "t")
    assert b"no topic t" in maplog.run("topic", "describe", "t", status=1).stderr
    assert b"no topic t" in maplog.run("topic", "delete", "t", status=1).stderr
    assert [name for name in os.listdir(maplog.data) if name.startswith("t-")] == []
    maplog.produce("t", b"b\n")  # the same name again is another topic
    assert maplog.values("t") == [b"b"]


def test_delete_records(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=65536", "--partitions", "2")
    for partition in "01":
        maplog.produce("t", (b"x" * 1000 + b"\n") * 500, "--partition", partition)
    maplog.run("topic", "delete-records", "t", "--before", "400", "--partition", "1")
    first, second = described(maplog, "t")["partitions"]
    assert (first["start"], first["end"]) == (0, 500)
    assert (second["start"], second["end"]) == (400, 500)
    assert second["segments"] < first["segments"]
    maplog.run("topic", "delete-records", "t", "--before", "end")
    assert [p["start"] for p in described(maplog, "t")["partitions"]] == [500, 500]
    maplog.run("topic", "delete-records", "t", "--before", "501", status=1)
    maplog.run("topic", "delete-records", "t", status=2)
    maplog.run("topic", "delete-records", "t", "--before", "some", status=2)
    assert maplog.values("t") == []


def test_retention_by_size_removes_the_oldest_segments(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=65536", "--config",
               "retention.bytes=200000")
    producer = maplog.start("produce", "t", "--batch", "0")
    producer.stdin.write((b"x" * 1000 + b"\n") * 2000)
    producer.stdin.flush()
    wait_until(lambda: maplog.run("topic", "describe", "t", status=None).returncode == 0
               and described(maplog, "t")["partitions"][0]["start"] > 0)
    producer.stdin.close()
    assert producer.wait(30) == 0
    partition = described(maplog, "t")["partitions"][0]
    assert partition["end"] == 2000
    assert len(maplog.values("t")) == 2000 - partition["start"]


def test_a_read_only_directory_is_read(maplog):
    if os.geteuid() == 0:
        # Root writes anyway: become somebody else for the reading.
        user = 65534
        os.chmod(maplog.directory, 0o755)
    else:
        user = os.geteuid()
    maplog.produce("t", b"a\nb\n")
    for root, folders, files in os.walk(maplog.data):
        os.chmod(root, 0o555)
        for file in files:
            os.chmod(os.path.join(root, file), 0o444)
    program = maplog.directory / "maplog"  # where that user can reach it
    shutil.copy(PROGRAM, program)
    reader = maplog.start("consume", "t", executable=program, preexec_fn=lambda: os.setuid(user))
    printed, errors = reader.communicate(timeout=30)
    assert (reader.returncode, printed) == (0, b"a\nb\n"), errors
    writer = maplog.start("produce", "t", executable=program, preexec_fn=lambda: os.setuid(user))
    _, errors = writer.communicate(b"c\n", timeout=30)
    assert writer.returncode == 1
    assert b"Permission denied" in errors
    for root, folders, files in os.walk(maplog.data):
        os.chmod(root, 0o755)


def test_a_missing_directory_is_named_with_what_to_do(maplog):
    for words in [("consume", "t"), ("topic", "list"), ("topic", "describe", "t"), ("ps",),
                  ("topic", "alter", "t", "--partitions", "2"), ("topic", "delete", "t")]:
        failed = maplog.run(*words, status=1)
        assert str(maplog.data).encode() in failed.stderr
        assert b"maplog topic create" in failed.stderr
        assert not maplog.data.exists()


def test_a_file_is_no_directory(maplog):
    maplog.data.write_bytes(b"")
    assert b"data" in maplog.produce("t", b"a\n", status=1).stderr
    assert b"data" in maplog.run("topic", "list", status=1).stderr


def test_retention_reaches_topics_that_only_short_processes_append_to(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=16384", "--config",
               "retention.bytes=32768")
    for _ in range(12):
        maplog.produce("t", b"x" * 8000 + b"\n")
    assert len(list((maplog.data / "t-0").glob("*.log"))) <= 4
    first = int(maplog.consume("t", "--count", "1", "--format", "%o"))
    assert first > 0


def test_deleted_records_stay_deleted_when_the_control_file_is_lost(maplog):
    maplog.produce("t", b"".join(b"%d\n" % i for i in range(100)))
    maplog.run("topic", "delete-records", "t", "--before", "40")
    (maplog.data / "maplog.control").unlink()
    assert maplog.consume("t", "--count", "1") == b"40\n"
