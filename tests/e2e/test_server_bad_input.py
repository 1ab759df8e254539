"""What a server does with requests that are wrong: the error that Kafka gives, or the end of the
connection and one line that names the peer, the API and the byte; and good clients notice nothing."""
import gzip
import pathlib
import re
import resource
import socket
import struct
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from kafka_server import MOST, Server, engine  # noqa: E402
from kafka_wire import NOW_MS, batch, batches, fetched, frame, header, produced, record, request, varint  # noqa: E402

HOUR_MS = 3_600_000
NONE, OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, TOO_LARGE = 0, 1, 2, 3, 10
INVALID_TOPIC, RECORD_LIST_TOO_LARGE, NOT_ENOUGH_REPLICAS, INVALID_ACKS = 17, 18, 19, 21
INVALID_TIMESTAMP, UNSUPPORTED_VERSION, INVALID_REQUEST, OUT_OF_ORDER = 32, 35, 42, 45
INVALID_PRODUCER_EPOCH, UNSUPPORTED_COMPRESSION, INVALID_RECORD = 47, 76, 87


@pytest.fixture(scope="module")
def server():
    with Server(words=["--verbose"]) as server:
        with server.peer() as peer:
            assert peer.create("t", 2, max_message_bytes=20000) == 0
            assert peer.create("compacted", cleanup_policy="compact") == 0
            assert peer.create("stamped", message_timestamp_type="LogAppendTime") == 0
            assert peer.create("small", segment_bytes=16384) == 0
            assert peer.create("replicated", min_insync_replicas=2) == 0
        yield server


@pytest.fixture
def peer(server):
    with server.peer() as peer:
        yield peer


def closing_line(server, peer):
    """The one line about this connection's end; the server must have closed it."""
    name = "%s:%d" % peer.socket.getsockname()
    assert peer.is_closed()
    server.wait_for(f"peer={name} closed")
    lines = server.find(f"peer={name} closed")
    assert len(lines) == 1
    return lines[0]


def good(server):
    with server.peer() as peer:
        answer = peer.produce("t", batch([b"good"]), 1)
        assert answer["ErrorCode"] == 0
        assert b"good" in peer.fetch("t", answer["BaseOffset"], 1)["Records"]


# ---- record batches --------------------------------------------------------------------------------

