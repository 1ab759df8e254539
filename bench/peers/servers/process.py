"""A server that is one program with a folder of its own: how it is started, watched and ended."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

SECONDS = 60  # until a server that takes no connection, or does not end, is broken


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    """The process and all that it started."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        try:
            tasks = list(pathlib.Path(f"/proc/{one}/task").iterdir())
            waiting += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
        found.append(one)
    return found


class Process:
    """What adapters of such servers have in common; they bring install(), settings() and command()."""
    profiles = ["default"]
    environment = None

    def __init__(self, folder, profile="default", acks="memory", cpus=None):
        assert profile in self.profiles and acks in ("memory", "disk"), (profile, acks)
        self.folder = pathlib.Path(folder)
        self.profile, self.acks, self.cpus = profile, acks, cpus
        self.port, self.process = free_port(), None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def data(self):
        return self.folder / "data"

    def log(self):
        return self.folder / f"{self.name}.log"

    def words(self):
        """The command, pinned where that is wanted."""
        if self.cpus is None:
            return self.command()
        cpus = self.cpus if isinstance(self.cpus, (str, int)) else ",".join(map(str, self.cpus))
        return ["taskset", "-c", str(cpus), *self.command()]

    def start(self):
        self.data().mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in self.words()]
        with open(self.log(), "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env=self.environment)
        deadline = time.monotonic() + SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                ended = self.process.returncode
                raise RuntimeError(f"{self.title} takes no connections (exit {ended}):\n{self.said()}")
            time.sleep(0.001)
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def said(self):
        return self.log().read_text(errors="replace")[-2000:]

    def pids(self):
        return descendants(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.title} did not stop within {SECONDS} s:\n{self.said()}") from None

    def kill(self):
        """At once, with what it started."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def remove(self):
        """Its folder goes, too."""
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
