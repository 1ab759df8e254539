"""Kafka's protocol for tests: requests and answers as dicts, after src/wire/schema.txt; batches.

Written to be read, and on its own: it shares no code with the program, only the schema. What a test
leaves out of a dict has its default. Nothing is checked: tests want to say nonsense, too.
"""
import pathlib
import socket
import struct
import time
import uuid

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src/wire/schema.txt"
LAST = 32767
INTS = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
        "int64": ">q", "float64": ">d"}


# ---- the schema ------------------------------------------------------------------------------------

class Field:
    def __init__(self, name, words, inherited):
        self.name, self.children, self.tag, self.default = name, [], None, None
        self.first, self.last = inherited
        self.array = words[0].startswith("[]")
        self.type = words[0][2:] if self.array else words[0]
        self.null_first = LAST + 1
        for word in words[1:]:
            if word.startswith("#"):
                self.tag = int(word[1:])
            elif word.startswith("="):
                self.default = word[1:]
            elif word.startswith("?"):
                self.null_first = versions(word[1:])[0] if word[1:] else 0
            elif word[0].isdigit():
                self.first, self.last = versions(word)

    def is_in(self, version):
        return self.first <= version <= self.last


class Message:
    def __init__(self, name, key, first, last, flexible):
        self.name, self.key, self.first, self.last = name, key, first, last
        self.flexible, self.children = flexible, []


def versions(word):
    first, _, last = word.rstrip("+").partition("-")
    return int(first), LAST if word.endswith("+") else int(last or first)


def read_schema():
    messages, levels = {}, []
    for line in SCHEMA.read_text().splitlines():
        line = line.split("//")[0].rstrip()
        if not line:
            continue
        depth, words = (len(line) - len(line.lstrip())) // 2, line.split()
        if depth == 0:
            flexible = versions(words[words.index("flexible") + 1])[0] if "flexible" in words else LAST
            message = Message(words[0], None if words[1] == "-" else int(words[1]),
                              *versions(words[2]), flexible)
            messages[words[0]] = message
            levels = [message]
        else:
            field = Field(words[0], words[1:], (0, LAST))
            levels = levels[:depth]
            levels[-1].children.append(field)
            levels.append(field)
    return messages


MESSAGES = read_schema()
APIS = {message.key: name[:-len("Request")] for name, message in MESSAGES.items()
        if name.endswith("Request") and message.key is not None}


# ---- encoding --------------------------------------------------------------------------------------

def uvarint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varint(value):
    return uvarint((value << 1) ^ (value >> 63))


def put_length(length, short, flexible):
    """length None: null."""
    if flexible:
        return uvarint(0 if length is None else length + 1)
    return struct.pack(">h" if short else ">i", -1 if length is None else length)


def default_of(field):
    if field.default == "null" or field.array:
        return None if field.default == "null" else []
    if field.type in INTS:
        return float(field.default or 0) if field.type == "float64" else \
            field.default == "true" if field.type == "bool" else int(field.default or "0", 0)
    if field.type == "uuid":
        return uuid.UUID(int=0)
    return {} if field.type == "{" else b"" if field.type in ("bytes", "records") else field.default or ""


def put_one(field, value, version, flexible):
    if field.type in INTS:
        return struct.pack(INTS[field.type], value)
    if field.type == "uuid":
        return value.bytes
    if field.type == "{":
        return put_fields(field.children, value, version, flexible)
    if value is None:
        return put_length(None, field.type == "string", flexible)
    data = value.encode() if isinstance(value, str) else value
    return put_length(len(data), field.type == "string", flexible) + data


def put_field(field, value, version, flexible):
    if field.array:
        if value is None:
            return put_length(None, False, flexible)
        return put_length(len(value), False, flexible) + \
            b"".join(put_one(field, item, version, flexible) for item in value)
    if field.type == "{" and field.null_first <= version:
        return b"\xff" if value is None else b"\x01" + put_one(field, value, version, flexible)
    return put_one(field, value, version, flexible)


