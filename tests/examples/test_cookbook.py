"""docs/cookbook.md shows what really happens: its commands are run and their output is compared, and
the lines of C that it shows stand in the programs that it links to.

`python3 tests/examples/test_cookbook.py` runs the commands and writes what they printed into the page.
"""
import difflib
import os
import re
import subprocess
import tempfile

from programs import MAPLOG, ROOT

PAGE = ROOT / "docs/cookbook.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.S)
MARK = "-- end of command --"

# What differs from run to run.
VOLATILE = [(r"\bprocess \d+", "process N"), (r"\d+ turns; [\d.]+ million", "N turns; N million"),
            (r"[\d.]+ million lines", "N million lines"), (r"\b(p[\d.]+|max) [\d.]+ us", r"\1 N us")]


def commands(block):
    return re.findall(r"^\$ (.*)$", block, re.M)


def patient(command):
    """Where a person waits a moment for a program in the background, a test waits for its first line."""
    return re.sub(r">(\w+) & sleep [\d.]+", r">\1 & for i in {1..3000}; do [ -s \1 ] && break; sleep 0.02; done", command)


def run_page(text):
    """Runs all blocks in one shell, in a folder of their own; gives the page with what was printed."""
    with tempfile.TemporaryDirectory(prefix="maplog-cookbook-", dir="/tmp") as folder, \
            tempfile.TemporaryDirectory(prefix="maplog-cookbook-", dir="/dev/shm") as memory:
        script = "trap 'kill $(jobs -p)' EXIT\n" + "".join(
            f"{{ {patient(command)}\n}} 2>&1; echo '{MARK}'\n"
            for block in BLOCK.findall(text) for command in commands(block))
        path = f"{MAPLOG.parent}/examples:{MAPLOG.parent}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", script.replace("/dev/shm", memory)], cwd=folder, timeout=120,
                              env={**os.environ, "PATH": path}, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        printed = iter(done.stdout.decode().replace(memory, "/dev/shm").split(MARK + "\n"))
    return BLOCK.sub(lambda match: "```console\n" + "".join(
        f"$ {command}\n{next(printed)}" for command in commands(match[1])) + "```", text)


def masked(text):
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return text


def sections():
    """(title, text) of each recipe."""
    return re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.S | re.M)


def plain(text):
    """C without its layout: the page breaks and indents lines in its own way."""
    return re.sub(r"\s+", "", text)


def test_the_commands_print_what_the_page_shows():
    text = PAGE.read_text()
    shown, printed = (masked("\n".join(BLOCK.findall(page))).splitlines() for page in (text, run_page(text)))
    difference = list(difflib.unified_diff(shown, printed, "docs/cookbook.md", "what is printed",
                                           lineterm="", n=2))
    assert not difference, "\n".join(difference)


def test_the_lines_that_matter_stand_in_the_programs():
    for title, text in sections():
        sources = re.findall(r"\]\(\.\./(examples/\w+\.c(?:pp)?)\)", text)
        assert sources, f"{title}: no link to its program"
        programs = plain("".join((ROOT / source).read_text() for source in sources))
        for block in re.findall(r"```c(?:pp)?\n(.*?)```", text, re.S):
            for part in block.split("\n\n"):
                assert plain(part) in programs, f"{title}: not in {sources}:\n{part}"


def test_every_example_has_its_recipe():
    for source in (ROOT / "examples").glob("*.c*"):
        assert f"(../examples/{source.name})" in PAGE.read_text(), f"{source.name} is not in the cookbook"


def test_its_links_lead_somewhere():
    text = PAGE.read_text()
    titles = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title, _ in sections()}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, title = target.partition("#")
        assert (PAGE.parent / path).exists(), f"docs/cookbook.md links to {path}"
        assert path or title in titles, f"docs/cookbook.md has no section {title}"


if __name__ == "__main__":
    PAGE.write_text(run_page(PAGE.read_text()))
