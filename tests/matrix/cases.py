"""What every client must be able to do. A subclass says which client, and what it has not."""
import base64
import json
import re
import subprocess
import time

import pytest
from conftest import MAPLOG
from program import ClientError

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TOO_LARGE = r"(?i)too.?large|larger than|size too"
UNKNOWN = r"(?i)unknown.?topic|does not (exist|host)|not host|not present|UNKNOWN_TOPIC"


def b64(data):
    return None if data is None else base64.b64encode(data).decode()


def record(value, key=None, headers=(), **others):
    return {"key": b64(key), "value": b64(value), "headers": [[name, b64(data)] for name, data in headers], **others}


def numbers(first, count):
    return [record(b"%d" % i) for i in range(first, first + count)]


def content(records):
    """What the producer decides about a record."""
    return [(each["key"], each["value"], [tuple(pair) for pair in each["headers"]]) for each in records]


def base64_field(record, name):
    if name + "_base64" in record:
        return record[name + "_base64"]
    return None if record.get(name) is None else b64(record[name].encode())


def wait_until(condition, members, seconds=40):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, [(member.events[-3:], member.said()[-500:]) for member in members]
        time.sleep(0.05)


class Cases:
    codecs = CODECS
    null_headers = True       # a header's value may be null
    repeated_headers = True   # two headers may have one name
    empties = True            # something empty is not null
    auto_creates = True       # asks for a missing topic to be made
    refuses_to_create = True  # ... and can be told not to
    grows = configures = deletes_records = searches = True
    large = 900_000

    @classmethod
    def command(cls):
        raise NotImplementedError

    # ---- records ---------------------------------------------------------------------------------

    def test_every_codec_and_acks(self, client, server, name):
        for codec in self.codecs:
            topic = f"{name}-{codec}"
            client.ask("create", topic=topic, partitions=1)
            sent = []
            for acks in (0, 1, -1):
                # Some clients send what does not shrink as it is.
                batch = [record(b"%d" % i + b" " * 200, b"key %d" % i) for i in range(len(sent), len(sent) + 50)]
                places = client.ask("produce", topic=topic, partition=0, codec=codec, acks=acks, records=batch)
                assert len(places) == 50
                if acks == 0:
                    self.wait_for_end(client, topic, 50)
                elif places[0][1] >= 0:
                    assert [partition for partition, _ in places] == [0] * 50
                    assert places[0][1] == len(sent), "the offset of what was sent"
                sent += batch
            got = client.ask("consume", topic=topic, count=150, **{"from": "begin"})
            assert content(got) == content(sent)
            assert [each["offset"] for each in got] == list(range(150))
            self.compare_with_the_directory(server, topic, sent, codec)

    def wait_for_end(self, client, topic, end):
        deadline = time.monotonic() + 10
        while client.ask("offsets", topic=topic, at="end") != {"0": end}:
            assert time.monotonic() < deadline, client.ask("offsets", topic=topic, at="end")
            time.sleep(0.05)

    def compare_with_the_directory(self, server, topic, sent, codec=None):
        """The other door shows the same records, and the producer's codec in the files."""
        if not server.data:
            return
        done = subprocess.run([MAPLOG, "consume", topic, "--json", "--data", server.data], capture_output=True,
                              check=True, timeout=30)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(base64_field(each, "key"), base64_field(each, "payload")) for each in found] == [
            (each["key"], each["value"]) for each in sent]
        if codec:
            segment = server.data / f"{topic}-0" / f"{0:020}.log"
            assert segment.read_bytes()[22] & 7 == CODECS.index(codec), "the codec of the first batch"

    def test_idempotent(self, client, server, name):
        client.ask("create", topic=name, partitions=1)
        sent = numbers(0, 300)
        client.ask("produce", topic=name, partition=0, codec="none", acks=-1, idempotent=True, records=sent)
        assert content(client.ask("consume", topic=name, count=300, **{"from": "begin"})) == content(sent)
        if server.data:
            batch = (server.data / f"{name}-0" / f"{0:020}.log").read_bytes()
            assert int.from_bytes(batch[43:51], "big", signed=True) >= 0, "the batch has a producer id"

    def test_nulls_headers_and_sizes(self, client, server, name):
        client.ask("create", topic=name, partitions=1)
        headers = [("one", b"1"), ("two", b"\x00\xff\n")]
        if self.repeated_headers:
            headers.insert(1, ("one", b"again"))
        if self.null_headers:
            headers.append(("null", None))
        sent = [record(b"x", None), record(None, b"tombstone"), record(None, None), record(b"value", b"key", headers),
                record(bytes(range(256)) * 40, bytes(range(256))), record(b"y" * self.large, b"big"), record(b"last")]
        if self.empties:
            sent += [record(b"", b""), record(b"x", b"y", [("empty", b"")])]
        for one in sent:
            client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=[one])
        assert content(client.ask("consume", topic=name, count=len(sent), **{"from": "begin"})) == content(sent)
        self.compare_with_the_directory(server, name, sent)

    def test_too_large(self, client, name):
        client.ask("create", topic=name, partitions=1, configs={"max.message.bytes": "50000"})
        with pytest.raises(ClientError, match=TOO_LARGE):
            client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=[record(b"z" * 100_000)])
        client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=[record(b"fits")])
        assert len(client.ask("consume", topic=name, count=1, **{"from": "begin"})) == 1

    def test_consumes_from_a_time_and_from_the_end(self, client, start, name):
        client.ask("create", topic=name, partitions=1)
        base = int(time.time() * 1000) - 100_000
        sent = [record(b"%d" % i, timestamp=base + i * 100) for i in range(200)]
        client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=sent)
        if self.searches:
            assert client.ask("offsets", topic=name, at=base + 7_350) == {"0": 74}
            got = client.ask("consume", topic=name, count=10, **{"from": base + 7_350})
            assert [each["offset"] for each in got] == list(range(74, 84))
            assert [each["timestamp"] for each in got] == [base + i * 100 for i in range(74, 84)]
        waiting = start()
        waiting.tell("consume", topic=name, count=1, **{"from": "end"})
        waiting.wait(lambda: any(event["event"] == "ready" for event in waiting.events))
        client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=[record(b"new")])
        got = waiting.answer()
        assert [(each["offset"], each["value"]) for each in got] == [(200, b64(b"new"))]

    def test_unknown_topic(self, client, name):
        with pytest.raises(ClientError, match=UNKNOWN):
            client.ask("describe", topic=name)
        assert name not in client.ask("topics"), "asking made it"
        if self.refuses_to_create:
            with pytest.raises(ClientError, match=UNKNOWN):
                client.ask("produce", topic=name, codec="none", acks=-1, records=[record(b"x")])
        if self.auto_creates:
            client.ask("produce", topic=name, codec="none", acks=-1, create=True, records=[record(b"x")])
            assert content(client.ask("consume", topic=name, count=1, **{"from": "begin"})) == content([record(b"x")])

    # ---- groups ----------------------------------------------------------------------------------

    def test_group(self, client, start, name):
        """Two share four partitions; one vanishes; the other leaves; a third goes on where they were."""
        client.ask("create", topic=name, partitions=4)
        self.spread(client, name, 0)
        first = start()
        first.ask("join", group=name, topic=name)
        first.wait(lambda: first.assigned() == {0, 1, 2, 3} and len(set(first.values())) == 40)
        second = start()
        second.ask("join", group=name, topic=name)

        def shared():
            one, two = first.assigned(), second.assigned()
            return one and two and not one & two and one | two == {0, 1, 2, 3}
        wait_until(shared, [first, second])
        self.spread(client, name, 40)
        wait_until(lambda: len(set(first.values() + second.values())) == 80, [first, second])
        assert second.values()
        group = client.ask("describe_group", group=name)
        assert (group["state"], group["members"]) == ("Stable", 2)

        second.kill()
        wait_until(lambda: first.assigned() == {0, 1, 2, 3}, [first])
        self.spread(client, name, 80)
        rest = {each["value"] for each in numbers(80, 40)}
        wait_until(lambda: rest <= set(first.values()), [first])
        first.ask("leave")
        assert client.ask("committed", group=name, topic=name) == {str(i): 30 for i in range(4)}
        group = client.ask("describe_group", group=name)
        assert (group["state"], group["members"]) == ("Empty", 0)

        third = start()
        third.ask("join", group=name, topic=name)
        self.spread(client, name, 120)
        wait_until(lambda: len(third.values()) >= 40, [third])
        third.ask("leave")
        assert set(third.values()) == {each["value"] for each in numbers(120, 40)}
        client.ask("delete_group", group=name)
        assert name not in client.ask("groups")

    def spread(self, client, topic, first):
        """40 records, 10 to each of 4 partitions."""
        for partition in range(4):
            client.ask("produce", topic=topic, partition=partition, codec="none", acks=-1,
                       records=numbers(first + partition * 10, 10))

    def test_commits(self, client, name):
        client.ask("create", topic=name, partitions=2)
        client.ask("produce", topic=name, partition=0, codec="none", acks=-1, records=numbers(0, 20))
        client.ask("commit", group=name, topic=name, offsets={"0": 7, "1": 0})
        assert client.ask("committed", group=name, topic=name) == {"0": 7, "1": 0}
        client.ask("commit", group=name, topic=name, offsets={"0": 20})
        assert client.ask("committed", group=name, topic=name) == {"0": 20, "1": 0}
        assert name in client.ask("groups")
        client.ask("delete_group", group=name)
        assert name not in client.ask("groups")

    # ---- administration --------------------------------------------------------------------------

    def test_topics(self, client, name):
        client.ask("create", topic=name, partitions=2, configs={"retention.ms": "3600000"})
        assert name in client.ask("topics")
        assert client.ask("describe", topic=name) == [0, 1]
        with pytest.raises(ClientError, match=r"(?i)exists"):
            client.ask("create", topic=name, partitions=2)
        if self.grows:
            client.ask("grow", topic=name, partitions=5)
            assert client.ask("describe", topic=name) == [0, 1, 2, 3, 4]
        if self.configures:
            configs = client.ask("configs", topic=name)
            assert (configs["retention.ms"], configs["cleanup.policy"]) == ("3600000", "delete")
            client.ask("alter", topic=name, name="segment.bytes", value="1048576")
            configs = client.ask("configs", topic=name)
            assert (configs["retention.ms"], configs["segment.bytes"]) == ("3600000", "1048576")
            with pytest.raises(ClientError, match=r"(?i)invalid|config|\b40\b"):
                client.ask("alter", topic=name, name="segment.bytes", value="many")
        client.ask("drop", topic=name)
        assert name not in client.ask("topics")

    def test_offsets(self, client, name):
        client.ask("create", topic=name, partitions=2)
        client.ask("produce", topic=name, partition=1, codec="none", acks=-1, records=numbers(0, 30))
        assert client.ask("offsets", topic=name, at="begin") == {"0": 0, "1": 0}
        assert client.ask("offsets", topic=name, at="end") == {"0": 0, "1": 30}
        if self.deletes_records:
            client.ask("delete_records", topic=name, partition=1, before=12)
            assert client.ask("offsets", topic=name, at="begin") == {"0": 0, "1": 12}
            got = client.ask("consume", topic=name, count=18, **{"from": "begin"})
            assert re.fullmatch("(1 )+", " ".join(str(each["partition"]) for each in got) + " ")
            assert [each["offset"] for each in got] == list(range(12, 30))
