"""What the tests of real clients share: `maplog serve` on a directory of its own.

The program is $MAPLOG, else build/release/maplog; the clients are those of requirements.txt in
build/python, and Debian's kcat. MAPLOG_SERVE has further words for `maplog serve`: "--io poll".
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MAPLOG", str(ROOT / "build/release/maplog"))
TIMEOUT = 40
SETTINGS = {"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "500"}

pytest.register_assert_rewrite("cases")


class Server:
    """`maplog serve`, and local commands on the same directory. `address` is where clients go."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.notes = self.directory / "notes"
        self.process = self.address = None
        self.settings = dict(SETTINGS)
        self.expected = []
        self.local = []

    def start(self, **settings):
        """On the port that it had before, if any; settings with _ for . stay for later starts."""
        self.settings.update((name.replace("_", "."), value) for name, value in settings.items())
        command = [PROGRAM, "serve", "--data", self.data, "--listen", self.address or "127.0.0.1:0",
                   *os.environ.get("MAPLOG_SERVE", "").split()]
        for name, value in self.settings.items():
            command += ["--set", f"{name}={value}"]
        before = self.said()
        with open(self.notes, "a") as notes:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=notes)
        wait_until(lambda: "I serving" in self.said()[len(before):] or self.process.poll() is not None)
        assert self.process.poll() is None, f"it did not start: {self.said()[len(before):]}"
        line = next(line for line in self.said()[len(before):].splitlines() if "I serving" in line)
        self.address = line.split("listeners=")[1].split()[0]

    def said(self):
        return self.notes.read_text() if self.notes.exists() else ""

    def complaints(self):
        """Error and warning lines that no test expected."""
        return [line for line in self.said().splitlines() if line.split()[1:2] in (["E"], ["W"])
                and not any(text in line for text in self.expected)]

    def expect(self, text):
        """A line that is no failure of this test."""
        self.expected.append(text)

    def stop(self):
        """As an operator stops it. It must still be there, end well, and have no complaint."""
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            status = "it does not end"
        assert (alive, status, self.complaints()) == (True, 0, []), self.said()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self, **settings):
        self.stop()
        self.start(**settings)

    def kill_and_restart(self, **settings):
        self.kill()
        self.start(**settings)

    def command(self, *words):
        return [PROGRAM, *map(str, words), "--data", str(self.data)]

    def run(self, *words, input=b"", status=0):
        """Runs a local command to its end."""
        done = subprocess.run(self.command(*words), input=input, capture_output=True, timeout=TIMEOUT)
        assert done.returncode == status, f"{words}: {done.returncode}, {done.stderr.decode()}"
        return done

    def begin(self, *words, **others):
        """Starts a local command, with pipes; it ends with the test at the latest."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **others}
        process = subprocess.Popen(self.command(*words), **pipes)
        self.local.append(process)
        return process

    def create(self, topic, partitions=1, **configs):
        """Makes a topic; configs with _ for . in their names."""
        words = [word for name, value in configs.items()
                 for word in ("--config", f"{name.replace('_', '.')}={value}")]
        self.run("topic", "create", topic, "--partitions", partitions, *words)

    def end_all(self):
        for process in [*self.local, self.process]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            if process:
                process.wait()
                for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()


@pytest.fixture
def server():
    directory = tempfile.mkdtemp(prefix="maplog-clients-", dir="/tmp")
    made = Server(directory)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.end_all()
        shutil.rmtree(directory)


def wait_until(what, seconds=TIMEOUT):
    """Waits until what() is true and returns it; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found
