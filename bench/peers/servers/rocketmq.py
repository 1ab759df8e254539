"""Apache RocketMQ: named, so that its place in the results says why it has no figures."""
from . import Absent
from .process import Process


class Server(Process):
    name, title, driver = "rocketmq", "Apache RocketMQ", "rocketmq"

    @classmethod
    def install(cls, cache):
        raise Absent("bench/peers/load has no driver that speaks its protocol")
