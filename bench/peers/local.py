#!/usr/bin/env python3
"""Peers that pass records from process to process through shared memory or the kernel, each by a program of its own.

The programs of local/ have one command line, one load and one set of checks, which local/c/harness.c describes;
they lie in build/peers/local, with all that was fetched for them. Sender on CPU 0, receiver on CPU 1.

    bench/peers/local.py [--quick] [--only PEER,...] [--workloads W,...] [--out DIR] [--list]
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import measure
import rounds
from servers import Absent

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = HERE / "local"
CACHE = ROOT / "build/peers/local"
BUILD_SECONDS, RUN_SECONDS = 1800, 300
CPUS = "0,1"
RESERVE = 2 << 30
OVERHEAD = 100  # bytes of a record in a file beside its own, at most
C_FLAGS = ["-std=gnu17", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}/include", f"-I{ROOT}/src"]
JARS = {"chronicle-queue": "net.openhft:chronicle-queue:2026.4", "aeron": "io.aeron:aeron-all:1.51.0",
        "disruptor": "com.lmax:disruptor:4.0.0", "histogram": "org.hdrhistogram:HdrHistogram:2.2.2",
        "log": "org.slf4j:slf4j-nop:2.0.17"}
# Chronicle's, by its documentation, and of the JDK's own Unsafe for Aeron.
EXPORTS = ["java.base/jdk.internal.ref", "java.base/sun.nio.ch", "jdk.unsupported/sun.misc",
           "jdk.compiler/com.sun.tools.javac.file"]
OPENS = ["jdk.compiler/com.sun.tools.javac", "java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.io",
         "java.base/java.util", "java.base/sun.nio.ch", "java.base/jdk.internal.misc"]
JVM = ["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Dagrona.disable.bounds.checks=true",
       "-Dchronicle.analytics.disable=true",
       *(f"--add-exports={name}=ALL-UNNAMED" for name in EXPORTS),
       *(f"--add-opens={name}=ALL-UNNAMED" for name in OPENS)]
# The part of Chronicle that reports its use over the network is left out.
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>maplog.peers</groupId><artifactId>local</artifactId><version>1</version>
  <dependencies>{}</dependencies>
</project>
"""
DEPENDENCY = """<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><exclusions><exclusion>
  <groupId>net.openhft</groupId><artifactId>chronicle-analytics</artifactId></exclusion></exclusions></dependency>"""


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Absent(f"{tool} is not installed")


def build(*command, **others):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=BUILD_SECONDS, **others)
    if done.returncode:
        raise Absent(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-600:]}")
    return done.stdout


# ---- the peers -------------------------------------------------------------------------------------

class Peer:
    """One program. `slow`: it gets so many times fewer records where only throughput counts. `memory`: what it fills
    beside its records."""
    persistent, processes, slow, memory = False, 2, 1, 32 << 20

    def __init__(self, name, title, profiles=("default",), settings=(), **others):
        self.name, self.title, self.profiles, self.settings = name, title, profiles, list(settings)
        self.__dict__.update(others)

    def install(self):
        """Builds what is not built; returns the version, or "" where the program says it itself."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError


class Native(Peer):
    """In C. Built anew each time: that takes a second."""
    sources, libraries, header, package = (), (), None, None

    def install(self):
        need("gcc", "make")
        if self.header and not pathlib.Path(self.header).exists():
            raise Absent(f"Debian's {self.package} is not installed")
        if self.name == "maplog":
            build("make", "-C", ROOT, "build/release/libmaplog.so")
        CACHE.mkdir(parents=True, exist_ok=True)
        sources = [SOURCES / "c" / f"{name}.c" for name in (self.name, *self.sources, "harness")]
        build("gcc", *C_FLAGS, "-o", *self.command(), *sources, ROOT / "src/base/histogram.c", *self.libraries)
        return ""

    def command(self):
        return [str(CACHE / self.name)]


class Java(Peer):
    """Java: Maven's jars with exact versions; all programs in one folder of classes."""
    jar, memory = None, 512 << 20

    def install(self):
        need("java", "javac", "mvn")
        CACHE.mkdir(parents=True, exist_ok=True)
        wanted = POM.format("".join(DEPENDENCY.format(*jar.split(":")) for jar in JARS.values()))
        pom = CACHE / "pom.xml"
        if not pom.exists() or pom.read_text() != wanted:
            shutil.rmtree(CACHE / "jars", ignore_errors=True)
            new = CACHE / "new-pom.xml"
            new.write_text(wanted)
            build("mvn", "-q", "-B", "-ntp", "-f", new, "dependency:copy-dependencies",
                  f"-DoutputDirectory={CACHE}/jars")
            new.rename(pom)
        build("javac", "-nowarn", "-proc:none", "-cp", f"{CACHE}/jars/*", "-d", CACHE / "classes",
              *sorted((SOURCES / "java").glob("*.java")))
        return JARS[self.jar].rpartition(":")[2]

    def command(self):
        return ["java", *JVM, "-cp", f"{CACHE}/classes:{CACHE}/jars/*", "Peer", self.name]


