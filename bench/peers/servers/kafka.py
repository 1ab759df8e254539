"""Apache Kafka from Maven's jars: one node, broker and controller in one process (KRaft)."""
import shutil
import subprocess

from . import Absent
from .process import Process, free_port

VERSION = "4.3.1"
SECONDS = 900
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>maplog.peers</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
# One node's own topics cannot have the three replicas that are the default; everything else is.
ONE_NODE = ["process.roles=broker,controller", "node.id=1", "controller.listener.names=CONTROLLER",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1", "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1", "group.initial.rebalance.delay.ms=0"]
# What its documentation and books advise for throughput, as far as one machine with two CPUs goes.
TUNED = ["num.network.threads=2", "num.io.threads=4", "socket.send.buffer.bytes=1048576",
         "socket.receive.buffer.bytes=1048576", "log.preallocate=true", "num.replica.fetchers=1",
         "log.cleaner.enable=false", "queued.max.requests=1000"]
# As bin/kafka-server-start.sh and bin/kafka-run-class.sh set it.
JVM = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
       "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
TUNED_JVM = ["-Xmx2G", "-Xms2G", "-server", "-XX:+UseParallelGC", "-XX:+AlwaysPreTouch", "-Djava.awt.headless=true"]
QUIET = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


class Server(Process):
    name, title, driver = "kafka", "Apache Kafka", "kafka"
    profiles = ["default", "tuned"]
    path = None  # the jars

    @classmethod
    def install(cls, cache):
        for tool in ("java", "mvn"):
            if not shutil.which(tool):
                raise Absent(f"{tool} is not installed")
        folder = cache / f"kafka-{VERSION}"
        if not (folder / "fetched").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "pom.xml").write_text(POM)
            done = subprocess.run(["mvn", "-q", "-B", "-ntp", "-f", folder / "pom.xml", "dependency:copy-dependencies",
                                   f"-DoutputDirectory={folder}/lib"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
            if done.returncode:
                raise Absent("Maven cannot fetch the jars: " + (done.stdout + done.stderr).strip()[-300:])
            (folder / "fetched").touch()
        cls.path = f"{folder}/lib/*"
        java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()[0]
        return f"{VERSION}, {java}"

    def __init__(self, *words, **named):
        super().__init__(*words, **named)
        self.controller = free_port()

    def lines(self):
        """server.properties"""
        return [f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.controller}",
                f"advertised.listeners=PLAINTEXT://{self.address}",
                f"controller.quorum.bootstrap.servers=127.0.0.1:{self.controller}",
                f"log.dirs={self.data()}", *ONE_NODE, *(TUNED if self.profile == "tuned" else []),
                *(["log.flush.interval.messages=1"] if self.acks == "disk" else [])]

    @classmethod
    def tool(cls, name, *words):
        """The command of one of Kafka's own tools."""
        return ["java", "-Xmx512M", *QUIET, "-cp", cls.path, name, *words]

    def start(self):
        self.prepare()
        return super().start()

    def prepare(self):
        """Formats its storage, once."""
        properties = self.folder / "server.properties"
        if properties.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        properties.write_text("\n".join(self.lines()) + "\n")
        done = subprocess.run(self.tool("kafka.tools.StorageTool", "format", "--standalone", "-t",
                                        "bWFwbG9nLXBlZXJzLS0tLQ", "-c", str(properties)),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError("its storage cannot be formatted: " + (done.stdout + done.stderr)[-500:])

    def jvm(self):
        return TUNED_JVM if self.profile == "tuned" else JVM

    def command(self):
        return ["java", *self.jvm(), *QUIET, "-cp", self.path, "kafka.Kafka", self.folder / "server.properties"]

    def settings(self):
        given = [*ONE_NODE, *(TUNED if self.profile == "tuned" else [])]
        return [" ".join(self.jvm()), *given, *(["log.flush.interval.messages=1"] if self.acks == "disk" else [])]
