"""pages tells which pages are in memory and who maps them, and disturbs nothing."""
import json
import mmap
import os
import xml.etree.ElementTree

import pytest
from conftest import wait_until

LINES = b"".join(b"line %0100d\n" % i for i in range(50000))
PAGE = 4096


@pytest.fixture
def filled(maplog):
    """A topic t of several segments that nobody has attached; all of it on the disk."""
    maplog.run("topic", "create", "t", "--config", "segment.bytes=2000000")
    maplog.produce("t", LINES, "--batch", "2000")
    for path in segments(maplog):
        sync(path)
    return maplog


def segments(maplog):
    return sorted((maplog.data / "t-0").glob("*.log"))


def sync(path):
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)


def evict(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def looked(maplog, *words):
    return json.loads(maplog.run("pages", "--json", *words).stdout)


def segment_of(found, path):
    """What was found of a segment file."""
    segment, = (one for one in found["segments"] if one["segment"] == f"t-0/{path.name}")
    return segment


def test_evicted_and_touched_pages_are_seen(filled):
    first, second = segments(filled)[:2]
    evict(first)
    found = looked(filled)
    gone, there = segment_of(found, first), segment_of(found, second)
    assert gone["in_memory"] == 0 and set(gone["cells"]) == {0.0}
    assert there["in_memory"] == there["pages"] and set(there["cells"]) == {1.0}
    assert gone["bytes"] == first.stat().st_size and gone["pages"] == -(-gone["bytes"] // PAGE)
    with open(first, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        mapped.madvise(mmap.MADV_RANDOM)  # nothing but what is touched
        half = gone["pages"] // 2
        for page in range(half):
            mapped[page * PAGE]
        seen = segment_of(looked(filled), first)
        assert seen["in_memory"] == half
        assert set(seen["cells"][:31]) == {1.0} and set(seen["cells"][33:]) == {0.0}
        assert os.getpid() in seen["pids"]


def test_dirty_pages_are_counted(filled):
    path = segments(filled)[0]
    before = segment_of(looked(filled), path)
    if before["dirty"] is None:
        pytest.skip("this kernel has no cachestat")
    assert before["dirty"] == 0
    with open(path, "r+b") as file:
        file.write(file.read(1))
        file.seek(0)
    assert segment_of(looked(filled), path)["dirty"] + segment_of(looked(filled), path)["writeback"] > 0


def test_who_maps_is_listed(filled):
    reader = filled.start("consume", "t", "--follow", stdout=open(os.devnull, "wb"))
    newest = segments(filled)[-1]
    wait_until(lambda: reader.pid in segment_of(looked(filled), newest)["pids"])
    found = looked(filled)
    process, = (one for one in found["processes"] if one["pid"] == reader.pid)
    assert process["name"] == "maplog" and process["segments"] >= 1
    assert 0 < process["pss"] <= process["rss"] and process["faults"] >= process["major_faults"] >= 0
    mapped = segment_of(found, newest)
    if os.getuid() == 0 and mapped["mapped"] is not None:
        assert 0 < mapped["mapped"] <= mapped["pages"] and mapped["mapped_large"] <= mapped["mapped"]
    text = filled.run("pages").stdout.decode()
    assert str(reader.pid) in text and " RSS " in text


def test_text_shows_a_row_and_a_picture_for_each_segment(filled):
    evict(segments(filled)[0])
    lines = filled.run("pages").stdout.decode().splitlines()
    assert lines[0].split()[:3] == ["SEGMENT", "BYTES", "IN"]
    for path in segments(filled):
        row, picture = (line for line in lines if line.startswith(f"t-0/{path.name}"))
        assert ("0%" if path == segments(filled)[0] else "100%") in row.split()
        assert picture.split()[1] == ("·" if path == segments(filled)[0] else "█") * 64
    assert "\033" not in "".join(lines)


def test_svg_is_a_picture(filled):
    evict(segments(filled)[0])
    filled.run("pages", "--svg", "pages.svg")
    root = xml.etree.ElementTree.parse(filled.directory / "pages.svg").getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == name + "svg"
    texts = [text.text for text in root.iter(name + "text")]
    assert all(f"t-0/{path.name}" in texts for path in segments(filled))
    shades = [rect.get("fill") for rect in root.iter(name + "rect")][1:]
    assert len(set(shades)) == 2  # nothing and all


def test_svg_goes_into_what_is_there(filled):
    """A device or a pipe is written to, never replaced."""
    os.symlink("/dev/null", filled.directory / "nothing")
    filled.run("pages", "--svg", "nothing")
    assert os.path.islink(filled.directory / "nothing")
    done = filled.run("pages", "--svg", "missing/pages.svg", status=1)
    assert b"missing/pages.svg" in done.stderr and b".tmp" not in done.stderr


def test_a_topic_can_be_named(filled):
    filled.produce("other", b"a\n")
    names = {segment["segment"].split("/")[0] for segment in looked(filled)["segments"]}
    assert names == {"t-0", "other-0"}
    for words in (("pages", "other"), ("pages", "--json", "other")):
        assert b"t-0" not in filled.run(*words).stdout
    assert b"no topic nothing" in filled.run("pages", "nothing", status=1).stderr


def test_an_empty_topic_has_no_pages(maplog):
    maplog.run("topic", "create", "t")
    maplog.run("pages")
    assert all(segment["in_memory"] == 0 for segment in looked(maplog)["segments"])


def test_looking_changes_nothing(filled):
    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_atime_ns, path.stat().st_ino)
                for path in filled.data.rglob("*")}

    for path in segments(filled):
        evict(path)
    before = state()
    filled.run("pages", "--svg", "pages.svg")
    assert [segment["in_memory"] for segment in looked(filled)["segments"]] == [0] * len(segments(filled))
    assert state() == before


def test_missing_and_damaged_directories_are_refused(maplog):
    assert b"No such file" in maplog.run("pages", status=1).stderr
    maplog.data.mkdir()
    (maplog.data / "something").write_text("else")
    assert maplog.run("pages", status=1).stderr.startswith(b"maplog: ")
    (maplog.data / "something").unlink()
    maplog.run("topic", "create", "t")
    (maplog.data / "meta.properties").write_text("version=one\n")
    assert b"meta.properties" in maplog.run("pages", status=1).stderr
    maplog.data.joinpath("meta.properties").unlink()
    assert maplog.run("pages", status=1).stderr.startswith(b"maplog: ")
