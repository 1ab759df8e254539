"""docs/rust.md: its program compiles without a warning, its declarations are those of maplog.h, and
what the page says does not compile does not."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = f"{ROOT}/build/release"

needs_rustc = pytest.mark.skipif(not shutil.which("rustc"), reason="rustc is not installed")


def read(path):
    with open(f"{ROOT}/{path}") as file:
        return file.read()


def blocks():
    return re.findall(r"^```(rust\S*)\n(.*?)^```", read("docs/rust.md"), re.M | re.S)


def compile_page(text, where):
    (where / "page.rs").write_text(text)
    return subprocess.run(["rustc", "--edition", "2021", "-D", "warnings", "-A", "dead_code", "-L", LIBRARY,
                           "-l", "maplog", "-o", where / "page", where / "page.rs"], cwd=where,
                          capture_output=True, text=True)


def fields(text, pattern):
    body = re.search(pattern + r" \{(.*?)\n *\}", text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/|//[^\n]*", "", body, flags=re.S)
    names = re.findall(r"pub (\w+):", body) or re.findall(r"(\w+)(?:\[\d+\])?;", body)
    assert len(names) > 2
    return names


def test_its_structs_are_those_of_the_header():
    header, page = read("include/maplog.h"), blocks()[0][1]
    for c, rust in [("open_options", "OpenOptions"), ("record", "Record"), ("message", "Message")]:
        assert fields(header, f"struct maplog_{c}") == fields(page, f"pub struct {rust}")
    for name, value in re.findall(r"pub const (MAPLOG_\w+): \w+ = (-?\d+);", page):
        assert re.search(rf"\b{name} = {value},", header), name


@needs_rustc
def test_its_program_works(tmp_path):
    kind, program = blocks()[0]
    assert kind == "rust"
    done = compile_page(program, tmp_path)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "LD_LIBRARY_PATH": LIBRARY}
    done = subprocess.run([tmp_path / "page", tmp_path / "log"], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 hello\n1 from\n2 Rust\n", "")
    assert all(f"`{line}`" in read("docs/rust.md") for line in done.stdout.splitlines())
    done = subprocess.run([tmp_path / "page", "/dev/null"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "/dev/null" in done.stderr


@needs_rustc
@pytest.mark.parametrize("number", range(1, 3))
def test_what_must_not_compile_does_not(number, tmp_path):
    kind, text = blocks()[number]
    assert kind == "rust,compile_fail" and len(blocks()) == 3
    done = compile_page(blocks()[0][1] + text, tmp_path)
    assert done.returncode != 0
    assert re.findall(r"^error\[(\w+)\]", done.stderr, re.M) == re.findall(r"error\[(\w+)\]", text)
