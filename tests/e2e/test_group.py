"""maplog group, and groups of consumers, through every door."""
import json
import shutil
import signal
import subprocess
import time

import pytest
from conftest import wait_until
from doors import Doors

DOORS = ["directory", "server", "unix"]


@pytest.fixture
def doors(maplog):
    made = Doors(maplog)
    yield made
    made.stop()


@pytest.fixture(params=DOORS)
def door(doors, request):
    return doors.open(request.param)


@pytest.fixture
def far(doors):
    return doors.open("server")


def numbers(count):
    return b"".join(b"%d\n" % i for i in range(count))


def follow(door, topic, group, *words):
    return door.start("consume", topic, "--group", group, "--follow", *words)


def have_partitions(door, group, members):
    """Do so many members share the partitions of the group among them?"""
    found = door.run("group", "describe", group, "--json", status=None)
    if found.returncode != 0:
        return False
    view = json.loads(found.stdout)
    holders = {row["member"] for row in view["partitions"]}
    return view["state"] == "Stable" and None not in holders and len(holders) == members


# ---- progress ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", DOORS)
def test_progress_is_one_thing_for_all_doors(doors, maplog, name):
    maplog.produce("t", numbers(10))
    assert doors.open(name).run("consume", "t", "--group", "g", "--count", "4").stdout == numbers(4)
    for other in DOORS:
        rows, _ = doors.open(other).group("g")
        assert rows["t", 0]["committed"] == 4 and rows["t", 0]["end"] == 10 and rows["t", 0]["lag"] == 6
    for other, expected in zip(DOORS, [b"4\n", b"5\n", b"6\n"]):
        assert doors.open(other).run("consume", "t", "--group", "g", "--count", "1").stdout == expected
    assert doors.open(name).run("consume", "t", "--group", "g").stdout == b"7\n8\n9\n"
    assert doors.open(name).run("consume", "t", "--group", "g").stdout == b""


