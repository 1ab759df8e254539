"""`maplog serve` for tests: on a free port, in a directory of its own. MAPLOG_SERVE has further words
for it: "--io poll"."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from kafka_wire import Peer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("MAPLOG", str(ROOT / "build/release/maplog"))
SECONDS = 60  # until a server that still has not begun, or ended, is broken
MOST = {"select": 900, "aio": 900}  # connections that an engine serves at once; others: any number
CANNOT_SEND_BY = {"select": ["zerocopy"], "aio": ["sendfile", "splice", "zerocopy"]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def engine():
    """That of MAPLOG_SERVE, or the default."""
    words = os.environ.get("MAPLOG_SERVE", "").split()
    return words[words.index("--io") + 1] if "--io" in words else "epoll"


def choices(option):
    """As the program has them: a new one is tested as soon as it is there."""
    printed = subprocess.run([PROGRAM, "serve", "--print", "engines"], capture_output=True, text=True, check=True)
    row = next(line for line in printed.stdout.splitlines() if line.startswith(f"| {option} "))
    return [name.strip() for name in row.split("|")[3].split(",")]


class Server:
    """start() as often as one likes, on the same port and directory."""

    def __init__(self, directory=None, program=PROGRAM, settings=(), words=(), host="127.0.0.1"):
        self.own = directory is None
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="maplog-serve-", dir="/tmp"))
        self.data = self.directory / "data"
        self.program, self.settings, self.words = program, list(settings), list(words)
        self.host, self.port = host, free_port()
        self.process, self.lines, self.reader = None, [], None
        self.environment = {}

    # What it is run with.

    def command(self):
        words = [self.program, "serve", *os.environ.get("MAPLOG_SERVE", "").split(), *self.words]
        if "--config" not in self.words:
            words += ["--data", str(self.data)]
        if not {"--listen", "--config"} & set(self.words):
            words += ["--listen", f"{self.host}:{self.port}"]
        for setting in ("group.initial.rebalance.delay.ms=0", *self.settings):
            words += ["--set", setting]
        return words

    def start(self, wait=True, **popen):
        self.lines = []
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace", env=environment, **popen)
        self.reader = threading.Thread(target=self.read, args=(self.process, self.lines), daemon=True)
        self.reader.start()
        if wait:
            self.wait_for(r" I serving ")
        return self

    @staticmethod
    def read(process, lines):
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
        process.stderr.close()

    # What it says.

    def text(self):
        return "\n".join(self.lines)

    def find(self, pattern):
        return [line for line in self.lines if re.search(pattern, line)]

    def wait_for(self, pattern, seconds=SECONDS):
        """The first line that matches."""
        deadline = time.monotonic() + seconds
        while not (found := self.find(pattern)):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no line matches {pattern!r}:\n{self.text()}"
            time.sleep(0.005)
        return found[0]

    def memory(self, field="RssAnon"):
        """Bytes of its own memory."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(rf"{field}:\s+(\d+)", file.read()).group(1)) * 1024

    def uses_less_than(self, size):
        """True also where a sanitizer's own memory hides that of the server."""
        return re.search("[at]san", str(self.program)) is not None or self.memory() < size

    # How it ends.

    def wait(self, seconds=SECONDS):
        code = self.process.wait(seconds)
        self.reader.join(seconds)
        return code

    def stop(self, seconds=SECONDS):
        """Gracefully; the server must end well and have said nothing of sanitizers."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not stop within {seconds} s:\n{self.text()}") from None
        assert code == 0, f"exit {code}:\n{self.text()}"
        assert not self.find("Sanitizer|runtime error"), self.text()

    def kill(self):
        self.process.kill()
        self.wait()

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.wait()
        if self.own:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self if self.process and self.process.poll() is None else self.start()

    def __exit__(self, kind, *_):
        try:
            if not kind and self.process.poll() is None:
                self.stop()
        finally:
            self.remove()

    def peer(self, **options):
        return Peer((self.host.strip("[]"), self.port), **options)

    def bootstrap(self):
        return f"{self.host}:{self.port}"
