"""NATS JetStream, the server that Debian has."""
from . import Absent, packages
from .nats import Server as Newest


class Server(Newest):
    name, title = "nats-debian", "NATS JetStream (Debian)"
    program = None

    def __init__(self, folder, profile="default", acks="memory", cpus=None):
        if acks == "disk":
            raise Absent("NATS before 2.10 has no setting that syncs each record (sync_interval: always)")
        super().__init__(folder, profile, acks, cpus)

    @classmethod
    def install(cls, cache):
        folder, version = packages.debian(cache, "nats-server")
        cls.program = folder / "usr/sbin/nats-server"
        return f"{version} (Debian)"
