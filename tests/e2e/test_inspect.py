"""maplog inspect: exit status, what it says, and that it changes nothing."""
import hashlib
import json
import os
import re
import signal
import subprocess

import pytest
from conftest import PROGRAM, wait_until

LINES = b"".join(b"line %d\n" % i for i in range(5000))


def segment(maplog, topic="t", base=0, suffix="log"):
    return maplog.data / f"{topic}-0" / f"{base:020}.{suffix}"


def inspect(maplog, *words, path=None, status=0):
    """What it prints for the data directory, or for path."""
    done = subprocess.run([PROGRAM, "inspect", str(path or maplog.data), *words], capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stderr) == (status, ""), done.stdout + done.stderr
    return done.stdout


def digest(directory):
    sums = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        status = path.stat()
        sums.update(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_mode}".encode())
        if path.is_file():
            sums.update(path.read_bytes())
    return sums.hexdigest()


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 0x10]))


def without_control(maplog):
    """Nobody vouches for the files any more, as after a power cut."""
    (maplog.data / "maplog.control").unlink()


def test_a_sound_directory_is_summed_up(maplog):
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        maplog.produce(codec, LINES, "--compression", codec)
    maplog.run("topic", "create", "empty", "--partitions", "2")
    before = digest(maplog.data)
    text = inspect(maplog)
    assert text.splitlines()[-1] == f"{maplog.data} is sound"
    rows = {line.split()[0]: line.split() for line in text.splitlines()[1:-1]}
    assert set(rows) == {"empty-0", "empty-1", "gzip-0", "lz4-0", "none-0", "snappy-0", "zstd-0"}
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        assert rows[codec + "-0"][3] == "5000" and rows[codec + "-0"][-2:] == ["sound", codec]
    assert rows["empty-1"][1:5] == ["0"] * 4
    assert digest(maplog.data) == before


def test_segments_batches_and_records_are_shown(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=20000")
    maplog.produce("t", LINES, "--batch", "2000")
    segments = re.findall(r"^t-0/\d{20}\.log: offsets (\d+) to (\d+), .* records, ", inspect(maplog, "--segments"), re.M)
    assert len(segments) > 2 and segments[0][0] == "0" and segments[-1][1] == "5000"
    batches = re.findall(r"position \d+: offsets (\d+) to (\d+), (\d+) records", inspect(maplog, "--batches"))
    assert len(batches) > len(segments) and sum(int(batch[2]) for batch in batches) == 5000
    records = re.findall(r"^t-0 offset (\d+): timestamp \d+, key none, value (\d+) bytes", inspect(maplog, "--records"),
                         re.M)
    assert [int(record[0]) for record in records] == list(range(5000))
    assert int(records[42][1]) == len("line 42")


def test_json(maplog):
    maplog.produce("t", LINES, "--compression", "lz4")
    found = json.loads(inspect(maplog, "--json"))
    assert found["sound"] and found["findings"] == []
    partition, = found["partitions"]
    assert (partition["partition"], partition["records"], partition["end"]) == ("t-0", 5000, 5000)
    assert partition["codecs"] == {"lz4": partition["batches"]}
    rows = [json.loads(line) for line in inspect(maplog, "--records", "--json").splitlines()]
    kinds = [row["type"] for row in rows]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "record": 5000, "batch": partition["batches"], "segment": 1, "partition": 1}
    flip(segment(maplog), 70)
    found = json.loads(inspect(maplog, "--json", status=1))
    finding, = found["findings"]
    assert not found["sound"] and finding["position"] == 0 and finding["advice"]
    assert finding["file"] == f"t-0/{0:020}.log" and "CRC" in finding["what"]


@pytest.mark.parametrize("suffix, position", [("log", 1000), ("index", 5), ("timeindex", 7)])
def test_damage_is_named_and_gives_status_1(maplog, suffix, position):
    maplog.run("topic", "create", "t", "--config", "index.interval.bytes=1000")
    maplog.produce("t", LINES, "--batch", "500")
    flip(segment(maplog, suffix=suffix), position)
    text = inspect(maplog, status=1)
    assert re.search(rf"^t-0/{0:020}\.{suffix}: position \d+: .+; .+$", text, re.M), text
    # A base offset is not under the CRC: one that is wrong may show in the indexes as well.
    assert re.search(r"^t-0 .* [1-4] wrong +none$", text, re.M)
    assert re.search(r"^[1-4] findings in ", text, re.M)


