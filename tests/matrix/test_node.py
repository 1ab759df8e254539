"""kafkajs and @platformatic/kafka."""
import toolchains
from cases import Cases


class TestKafkajs(Cases):
    codecs = ["none", "gzip"]  # others come in packages of their own
    null_headers = False      # it cannot send them

    @classmethod
    def command(cls):
        return toolchains.node("kafkajs.js")


class TestPlatformatic(Cases):
    codecs = ["none", "gzip", "snappy", "lz4"]  # zstd wants a later Node than others need
    repeated_headers = False                    # headers are a map

    @classmethod
    def command(cls):
        return toolchains.node("platformatic.js")
