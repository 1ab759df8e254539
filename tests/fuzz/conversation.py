"""Conversations that a Kafka client could have, told to a live server with something wrong in them.

A conversation is a list of requests that follow each other's answers, from all that the schema knows.
Somewhere in it a frame is cut, flipped, swollen, repeated, sent in drops, or the socket is closed. It
ends with the end of the client's sending; the server then has to close, having answered or not.
"""
import random
import select
import socket
import struct
import time
import uuid

import kafka_wire
from kafka_wire import APIS, MESSAGES, Peer, batch, frame, header, record, request, uvarint, varint

PATIENCE = 30  # seconds until a server that neither answers nor closes is wedged
EDGES = [-1, 0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 1 << 20, (1 << 31) - 1, 1 << 31,
         (1 << 32) - 1, (1 << 63) - 1, 1 << 63]
WIDTHS = [">B", ">H", ">I", ">Q"]
SLOW = 0.02


class Wedged(AssertionError):
    pass


# ---- what is said ----------------------------------------------------------------------------------

class Speaker:
    """Makes requests up: fields at random, names from a small pool so that they meet."""

    def __init__(self, rng):
        self.rng = rng
        self.topics = [f"fuzz-{i}" for i in range(6)]
        self.known = {
            "GroupId": ["fuzz-group", "fuzz-group-2", ""], "MemberId": ["", "nobody"],
            "GroupInstanceId": [None, "static"], "ProtocolType": ["consumer", "connect"],
            "TopicId": [uuid.UUID(int=0)], "TransactionalId": [None, None, "transaction"],
            "Acks": [-1, 1, 0, 2], "TimeoutMs": [0, 100, 1000, -1], "timeoutMs": [1000],
            "MaxWaitMs": [0, 10, 200, (1 << 31) - 1], "SessionTimeoutMs": [6000, 100, -1],
            "RebalanceTimeoutMs": [100, 6000], "NumPartitions": [1, 2, 3, -1, 0],
            "ReplicationFactor": [1, -1, 3], "Count": [1, 2, 3, 4], "ResourceType": [2, 4, 0, 32],
            "ConfigOperation": [0, 1, 2, 3], "Timestamp": [-1, -2, -3, 0, 1_700_000_000_000],
            "SessionEpoch": [-1, 0, 1, 2], "SessionId": [0], "ProducerId": [-1, 0, 1000],
            "ProducerEpoch": [-1, 0, 1], "PartitionMaxBytes": [1, 1 << 20], "MaxBytes": [1 << 20, 0, -1],
            "ClientSoftwareName": ["conversation"], "ClientSoftwareVersion": ["1.0"],
            "KeyType": [0, 1, 2], "Key": ["fuzz-group", ""], "AllowAutoTopicCreation": [True, False],
        }

    def learn(self, values):
        """Ids that the server gave are used in what follows."""
        if isinstance(values, list):
            for item in values:
                self.learn(item)
        elif isinstance(values, dict):
            for name, value in values.items():
                if name in ("MemberId", "TopicId", "SessionId", "ProducerId", "GenerationId", "Leader"):
                    pool = self.known.setdefault("MemberId" if name == "Leader" else name, [0])
                    pool[8:] = []
                    pool.append(value)
                elif isinstance(value, (list, dict)):
                    self.learn(value)

    def records(self):
        rng = self.rng
        values = [rng.randbytes(rng.choice([0, 1, 10, 100, 2000])) for _ in range(rng.randint(1, 4))]
        fields, records = {}, b"".join(record(value, None, i) for i, value in enumerate(values))
        if rng.random() < 0.3:
            name, value = rng.choice([
                ("attributes", rng.randrange(256)), ("last_offset_delta", rng.choice([-1, 0, 5, 1 << 30])),
                ("count", rng.choice([-1, 0, 1000, (1 << 31) - 1])), ("crc", 1), ("magic", rng.randrange(4)),
                ("base_timestamp", -(1 << 63)), ("max_timestamp", (1 << 63) - 1), ("base_offset", 7),
                ("length", rng.choice([-1, 0, 48, 49, 1 << 30])), ("base_sequence", rng.randrange(10))])
            fields[name] = value
        if rng.random() < 0.3:
            fields.update(producer_id=rng.choice(self.known["ProducerId"]), producer_epoch=0)
            fields.setdefault("base_sequence", rng.randrange(3))
        if rng.random() < 0.3:
            records = damage(rng, records)  # under a good CRC
        return batch(values, records=records, **fields)

    def one(self, field, version, depth):
        rng = self.rng
        if field.name in self.known and (field.array or field.type != "{"):
            value = rng.choice(self.known[field.name])
            if field.type in kafka_wire.INTS or not isinstance(value, (int, uuid.UUID)):
                return value
        if field.type == "{":
            return self.body(field.children, version, depth + 1)
        if field.type in ("bytes", "records"):
            return self.records() if field.type == "records" else rng.randbytes(rng.randrange(40))
        if field.type == "uuid":
            return rng.choice(self.known["TopicId"])
        if field.type == "bool":
            return rng.random() < 0.5
        if field.type == "float64":
            return rng.random()
        if field.type == "string":
            return rng.choice(self.topics + ["segment.bytes", "retention.ms", "cleanup.policy", "1000000",
                                             "x", "", ".", "a b"])
        limit = {"int8": 127, "int16": 32767, "uint16": 65535, "int32": (1 << 31) - 1}.get(
            field.type, (1 << 63) - 1)
        return min(rng.choice([0, 0, 0, 1, 1, 2, 5, -1, limit]), limit)

    def body(self, fields, version, depth=0):
        values = {}
        for field in fields:
            if not field.is_in(version) or field.tag is not None and self.rng.random() < 0.8:
                continue
            if field.null_first <= version and self.rng.random() < 0.1:
                values[field.name] = None
            elif field.array:
                count = self.rng.choice([0, 1, 1, 1, 2, 3])
                values[field.name] = [self.one(field, version, depth) for _ in range(count)]
            else:
                values[field.name] = self.one(field, version, depth)
        return values

    def request(self, name):
        message = MESSAGES[name + "Request"]
        version = self.rng.randint(message.first, message.last)
        return version, self.body(message.children, version)


