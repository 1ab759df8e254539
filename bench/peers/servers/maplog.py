"""maplog serve, as this tree builds it."""
import pathlib
import subprocess

from . import Absent, Server, version_of

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "build/release/maplog"


class Peer(Server):
    name, title, driver = "maplog", "maplog", "kafka"

    @classmethod
    def install(cls, cache):
        if not PROGRAM.exists():
            raise Absent("build/release/maplog is missing: make")
        described = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
        return f"{version_of(PROGRAM, '--version')} {described.stdout.strip()}".strip()

    def command(self):
        words = [PROGRAM, "serve", "--data", self.data(), "--listen", self.address]
        return words + (["--set", "log.flush.interval.messages=1"] if self.acks == "disk" else [])

    def settings(self):
        return ["maplog serve, default settings" + (", log.flush.interval.messages=1" if self.acks == "disk" else "")]
