"""Kafka's own performance tools and librdkafka's, as further clients of servers that speak Kafka's protocol."""
import json
import pathlib
import re
import shutil
import subprocess

from servers import Absent, kafka

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


RDKAFKA = "4.10.0"
CRATE = f"""[package]
name = "fetched"
version = "0.0.0"
edition = "2021"
[lib]
path = "fetched.rs"
[dependencies]
rdkafka-sys = "={RDKAFKA}"
"""
BUILD_SECONDS = 900


class Librdkafka:
    """rdkafka_performance, from the sources of librdkafka that the crate rdkafka-sys brings."""
    name = "rdkafka_performance of rdkafka-sys " + RDKAFKA
    program = None

    @classmethod
    def install(cls, cache):
        for tool in ("cargo", "make", "gcc", "g++"):
            if not shutil.which(tool):
                raise Absent(f"{tool} is not installed")
        folder = pathlib.Path(cache) / f"librdkafka-{RDKAFKA}"
        cls.program = folder / "built/examples/rdkafka_performance"
        if cls.program.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Cargo.toml").write_text(CRATE)
        (folder / "fetched.rs").touch()
        described = made("cargo", "metadata", "--format-version=1", cwd=folder)
        crate = next(one for one in json.loads(described)["packages"] if one["name"] == "rdkafka-sys")
        shutil.rmtree(folder / "built", ignore_errors=True)
        shutil.copytree(pathlib.Path(crate["manifest_path"]).parent / "librdkafka", folder / "built")
        made("bash", "./configure", "--disable-ssl", "--disable-gssapi", "--disable-curl", "--enable-static",
             cwd=folder / "built")
        made("make", "libs", cwd=folder / "built")
        made("make", "rdkafka_performance", cwd=folder / "built/examples")

    @classmethod
    def runs(cls, address, quick):
        for name, size in list(SIZES.items())[:1 if quick else None]:
            count = (60_000_000 if quick else 600_000_000) // size
            words = [str(cls.program), "-t", f"rd-{name}", "-b", address, "-c", str(count), "-q"]
            yield (f"rdkafka_produce_{name}", [*words, "-P", "-s", str(size), "-a", "-1", "-X", "linger.ms=5"],
                   lambda text, size=size, count=count: (count, size, measured(text)))
            yield (f"rdkafka_consume_{name}", [*words, "-C", "-p", "0", "-o", "beginning"],
                   lambda text, size=size, count=count: (count, size, measured(text)))


def made(*words, cwd):
    """The output of a step of a build; a step that fails is why there is no such tool."""
    done = subprocess.run(words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=BUILD_SECONDS, check=False)
    if done.returncode:
        raise Absent(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def measured(text):
    """Records a second of the last summary of rdkafka_performance."""
    found = re.findall(r"(\d+) msgs/s", text)
    if not found:
        raise ValueError("it printed no rate: " + text.strip()[-200:])
    return float(found[-1])


def available(cache):
    """([those that can run here], {name: version or why not})"""
    found, said = [], {}
    for tool, peer in ((KafkaTools, kafka.Server), (Librdkafka, Librdkafka)):
        try:
            peer.install(cache)
            found.append(tool)
            said[tool.name] = "used"
        except (Absent, OSError, subprocess.SubprocessError) as absent:
            said[tool.name] = f"absent: {absent}"
    return found, said
