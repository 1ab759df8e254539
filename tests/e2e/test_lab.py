"""maplog lab: each experiment's report is whole, as text, JSON and a page; options, errors, signals."""
import html.parser
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import PROGRAM

LAB = pathlib.Path(PROGRAM).parent / "maplog-lab"
pytestmark = pytest.mark.skipif(not LAB.exists(), reason="there is no maplog-lab beside the program")
NAMES = subprocess.run([LAB, "--list"], capture_output=True, text=True).stdout.split() if LAB.exists() else []
# Some elements have no end.
ALONE = {"meta", "br"}
# What the tables and sentences of some are about.
WORDS = {
    "append": ["store into the mapping", "pwrite", "io_uring", "recycled", "maplog append", "memcpy",
               "page faults", "Records of 170 bytes"],
    "read": ["cold", "mapped, first touch", "a helper reads ahead", "processes, a mapping each",
             "another thread maps and unmaps", "A mapping saves a copy"],
    "receive": ["copy: recv, memcpy", "direct: recv into the mapping", "splice", "populated",
                "CRC-32C", "preparing the pages saves"],
    "touch": ["load page 0 again", "msync(MS_SYNC)", "MADV_DONTNEED", "private: store page 0", "child: load page 0",
              "mmap made one line in /proc/self/maps", "kernel's own trace events|What the kernel says"],
}


def lab(*words, scratch, status=0, path=None):
    done = subprocess.run([PROGRAM, "lab", *map(str, words)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "TMPDIR": str(scratch), "PATH": path or os.environ["PATH"]})
    assert done.returncode == status, f"{words}: {done.returncode}, {done.stderr}"
    return done


class Page(html.parser.HTMLParser):
    """Checks that every element that begins ends, and counts them; SVG apart, which is XML."""

    def __init__(self, text):
        super().__init__()
        self.open, self.counts = [], {}
        while (begin := text.find("<svg")) >= 0:
            end = text.index("</svg>") + len("</svg>")
            ElementTree.fromstring(text[begin:end])
            self.counts["svg"] = self.counts.get("svg", 0) + 1
            text = text[:begin] + text[end:]
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check_cell(cell):
    if isinstance(cell, dict):
        assert list(cell) == ["refused"] and len(cell["refused"]) > 3
    else:
        assert cell is None or isinstance(cell, str) or cell >= 0


def check_sheet(sheet):
    assert sheet["title"] and sheet["words"] and sheet["rows"]
    names = [column["name"] for column in sheet["columns"]]
    assert all(names)
    cells = [cell for row in sheet["rows"] for cell in row["cells"]]
    has_numbers = any(isinstance(cell, float) for cell in cells)  # one that only states has none
    for row in sheet["rows"]:
        assert row["kind"] in ("measured", "roof", "claim")
        assert len(row["cells"]) == len(names)
        for cell in row["cells"]:
            check_cell(cell)
        positive = [cell for cell in row["cells"] if isinstance(cell, float) and cell > 0]
        refused = [cell for cell in row["cells"] if isinstance(cell, dict)]
        assert not has_numbers or positive or refused or row["kind"] == "claim", f"nothing was measured: {row}"
    for plot in sheet["plots"]:
        assert 0 <= plot["x"] < len(names) and 0 <= plot["y"] < len(names) and plot["series"] < len(names)


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_reports(name, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = lab(name, "--quick", "--json", tmp_path / "report.json", "--html", tmp_path / "report.html",
               scratch=scratch)
    report = json.loads((tmp_path / "report.json").read_text())
    experiment, = report["experiments"]
    assert experiment["name"] == name and experiment["unfinished"] is None and report["quick"]
    assert report["machine"]["kernel"] in done.stdout
    for words in WORDS.get(name, []):
        assert any(choice in done.stdout for choice in words.split("|")), words
    assert any(isinstance(cell, float) for sheet in experiment["sheets"] for row in sheet["rows"]
               for cell in row["cells"])
    for sheet in experiment["sheets"]:
        check_sheet(sheet)
        assert " ".join(sheet["title"].split()) in " ".join(done.stdout.split())
    assert any(row["kind"] == "roof" for sheet in experiment["sheets"] for row in sheet["rows"])
    assert any(sheet["advice"] for sheet in experiment["sheets"])
    page = Page((tmp_path / "report.html").read_text())
    assert page.counts["table"] == 1 + len(experiment["sheets"])
    assert any(sheet["plots"] for sheet in experiment["sheets"])
    if shutil.which("gnuplot"):
        assert page.counts["svg"] >= 1
    assert not list(scratch.iterdir()), "scratch files were left behind"


def test_the_list_and_the_help_name_every_experiment(tmp_path):
    text = lab("--help", scratch=tmp_path).stdout
    assert NAMES and all(f"\n  {name} " in text for name in NAMES)
    assert lab("--list", scratch=tmp_path).stdout.split() == NAMES
    assert lab(scratch=tmp_path, status=2).stderr == text  # without a name


def test_a_wrong_word_is_told(tmp_path):
    assert 'did you mean "wake"?' in lab("wakke", scratch=tmp_path, status=2).stderr
    assert "--json" in lab("wake", "--jsn", "x", scratch=tmp_path, status=2).stderr


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path):
    begun = time.monotonic()
    done = lab("all", "--html", tmp_path / "none" / "page.html", scratch=tmp_path, status=1)
    assert "cannot write" in done.stderr and done.stdout == ""
    assert time.monotonic() - begun < 30


