"""franz-go and sarama."""
import toolchains
from cases import Cases


class TestFranz(Cases):
    @classmethod
    def command(cls):
        return toolchains.go("franz")


class TestSarama(Cases):
    @classmethod
    def command(cls):
        return toolchains.go("sarama")