def test_list_and_describe(door, maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    maplog.produce("t", numbers(5), "--partition", "0")
    maplog.produce("u", numbers(3))
    assert door.run("group", "list").stdout == b""
    for topic in ["t", "u"]:
        maplog.run("consume", topic, "--group", "first")
    maplog.run("consume", "u", "--group", "second", "--count", "1")
    maplog.produce("u", numbers(2))
    listed = {row["group"]: row for row in json.loads(door.run("group", "list", "--json").stdout)}
    assert sorted(listed) == ["first", "second"]
    assert listed["first"]["lag"] == 2 and listed["second"]["lag"] == 4
    rows, _ = door.group("first")
    assert rows["t", 0]["lag"] == 0 and rows["u", 0]["committed"] == 3 and rows["u", 0]["end"] == 5
    text = door.run("group", "describe", "first").stdout.decode()
    assert text.startswith("first  state ") and "2 behind" in text.splitlines()[0]
    assert "GROUP" in door.run("group", "list").stdout.decode().splitlines()[0]
    assert b"no group nobody" in door.run("group", "describe", "nobody", status=1).stderr


def test_a_deleted_group_is_forgotten(door, doors, maplog):
    maplog.produce("t", numbers(3))
    door.run("consume", "t", "--group", "g")
    door.run("group", "delete", "g")
    for name in DOORS:
        assert doors.open(name).run("group", "describe", "g", status=1).stderr
    assert door.run("group", "delete", "g", status=1).stderr
    assert door.run("consume", "t", "--group", "g").stdout == numbers(3)


# ---- reset -------------------------------------------------------------------------------------------

def test_reset(door, maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    maplog.produce("t", numbers(10), "--partition", "0")
    time.sleep(0.01)
    between = int(time.time() * 1000)
    time.sleep(0.01)
    maplog.produce("t", numbers(4), "--partition", "1")
    maplog.run("topic", "delete-records", "t", "--partition", "0", "--before", "2")

    def reset(to, *words, topic="t"):
        done = door.run("group", "reset", "g", "--topic", topic, "--to", to, "--json", *words)
        return [(row["partition"], row["from"], row["to"]) for row in json.loads(done.stdout)]

    assert reset("end") == [(0, None, 10), (1, None, 4)]
    assert reset("begin", "--dry-run") == [(0, 10, 2), (1, 4, 0)]
    assert reset("begin") == [(0, 10, 2), (1, 4, 0)]
    assert reset("5") == [(0, 2, 5), (1, 0, 4)]  # within what there is
    assert reset("-1") == [(0, 5, 9), (1, 4, 3)]
    assert reset("-100") == [(0, 9, 2), (1, 3, 0)]
    assert reset(f"@{between}") == [(0, 2, 10), (1, 0, 0)]
    assert reset("7", topic="t:0") == [(0, 10, 7)]
    rows, _ = door.group("g")
    assert (rows["t", 0]["committed"], rows["t", 0]["lag"]) == (7, 3)
    assert sorted(door.run("consume", "t", "--group", "g").stdout.split()) == \
        sorted(numbers(10).split()[7:] + numbers(4).split())


def test_reset_says_what_it_cannot_do(door, maplog):
    maplog.produce("t", numbers(1))
    for words, said in [(["--to", "end"], b"--topic"), (["--topic", "t"], b"--to"),
                        (["--topic", "t", "--to", "nowhere"], b"no place"),
                        (["--topic", "t:x", "--to", "end"], b"TOPIC:PARTITION")]:
        assert said in door.run("group", "reset", "g", *words, status=2).stderr
    assert b"no number 3" in door.run("group", "reset", "g", "--topic", "t:3", "--to", "end", status=1).stderr
    assert b"no topic u" in door.run("group", "reset", "g", "--topic", "u", "--to", "end", status=1).stderr
    assert door.run("group", "describe", "g", status=1).stdout == b""


def test_a_group_in_use_is_left_alone(doors, far, maplog):
    maplog.produce("t", numbers(3))
    member = follow(far, "t", "g")
    for i in range(3):
        assert member.stdout.readline() == b"%d\n" % i
    for name in DOORS:
        door = doors.open(name)
        assert b"member" in door.run("group", "reset", "g", "--topic", "t", "--to", "begin", status=1).stderr
        assert door.run("group", "delete", "g", status=1).stderr
    assert b"member" in maplog.run("consume", "t", "--group", "g", status=1).stderr
    wait_until(lambda: far.group("g")[0]["t", 0]["committed"] == 3)
    member.send_signal(signal.SIGTERM)
    assert member.wait(30) == 128 + signal.SIGTERM
    assert far.group("g")[1] == "Empty"
    far.run("group", "reset", "g", "--topic", "t", "--to", "begin")
    assert maplog.consume("t", "--group", "g") == numbers(3)


# ---- members -----------------------------------------------------------------------------------------

def test_members_are_shown(doors, far, maplog):
    maplog.run("topic", "create", "t", "--partitions", "3")
    member = follow(far, "t", "g")
    wait_until(lambda: have_partitions(far, "g", 1))
    rows, state = far.group("g")
    assert state == "Stable" and len(rows) == 3
    assert {row["client"] for row in rows.values()} == {"maplog"}
    assert all("127.0.0.1" in row["host"] for row in rows.values())
    assert member.poll() is None


def test_partitions_are_shared_and_move(far, maplog):
    """Two members share; one leaves and the other has all; nothing is lost, nothing comes twice."""
    maplog.run("topic", "create", "t", "--partitions", "4")
    outputs = [open(maplog.directory / name, "wb+") for name in ("first", "second")]
    first = far.start("consume", "t", "--group", "g", "--follow", stdout=outputs[0])
    wait_until(lambda: have_partitions(far, "g", 1))
    second = far.start("consume", "t", "--group", "g", "--follow", stdout=outputs[1])
    wait_until(lambda: have_partitions(far, "g", 2))
    texts = [b"".join(b"%d.%d\n" % (part, i) for i in range(500)) for part in range(8)]
    for part in range(4):
        maplog.produce("t", texts[part], "--partition", part)
    read = lambda: [open(output.name, "rb").read() for output in outputs]
    wait_until(lambda: sum(text.count(b"\n") for text in read()) == 2000)
    assert all(text.count(b"\n") == 1000 for text in read())
    second.send_signal(signal.SIGTERM)
    second.wait(30)
    wait_until(lambda: have_partitions(far, "g", 1))
    for part in range(4):
        maplog.produce("t", texts[part + 4], "--partition", part)
    wait_until(lambda: sum(text.count(b"\n") for text in read()) == 4000)
    assert sorted(b"".join(read()).splitlines()) == sorted(b"".join(texts).splitlines())
    first.send_signal(signal.SIGTERM)
    first.wait(30)
    assert sum(row["lag"] for row in far.group("g")[0].values()) == 0


def test_a_killed_member_s_partitions_move_after_its_session(far, maplog):
    maplog.run("topic", "create", "t", "--partitions", "2")
    member = follow(far, "t", "g")
    wait_until(lambda: have_partitions(far, "g", 1))
    other = follow(far, "t", "g")
    wait_until(lambda: have_partitions(far, "g", 2))
    member.kill()
    maplog.produce("t", b"zero\n", "--partition", "0")
    maplog.produce("t", b"one\n", "--partition", "1")
    assert {other.stdout.readline() for _ in range(2)} == {b"zero\n", b"one\n"}


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed")
def test_a_group_together_with_librdkafka(doors, far, maplog):
    """Either may lead; each partition has one reader, and their progress is one."""
    maplog.run("topic", "create", "t", "--partitions", "4")
    output = open(maplog.directory / "kcat.out", "wb")
    other = subprocess.Popen(["kcat", "-b", doors.address, "-X", "auto.offset.reset=earliest", "-G", "g",
                              "-u", "-q", "t"], stdout=output, stderr=subprocess.DEVNULL)
    maplog.started.append(other)
    wait_until(lambda: have_partitions(far, "g", 1))
    member = follow(far, "t", "g", "--count", "20")
    wait_until(lambda: have_partitions(far, "g", 2))
    clients = [row["client"] for row in far.group("g")[0].values()]
    assert sorted(clients) == ["maplog", "maplog", "rdkafka", "rdkafka"]
    for part in range(4):
        maplog.produce("t", b"".join(b"%d.%d\n" % (part, i) for i in range(10)), "--partition", part)
    mine, _ = member.communicate(timeout=30)
    theirs = lambda: (maplog.directory / "kcat.out").read_bytes()
    wait_until(lambda: theirs().count(b"\n") >= 20)
    assert sorted((mine + theirs()).split()) == sorted(b"%d.%d" % (p, i) for p in range(4) for i in range(10))
    other.terminate()
    other.wait(30)


def test_single_partitions_are_not_chosen_in_a_group_at_a_server(far, maplog):
    maplog.produce("t", numbers(1))
    failed = far.run("consume", "t", "--group", "g", "--partition", "0", status=1)
    assert b"share its partitions" in failed.stderr
