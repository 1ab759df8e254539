"""Adapters of servers: each module has a class Server; ../README.md says what one must have."""
import importlib

# In the order in which they take turns; maplog is what the others are compared with.
NAMES = ["maplog", "kafka", "rocketmq", "nats", "nats_debian", "redis", "beanstalkd"]


class Absent(Exception):
    """A peer, or one of its forms, that cannot be had here; the text is the reason."""


def adapter(name):
    return importlib.import_module(f"servers.{name}").Server
