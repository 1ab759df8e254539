"""The power goes: a file system is shut down without a flush, and mounted again."""
import json
import os
import shutil
import threading

import pytest

from conftest import Maplog, wait_until
from filesystems import ext4


@pytest.fixture
def disk():
    with ext4(96) as system:
        maplog = Maplog(system.point)
        maplog.system = system
        yield maplog
        maplog.stop_all()


def epoch(maplog, topic):
    described = json.loads(maplog.run("topic", "describe", topic, "--json").stdout)
    return max(partition["leader_epoch"] for partition in described["partitions"])


def cut_and_mount(maplog):
    maplog.system.cut_power()
    maplog.stop_all()
    maplog.started.clear()
    maplog.system.unmount()
    maplog.system.mount()


def test_durable_records_survive(disk):
    disk.run("topic", "create", "t", "--config", "segment.bytes=65536")
    disk.produce("t", b"".join(b"durable %d\n" % i for i in range(5000)), "--acks", "disk")
    end = disk.end("t")
    producer = disk.start("produce", "t")  # acknowledged in memory only
    producer.stdin.write(b"".join(b"volatile %d\n" % i for i in range(20000)))
    producer.stdin.flush()
    wait_until(lambda: disk.end("t") > end)
    cut_and_mount(disk)
    values = disk.values("t")
    assert values[:5000] == [b"durable %d" % i for i in range(5000)]
    assert values[5000:] == [b"volatile %d" % i for i in range(len(values) - 5000)]
    assert epoch(disk, "t") == 1, "what was lost cannot be known, and the epoch says so"
    disk.run("inspect")
    disk.produce("t", b"goes on\n")
    assert disk.values("t")[-1] == b"goes on"


def test_each_acknowledged_record_is_there(disk):
    """Acknowledgements are counted as they come; the cut comes at some moment among them."""
    disk.run("topic", "create", "t")
    producer = disk.start("produce", "t", "--acks", "disk", "--batch", "1")
    stop = threading.Event()

    def feed():
        try:
            number = 0
            while not stop.is_set():
                producer.stdin.write(b"%d\n" % number)
                producer.stdin.flush()
                number += 1
        except OSError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()

    def durable():
        described = json.loads(disk.run("topic", "describe", "t", "--json").stdout)
        return described["partitions"][0]["durable"]

    wait_until(lambda: durable() > 50)
    acknowledged = durable()
    disk.system.cut_power()
    producer.kill()
    stop.set()
    feeder.join()
    cut_and_mount(disk)
    values = disk.values("t")
    assert len(values) >= acknowledged
    assert values == [b"%d" % i for i in range(len(values))]
    disk.run("inspect")


def test_a_new_mount_is_not_trusted_and_loses_nothing(disk):
    disk.run("topic", "create", "t")
    disk.produce("t", b"a\nb\n")
    disk.system.unmount()
    disk.system.mount()
    assert disk.values("t") == [b"a", b"b"]
    disk.produce("t", b"c\n")
    assert disk.values("t") == [b"a", b"b", b"c"]
    assert epoch(disk, "t") == 1


def test_a_copy_is_not_trusted(maplog):
    maplog.run("topic", "create", "t")
    maplog.produce("t", b"a\nb\n")
    copy = Maplog(maplog.directory)
    copy.data = maplog.directory / "copy"
    shutil.copytree(maplog.data, copy.data)
    assert copy.values("t") == [b"a", b"b"]
    copy.produce("t", b"c\n")
    assert copy.values("t") == [b"a", b"b", b"c"]
    assert epoch(copy, "t") == 1 and epoch(maplog, "t") == 0
    assert maplog.values("t") == [b"a", b"b"]


def test_a_copy_restored_over_the_directory_is_not_trusted(maplog):
    """Same boot, same files, older bytes, as `rsync --inplace --delete backup/ data/` leaves them."""
    maplog.run("topic", "create", "t", "--config", "segment.bytes=65536")
    old = [b"old %d" % i for i in range(5000)]
    maplog.produce("t", b"\n".join(old))
    backup = maplog.directory / "backup"
    shutil.copytree(maplog.data, backup)
    maplog.produce("t", b"".join(b"new %d\n" % i for i in range(5000)))
    for path in maplog.data.rglob("*"):
        source = backup / path.relative_to(maplog.data)
        if path.is_file() and not source.exists():
            path.unlink()
        elif path.is_file():
            with open(path, "r+b") as file:
                file.write(source.read_bytes())
                file.truncate()
    assert maplog.values("t") == old
    maplog.produce("t", b"goes on\n")
    assert maplog.values("t") == old + [b"goes on"]
    maplog.run("inspect")


def test_the_control_file_may_be_lost_or_noise(maplog):
    maplog.run("topic", "create", "t")
    maplog.produce("t", b"".join(b"%d\n" % i for i in range(1000)))
    control = maplog.data / "maplog.control"
    control.unlink()
    assert len(maplog.values("t")) == 1000
    control.write_bytes(os.urandom(1 << 20))
    (maplog.data / "maplog.bell").write_bytes(os.urandom(999))
    assert len(maplog.values("t")) == 1000
    size = control.stat().st_size
    with open(control, "r+b") as file:
        file.write(os.urandom(size))
    maplog.produce("t", b"goes on\n")
    assert maplog.values("t")[-1] == b"goes on" and len(maplog.values("t")) == 1001
    maplog.run("inspect")