def put_fields(fields, values, version, flexible):
    out, tagged = b"", []
    unknown = set(values) - {field.name for field in fields}
    assert not unknown, f"the schema has no {unknown}"
    for field in fields:
        if not field.is_in(version):
            continue
        value = values.get(field.name, default_of(field))
        if field.tag is None:
            out += put_field(field, value, version, flexible)
        elif flexible and field.name in values:
            data = put_field(field, value, version, flexible)
            tagged.append((field.tag, uvarint(field.tag) + uvarint(len(data)) + data))
    if flexible:
        out += uvarint(len(tagged)) + b"".join(data for _, data in sorted(tagged))
    return out


def header(key, version, correlation=1, client="test", flexible=False):
    name = client.encode()
    return struct.pack(">hhih", key, version, correlation, len(name)) + name + (b"\0" if flexible else b"")


def request(name, version, body=None, correlation=1, client="test"):
    """A whole frame with its size."""
    message = MESSAGES[name + "Request"]
    flexible = version >= message.flexible
    data = header(message.key, version, correlation, client, flexible)
    data += put_fields(message.children, body or {}, version, flexible)
    return frame(data)


def frame(data):
    return struct.pack(">i", len(data)) + data


# ---- decoding --------------------------------------------------------------------------------------

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert 0 <= size <= len(self.data) - self.at, "the answer ends too early"
        self.at += size
        return self.data[self.at - size:self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def varint(self):
        value = self.uvarint()
        return value >> 1 ^ -(value & 1)

    def length(self, short, flexible):
        """None: null."""
        size = self.uvarint() - 1 if flexible else self.unpack(">h" if short else ">i")
        return None if size < 0 else size


def take_one(field, reader, version, flexible):
    if field.type in INTS:
        return reader.unpack(INTS[field.type])
    if field.type == "uuid":
        return uuid.UUID(bytes=reader.take(16))
    if field.type == "{":
        return take_fields(field.children, reader, version, flexible)
    size = reader.length(field.type == "string", flexible)
    if size is None:
        return None
    data = reader.take(size)
    return data.decode() if field.type == "string" else data


def take_field(field, reader, version, flexible):
    if field.array:
        count = reader.length(False, flexible)
        return None if count is None else [take_one(field, reader, version, flexible) for _ in range(count)]
    if field.type == "{" and field.null_first <= version and reader.unpack(">b") < 0:
        return None
    return take_one(field, reader, version, flexible)


def take_fields(fields, reader, version, flexible):
    values = {field.name: default_of(field) for field in fields if field.is_in(version)}
    tags = {field.tag: field for field in fields if field.is_in(version) and field.tag is not None}
    for field in fields:
        if field.is_in(version) and field.tag is None:
            values[field.name] = take_field(field, reader, version, flexible)
    for _ in range(reader.uvarint() if flexible else 0):
        tag = reader.uvarint()
        part = Reader(reader.take(reader.uvarint()))
        if tag in tags:
            values[tags[tag].name] = take_field(tags[tag], part, version, flexible)
    return values


def answer(name, version, data):
    """The correlation id and the body; data: a frame without its size."""
    message = MESSAGES[name + "Response"]
    reader, flexible = Reader(data), version >= message.flexible
    correlation = reader.unpack(">i")
    if flexible and name != "ApiVersions":
        assert reader.uvarint() == 0
    body = take_fields(message.children, reader, version, flexible)
    assert reader.at == len(data), f"{len(data) - reader.at} bytes behind the answer to {name}"
    return correlation, body


# ---- batches ---------------------------------------------------------------------------------------

def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_table()
NOW_MS = int(time.time() * 1000)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(value, key=None, delta=0, time_delta=0, headers=()):
    def data(text):
        return varint(-1) if text is None else varint(len(text)) + text
    body = b"\0" + varint(time_delta) + varint(delta) + data(key) + data(value) + varint(len(headers))
    body += b"".join(varint(len(name)) + name + data(content) for name, content in headers)
    return varint(len(body)) + body


def batch(values, key=None, records=None, **fields):
    """One batch of these values. fields: those of the header to be set otherwise; records: bytes
    behind the header."""
    base = fields.get("base_timestamp", NOW_MS)
    if records is None:
        records = b"".join(record(value, key, delta) for delta, value in enumerate(values))
    tail = struct.pack(
        ">hiqqqhii", fields.get("attributes", 0), fields.get("last_offset_delta", len(values) - 1),
        base, fields.get("max_timestamp", base), fields.get("producer_id", -1),
        fields.get("producer_epoch", -1), fields.get("base_sequence", -1),
        fields.get("count", len(values))) + records
    return struct.pack(">qiibI", fields.get("base_offset", 0), fields.get("length", len(tail) + 9), -1,
                       fields.get("magic", 2), fields.get("crc", crc32c(tail))) + tail


def batches(data):
    """(base offset, producer id, base sequence, [values]) of uncompressed batches; a cut last one is
    left out."""
    at, found = 0, []
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            break
        producer, _, sequence, count = struct.unpack_from(">qhii", data, at + 43)
        assert struct.unpack_from(">I", data, at + 17)[0] == crc32c(data[at + 21:at + 12 + length])
        reader, values = Reader(data[at + 61:at + 12 + length]), []
        for _ in range(count):
            part = Reader(reader.take(reader.varint()))
            part.take(1), part.varint(), part.varint()
            size = part.varint()
            part.take(max(size, 0))
            size = part.varint()
            values.append(None if size < 0 else part.take(size))
        found.append((base, producer, sequence, values))
        at += 12 + length
    return found


# ---- a connection ----------------------------------------------------------------------------------

class Peer:
    """A client that says exactly what it is told to."""

    def __init__(self, address, timeout=20):
        family = socket.AF_UNIX if isinstance(address, str) else \
            socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def take(self, size):
        """None when the server has closed the connection."""
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            data += more
        return data

    def frame(self):
        size = self.take(4)
        return self.take(struct.unpack(">i", size)[0]) if size else None

    def is_closed(self):
        """Waits for it; false when something else comes first."""
        return self.take(1) is None

    def ask(self, name, version, body=None, **header):
        self.correlation += 1
        self.send(request(name, version, body, self.correlation, **header))
        data = self.frame()
        assert data is not None, f"{name} version {version}: the server closed the connection"
        correlation, body = answer(name, version, data)
        assert correlation == self.correlation
        return body

    # The requests that every test needs.

    def create(self, topic, partitions=1, **configs):
        asked = {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1,
                 "Configs": [{"Name": name.replace("_", "."), "Value": str(value)}
                             for name, value in configs.items()]}
        return self.ask("CreateTopics", 2, {"Topics": [asked], "timeoutMs": 10000})["Topics"][0]["ErrorCode"]

    def produce(self, topic, data, partition=0, version=8, acks=-1, timeout_ms=10000):
        """The answer for the one partition."""
        return self.ask("Produce", version, produced(topic, data, partition, acks, timeout_ms)
                        )["Responses"][0]["PartitionResponses"][0]

    def fetch(self, topic, offset=0, partition=0, wait_ms=0, limit=1 << 20, version=4):
        return self.ask("Fetch", version, fetched(topic, offset, partition, wait_ms, limit)
                        )["Responses"][0]["Partitions"][0]

    def values(self, topic, partition=0):
        """All of them, one request a megabyte."""
        values, offset = [], 0
        while True:
            part = self.fetch(topic, offset, partition)
            assert part["ErrorCode"] == 0, part
            found = batches(part["Records"])
            if not found:
                return values
            values += [value for _, _, _, some in found for value in some]
            offset = found[-1][0] + len(found[-1][3])


def produced(topic, data, partition=0, acks=-1, timeout_ms=10000):
    return {"Acks": acks, "TimeoutMs": timeout_ms, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": partition, "Records": data}]}]}


def fetched(topic, offset=0, partition=0, wait_ms=0, limit=1 << 20, minimum=1):
    return {"MaxWaitMs": wait_ms, "MinBytes": minimum, "MaxBytes": limit, "Topics": [
        {"Topic": topic, "Partitions": [
            {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": limit}]}]}