class Rust(Peer):
    """A Cargo project, by the versions of its Cargo.lock."""

    def install(self):
        need("cargo")
        build("cargo", "build", "--release", "--locked", "--manifest-path", SOURCES / "iceoryx2/Cargo.toml",
              env={**os.environ, "CARGO_TARGET_DIR": str(CACHE / "cargo")})
        lock = (SOURCES / "iceoryx2/Cargo.lock").read_text()
        return lock.partition('name = "iceoryx2"\nversion = "')[2].partition('"')[0]

    def command(self):
        return [str(CACHE / "cargo/release/iceoryx2-peer")]


LIBRARY = ROOT / "build/release"
PEERS = [
    Native("maplog", "maplog", ("each", "prepared", "crc", "batch"), persistent=True,
           libraries=(f"-L{LIBRARY}", "-lmaplog", f"-Wl,-rpath,{LIBRARY}"),
           settings=["segment.bytes=1073741824", "each: a batch a record, no preparation",
                     "prepared: as each, maplog_prepare() before", "crc: as each, check_crcs of the consumer",
                     "batch: batch_bytes=16384 linger_ms=1"]),
    Java("chronicle", "Chronicle Queue", ("default", "tuned"), persistent=True, jar="chronicle-queue",
         settings=["default: RollCycles.DEFAULT", "tuned: LARGE_DAILY, blockSize 1 GiB",
                   "pretouching does nothing in the open edition", " ".join(JVM)]),
    Java("aeron", "Aeron IPC", jar="aeron",
         settings=["media driver embedded in the receiver's process, ThreadingMode.SHARED, idle by backing off",
                   "aeron:ipc, terms of 64 MiB allocated before, tryClaim()", " ".join(JVM)]),
    Java("disruptor", "LMAX Disruptor", jar="disruptor", processes=1,
         settings=["one process, two threads", "8192 slots, single producer, BusySpinWaitStrategy", " ".join(JVM)]),
    Rust("iceoryx2", "iceoryx2",
         settings=["publish and subscribe of byte slices, loaned; buffer of 8192 samples, no overflow, retry at once"]),
    Native("lmdb", "LMDB", ("each", "batch"), persistent=True, slow=8, libraries=("-llmdb",),
           header="/usr/include/lmdb.h", package="liblmdb-dev",
           settings=["MDB_WRITEMAP MDB_NOSYNC MDB_NOMETASYNC, MDB_INTEGERKEY, MDB_APPEND",
                     "each: a transaction a record", "batch: 100 records a transaction"]),
    Native("mqueue", "POSIX message queue", slow=8, libraries=("-lrt",), settings=["10 messages deep, O_NONBLOCK"]),
    Native("socket", "Unix socket", slow=8, sources=("stream",),
           settings=["socketpair, SOCK_STREAM, O_NONBLOCK; a write a record, reads of up to 64 KiB"]),
    Native("pipe", "pipe", slow=4, sources=("stream",),
           settings=["1 MiB, O_NONBLOCK; a write a record, reads of up to 64 KiB"]),
    Native("ring", "bare ring (the floor, no peer)", settings=["4096 slots in shared memory, each with its number"]),
]

# ---- what is measured ------------------------------------------------------------------------------

#            name: (mode, size, rate, (count, warm), (count, warm) of --quick)
WORKLOADS = {
    "local_throughput_100": ("throughput", 100, None, (2_000_000, 500_000), (1_000_000, 500_000)),
    "local_throughput_1024": ("throughput", 1024, None, (400_000, 200_000), (300_000, 200_000)),
    "local_latency_100k": ("latency", 100, 100_000, (300_000, 100_000), (200_000, 100_000)),
    "local_latency_1m": ("latency", 100, 1_000_000, (2_000_000, 1_000_000), (1_000_000, 500_000)),
}
METRICS = {
    "throughput": [("rate", "records/s"), ("replay_rate", "records/s")],
    "latency": [(name, "us") for name in ("p50", "p90", "p99", "p999", "max", "late_p50", "late_p99")],
}
BEHIND = 0.98  # of the rate: less is not kept up with


def words(workload, peer, profile, folder, quick):
    mode, size, rate, *counts = WORKLOADS[workload]
    count, warm = counts[1 if quick else 0]
    if mode == "throughput":
        count, warm = count // peer.slow, warm // peer.slow
    made = [*peer.command(), mode, "--size", size, "--count", count, "--warm", warm, "--profile", profile,
            "--cpus", CPUS, "--directory", folder]
    return [str(word) for word in (made + ["--rate", rate] if rate else made)]


