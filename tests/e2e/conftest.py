"""What the end-to-end tests share: the program, run on a log directory of each test's own.

The program is $MAPLOG, else build/release/maplog.
"""
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
TIMEOUT = 60


class Maplog:
    """Runs commands with --data; everything that was started is stopped at the end of the test."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.started = []

    def command(self, *words):
        return [PROGRAM, *map(str, words), "--data", str(self.data)]

    def run(self, *words, input=b"", status=0):
        """Runs it to its end; its standard output and error are bytes. status None: any will do."""
        done = subprocess.run(self.command(*words), input=input, capture_output=True, timeout=TIMEOUT,
                              cwd=self.directory)
        assert done.returncode >= 0, f"{words}: died by signal {-done.returncode}: {done.stderr}"
        if status is not None:
            assert done.returncode == status, f"{words}: {done.returncode}, {done.stderr.decode()}"
        return done

    def produce(self, topic, text, *words, status=0):
        return self.run("produce", topic, *words, input=text, status=status)

    def consume(self, topic, *words):
        return self.run("consume", topic, *words).stdout

    def values(self, topic, *words):
        """The values of a topic whose records hold no newline."""
        return self.consume(topic, *words).split(b"\n")[:-1]

    def end(self, topic):
        """The end offsets of all partitions, added up."""
        import json
        described = json.loads(self.run("topic", "describe", topic, "--json").stdout)
        return sum(partition["end"] for partition in described["partitions"])

    def start(self, *words, **pipes):
        """Starts it; standard input and output are pipes unless pipes says otherwise."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        process = subprocess.Popen(self.command(*words), cwd=self.directory, **pipes)
        self.started.append(process)
        return process

    def stop_all(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        pass


@pytest.fixture
def maplog():
    directory = tempfile.mkdtemp(prefix="maplog-e2e-", dir="/tmp")
    program = Maplog(directory)
    yield program
    program.stop_all()
    shutil.rmtree(directory)


@pytest.fixture
def in_memory():
    """The same on tmpfs."""
    directory = tempfile.mkdtemp(prefix="maplog-e2e-", dir="/dev/shm")
    program = Maplog(directory)
    yield program
    program.stop_all()
    shutil.rmtree(directory)


def wait_until(what, seconds=30):
    """Waits until what() is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
