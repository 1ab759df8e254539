"""ps tells who is attached and what each holds."""
import json
import os
import signal

from conftest import wait_until


def listed(maplog):
    return json.loads(maplog.run("ps", "--json").stdout)


def test_nobody(maplog):
    maplog.run("topic", "create", "t")
    assert maplog.run("ps").stdout.startswith(b"nobody is attached to ")
    assert listed(maplog) == []


def test_a_producer_and_a_reader(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"a\n")
    producer.stdin.flush()
    wait_until(lambda: (maplog.data / "t-0").exists() and maplog.end("t") == 1)
    reader = maplog.start("consume", "t", "--follow")
    assert reader.stdout.readline() == b"a\n"
    processes = {process["pid"]: process for process in listed(maplog)}
    assert set(processes) == {producer.pid, reader.pid}
    assert processes[producer.pid]["producers"] == 1
    assert processes[producer.pid]["leases"] == ["t-0"]
    assert processes[reader.pid]["producers"] == 0 and processes[reader.pid]["leases"] == []
    for process in processes.values():
        assert process["name"] == "maplog" and process["inside"] == [] and not process["stopped"]
        assert process["since"] > 1_600_000_000_000
    text = maplog.run("ps").stdout.decode().splitlines()
    assert text[0].split() == ["PID", "NAME", "ROLE", "SINCE", "HOLDS"]
    rows = {int(line.split()[0]): line for line in text[1:]}
    assert "writer" in rows[producer.pid] and rows[producer.pid].endswith(" t-0")
    assert "reader" in rows[reader.pid]


def test_a_stopped_process_is_marked(maplog):
    maplog.produce("t", b"a\n")
    reader = maplog.start("consume", "t", "--follow")
    assert reader.stdout.readline() == b"a\n"
    reader.send_signal(signal.SIGSTOP)
    wait_until(lambda: listed(maplog)[0]["stopped"])
    assert f"{reader.pid}*" in maplog.run("ps").stdout.decode()
    reader.send_signal(signal.SIGCONT)
    wait_until(lambda: not listed(maplog)[0]["stopped"])


def test_the_dead_are_not_listed(maplog):
    maplog.produce("t", b"a\n")
    readers = [maplog.start("consume", "t", "--follow") for _ in range(3)]
    for reader in readers:
        assert reader.stdout.readline() == b"a\n"
    readers[1].kill()
    readers[1].wait()
    assert sorted(process["pid"] for process in listed(maplog)) == \
        sorted([readers[0].pid, readers[2].pid])


def test_looking_changes_nothing(maplog):
    maplog.produce("t", b"a\n")

    def state():
        return {name: (os.stat(maplog.data / name).st_mtime_ns, os.stat(maplog.data / name).st_ino)
                for name in os.listdir(maplog.data)}

    before = state()
    maplog.run("ps")
    assert state() == before