def run_once(command):
    """What the program found; it has checked every record."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:] or f"exit {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def memory_of(workload, peer, quick):
    """Bytes that a run fills in all."""
    size, counts = WORKLOADS[workload][1], WORKLOADS[workload][4 if quick else 3]
    return peer.memory + (sum(counts) * (size + OVERHEAD) if peer.persistent else 0)


def one(book, workload, subject, place):
    """One run in a fresh folder, its figures into the book. subject: (peer, profile); place: (folder, quick, reserve)."""
    (peer, profile), (data, quick, reserve) = subject, place
    subject = peer.name, profile
    with tempfile.TemporaryDirectory(prefix=f"{peer.name}-", dir=data) as folder:
        command = words(workload, peer, profile, folder, quick)
        shown = " ".join(command).replace(folder, "DIRECTORY")
        reserve.give(memory_of(workload, peer, quick))
        try:
            found = run_once(command)
        except (RuntimeError, subprocess.TimeoutExpired) as failure:
            book.note(workload, subject, str(failure))
            return None
        for metric, unit in METRICS[found["mode"]]:
            if metric in found:
                book.add(workload, subject, metric, unit, found[metric], shown)
        if found["mode"] == "throughput" and peer.persistent:
            bytes_each = measure.disk_bytes(folder) / (found["records"] + found["warm"])
            book.add(workload, subject, "disk_bytes", "bytes/record", round(bytes_each, 1))
    book.versions.setdefault(peer.name, found.get("version", ""))
    rate = WORKLOADS[workload][2]
    if rate and found["rate"] < rate * BEHIND:
        book.note(workload, subject, "does not keep up with the rate", "p50", "us")
    return found


def price(book, workload, of_round):
    """What a record of maplog costs more than a slot of the bare ring: persistent, checksummed, to be read again."""
    floor = of_round.get(("ring", "default"))
    for (peer, profile), found in of_round.items():
        if peer != "maplog" or not floor or not found:
            continue
        if found["mode"] == "latency":
            book.add(workload, (peer, profile), "price_p50", "us", round(found["p50"] - floor["p50"], 3))
        else:
            nanoseconds = 1e9 / found["rate"] - 1e9 / floor["rate"]
            book.add(workload, (peer, profile), "price", "ns/record", round(nanoseconds, 1))


def describe(peer, version):
    kept = "every record can be read again" if peer.persistent else "not persistent"
    alone = "" if peer.processes == 2 else ", one process"
    return {"title": peer.title, "version": version, "settings": {kept + alone: peer.settings}}


def install(book, only=None):
    """(peers that are there, what there is to say of all)."""
    there, said = [], {}
    for peer in PEERS:
        if only and peer.name not in only:
            continue
        try:
            version = peer.install()
        except (Absent, subprocess.TimeoutExpired) as absent:
            said[peer.name] = {"title": peer.title, "absent": str(absent)}
            continue
        if version:
            book.versions[peer.name] = version
        there.append(peer)
        said[peer.name] = describe(peer, version)
    return there, said


def run(book, data, quick=False, only=None, workloads=None, say=print):
    """Measures all in turns in `data`, a folder on the disk. Returns what `peers` of the document says of them."""
    reserve = measure.Reserve(RESERVE)
    there, said = install(book, only)
    for name, about in said.items():
        say(f"{name}: " + ("absent: " + about["absent"] if "absent" in about else "built"))
    subjects = [(peer, profile) for peer in there for profile in peer.profiles]
    for workload in workloads or WORKLOADS:
        for number in range(rounds.QUICK_RUNS if quick else rounds.RUNS):
            of_round = {}
            for peer, profile in rounds.order(subjects, number):
                found = one(book, workload, (peer, profile), (data, quick, reserve))
                reserve.hold()
                of_round[peer.name, profile] = found
                say(f"{workload} {number + 1} {peer.name} {profile}: " + shown(found))
            price(book, workload, of_round)
    for name, version in book.versions.items():
        if name in said and not said[name].get("version"):
            said[name]["version"] = version
    return said


def measurements(quick=False, only=None):
    """(all results as rows of the document, the peers); the data lie where those of the servers do."""
    book = rounds.Book()
    place = os.environ.get("MAPLOG_BENCH_DIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="maplog-local-", dir=place) as data:
        said = run(book, data, quick, only)
    return book.records(), {f"{name}, one machine": about for name, about in said.items()}


def shown(found):
    if not found:
        return "failed"
    if found["mode"] == "throughput":
        return f"{found['rate'] / 1e6:.2f} M records/s"
    return ", ".join(f"{name} {found[name]:.2f}" for name in ("p50", "p99", "p999", "max")) + " us"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer records, three runs")
    parser.add_argument("--only", type=lambda text: text.split(","), help="names of peers")
    parser.add_argument("--workloads", type=lambda text: text.split(","), help="names of workloads")
    parser.add_argument("--out", type=pathlib.Path, default=CACHE, help="folder for local.json and the data")
    parser.add_argument("--list", action="store_true", help="only names peers and workloads")
    return parser.parse_args()


def main():
    given = arguments()
    if given.list:
        print("\n".join([peer.name for peer in PEERS] + list(WORKLOADS)))
        return
    if unknown := set(given.workloads or ()) - set(WORKLOADS) | set(given.only or ()) - {peer.name for peer in PEERS}:
        sys.exit(f"local.py: unknown: {', '.join(sorted(unknown))}")
    data = given.out / "data"
    data.mkdir(parents=True, exist_ok=True)
    machine, book = measure.machine(), rounds.Book()
    said = run(book, data, given.quick, given.only, given.workloads)
    document = {"machine": machine, "peers": said, "results": book.records()}
    (given.out / "local.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
