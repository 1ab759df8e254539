"""Apache Kafka's Java client."""
import toolchains
from cases import Cases


class TestNewest(Cases):
    @classmethod
    def command(cls):
        return toolchains.java("4.4.0")

    refuses_to_create = False  # its producer always lets the server make the topic


class Test3(TestNewest):
    @classmethod
    def command(cls):
        return toolchains.java("3.9.2")


class Test2(TestNewest):
    @classmethod
    def command(cls):
        return toolchains.java("2.8.2")
