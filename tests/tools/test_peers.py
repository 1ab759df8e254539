"""bench/peers without any peer: what is said of figures, how they are shown, what a process costs."""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

PEERS = pathlib.Path(__file__).resolve().parents[2] / "bench/peers"


def module(name):
    specification = importlib.util.spec_from_file_location(name, PEERS / f"{name}.py")
    found = importlib.util.module_from_spec(specification)
    sys.modules[name] = found
    specification.loader.exec_module(found)
    return found


rounds, measure = module("rounds"), module("measure")
sheets, report = module("sheets"), module("report")  # they take the rounds from above


# ---- rounds ----------------------------------------------------------------------------------------

def test_every_second_round_goes_the_other_way():
    assert [rounds.order("ab", number) for number in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_a_summary_has_the_median_and_the_spread():
    assert rounds.summary([3, 1, 8]) == {"values": [3, 1, 8], "median": 3, "min": 1, "max": 8}


def test_spreads_that_overlap_are_no_difference():
    one, other = rounds.summary([10, 20, 30]), rounds.summary([29, 40, 50])
    assert rounds.compare(one, other) == rounds.NO_DIFFERENCE
    assert rounds.compare(other, one) == rounds.NO_DIFFERENCE


def test_a_difference_is_told_from_the_better_one():
    fast, slow = rounds.summary([40, 42]), rounds.summary([20, 21])
    assert rounds.compare(fast, slow) == "2 times better"
    assert rounds.compare(slow, fast) == "2 times worse"
    assert rounds.compare(fast, slow, more_is_better=False) == "2 times worse"
    assert rounds.compare(rounds.summary([101]), rounds.summary([100])) == rounds.NO_DIFFERENCE


def test_nothing_at_all_has_no_ratio():
    assert rounds.compare(rounds.summary([0]), rounds.summary([5]), more_is_better=False) == "better"


def test_a_book_keeps_values_of_rounds_and_notes_once():
    book = rounds.Book()
    book.versions = {"one": "1.0"}
    for value in (5, 7):
        book.add("produce", ("one", "default"), "rate", "records/s", value, "the command")
        book.note("consume", ("one", "default"), "failed: why")
    produce, consume = book.records()
    assert produce["values"] == [5, 7] and produce["commands"] == ["the command"] and produce["version"] == "1.0"
    assert consume["values"] == [] and consume["median"] is None and consume["notes"] == ["failed: why"]


# ---- report ----------------------------------------------------------------------------------------

def record(peer, values, metric="rate", unit="records/s", workload="produce_memory_100b_1"):
    return {"workload": workload, "peer": peer, "version": "1", "profile": "default", "metric": metric, "unit": unit,
            **(rounds.summary(values) if values else {"values": [], "median": None, "min": None, "max": None}),
            "commands": [f"load produce {peer}"], "notes": [] if values else ["failed: a | b\nc"]}


def document(*records):
    machine = {"read_ahead_kb": 128, "cpu": "a CPU", "cpus": 2, "kernel": "6.1", "memory_bytes": 2**34, "load_before": ["0", "0", "0"],
               "busy_before": 0.01, "quiet": True, "time": "today"}
    peers = {"maplog": {"title": "maplog", "version": "1", "settings": {"default": ["none"]}, "client": ["franz-go"]},
             "gone": {"title": "gone", "absent": "no such program"}}
    return {"machine": machine, "quick": False, "complete": True, "peers": peers, "results": list(records)}


def test_the_details_have_figures_reasons_and_who_wins():
    text = report.details(document(record("maplog", [10.0, 11.0]), record("other", [33.0, 34.0]), record("third", [])))
    assert "| | | other | 33.5 records/s | 33 to 34 | 2 | maplog 3.19 times worse |" in text
    assert "- produce_memory_100b_1, rate: other wins, maplog 3.19 times worse." in text
    assert "| | | third |  |  | 0 | failed: a \\| b c |" in text
    assert "absent: no such program" in text and "franz-go" in text and "load produce maplog" in text


def test_a_peer_is_a_row_and_a_win_is_bold():
    more = [record("maplog", [5.0, 5.0], workload="produce_memory_1kib_1"),
            record("other", [4.0, 6.0], workload="produce_memory_1kib_1")]
    text = report.text(document(record("maplog", [10.0, 11.0]), record("other", [33.0, 34.0]), record("third", []), *more))
    assert "| maplog | 10.5 ±5% | 5 ±0% |" in text
    assert "| other | **33.5 ±1%** | 5 ±20% ~ |" in text
    assert "- third, 100 B: failed: a | b c" in text
    assert "absent: no such program" in text


def test_what_is_nobodys_merit_is_not_marked():
    text = report.text(document(record("maplog", [9.0], "page_cache", "bytes", "load"),
                                record("other", [1.0], "page_cache", "bytes", "load")))
    assert "**1" not in text and "1 ±0%" in text


def test_of_times_less_is_better():
    text = report.details(document(record("maplog", [10.0, 11.0], "p99", "us"), record("other", [33.0], "p99", "us")))
    assert "maplog 3.14 times better" in text and "wins" not in text


def test_nobody_wins_within_the_noise():
    text = report.details(document(record("maplog", [10.0, 30.0]), record("other", [29.0, 40.0])))
    assert rounds.NO_DIFFERENCE in text and "wins" not in text


def test_a_busy_machine_and_an_interrupted_run_are_said():
    changed = document(record("maplog", [1.0]))
    changed["machine"]["quiet"], changed["complete"] = False, False
    text = report.text(changed)
    assert "not quiet" in text and "interrupted" in text


def test_numbers_have_three_digits():
    assert [report.number(value) for value in (0.00123, 12.34, 1234, 9999, 12345, 1234567, 5e9)] == \
        ["0.00123", "12.3", "1230", "10000", "12.3 k", "1.23 M", "5 G"]


def test_the_markers_of_a_document_are_renewed_in_place(tmp_path):
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "benchmarks.md"
    path.write_text("# Head\n\nbefore\n")
    report.into(tmp_path, document(record("maplog", [1.0])))
    path.write_text(path.read_text() + "\nafter\n")
    report.into(tmp_path, document(record("maplog", [2.0])))
    text = path.read_text()
    assert text.count(report.BEGIN) == text.count(report.END) == 1
    assert "before" in text and "after" in text and "| maplog | 2 ±0%" in text and "| maplog | 1 " not in text
    assert "2 records/s" in (tmp_path / "peers.md").read_text()


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="gnuplot is not installed")
def test_pictures_are_drawn_also_where_a_peer_lacks_a_workload(tmp_path):
    both = document(record("maplog", [10.0, 12.0]), record("o'ther", [5.0]),
                    record("maplog", [3.0], workload="produce_memory_1kib_1"))
    drawn = report.pictures(both, tmp_path)
    assert [path.name for path, _ in drawn] == ["peers-produce.svg"]
    assert "</svg>" in drawn[0][0].read_text()