# What follows what, most of the time; what a client would not say next comes in between.
PATHS = [
    ["ApiVersions", "Metadata", "Produce", "Produce", "Fetch", "ListOffsets"],
    ["Metadata", "InitProducerId", "Produce", "Produce", "DescribeProducers", "Fetch"],
    ["FindCoordinator", "JoinGroup", "JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit", "OffsetFetch",
     "DescribeGroups", "LeaveGroup", "OffsetDelete", "DeleteGroups"],
    ["CreateTopics", "Metadata", "CreatePartitions", "DescribeConfigs", "IncrementalAlterConfigs",
     "AlterConfigs", "DescribeTopicPartitions", "DeleteRecords", "DeleteTopics"],
    ["Metadata", "Fetch", "Fetch", "Fetch", "OffsetForLeaderEpoch"],
    ["ListGroups", "DescribeCluster", "DescribeLogDirs", "ListPartitionReassignments", "DescribeAcls"],
]


# ---- what is wrong with it -------------------------------------------------------------------------

def damage(rng, data):
    """Cut, flipped, swollen: any bytes."""
    data = bytearray(data)
    at = rng.randrange(len(data)) if data else 0
    kind = rng.randrange(6)
    if not data or kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for _ in range(rng.choice([1, 1, 1, 2, 8])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        form = rng.choice(WIDTHS)
        size = struct.calcsize(form)
        data[at:at + size] = struct.pack(form, rng.choice(EDGES) % (1 << 8 * size))
    elif kind == 3:
        data[at:at] = rng.choice([rng.randbytes(rng.randrange(20)), uvarint(rng.choice(EDGES) % (1 << 64)),
                                  b"\xff" * rng.randrange(12)])
    elif kind == 4:
        del data[at:at + rng.randrange(1, 9)]
    else:
        data[at:at] = data[at:at + rng.randrange(60)]
    return bytes(data)


def spoil(rng, data):
    """A frame with something wrong; its size mostly fits what it holds."""
    kind, body = rng.randrange(8), data[4:]
    if kind == 0:
        return struct.pack(">i", rng.choice([-1, -(1 << 31), 0, 1, 7, len(body) - 1, len(body) + 1, 100 << 20,
                                             (100 << 20) + 1, (1 << 31) - 1])) + body
    if kind == 1:
        key, version = rng.choice([(rng.randrange(-1, 100), rng.randrange(-1, 20)), (18, 32767), (0, -32768),
                                   (32767, 0)])
        return frame(struct.pack(">hh", key, version) + body[4:])
    if kind == 2:
        return data + data
    if kind == 3:
        return data + rng.randbytes(rng.randrange(1, 40))
    return frame(damage(rng, body))


# ---- telling it ------------------------------------------------------------------------------------

class Conversation:
    def __init__(self, address, seed, log=None):
        self.rng = random.Random(seed)
        self.speaker = Speaker(self.rng)
        self.peer = Peer(address, timeout=PATIENCE)
        self.asked, self.answered, self.said = 0, 0, log if log is not None else []

    def send(self, data):
        self.said.append(data)
        try:
            if self.rng.random() < 0.1:
                cut = [0] + sorted(self.rng.randrange(len(data) + 1) for _ in range(3)) + [len(data)]
                for first, last in zip(cut, cut[1:]):
                    self.peer.send(data[first:last])
                    time.sleep(SLOW / 4)
            else:
                self.peer.send(data)
        except OSError:
            return False
        return True

    def hear(self, name, version):
        """Reads an answer if one comes soon; false when the server has closed the connection."""
        if not select.select([self.peer.socket], [], [], SLOW)[0]:
            return True
        try:
            data = self.peer.frame()
        except OSError:
            data = None
        if data is None:
            return False
        self.answered += 1
        try:
            self.speaker.learn(kafka_wire.answer(name, version, data)[1])
        except (AssertionError, struct.error, UnicodeDecodeError):
            pass  # the answer to something else
        return True

    def talk(self):
        rng = self.rng
        path = list(rng.choice(PATHS))
        for _ in range(rng.choice([0, 0, 1, 3])):
            path.insert(rng.randrange(len(path) + 1), rng.choice(sorted(APIS.values())))
        wrong = rng.randrange(len(path) + 1)
        for step, name in enumerate(path):
            version, body = self.speaker.request(name)
            self.asked += 1
            data = request(name, version, body, self.asked, "conversation")
            if step == wrong or rng.random() < 0.05:
                data = spoil(rng, data)
            if not self.send(data):
                return
            if rng.random() < 0.8 and not self.hear(name, version):
                return

    def end(self):
        """Stops speaking; the server shall close. Now and then it just goes away."""
        try:
            if self.rng.random() < 0.1:
                self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.peer.socket.shutdown(socket.SHUT_WR)
            while self.peer.socket.recv(1 << 16):
                pass
        except socket.timeout:
            raise Wedged(f"{PATIENCE} s after the client's end the connection is open") from None
        except OSError:
            pass
        finally:
            self.peer.close()


def converse(address, seed):
    """One conversation; what was said, for a report."""
    said = []
    conversation = Conversation(address, seed, said)
    try:
        conversation.talk()
    finally:
        conversation.end()
    return said
