"""Kafka's own performance tools and librdkafka's, as further clients of servers that speak Kafka's protocol."""
import pathlib
import re
import shutil

from servers import kafka

SIZES = {"100b": 100, "1kib": 1024}


class KafkaTools:
    """kafka-producer-perf-test and kafka-consumer-perf-test, of the jars."""
    name = "Kafka's own perf tools " + kafka.VERSION

    @staticmethod
    def runs(address, quick):
        """(workload, words, function of the output that gives records, their size and records/s)"""
        for name, size in list(SIZES.items())[:1 if quick else None]:
            count = (20_000_000 if quick else 400_000_000) // size
            yield (f"kafka_producer_perf_{name}", kafka.Server.tool(
                "org.apache.kafka.tools.ProducerPerformance", "--topic", f"perf-{name}", "--num-records", str(count),
                "--record-size", str(size), "--throughput", "-1", "--producer-props",
                f"bootstrap.servers={address}", "acks=all", "linger.ms=5", "batch.size=65536"),
                lambda text, size=size, count=count: (count, size, produced(text, count)))
            yield (f"kafka_consumer_perf_{name}", kafka.Server.tool(
                "org.apache.kafka.tools.ConsumerPerformance", "--topic", f"perf-{name}", "--bootstrap-server", address,
                "--num-records", str(count), "--timeout", "10000"),
                lambda text, size=size, count=count: (count, size, consumed(text, count)))


def produced(text, count):
    """Records a second of kafka-producer-perf-test's last line."""
    found = re.findall(r"^(\d+) records sent, ([\d.]+) records/sec", text, re.M)
    if not found or int(found[-1][0]) != count:
        raise ValueError(f"not {count} records were sent: {text.strip()[-200:]}")
    return float(found[-1][1])


def consumed(text, count):
    """Records a second of kafka-consumer-perf-test's table; the columns are found by their names."""
    lines = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.count(",") >= 5]
    head = next(line for line in lines if "data.consumed.in.nMsg" in line)
    row = dict(zip(head, lines[-1]))
    if int(row["data.consumed.in.nMsg"]) < count:
        raise ValueError(f"{row['data.consumed.in.nMsg']} of {count} records came")
    return float(row["nMsg.sec"])


class Librdkafka:
    """rdkafka_performance, where the machine has it."""
    name = "rdkafka_performance"

    @staticmethod
    def runs(address, quick):
        for name, size in list(SIZES.items())[:1 if quick else None]:
            count = (60_000_000 if quick else 600_000_000) // size
            words = ["rdkafka_performance", "-t", f"rd-{name}", "-b", address, "-c", str(count), "-q"]
            yield (f"rdkafka_produce_{name}", [*words, "-P", "-s", str(size), "-a", "-1", "-X", "linger.ms=5"],
                   lambda text, size=size, count=count: (count, size, measured(text)))
            yield (f"rdkafka_consume_{name}", [*words, "-C", "-p", "0", "-o", "beginning"],
                   lambda text, size=size, count=count: (count, size, measured(text)))


def measured(text):
    """Records a second of the last summary of rdkafka_performance."""
    found = re.findall(r"(\d+) msgs/s", text)
    if not found:
        raise ValueError("it printed no rate: " + text.strip()[-200:])
    return float(found[-1])


def available(cache):
    """Those that can run here."""
    found = []
    if kafka.Server.path or (pathlib.Path(cache) / f"kafka-{kafka.VERSION}/fetched").exists():
        kafka.Server.path = kafka.Server.path or f"{cache}/kafka-{kafka.VERSION}/lib/*"
        found.append(KafkaTools)
    if shutil.which("rdkafka_performance"):
        found.append(Librdkafka)
    return found