BATCHES = {
    "crc": (batch([b"x"], crc=1), CORRUPT),
    "empty": (b"", INVALID_RECORD),
    "cut in the header": (batch([b"x"])[:40], CORRUPT),
    "cut in the records": (batch([b"x"])[:-1], CORRUPT),
    "length beyond the end": (batch([b"x"], length=1 << 30), CORRUPT),
    "length below a header": (batch([b"x"], length=48), CORRUPT),
    "negative length": (batch([b"x"], length=-1), CORRUPT),
    "two batches": (batch([b"x"]) + batch([b"y"]), INVALID_RECORD),
    "magic 0": (batch([b"x"], magic=0), INVALID_RECORD),
    "magic 1": (batch([b"x"], magic=1), INVALID_RECORD),
    "magic 3": (batch([b"x"], magic=3), CORRUPT),
    "count too high": (batch([b"x"], count=2), INVALID_RECORD),
    "count too low": (batch([b"x", b"y"], count=1), INVALID_RECORD),
    "count and delta too high": (batch([b"x"], count=2, last_offset_delta=1), INVALID_RECORD),
    "count and delta too low": (batch([b"x", b"y"], count=1, last_offset_delta=0), INVALID_RECORD),
    "count 0": (batch([], count=0, last_offset_delta=-1), INVALID_RECORD),
    "count negative": (batch([b"x"], count=-1, last_offset_delta=-2), INVALID_RECORD),
    "control": (batch([b"x"], attributes=32), INVALID_RECORD),
    "sequence missing": (batch([b"x"], producer_id=5, producer_epoch=0), INVALID_RECORD),
    "offset delta": (batch([b"x"], records=record(b"x", delta=1)), INVALID_RECORD),
    "record's length": (batch([b"x"], records=varint(1000) + bytes(10)), INVALID_RECORD),
    "record's negative length": (batch([b"x"], records=varint(-2) + bytes(10)), INVALID_RECORD),
    "varint without end": (batch([b"x"], records=b"\xff" * 20), INVALID_RECORD),
    "trailing bytes": (batch([b"x"], records=record(b"x") + b"more"), INVALID_RECORD),
    "header's key is null": (batch([b"x"], records=varint(8) + b"\0\0\0" + varint(-1) + varint(-1) +
                                   varint(1) + varint(-1) + varint(-1)), INVALID_RECORD),
    "negative number of headers": (batch([b"x"], records=varint(6) + b"\0\0\0" + varint(-1) + varint(-1) +
                                         varint(-3)), INVALID_RECORD),
    "too far ahead": (batch([b"x"], base_timestamp=NOW_MS + 2 * HOUR_MS), INVALID_TIMESTAMP),
    "LogAppendTime by the client": (batch([b"x"], attributes=8), INVALID_TIMESTAMP),
    "too large": (batch([bytes(20001)]), TOO_LARGE),
    "unknown codec": (batch([b"x"], attributes=7), INVALID_RECORD),
    "good": (batch([b"x"]), NONE),
    "long ago": (batch([b"x"], base_timestamp=0), NONE),
    "no timestamp": (batch([b"x"], base_timestamp=-1), NONE),
    "no value": (batch([None]), NONE),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch(peer, name):
    data, error = BATCHES[name]
    before = peer.ask("ListOffsets", 1, latest("t"))["Topics"][0]["Partitions"][0]["Offset"]
    answer = peer.produce("t", data)
    after = peer.ask("ListOffsets", 1, latest("t"))["Topics"][0]["Partitions"][0]["Offset"]
    assert answer["ErrorCode"] == error, answer
    assert answer["BaseOffset"] == (before if error == NONE else -1)
    assert after == before + (error == NONE)
    assert error == NONE or answer["ErrorMessage"]


def latest(topic):
    return {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]}


def test_records_are_null(peer):
    assert peer.produce("t", None)["ErrorCode"] == INVALID_RECORD


def test_a_record_without_key_on_a_compacted_topic_is_named(peer):
    records = record(b"v", b"k", 0) + record(b"v", None, 1)
    answer = peer.produce("compacted", batch([b"v", b"v"], records=records))
    assert answer["ErrorCode"] == INVALID_RECORD
    assert [each["BatchIndex"] for each in answer["RecordErrors"]] == [1]
    packed = gzip.compress(record(b"v", None))
    answer = peer.produce("compacted", batch([b"v"], records=packed, attributes=1))
    assert answer["ErrorCode"] == INVALID_RECORD
    assert peer.produce("compacted", batch([b"v"], b"k"))["ErrorCode"] == NONE


def test_packed_rubbish_on_a_compacted_topic(peer):
    for codec in (1, 2, 3, 4):
        answer = peer.produce("compacted", batch([b"v"], records=b"rubbish" * 9, attributes=codec))
        assert answer["ErrorCode"] == INVALID_RECORD


def test_a_batch_that_unfolds_without_end(peer):
    packed = gzip.compress(bytes(300 << 20), 9)
    answer = peer.produce("compacted", batch([b"v"], records=packed, attributes=1))
    assert answer["ErrorCode"] in (INVALID_RECORD, TOO_LARGE)


def test_a_batch_above_segment_bytes(peer):
    assert peer.produce("small", batch([bytes(17000)]))["ErrorCode"] == RECORD_LIST_TOO_LARGE


def test_log_append_time_is_told(peer):
    answer = peer.produce("stamped", batch([b"x"], base_timestamp=NOW_MS + 2 * HOUR_MS))
    assert answer["ErrorCode"] == NONE and abs(answer["LogAppendTimeMs"] - time.time() * 1000) < HOUR_MS


def test_zstd_needs_version_7(peer):
    packed = batch([b"x"], records=bytes.fromhex("28b52ffd0408410000") + bytes(20), attributes=4)
    assert peer.produce("t", packed, version=6)["ErrorCode"] == UNSUPPORTED_COMPRESSION


