"""Redis streams, in Debian's server: all records are in memory, its append-only file keeps them."""
from . import packages
from .process import Process

SYNC = {"memory": "everysec", "disk": "always"}
# Nothing copies the data set while records come: no snapshots, no rewriting of the append-only file.
TUNED = ["--save", "", "--auto-aof-rewrite-percentage", "0"]


class Server(Process):
    name, title, driver = "redis", "Redis streams", "redis"
    profiles = ["default", "tuned"]
    program = None

    @classmethod
    def install(cls, cache):
        # redis-tools has the program; the package redis-server is a link to it and the service.
        folder, version = packages.debian(cache, "redis-tools", "redis-server", "liblzf1", "libjemalloc2")
        cls.program = folder / "usr/bin/redis-server"
        cls.environment = packages.libraries_of(folder)
        return f"{version} (Debian)"

    def options(self):
        return ["--appendonly", "yes", "--appendfsync", SYNC[self.acks], *(TUNED if self.profile == "tuned" else [])]

    def settings(self):
        return [" ".join(word or '""' for word in self.options()), "else its defaults"]

    def command(self):
        return [self.program, "--bind", "127.0.0.1", "--port", self.port, "--dir", self.data(), *self.options()]