# ---- measure ---------------------------------------------------------------------------------------

def child(code):
    """A Python program that says when it is ready and ends with its standard input."""
    program = subprocess.Popen([sys.executable, "-c", code + "\nprint('ready', flush=True)\ninput()"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "ready\n"
    return program


def test_cpu_time_is_that_of_the_process():
    with child("import time\nwhile time.process_time() < 0.3: pass") as program:
        assert measure.cpu_seconds([program.pid]) >= 0.28
        program.communicate("\n")


def test_a_process_that_has_gone_costs_nothing():
    with child("") as program:
        program.communicate("\n")
    assert measure.cpu_seconds([program.pid]) == 0
    assert measure.memory([program.pid]) == {"private": 0, "page_cache": 0}


def test_private_memory_and_mapped_files_are_told_apart(tmp_path):
    file = tmp_path / "mapped"
    file.write_bytes(b"x" * (32 << 20))
    mapped = f"import mmap\nf = open({str(file)!r}, 'rb')\nm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\nsum(m[::4096])"
    with child("own = b'y' * (48 << 20)") as one, child(mapped) as other:
        first, second = measure.memory([one.pid]), measure.memory([other.pid])
        one.communicate("\n"), other.communicate("\n")
    assert first["private"] >= 48 << 20 > first["page_cache"]
    assert second["page_cache"] >= 32 << 20 > second["private"]


def test_the_reserve_gives_memory_and_takes_it_again():
    own = [os.getpid()]
    reserve = measure.Reserve(64 << 20)
    held = measure.memory(own)["private"]
    reserve.give(20 << 20)
    assert held - measure.memory(own)["private"] >= 16 << 20
    reserve.give(60 << 20)  # more than is left: taken anew first
    assert held - measure.memory(own)["private"] >= 48 << 20
    reserve.hold()
    assert abs(held - measure.memory(own)["private"]) < 8 << 20
    reserve.give(1 << 40)  # all of it is all there is


def test_the_peak_is_kept():
    with child("") as program:
        with measure.Peak(lambda: [program.pid], 0.01) as peak:
            time.sleep(0.05)
        program.communicate("\n")
    assert peak.private > 0


def test_reserved_bytes_count(tmp_path):
    (tmp_path / "folder").mkdir()
    with open(tmp_path / "folder/file", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    assert 1 << 20 <= measure.disk_bytes(tmp_path) < 2 << 20


def test_counts_of_strace_are_read():
    table = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.00    0.100000          10       200           fdatasync
  1.00    0.001000          10         3         1 msync
------ ----------- ----------- --------- --------- ----------------
100.00    0.101000                   203         1 total
"""
    assert measure.parse_counts(table) == {"fdatasync": 200, "msync": 3}
    assert measure.parse_counts("") == {}


def test_the_machine_is_described():
    found = measure.machine()
    assert found["cpus"] >= 1 and found["memory_bytes"] > 0 and 0 <= found["busy_before"] <= 1
