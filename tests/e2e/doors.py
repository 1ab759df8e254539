"""A server on the test's directory, and the ways to the log: the directory, its port, its socket.
MAPLOG_SERVE has further words for the server: "--io poll"."""
import json
import os
import signal
import socket
import subprocess

from conftest import PROGRAM, TIMEOUT, wait_until


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


class Door:
    """Runs commands through one way. name is directory, server or unix."""

    def __init__(self, maplog, name, place):
        self.maplog = maplog
        self.name = name
        self.place = place

    def command(self, *words):
        return [PROGRAM, *map(str, words), *self.place]

    def run(self, *words, input=b"", status=0):
        return run(self.maplog, self.command(*words), input, status)

    def start(self, *words, **pipes):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
        process = subprocess.Popen(self.command(*words), cwd=self.maplog.directory, **pipes)
        self.maplog.started.append(process)
        return process

    def described(self, topic):
        return json.loads(self.run("topic", "describe", topic, "--json").stdout)

    def group(self, group):
        """The group's rows by topic and partition, and its state."""
        found = json.loads(self.run("group", "describe", group, "--json").stdout)
        return {(row["topic"], row["partition"]): row for row in found["partitions"]}, found["state"]


def run(maplog, command, input, status):
    done = subprocess.run(command, input=input, capture_output=True, timeout=TIMEOUT, cwd=maplog.directory)
    assert done.returncode >= 0, f"{command}: died by signal {-done.returncode}: {done.stderr}"
    if status is not None:
        assert done.returncode == status, f"{command}: {done.returncode}, {done.stderr.decode()}"
    return done


class Doors:
    """Starts the server; it can be killed and started again under the same addresses."""

    def __init__(self, maplog):
        self.maplog = maplog
        self.address = f"127.0.0.1:{free_port()}"
        self.socket = f"unix://{maplog.directory}/kafka.sock"
        self.log = open(maplog.directory / "serve.log", "ab+")
        self.process = None
        self.serves = 0
        self.serve()

    def serve(self):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--data", self.maplog.data, "--listen", self.address, "--listen", self.socket,
             "--set", "group.initial.rebalance.delay.ms=0", *os.environ.get("MAPLOG_SERVE", "").split()],
            cwd=self.maplog.directory, stderr=self.log)
        self.maplog.started.append(self.process)
        self.serves += 1
        wait_until(self.ready)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def ready(self):
        assert self.process.poll() is None, self.said()
        return self.said().count(" I serving") == self.serves

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """It must end well, and say nothing of an error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(TIMEOUT) == 0
        said = self.said()
        self.log.close()
        assert not [line for line in said.splitlines() if " E " in line], said

    def open(self, name):
        place = {"directory": ["--data", str(self.maplog.data)], "server": ["--bootstrap", self.address],
                 "unix": ["--bootstrap", self.socket]}[name]
        return Door(self.maplog, name, place)


def at(maplog, address):
    return Door(maplog, "server", ["--bootstrap", address])
