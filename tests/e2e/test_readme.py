"""The README shows what really happens: its tour is run and compared, its program compiled.

`python3 tests/e2e/test_readme.py` runs the tour and writes what it printed into README.md.
"""
import difflib
import os
import re
import socket
import subprocess
import sys
import tempfile
import textwrap

sys.path.insert(0, os.path.dirname(__file__))
from conftest import PROGRAM, ROOT  # noqa: E402

README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.S)
PACKAGES = ["libisal", "liblz4", "libzstd", "snappy", "zlib"]

# What differs from run to run.
VOLATILE = [
    (r"\b1[5-9]\d{11}\b", "TIMESTAMP"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"),
    (r"^(\d+)( +maplog )", r"PID\2"),
    (r" *\d+ one of many lines", "N one of many lines"),
    (r"^(crash(?:-0)?) .*", r"\1 N"),  # a row of a table about a producer that was killed somewhere
    (r"\bid [\w-]{22}\b", "id ID"),
    (r"^(numbers-0/\d+\.log .* 100%) .*", r"\1 N"),  # what the disk has of it already
    (r"\n*^processes that could not be looked into.*", ""),
    (r" +", " "),
]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def commands(block):
    return re.findall(r"^\$ (.*)$", block, re.M)


def run_tour(text, directory):
    """Runs all blocks in one shell; gives them back with what was printed."""
    mark = "-- end of command --"
    port = free_port()  # the README's own may be taken on this machine
    script = "trap 'kill $(jobs -p)' EXIT\n" + "".join(f"{{ {command}\n}} 2>&1; echo; echo '{mark}'\n"
                     for block in BLOCK.findall(text) for command in commands(block)).replace(":9092", f":{port}")
    environment = {**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}"}
    os.mkdir(f"{directory}/bin")
    os.symlink(PROGRAM, f"{directory}/bin/maplog")
    done = subprocess.run(["bash", "-c", script], cwd=directory, env=environment, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    printed = iter(done.stdout.decode().replace(f":{port}", ":9092").split(mark + "\n"))

    def output():
        lines = next(printed)[:-1].splitlines()
        # The shell's own words about a job that was killed.
        return "".join(line + "\n" for line in lines if not re.search(r"bash: line \d+|^ +\d+ (Killed|Broken)", line))

    return BLOCK.sub(lambda match: "```console\n" + "".join(
        f"$ {command}\n{output()}" for command in commands(match[1])) + "```", text)


def masked(text):
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text, flags=re.M)
    return text


def test_the_tour_prints_what_the_readme_shows(tmp_path):
    text = README.read_text()
    assert len(BLOCK.findall(text)) > 3
    ran = run_tour(text, str(tmp_path))
    shown, printed = (masked("\n".join(BLOCK.findall(page))).splitlines() for page in (text, ran))
    difference = list(difflib.unified_diff(shown, printed, "README.md", "what it prints", lineterm="", n=1))
    assert not difference, "\n".join(difference)


def test_its_program_compiles_and_runs(tmp_path):
    library = os.path.join(os.path.dirname(PROGRAM), "libmaplog.a")
    sanitize = ["-fsanitize=address,undefined"] if "asan" in PROGRAM else []
    (tmp_path / "ticks.c").write_text(re.search(r"```c\n(.*?)```", README.read_text(), re.S)[1])
    libraries = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True, capture_output=True,
                               text=True).stdout.split()
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", "ticks", "ticks.c",
                    library, *libraries, "-pthread", *sanitize], check=True, cwd=tmp_path)
    done = subprocess.run(["./ticks"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0: tick\n1: tick\n2: tick\n", "")


def test_its_example_runs_as_printed(tmp_path):
    """Its first command, `make examples`, has been given by whoever built what is tested."""
    section = re.search(r"^## Examples\n(.*?)^## ", README.read_text(), re.S | re.M)[1]
    commands, shown = re.findall(r"(?:^    .*\n)+", section, re.M)
    make, _, example = textwrap.dedent(commands).partition("\n")
    assert make == "make examples"
    (tmp_path / "build").mkdir()
    (tmp_path / "build/release").symlink_to(os.path.dirname(os.path.abspath(PROGRAM)))
    with tempfile.TemporaryDirectory(prefix="maplog-readme-", dir="/dev/shm") as memory:
        done = subprocess.run(["bash", "-c", example.replace("/dev/shm", memory)], cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
    # Two processes print, each in its own order.
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(textwrap.dedent(shown).splitlines())


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README.read_text()):
        assert (ROOT / target).exists(), f"README.md links to {target}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="maplog-readme-", dir="/tmp") as scratch:
        README.write_text(run_tour(README.read_text(), scratch))