def test_partitions_and_files_can_be_named(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=20000")
    maplog.produce("t", LINES, "--batch", "2000")
    maplog.produce("u", LINES)
    flip(segment(maplog, "u"), 100)
    assert " 5000 " in inspect(maplog, path=maplog.data / "t-0")
    assert "u-0" not in inspect(maplog, path=segment(maplog))
    inspect(maplog, path=maplog.data / "u-0/", status=1)
    copy = maplog.directory / segment(maplog).name
    copy.write_bytes(segment(maplog).read_bytes())
    assert "is sound" in inspect(maplog, path=copy)
    done = subprocess.run([PROGRAM, "inspect", "."], cwd=maplog.data / "t-0", capture_output=True, text=True)
    assert done.returncode == 0 and ". is sound" in done.stdout
    for wrong in (maplog.data / "nothing", maplog.data / "meta.properties"):
        done = subprocess.run([PROGRAM, "inspect", wrong], capture_output=True, text=True)
        assert done.returncode == 1 and str(wrong) in done.stderr


def test_a_log_in_use_is_sound(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=100000")
    producer = maplog.start("produce", "t", "--batch", "0")
    for i in range(10):
        producer.stdin.write(LINES)
        producer.stdin.flush()
        assert "is sound" in inspect(maplog)
    wait_until(lambda: maplog.end("t") > 0)
    producer.send_signal(signal.SIGKILL)
    producer.wait()
    text = inspect(maplog)
    assert "is sound" in text and re.search("^note: .* allocated bytes behind the published end", text, re.M)
    without_control(maplog)
    text = inspect(maplog)
    assert "is sound" in text and re.search("^note: .* allocated bytes behind the last batch", text, re.M)
    end = maplog.end("t")  # attaches, and so recovers
    assert inspect(maplog).splitlines()[-2].split()[6] == str(end)
    assert "note" not in inspect(maplog)


def test_recovery_is_shown_without_doing_it(maplog):
    maplog.run("topic", "create", "t", "--config", "segment.bytes=20000")
    maplog.produce("t", LINES, "--batch", "500")
    bases = sorted(int(path.stem) for path in (maplog.data / "t-0").glob("*.log"))
    flip(segment(maplog, base=bases[1]), 70)
    segment(maplog, suffix="index").unlink()
    without_control(maplog)
    before = digest(maplog.data)
    text = inspect(maplog, "--recover", "--dry-run", status=1)
    assert f"t-0: offsets 0 to {bases[1]}, leader epoch 1 (raised by 1)" in text
    assert f"t-0: cut at {bases[1]:020}.log position 0: " in text
    assert f"and {len(bases) - 2} segments behind them" in text
    assert "t-0: then sound, with" in text
    shown = json.loads(inspect(maplog, "--recover", "--dry-run", "--json", status=1))
    recovery, = shown["recoveries"]
    assert recovery["end"] == bases[1] and recovery["cut_segment"] == bases[1] and recovery["cut_position"] == 0
    assert recovery["after"]["damaged"] == 0 and recovery["dropped_segments"] == len(bases) - 2
    assert digest(maplog.data) == before
    assert maplog.end("t") == bases[1]
    assert "is sound" in inspect(maplog)


def test_recovery_of_a_log_in_use_is_refused(maplog):
    producer = maplog.start("produce", "t")
    producer.stdin.write(b"line\n")
    producer.stdin.flush()
    wait_until(lambda: (maplog.data / "t-0").exists())
    done = subprocess.run([PROGRAM, "inspect", maplog.data, "--recover", "--dry-run"], capture_output=True, text=True)
    assert done.returncode == 1 and "nothing to recover" in done.stderr


def test_wrong_calls(maplog):
    for words in (["--recover"], ["--dry-run"], ["a", "b"], ["--nonsense"]):
        done = subprocess.run([PROGRAM, "inspect", *words], capture_output=True, text=True)
        assert done.returncode == 2 and "--help" in done.stderr


def test_nobody_reads_any_more(maplog):
    maplog.produce("t", LINES * 10)
    process = subprocess.Popen([PROGRAM, "inspect", maplog.data, "--records"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) in (1, -signal.SIGPIPE)
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody who may not write")
def test_permission_to_read_is_enough(maplog):
    maplog.produce("t", LINES)
    maplog.directory.chmod(0o755)
    for path in [maplog.data, *maplog.data.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = digest(maplog.data)
    done = subprocess.run([PROGRAM, "inspect", maplog.data], capture_output=True, text=True, user=65534, group=65534,
                          extra_groups=[])
    assert done.returncode == 0 and "is sound" in done.stdout, done.stdout + done.stderr
    assert digest(maplog.data) == before
