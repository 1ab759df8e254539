"""maplog serve, as this tree builds it."""
import pathlib
import subprocess

from . import Absent
from .process import Process

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "build/release/maplog"


class Server(Process):
    name, title, driver = "maplog", "maplog", "kafka"

    @classmethod
    def install(cls, cache):
        if not PROGRAM.exists():
            raise Absent("build/release/maplog is missing: make")
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                                check=False).stdout.strip()
        return f"{version} ({commit})" if commit else version

    def options(self):
        return ["--set", "log.flush.interval.messages=1"] if self.acks == "disk" else []

    def settings(self):
        return [" ".join(["maplog serve --data DATA --listen ADDRESS", *self.options()]), "else its defaults"]

    def command(self):
        return [PROGRAM, "serve", "--data", self.data(), "--listen", self.address, *self.options()]