def test_a_header_whose_largest_timestamp_lies_is_corrected(peer):
    offset = peer.produce("t", batch([b"x"], max_timestamp=NOW_MS + 9))["BaseOffset"]
    data = peer.fetch("t", offset)["Records"]
    assert struct.unpack_from(">q", data, 35)[0] == NOW_MS
    assert batches(data)[0][3] == [b"x"]  # its CRC is good


def test_sequences(peer):
    answer = peer.ask("InitProducerId", 0, {"TransactionalId": None, "TransactionTimeoutMs": 1})
    me = {"producer_id": answer["ProducerId"], "producer_epoch": 1}
    first = peer.produce("t", batch([b"0", b"1"], base_sequence=0, **me))
    assert first["ErrorCode"] == NONE
    again = peer.produce("t", batch([b"0", b"1"], base_sequence=0, **me))
    assert (again["ErrorCode"], again["BaseOffset"]) == (NONE, first["BaseOffset"])
    assert peer.produce("t", batch([b"9"], base_sequence=9, **me))["ErrorCode"] == OUT_OF_ORDER
    assert peer.produce("t", batch([b"2"], base_sequence=2, **me))["ErrorCode"] == NONE
    me["producer_epoch"] = 0
    assert peer.produce("t", batch([b"3"], base_sequence=3, **me))["ErrorCode"] == INVALID_PRODUCER_EPOCH
    me["producer_epoch"] = 2
    assert peer.produce("t", batch([b"3"], base_sequence=3, **me))["ErrorCode"] == OUT_OF_ORDER
    assert peer.produce("t", batch([b"3"], base_sequence=0, **me))["ErrorCode"] == NONE


# ---- the rest of Produce, and Fetch ----------------------------------------------------------------

def test_acks(server, peer):
    for acks in (2, -2, 32767):
        assert peer.produce("t", batch([b"x"]), acks=acks)["ErrorCode"] == INVALID_ACKS
    assert peer.produce("replicated", batch([b"x"]), acks=-1)["ErrorCode"] == NOT_ENOUGH_REPLICAS
    assert peer.produce("replicated", batch([b"x"]), acks=1)["ErrorCode"] == NONE
    assert peer.produce("nowhere", batch([b"x"]))["ErrorCode"] == UNKNOWN_TOPIC
    assert peer.produce("t", batch([b"x"]), partition=7)["ErrorCode"] == UNKNOWN_TOPIC
    assert peer.produce("t", batch([b"x"]), partition=-1)["ErrorCode"] == UNKNOWN_TOPIC
    assert peer.produce("__consumer_offsets", batch([b"x"], b"k"))["ErrorCode"] == INVALID_TOPIC


def test_acks_0_is_not_answered(server, peer):
    peer.send(request("Produce", 8, produced("t", batch([b"silent"]), acks=0), 5))
    answer = peer.ask("Metadata", 1, {"Topics": []})
    assert answer["ControllerId"] == 1  # the next answer is that of the next request


def test_an_error_with_acks_0_closes(server, peer):
    peer.send(request("Produce", 8, produced("t", batch([b"x"], crc=1), acks=0)))
    line = closing_line(server, peer)
    assert "Produce with acks=0" in line and "CORRUPT_MESSAGE" in line
    good(server)


def test_versions_of_produce_that_are_only_named(server):
    for version in (0, 1, 2):
        with server.peer() as peer:
            peer.send(frame(header(0, version) + struct.pack(">hii", 1, 1000, 0)))
            assert f"Produce in version {version}" in closing_line(server, peer)


def test_fetch_out_of_range(peer):
    for offset in (-1, 1 << 40):
        part = peer.fetch("t", offset)
        assert (part["ErrorCode"], part["HighWatermark"], part["Records"]) == (OUT_OF_RANGE, -1, b"")


# ---- frames ----------------------------------------------------------------------------------------

