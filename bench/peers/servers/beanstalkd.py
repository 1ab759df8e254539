"""beanstalkd, Debian's, with its binlog: a work queue, what was read is gone."""
from . import packages
from .process import Process


class Server(Process):
    name, title, driver = "beanstalkd", "beanstalkd", "beanstalkd"
    program = None

    @classmethod
    def install(cls, cache):
        folder, version = packages.debian(cache, "beanstalkd")
        cls.program = folder / "usr/bin/beanstalkd"
        return f"{version} (Debian)"

    def options(self):
        return ["-f", "0"] if self.acks == "disk" else []

    def settings(self):
        when = "each write to the binlog" if self.acks == "disk" else "at most every 50 ms, its default"
        return [" ".join(["-b DATA", *self.options()]), f"fsync: {when}"]

    def command(self):
        return [self.program, "-l", "127.0.0.1", "-p", self.port, "-b", self.data(), *self.options()]
