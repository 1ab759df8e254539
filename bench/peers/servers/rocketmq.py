"""Apache RocketMQ from Maven's jars: a name server, and a broker that registers with it."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

from . import Absent
from .process import Process, descendants, free_port

VERSION = "5.5.0"  # of 5.5.1 some of the jars are not there
SECONDS = 900
START_SECONDS, STOP_SECONDS = 60, 20  # the name server's
PAUSE = 0.02  # between questions, which the name server has to answer while the broker starts
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>maplog.peers</groupId><artifactId>rocketmq</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-broker</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-namesrv</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
# As bin/runbroker.sh sets it, but for the heap, which is 8 GB there, and the collector's log.
JVM = ["-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:G1HeapRegionSize=16m", "-XX:G1ReservePercent=25",
       "-XX:InitiatingHeapOccupancyPercent=30", "-XX:SoftRefLRUPolicyMSPerMB=0", "-XX:-OmitStackTraceInFastThrow",
       "-XX:+AlwaysPreTouch", "-XX:MaxDirectMemorySize=15g", "-XX:-UseLargePages"]
# What Java 17 has to open for its mapped files.
OPEN = ["--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
        "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED"]
NAMES_JVM = ["-server", "-Xms256m", "-Xmx256m"]
BROKER = ["brokerClusterName=peers", "brokerName=peers", "brokerId=0", "brokerRole=ASYNC_MASTER",
          "brokerIP1=127.0.0.1", "brokerIP2=127.0.0.1", "bindAddress=127.0.0.1", "autoCreateTopicEnable=true"]
ROUTE, SUCCESS = 105, 0  # a request for the brokers of a topic, and the code of an answer that has them
ANY_TOPIC = "TBW102"     # what each broker registers that makes topics by itself


def three_ports():
    """One port for clients; two below is the broker's port for urgent requests, next above it that for replicas, which
    listens on all addresses."""
    while True:
        port = free_port()
        try:
            for beside in (("127.0.0.1", port - 2), ("", port + 1)):
                with socket.socket() as probe:
                    probe.bind(beside)
            return port
        except (OSError, OverflowError):
            continue


def receive(connection, size):
    data = connection.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise OSError("the connection ended")
    return data


def registered(port):
    """Whether the name server there knows a broker."""
    header = json.dumps({"code": ROUTE, "language": "PYTHON", "version": 0, "opaque": 1, "flag": 0,
                         "extFields": {"topic": ANY_TOPIC}}).encode()
    with socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(struct.pack(">II", 4 + len(header), len(header)) + header)
        size, length = struct.unpack(">II", receive(connection, 8))
        return json.loads(receive(connection, size - 4)[:length & 0xFFFFFF])["code"] == SUCCESS


class Server(Process):
    name, title, driver = "rocketmq", "Apache RocketMQ", "rocketmq"
    path = None  # the jars

    @classmethod
    def install(cls, cache):
        for tool in ("java", "mvn"):
            if not shutil.which(tool):
                raise Absent(f"{tool} is not installed")
        folder = cache / f"rocketmq-{VERSION}"
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
        self.broker_port, self.names = three_ports(), None
        self.home = self.folder / "home"
        self.environment = {**os.environ, "HOME": str(self.home), "ROCKETMQ_HOME": str(self.home)}

    def flush(self):
        return "flushDiskType=" + ("SYNC_FLUSH" if self.acks == "disk" else "ASYNC_FLUSH")

    def write(self, name, lines):
        self.home.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        file.write_text("\n".join(lines) + "\n")
        return file

    def java(self, options, main, file):
        return ["java", *options, f"-Duser.home={self.home}", "-cp", self.path, main, "-c", file]

    def command(self):
        """The broker's."""
        file = self.write("broker.conf", [*BROKER, self.flush(), f"listenPort={self.broker_port}",
                                          f"namesrvAddr={self.address}", f"storePathRootDir={self.data()}"])
        return self.java([*JVM, *OPEN], "org.apache.rocketmq.broker.BrokerStartup", file)

    def start_names(self):
        file = self.write("names.conf", [f"listenPort={self.port}", "bindAddress=127.0.0.1",
                                         f"kvConfigPath={self.home}/kvConfig.json"])
        pinned = self.words()[:-len(self.command())]
        words = [*pinned, *self.java(NAMES_JVM, "org.apache.rocketmq.namesrv.NamesrvStartup", file)]
        with open(self.log(), "ab") as log:
            self.names = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, cwd=self.folder, env=self.environment)

    def start(self):
        """The name server first: a broker that does not find it tries again only after ten seconds."""
        self.start_names()
        deadline = time.monotonic() + START_SECONDS
        while not super().answers():
            if self.names.poll() is not None or time.monotonic() > deadline:
                self.names.kill()
                self.names.wait()
                raise RuntimeError(f"the name server takes no connections:\n{self.said()}")
            time.sleep(PAUSE)
        return super().start()

    def answers(self):
        """A broker registers when it takes connections."""
        try:
            if registered(self.port):
                return True
        except OSError:
            pass
        time.sleep(PAUSE)
        return False

    def pids(self):
        return super().pids() + descendants(self.names.pid)

    def stop(self):
        super().stop()
        self.names.send_signal(signal.SIGTERM)
        try:
            self.names.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.names.kill()
            self.names.wait()

    def kill(self):
        super().kill()
        self.names.wait()

    def remove(self):
        super().remove()
        if self.names and self.names.poll() is None:
            self.names.kill()
            self.names.wait()

    def settings(self):
        return ["broker: " + " ".join([*JVM, *OPEN]), "name server: " + " ".join(NAMES_JVM), *BROKER, self.flush()]