METADATA = request("Metadata", 1, {"Topics": []})
FRAMES = {
    "negative size": (struct.pack(">i", -1), "a frame of -1 bytes"),
    "size above the limit": (struct.pack(">i", (100 << 20) + 1), "socket.request.max.bytes"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "a frame of 1195725856 bytes"),
    "TLS": (bytes.fromhex("16030100c8010000c40303"), "a frame of 369295616 bytes"),
    "no bytes": (frame(b""), "byte 0"),
    "cut in the header": (frame(METADATA[4:9]), "byte"),
    "unknown API": (frame(header(99, 0)), "99"),
    "negative API": (frame(header(-1, 0)), "-1"),
    "API that is not offered": (request("ApiVersions", 0)[:4] + header(24, 0), "API 24"),
    "unknown version": (frame(header(3, 99)), "version 99"),
    "negative version": (frame(header(3, -5)), "version -5"),
    "cut in the body": (frame(METADATA[4:-1]), "Metadata version 1"),
    "absurd array": (frame(header(3, 1) + struct.pack(">i", (1 << 31) - 1)), "MetadataRequest.Topics.*byte"),
    "negative array": (frame(header(3, 1) + struct.pack(">i", -7)), "MetadataRequest.Topics.*byte"),
    "absurd string": (frame(header(3, 1) + struct.pack(">ih", 1, 32767)), "Name.*byte"),
    "client id beyond the end": (frame(struct.pack(">hhih", 3, 1, 1, 500)), "header.*byte"),
    "varint without end": (frame(header(3, 9, flexible=True) + b"\xff" * 12), "Metadata.*byte"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame(server, peer, name):
    data, text = FRAMES[name]
    peer.send(data)
    line = closing_line(server, peer)
    assert re.search(text, line), line
    good(server)


def test_an_unknown_version_of_api_versions_is_answered_in_version_0(peer):
    for version in (5, 99, 32767):
        peer.send(frame(header(18, version, 77, flexible=True) + b"anything"))
        assert peer.frame() == struct.pack(">ihihhh", 77, UNSUPPORTED_VERSION, 1, 18, 0, 4)


def test_names_of_client_software(peer):
    for name, error in (("good-name.1", NONE), ("", INVALID_REQUEST), ("-bad", INVALID_REQUEST),
                        ("bad-", INVALID_REQUEST), ("b d", INVALID_REQUEST)):
        body = {"ClientSoftwareName": name, "ClientSoftwareVersion": "1.0"}
        assert peer.ask("ApiVersions", 3, body)["ErrorCode"] == error, name


def test_pipelined_requests_are_answered_in_order(peer):
    wanted = []
    data = b""
    for i in range(300):
        name, version, body = [("Metadata", 1, {"Topics": []}), ("Fetch", 4, fetched("t", 0, 0, 1)),
                               ("ApiVersions", 0, {}), ("Produce", 8, produced("t", batch([b"%d" % i])))][i % 4]
        data += request(name, version, body, i)
        wanted.append(i)
    peer.send(data)
    assert [struct.unpack_from(">i", peer.frame())[0] for _ in wanted] == wanted


def test_a_request_in_drops(peer):
    data = request("Produce", 8, produced("t", batch([b"drop"])), 9)
    for at in range(len(data)):
        peer.send(data[at:at + 1])
    assert struct.unpack_from(">i", peer.frame())[0] == 9


def test_what_was_asked_before_the_end_is_answered(peer):
    peer.send(request("Metadata", 1, {"Topics": []}, 1) + request("ApiVersions", 0, {}, 2))
    peer.socket.shutdown(socket.SHUT_WR)
    assert [struct.unpack_from(">i", peer.frame())[0] for _ in range(2)] == [1, 2]
    assert peer.is_closed()


def test_a_long_poll_ends_with_its_client(peer):
    end = peer.produce("t", batch([b"x"]))["BaseOffset"] + 1
    peer.send(request("Fetch", 4, fetched("t", end, 0, 600_000)))
    time.sleep(0.05)
    peer.socket.shutdown(socket.SHUT_WR)
    assert peer.is_closed()


def test_an_absurd_retention_time_of_a_commit(peer):
    part = {"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": ""}
    asked = {"GroupId": "g", "RetentionTimeMs": (1 << 63) - 1, "Topics": [{"Name": "t", "Partitions": [part]}]}
    assert peer.ask("OffsetCommit", 2, asked)["Topics"][0]["Partitions"][0]["ErrorCode"] == NONE
    asked = {"GroupId": "g", "Topics": [{"Name": "t", "PartitionIndexes": [0]}]}
    assert peer.ask("OffsetFetch", 2, asked)["Topics"][0]["Partitions"][0]["CommittedOffset"] == 1


# ---- many at a time --------------------------------------------------------------------------------

CROWD = MOST.get(engine(), 2000)
MEMORY = 64 << 20  # queued.max.request.bytes


@pytest.fixture
def crowded():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < CROWD + 500:
        pytest.skip("more descriptors are not allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    with Server(settings=[f"queued.max.request.bytes={MEMORY}", "socket.request.max.bytes=33554432"]) as server:
        with server.peer() as peer:
            assert peer.create("t", 2) == 0
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def good_meanwhile(server):
    """Also a batch that does not fit into the buffers of small requests."""
    good(server)
    with server.peer() as peer:
        assert peer.produce("t", batch([bytes(500_000)]))["ErrorCode"] == 0


def test_a_crowd_that_speaks_a_byte_now_and_then(crowded):
    data = request("Metadata", 1, {"Topics": []})
    peers = [crowded.peer() for _ in range(CROWD)]
    for at in range(5):
        for peer in peers:
            peer.send(data[at:at + 1])
        good_meanwhile(crowded)
    assert crowded.uses_less_than(100 << 20)
    for peer in peers:
        peer.close()
    good_meanwhile(crowded)


def test_a_crowd_that_announces_more_than_fits(crowded):
    """What is only announced takes no memory from those who send."""
    peers = [crowded.peer() for _ in range(CROWD)]
    for i, peer in enumerate(peers):
        peer.send(struct.pack(">i", 32 << 20 >> i % 9) + header(0, 8) + bytes(3000))
    for _ in range(2):
        for peer in peers:
            peer.send(bytes(1000))
    assert crowded.uses_less_than(100 << 20)
    good_meanwhile(crowded)
    for peer in peers:
        peer.close()
    good_meanwhile(crowded)


def test_those_that_fill_the_memory_and_do_not_go_on_are_closed(crowded):
    """Small requests are answered at once, large ones when the slow ones are gone."""
    peers = [crowded.peer() for _ in range(100)]
    start = struct.pack(">i", 1 << 20) + header(0, 8) + bytes(300_000)
    senders = [threading.Thread(target=peer.send, args=(start,)) for peer in peers]
    for sender in senders:
        sender.start()
    good(crowded)
    with crowded.peer(timeout=60) as peer:
        assert peer.produce("t", batch([bytes(900_000)]))["ErrorCode"] == 0
    crowded.wait_for("a request took .* while others wait for memory")
    assert crowded.uses_less_than(MEMORY + (64 << 20))
    for peer in peers:
        peer.close()
    for sender in senders:
        sender.join()
    good_meanwhile(crowded)


def test_a_crowd_that_sends_large_requests(crowded):
    """All are answered, with no more memory than is allowed."""
    answers = []

    def send():
        with crowded.peer(timeout=120) as peer:
            answers.append(peer.produce("t", batch([bytes(900_000)]))["ErrorCode"])

    def send_rubbish():
        with crowded.peer(timeout=120) as peer:
            peer.send(frame(header(3, 1) + struct.pack(">i", 1 << 30) + bytes(20 << 20)))
            peer.is_closed()
            answers.append(0)
    threads = [threading.Thread(target=send if i % 2 else send_rubbish) for i in range(40)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert crowded.uses_less_than(MEMORY + (64 << 20))
        time.sleep(0.01)
    assert answers == [0] * 40
    assert crowded.uses_less_than(32 << 20), "memory of requests that are answered was kept"