def test_a_directory_for_scratch_that_is_not_there_is_told(tmp_path):
    done = lab("lines", "--quick", scratch=tmp_path / "none", status=1)
    assert "Not finished" in done.stdout and "TMPDIR" in done.stdout


def test_json_on_standard_output_stands_alone(tmp_path):
    done = lab("lines", "--quick", "--json", "-", scratch=tmp_path)
    assert json.loads(done.stdout)["experiments"][0]["name"] == "lines"


def test_without_gnuplot_the_page_has_tables_and_says_what_to_install(tmp_path):
    lab("wake", "--quick", "--html", tmp_path / "page.html", scratch=tmp_path, path="/nonexistent")
    text = (tmp_path / "page.html").read_text()
    assert "gnuplot-nox" in text and "<svg" not in text
    assert Page(text).counts["table"] == 2


def test_a_signal_ends_it_with_what_was_measured(tmp_path):
    process = subprocess.Popen([PROGRAM, "lab", "wake", "lines", "--json", "-"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)})
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    experiment, = json.loads(out)["experiments"]
    assert "interrupted" in experiment["unfinished"]
    assert any(isinstance(cell, float) and cell > 0
               for row in experiment["sheets"][0]["rows"] for cell in row["cells"])
    assert not list(tmp_path.iterdir())


def touch_rows(scratch):
    """The table of `touch` as {step: {column: cell}}, and the kernel's events as {step: [names]}."""
    report = json.loads(lab("touch", "--quick", "--json", "-", scratch=scratch).stdout)
    sheets = {sheet["name"]: sheet for sheet in report["experiments"][0]["sheets"]}
    names = [column["name"] for column in sheets["touch"]["columns"]]
    steps = {row["cells"][0]: dict(zip(names, row["cells"])) for row in sheets["touch"]["rows"]}
    events = {step: [] for step in steps}
    for row in sheets.get("touch-trace", {"rows": []})["rows"]:
        events[row["cells"][0]].append(row["cells"][2])
    return steps, events, "touch-trace" in sheets, " ".join(sheets["touch"]["words"])


def faults(step):
    return step["minor faults"] + step["major faults"]


def test_the_road_of_a_touch_is_as_it_must_be(tmp_path):
    steps, events, traced, words = touch_rows(tmp_path)
    assert steps["mmap, shared"]["mapping: mapped"] == steps["mmap, private"]["mapping: mapped"] == 0
    assert faults(steps["load page 0"]) == 1 and steps["load page 0"]["major faults"] == 0
    for step in ("load page 0 again", "store page 0 again", "store page 65 after it"):
        assert faults(steps[step]) == 0 and not events[step]
    assert steps["MADV_DONTNEED"]["mapping: mapped"] == 0
    assert steps["load page 0 after it"]["major faults"] == 0 and faults(steps["load page 0 after it"]) == 1
    assert steps["private: store page 0"]["mapping: copies"] == 1
    assert steps["child: private, store page 0"]["mapping: copies"] == 1
    evicted = steps["evict: fdatasync, fadvise"]["file: in memory"]
    on_disk = not isinstance(evicted, dict)  # a file system in memory evicts nothing
    if on_disk:
        assert evicted == 0 and steps["load page 0 after it, disk"]["major faults"] == 1
        assert steps["msync(MS_SYNC)"]["mapping: dirty"] == 0
        assert faults(steps["store page 0 after it"]) == 1
    assert traced or "left out" in words
    if traced and any("page_fault_user" in names for names in events.values()):
        for step in ("load page 0", "load page 0 after it", "private: store page 0", "store page 0")[:3 + on_disk]:
            assert events[step][0] == "page_fault_user", step


def test_a_trace_that_is_interrupted_leaves_nothing_behind(tmp_path):
    instances = pathlib.Path("/sys/kernel/tracing/instances")
    for delay in (0.1, 0.15, 0.2, 0.3):
        process = subprocess.Popen([PROGRAM, "lab", "touch"], stdout=subprocess.DEVNULL,
                                   env={**os.environ, "TMPDIR": str(tmp_path)})
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        # Before its handler is there, the signal just ends it; after its end, it comes too late.
        assert process.wait(30) in (128 + signal.SIGINT, -signal.SIGINT, 0)
        assert process.returncode < 0 or not list(tmp_path.iterdir())
        assert not (os.access(instances, os.R_OK) and (instances / f"maplog-{process.pid}").exists())


def test_without_its_program_maplog_says_what_is_missing(tmp_path):
    alone = tmp_path / "maplog"
    shutil.copy(PROGRAM, alone)
    done = subprocess.run([alone, "lab", "--list"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "maplog-lab" in done.stderr and "make install" in done.stderr


def test_both_programs_find_each_other_where_they_are_installed(tmp_path):
    for folder, program in (("bin", PROGRAM), ("libexec/maplog", LAB)):
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy(program, tmp_path / folder)
    done = subprocess.run([tmp_path / "bin/maplog", "lab", "--list"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == NAMES
