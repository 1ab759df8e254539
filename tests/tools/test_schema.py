"""src/wire/schema.txt against Apache Kafka's own message definitions, where these lie at hand: in
$KAFKA_MESSAGES, or in ../shared/kafka/messages beside the repository."""
import glob
import json
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MESSAGES = os.environ.get("KAFKA_MESSAGES", f"{ROOT}/../shared/kafka/messages")
SCHEMA = f"{ROOT}/src/wire/schema.txt"
EVER = 32767


def versions(text):
    """The (first, last) of "3-5", "3+", "3" or "none"."""
    if text == "none":
        return EVER + 1, EVER
    first, _, last = text.rstrip("+").partition("-")
    return int(first), EVER if text.endswith("+") else int(last or first)


def within(version, text):
    first, last = versions(text)
    return first <= version <= last


def value(kind, text):
    """A default as the wire has it."""
    if text == "null":
        return None
    if kind in ("string", "bytes", "records", "uuid", "struct") or kind.startswith("[]"):
        return text
    return text.lower() == "true" if kind == "bool" else float(text) if kind == "float64" else int(text or "0", 0)


def field(name, kind, where, nullable, tag, default, fields):
    return {"name": name, "kind": kind, "versions": where, "nullable": nullable, "tag": tag,
            "default": value(kind, default), "fields": fields}


def read_schema(path):
    """{message: (key, versions, flexible versions, fields)} of our text."""
    found, levels = {}, []
    with open(path) as file:
        lines = [line.rstrip("\n") for line in file if line.strip() and not line.strip().startswith("//")]
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2
        name, kind, *words = line.split()
        if depth == 0:
            levels = [[]]
            found[name] = (None if kind == "-" else int(kind), words[0], words[2] if words[1:] else "none", levels[0])
            continue
        where = next((word for word in words if word[0].isdigit()), "0+")
        mark = {word[0]: word[1:] for word in words if word[0] in "?#="}
        nullable = (mark["?"] or where) if "?" in mark else "none"
        fields = []
        levels[depth - 1].append(field(name, kind.replace("{", "struct"), where, nullable, mark.get("#"),
                                       mark.get("=", ""), fields))
        levels[depth:] = [fields]
    return found


def read_kafka(path):
    """The same of one of Kafka's files, and the message's name."""
    with open(path) as file:
        text = re.sub(r"^\s*//.*$", "", file.read(), flags=re.M)
    data = json.loads(text)
    common = {struct["name"]: struct["fields"] for struct in data.get("commonStructs", [])}

    def convert(rows):
        fields = []
        for row in rows:
            kind = row["type"]
            inner = row.get("fields") or common.get(kind.removeprefix("[]"))
            if inner:
                kind = "[]struct" if kind.startswith("[]") else "struct"
            tag = str(row["tag"]) if "tag" in row else None
            if tag:
                assert row["taggedVersions"] == row["versions"], "the notation has one range for both"
            fields.append(field(row["name"], kind, row["versions"], row.get("nullableVersions", "none"), tag,
                                str(row.get("default", "")), convert(inner or [])))
        return fields

    return data["name"], (data.get("apiKey"), data["validVersions"], data["flexibleVersions"], convert(data["fields"]))


def at_version(fields, version):
    """What is on the wire in one version, in its order."""
    rows = []
    for row in fields:
        if not within(version, row["versions"]):
            continue
        rows.append((int(row["tag"] or -1), row["name"], row["kind"], within(version, row["nullable"]), row["default"],
                     at_version(row["fields"], version)))
    return sorted(rows, key=lambda row: row[0])


def kafka_messages():
    files = glob.glob(f"{MESSAGES}/clients/*.json")
    if not files:
        pytest.skip("Apache Kafka's message definitions are not here")
    names = set(read_schema(SCHEMA))
    return dict(read_kafka(path) for path in files if os.path.basename(path)[:-5] in names)


def test_every_message_is_kafkas():
    kafka = kafka_messages()
    for name, (key, valid, flexible, fields) in read_schema(SCHEMA).items():
        theirs = kafka[name]
        assert (key, valid, flexible) == theirs[:3], name
        first, last = versions(valid)
        for version in range(first, last + 1):
            assert at_version(fields, version) == at_version(theirs[3], version), f"{name} version {version}"


def test_a_difference_is_seen(tmp_path):
    kafka = kafka_messages()
    with open(SCHEMA) as file:
        text = file.read()
    for there, instead in (("  TimeoutMs int32", "  TimeoutMs int64"), ("    TopicId uuid 13+", "    TopicId uuid 12+"),
                           ("LogStartOffset int64 5+ =-1", "LogStartOffset int64 5+")):
        assert there in text
        (tmp_path / "schema.txt").write_text(text.replace(there, instead, 1))
        changed = read_schema(tmp_path / "schema.txt")
        assert any(at_version(changed[name][3], version) != at_version(kafka[name][3], version)
                   for name in ("ProduceRequest", "ProduceResponse") for version in range(3, 14))


@pytest.mark.parametrize("line, complaint", [
    ("PingRequest 1", "not a message"),
    ("PingRequest 1 0-2 flexible", "not a message"),
    ("Ping 1 0-2", "a Request or a Response"),
    ("PingRequest 1 0-2\n Name string", "two blanks"),
    ("PingRequest 1 0-2\n\tName string", "two blanks"),
    ("PingRequest 1 0-2\n    Name string", "not a field"),
    ("PingRequest 1 0-2\n  Name", "not a field"),
    ("PingRequest 1 0-2\n  Name text", "no such type"),
    ("PingRequest 1 0-2\n  Name string 3+", "no version is left"),
    ("PingRequest 1 0-2\n  Name string latest", "not a range"),
    ("PingRequest 1 0-2\n  Name string #0", "a tag in a version that is not flexible"),
    ("PingRequest 1 0-2 flexible 1+\n  Name string 1+ #1", "its tags are not 0, 1, 2"),
    ("PingRequest 1 0-2\n  Name string\n  Name int8", "the name is taken"),
    ("PingRequest 1 0-2\n  Names []string\n  NamesCount int8", "the name is taken"),
    ("PingRequest 1 0-2\n  Origin { ?", "null as its default"),
    ("PingRequest 1 0-2\n  Name string", "one is missing"),
    ("PingRequest 1 0-2\n  Name string\nPingResponse 1 0-1\n  Name string", "differ in versions"),
])
def test_wiregen_says_what_is_wrong(tmp_path, line, complaint):
    (tmp_path / "schema.txt").write_text(line + "\n")
    result = subprocess.run(["awk", "-f", f"{ROOT}/tools/wiregen", "part=source", tmp_path / "schema.txt"],
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.startswith(str(tmp_path / "schema.txt"))
