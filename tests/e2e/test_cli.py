"""Help, man pages, completion and errors fit together."""
import os
import re
import select
import subprocess
import time

import pytest
from conftest import PROGRAM, ROOT


def run(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL, cwd="/")


def commands_in(help):
    return re.findall(r"^  ([a-z][a-z-]*)  ", help, re.M)


COMMANDS = commands_in(run("--help").stdout)
GROUPS = [command for command in COMMANDS if "COMMAND" in run(command, "--help").stdout.split("\n")[0]]
LEAVES = [[command] for command in COMMANDS if command not in GROUPS] + \
         [[group, sub] for group in GROUPS for sub in commands_in(run(group, "--help").stdout)]
MAN_PAGES = {command: ROOT / f"man/maplog-{command}.1" for command in COMMANDS}


def options_in(text):
    return set(re.findall(r"--[a-z][a-z-]+", text))


def options_of(help):
    """Those that a help lists: in its usage lines and in front of a description."""
    return options_in(help.split("\n\n")[0]) | options_in("\n".join(re.findall(r"^  (--.*?)(?:  |$)", help, re.M)))


def without_examples(man):
    return re.sub(r"\.nf.*?\.fi", "", man.replace("\\-", "-"), flags=re.S)


def test_the_commands_are_there():
    assert {"topic", "produce", "consume", "ps", "bench"} <= set(COMMANDS)
    assert {"create", "list", "describe", "alter", "delete"} <= {leaf[1] for leaf in LEAVES if leaf[1:]}


def test_version():
    done = run("--version")
    assert done.returncode == 0 and re.fullmatch(r"maplog \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_help(command):
    done = run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: maplog " + " ".join(command))
    assert run(*command, "-h").stdout == done.stdout
    assert run("help", *command).stdout == done.stdout
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_option_of_the_help_is_one_and_has_its_place_in_man_page_and_completion(command):
    options = options_of(run(*command, "--help").stdout)
    man = without_examples(MAN_PAGES[command[0]].read_text())
    completion = (ROOT / "completions/maplog").read_text()
    for option in options - {"--help"}:
        # It goes no further: the last word is none.
        done = run(*command, option, "x", "--no-such-option")
        assert done.returncode == 2 and f"no option {option}" not in done.stderr
        assert option in man, f"{option} is not in {MAN_PAGES[command[0]].name}"
        assert option in completion, f"{option} is not in completions/maplog"


@pytest.mark.parametrize("command", COMMANDS)
def test_man_pages_name_no_option_that_is_not_there(command):
    there = set().union(*(options_of(run(*leaf, "--help").stdout) for leaf in LEAVES
                          if leaf[0] == command))
    assert options_in(without_examples(MAN_PAGES[command].read_text())) <= there | {"--help"}
    assert command in (ROOT / "man/maplog.1").read_text()


def test_completion_completes():
    script = """
        source completions/maplog
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _maplog 2>/dev/null; echo "${COMPREPLY[*]}"; }
        complete_words maplog pro
        complete_words maplog topic desc
        complete_words maplog consume orders --fol
        complete_words maplog produce orders --compression z
    """
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["produce", "describe", "--follow", "zstd"], done.stderr
    words = (ROOT / "completions/maplog").read_text()
    assert all(re.search(rf"\b{command}\b", words) for command in COMMANDS)


@pytest.mark.parametrize("words, said", [
    ([], "usage: maplog COMMAND"),
    (["tpoic"], 'did you mean "topic"?'),
    (["topic", "crate"], 'did you mean "topic create"?'),
    (["nothing-like-it"], 'no command "nothing-like-it"'),
    (["topic"], "usage: maplog topic COMMAND"),
    (["consume"], "the name of a topic"),
    (["consume", "a", "b"], '"b" is one argument too many'),
    (["consume", "t", "--folow"], "did you mean --follow?"),
    (["consume", "t", "--count"], "--count wants a value"),
    (["consume", "t", "--count", "many"], '"many"'),
    (["consume", "t", "--format", "%z"], "%z is no format letter"),
    (["consume", "t", "--from", "yesterday"], "yesterday"),
    (["consume", "t", "--partition", "x"], "--partition wants a number"),
    (["consume", "t", "--json", "--format", "%s"], "exclude each other"),
    (["consume", "t", "--timeout", "1s"], "--follow"),
    (["produce", "t", "--acks", "all"], "none, memory or disk"),
    (["produce", "t", "--compression", "rar"], "rar"),
    (["produce", "t", "--batch", "0", "--compression", "lz4"], "--batch 0"),
    (["produce", "t", "--lines", "a", "--file", "b"], "exclude each other"),
    (["produce", "t", "--header", "novalue"], "NAME=VALUE"),
    (["produce", "t", "--key-separator", ""], "empty"),
    (["topic", "alter", "t"], "nothing to change"),
    (["topic", "create", "t", "--partitions", "0"], "--partitions wants a number"),
    (["bench", "lines"], "a text file"),
    (["serve", "--io", "epol"], "there are epoll, poll,"),
    (["serve", "--send", "sendfil"], "there are auto, copy,"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_usage_says_so_in_one_line_with_exit_2(words, said):
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    if "usage" not in said:
        assert done.stderr.count("\n") == 1
        assert re.search(r"; see maplog .*--help\n$", done.stderr)


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 1 and b"standard output" in done.stderr


def test_progress_is_told_when_asked_for(maplog):
    told = maplog.produce("t", b"a\n" * 1000, "--progress").stderr.decode()
    assert re.search(r"produced 1\.00 k records, 2\.00 KB in \d+\.\d s: .* records/s, .*B/s\n", told)
    told = maplog.run("consume", "t", "--progress").stderr.decode()
    assert "consumed 1.00 k records" in told
    assert b"produced" not in maplog.produce("t", b"a\n").stderr


def test_long_work_is_shown_on_a_terminal(maplog):
    terminal, slave = os.openpty()
    producer = maplog.start("produce", "t", stderr=slave)
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 30
    while b"produced" not in shown and time.monotonic() < deadline:
        producer.stdin.write(b"line\n" * 1000)
        producer.stdin.flush()
        if select.select([terminal], [], [], 0.01)[0]:
            shown += os.read(terminal, 4096)
    assert re.search(rb"\rmaplog: produced .* records, .* in \d+\.\d s: .* records/s", shown)
    producer.stdin.close()
    assert producer.wait(30) == 0
    os.close(terminal)


def test_short_work_is_not(maplog):
    terminal, slave = os.openpty()
    producer = maplog.start("produce", "t", stderr=slave)
    producer.stdin.write(b"line\n")
    producer.stdin.close()
    assert producer.wait(30) == 0
    os.close(slave)
    assert os.read(terminal, 4096).replace(b"\r\n", b"\n") == \
        f"maplog: created topic t in {maplog.data}, with one partition\n".encode()
    os.close(terminal)


def test_started_without_standard_files_it_writes_into_no_file_of_the_log(maplog):
    maplog.produce("t", b"one\ntwo\n")
    before = {path: path.read_bytes() for path in maplog.data.rglob("*") if path.suffix in (".lock", ".log")}
    for closed in ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"):
        for words in (["consume", "t"], ["produce", "t"], ["topic", "list"], ["consume", "missing"]):
            subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *maplog.command(*words)], timeout=30,
                           stdin=subprocess.DEVNULL, capture_output=True)
    assert before == {path: path.read_bytes() for path in before}
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&-', "sh", *maplog.command("consume", "t")], timeout=30,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "standard output: Bad file descriptor" in done.stderr
