"""The newest librdkafka, through @confluentinc/kafka-javascript."""
import toolchains
from cases import Cases


class TestConfluent(Cases):
    null_headers = False        # the binding cannot send them
    empties = False             # ... and sends what is empty as null
    configures = False          # it has no call for it
    auto_creates = False        # its producer asks for the topic whatever it is told
    refuses_to_create = False

    @classmethod
    def command(cls):
        return toolchains.confluent()
