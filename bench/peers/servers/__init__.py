"""What each server beside which maplog is measured has to be able to do. One file a server; its class is
called Peer and fills in what Server leaves open. ../README.md says how to add one."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS = 60
STOP_SECONDS = 30


class Absent(Exception):
    """Why a peer cannot be had on this machine."""

    @property
    def reason(self):
        return str(self)


def need(program, package):
    """The path of a program that `package` of Debian brings."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    if not path:
        raise Absent(f"{program} is not installed (Debian's {package})")
    return path


def version_of(*words):
    """The first line that a program prints about itself."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)
    text = (done.stdout + done.stderr).strip()
    if done.returncode or not text:
        raise Absent(f"{words[0]} does not run: {text[-300:] or done.returncode}")
    return text.splitlines()[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def descendants(pid):
    """A process and all that came from it."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:
            pass  # it has ended
    return found


class Server:
    """One server with a folder of its own: start() and stop() or kill() as often as one likes. acks="disk": what
    it acknowledges is on the disk. cpus: those it may run on; None is all."""
    name = title = driver = ""
    profiles = ["default"]
    acknowledges = ("memory", "disk")  # what acks may be
    syncs = True                       # acks="disk" has to be seen as calls of fsync or its like
    everything = set()                 # all that runs now, for who is interrupted

    def __init__(self, folder, profile="default", acks="memory", cpus=None):
        if profile not in self.profiles:
            raise ValueError(f"{self.name} has no profile {profile}")
        self.folder, self.profile, self.acks, self.cpus = pathlib.Path(folder), profile, acks, cpus
        self.port, self.process = free_port(), None
        self.folder.mkdir(parents=True, exist_ok=True)

    # What a peer's file fills in.

    @classmethod
    def install(cls, cache):
        """Fetches into the folder `cache` what is missing; returns the version, or raises Absent."""
        raise NotImplementedError

    def settings(self):
        """The exact options or lines of configuration, shown with the results."""
        return [" ".join(str(word) for word in self.command())]

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """What is to be done in the folder before the first start."""

    def environment(self):
        return {}

    def data(self):
        """The folder whose bytes on disk count."""
        return self.folder / "data"

    def ready(self):
        return accepts(self.address)

    # What is the same for all.

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        """Returns when it takes connections."""
        self.prepare()
        self.data().mkdir(parents=True, exist_ok=True)
        cpus = self.cpus
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env={**os.environ, **self.environment()}, start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
        Server.everything.add(self)
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.said()
                self.kill()
                raise RuntimeError(f"{self.title} did not start: {said}")
            time.sleep(0.0005)
        return self

    def said(self):
        try:
            return (self.folder / "log").read_text(errors="replace")[-1500:]
        except OSError:
            return ""

    def running(self):
        return self.process is not None and self.process.poll() is None

    def pids(self):
        return descendants(self.process.pid) if self.running() else []

    def stop(self):
        """Told to end, as its users would; killed if it does not."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self):
        """Every process of it, at once, with SIGKILL."""
        for pid in reversed(self.pids()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.wait()
        Server.everything.discard(self)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
