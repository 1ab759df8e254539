"""What is measured of servers. Each run of a subject (a peer in one profile) is a session on a fresh server:

  fresh    all CPUs: start-up to the first message, idle memory, much data, kill -9, start-up again
  memory   server on CPU 0, load on CPU 1: produce, consume, fan-out, catch-up, topics, latency, own tools
  disk     the same CPUs, each record on the disk before it is acknowledged: produce; calls of fsync counted

A failure in one workload is a note in its row; the session goes on on a new server if need be."""
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import time

import measure

SIZES = {"100b": 100, "1kib": 1024, "16kib": 16384}
RATES = [1000, 50000, 200000]
FEW = 0.95  # of the rate that was asked for; below, the server could not keep up
SERVER_CPU, LOAD_CPU = 0, 1
TOPICS_LIMIT = 60  # seconds: making a thousand takes some servers long
FEWEST = 200   # records of a run
SPARE = 64 << 20  # bytes of memory that is backed for each run, beside what its records take
STRACED = 100  # records, one under way at a time: each needs a sync of its own


class Failed(Exception):
    """A workload that gave no figure, and why."""


class Unsupported(Failed):
    """What this kind of server cannot do."""


class Amounts:
    """How long, how many, how large."""

    def __init__(self, quick):
        self.quick = quick
        self.seconds = 0.6 if quick else 0.8          # of a produce run; what it writes is also consumed
        self.latency, self.warm = (1.0, 0.3) if quick else (2.5, 0.5)
        self.most = (256 if quick else 384) << 20     # bytes of one produce run
        self.data = (256 if quick else 2048) << 20    # bytes before the kill -9
        self.idle = 1.0 if quick else 1.5
        self.pilot = 0.15 if quick else 0.2           # seconds of the longest warm-up, which also tells the rate
        self.topics = 1000
        self.catchup_rate = 10000
        self.limit = 20 if quick else 90              # seconds that one run of the load may take

    def records(self, rate, size):
        """As many as take about the wanted time."""
        return max(FEWEST, min(int(rate * self.seconds), self.most // size))


class Session:
    """One server of one subject, and the load on it."""
    running = set()  # loads that run now

    def __init__(self, adapter, subject, book, amounts, counts, place):
        self.adapter, self.subject, self.book, self.amounts = adapter, subject, book, amounts
        self.counts, self.place = counts, place  # records a workload, kept so that all rounds do the same
        self.load_program, self.server, self.broken = place["load"], None, place["broken"]
        self.client = []

    # The server.

    def new_server(self, acks="memory", pinned=True):
        self.drop()
        folder = pathlib.Path(self.place["folder"]) / f"{self.subject[0]}-{time.monotonic_ns()}"
        self.server = self.adapter(folder, self.subject[1], acks, [SERVER_CPU] if pinned and many_cpus() else None)
        self.client = ["taskset", "-c", str(LOAD_CPU)] if pinned and many_cpus() else []
        self.place["servers"].add(self.server)
        return self.server

    def drop(self):
        if self.server:
            self.server.remove()
            self.place["servers"].discard(self.server)
            self.place["reserve"].hold()
            self.server = None

    # The load.

    def words(self, mode, **options):
        words = [self.load_program, mode, "--peer", self.adapter.driver, "--address", self.server.address]
        for name, value in options.items():
            words += [f"--{name}", str(value)]
        return [*self.client, *map(str, words)]

    def begin(self, words):
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        Session.running.add(process)
        return process

    def end(self, process, limit=None):
        """(standard output, standard error) of a program that ended well."""
        limit = limit or self.amounts.limit
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {limit} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
            Session.running.discard(process)
        if process.returncode:
            raise self.failure(out, err, process.returncode)
        return out, err

    @staticmethod
    def failure(out, err, code):
        with contextlib.suppress(ValueError, KeyError):
            return Unsupported(json.loads(out)["unsupported"])
        text = (err or out).strip().splitlines()
        return Failed(text[-1][-300:] if text else f"exit {code}")

    def load(self, mode, limit=None, **options):
        """What the program printed, and the server's CPU time beside it as "server_cpu"."""
        words = self.words(mode, acks=self.server.acks, **options)
        self.place["reserve"].give(SPARE + options.get("count", 0) * options.get("size", 0) * 5 // 4)
        before = measure.cpu_seconds(self.server.pids())
        found = json.loads(self.end(self.begin(words), limit)[0])
        found["server_cpu"] = measure.cpu_seconds(self.server.pids()) - before
        found["command"] = shlex.join(words)
        self.place["clients"].setdefault(self.subject[0], found.get("settings", []))
        return found

    # Rows.

    def add(self, workload, metric, unit, value, command=None):
        return self.book.add(workload, self.subject, metric, unit, value, command)

    def add_cost(self, workload, found):
        """The server's CPU time for a run that moved records."""
        if found["records"]:
            self.add(workload, "server_cpu_per_gb", "s/GB", found["server_cpu"] / found["bytes"] * 1e9)
            self.add(workload, "server_cpu_per_million", "s/million", found["server_cpu"] / found["records"] * 1e6)
        self.add(workload, "client_cpu", "CPUs", found["client_cpu_seconds"] / found["seconds"])

    def add_throughput(self, workload, found):
        self.add(workload, "rate", "records/s", found["rate"], found["command"])
        self.add(workload, "throughput", "MB/s", found["bytes"] / found["seconds"] / 1e6)
        self.add_cost(workload, found)

    def check(self, workload):
        """Raises where the workload is not to run; the first line of each attempt."""
        if not self.place["wanted"](workload):
            raise Unsupported("")
        if (self.subject, workload) in self.broken:
            raise Unsupported("")
        if self.server and self.server.process and self.server.process.poll() is not None:
            raise Failed("the server has ended: " + self.server.said()[-200:])

    @contextlib.contextmanager
    def attempt(self, workload):
        """A failure is the row's, and in later rounds the workload is left out; the server is made anew."""
        begun = time.monotonic()
        try:
            yield
        except Unsupported as reason:
            if str(reason):
                self.book.note(workload, self.subject, str(reason))
        except (Failed, RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError) as reason:
            self.book.note(workload, self.subject, f"failed: {reason}")
            self.broken.add((self.subject, workload))
            self.revive()
        finally:
            took = self.place["took"]
            took[workload] = took.get(workload, 0) + time.monotonic() - begun

    def revive(self):
        """After a failure the next workload meets a server that has nothing to do any more."""
        if self.server is None:
            return
        try:
            acks, pinned = self.server.acks, bool(self.client)
            self.new_server(acks, pinned).start()
        except (RuntimeError, OSError, subprocess.SubprocessError) as reason:
            self.book.note("start", self.subject, f"failed: {reason}")
        self.place["lost"].add(self.subject)

    # ---- throughput ------------------------------------------------------------------------------

    def produce(self, workload, size, producers):
        """The number of records follows from the first round's warm-up and is the same in all rounds."""
        rate = self.warm_up(f"pilot-{workload}", size, producers)
        count = self.counts.setdefault((self.subject, workload), self.amounts.records(rate, size))
        with measure.Peak(self.server.pids) as peak:
            found = self.load("produce", topic=workload, size=size, producers=producers, count=count)
        self.add_throughput(workload, found)
        self.add(workload, "private_memory", "bytes", peak.private)
        self.add(workload, "page_cache", "bytes", measure.memory(self.server.pids())["page_cache"])

    def warm_up(self, topic, size, producers):
        """The rate of pilots on a topic of their own, each longer than the one before."""
        count = FEWEST
        while True:
            found = self.load("produce", topic=topic, size=size, producers=producers, count=count)
            if found["seconds"] >= self.amounts.pilot or count * size >= self.amounts.most // 4:
                return found["rate"]
            count = int(count * min(20, max(2, 1.5 * self.amounts.pilot / found["seconds"])))

    def all_produce(self, kind):
        for producers in (1, 8):
            for name, size in SIZES.items():
                workload = f"produce_{kind}_{name}_{producers}"
                with self.attempt(workload):
                    self.check(workload)
                    self.produce(workload, size, producers)

    def written(self, name, producers=1):
        """(topic, records) that a produce run of this session left."""
        workload = f"produce_memory_{name}_{producers}"
        if (self.subject, workload) not in self.counts or self.subject in self.place["lost"]:
            raise Unsupported("left out: there is nothing to read, see produce")
        return workload, self.counts[self.subject, workload]

    def consume(self):
        for name, size in SIZES.items():
            workload = f"consume_{name}"
            with self.attempt(workload):
                self.check(workload)
                topic, count = self.written(name)
                self.add_throughput(workload, self.load("consume", topic=topic, size=size, count=count))

    def fresh_topic(self, topic, name):
        """Written anew, since reading takes the records away from a queue."""
        _, count = self.written(name)
        self.load("produce", topic=topic, size=SIZES[name], count=count)
        return {"topic": topic, "size": SIZES[name], "count": count}

    def fanout(self):
        with self.attempt("fanout_8"):
            self.check("fanout_8")
            written = self.fresh_topic("fanout", "1kib")
            self.add_throughput("fanout_8", self.load("fanout", consumers=8, **written))

    def catchup(self):
        with self.attempt("catchup"):
            self.check("catchup")
            written = self.fresh_topic("catchup", "1kib")
            found = self.load("catchup", rate=self.amounts.catchup_rate, **written)
            self.add_throughput("catchup", found)
            self.add("catchup", "producer_rate", "records/s", found["producer_rate"])

    def latency(self):
        for rate in RATES:
            workload = f"latency_{rate // 1000}k"
            with self.attempt(workload):
                self.check(workload)
                found = self.load("latency", topic=workload, rate=rate, seconds=self.amounts.latency,
                                  warm=self.amounts.warm, size=100)
                for metric in ("p50", "p90", "p99", "p999", "max", "late_p99"):
                    self.add(workload, metric, "us", found[metric], found["command"])
                self.add(workload, "rate_reached", "records/s", found["rate_reached"])
                cpu = found["server_cpu"] / (found["sent"] + found["warm"]) * 1e6
                self.add(workload, "server_cpu_per_million", "s/million", cpu)
                if found["rate_reached"] < FEW * rate:
                    self.book.note(workload, self.subject, "did not keep up with the rate", "p99", "us")

    def topics(self):
        with self.attempt("topics_1000"):
            self.check("topics_1000")
            before = measure.memory(self.server.pids())["private"]
            found = self.load("topics", topic="many", topics=self.amounts.topics, limit=TOPICS_LIMIT)
            for part in ("create_seconds", "produce_seconds", "consume_seconds"):
                self.add("topics_1000", part, "s", found[part], found["command"])
            grown = measure.memory(self.server.pids())["private"] - before
            self.add("topics_1000", "private_memory_per_topic", "bytes", max(grown, 0) / self.amounts.topics)

    def own_tools(self):
        """Kafka's clients' own programs, for those who speak its protocol."""
        if self.adapter.driver == "kafka":
            for tool in self.place["tools"]:
                for workload, words, parse in tool.runs(self.server.address, self.amounts.quick):
                    with self.attempt(workload):
                        self.check(workload)
                        self.run_tool(workload, words, parse)

    def run_tool(self, workload, words, parse):
        words = [*self.client, *words]
        self.place["reserve"].give(4 * SPARE)
        before = measure.cpu_seconds(self.server.pids())
        out, err = self.end(self.begin(words))
        records, size, rate = parse(out + err)
        used = measure.cpu_seconds(self.server.pids()) - before
        self.add(workload, "rate", "records/s", rate, shlex.join(words))
        self.add(workload, "server_cpu_per_gb", "s/GB", used / (records * size) * 1e9)
        self.add(workload, "server_cpu_per_million", "s/million", used / records * 1e6)

    # ---- sessions --------------------------------------------------------------------------------

    def start(self, acks, pinned, workload="start"):
        server = self.new_server(acks, pinned)
        with self.attempt(workload):
            self.check(workload)
            server.start()
            return True
        return False

    def memory_session(self):
        self.place["lost"].discard(self.subject)
        if not self.start("memory", True, "session_memory"):
            return
        self.all_produce("memory")
        self.consume()
        self.fanout()
        self.catchup()
        self.own_tools()
        self.latency()
        self.topics()

    def disk_session(self):
        if not self.start("disk", True, "session_disk"):
            return
        self.count_syncs()
        self.all_produce("disk")

    def count_syncs(self):
        """Once a subject: without a call that syncs for each record it is not on the disk."""
        if (self.subject, "syncs") in self.counts:
            return
        with self.attempt("syncs"):
            self.check("syncs")
            options = {"topic": "syncs", "size": 100, "window": 1}
            self.load("produce", count=5, **options)
            with measure.Syncs(self.server.pids(), self.server.folder) as syncs:
                found = self.load("produce", count=STRACED, **options)
            each = syncs.total() / STRACED
            self.add("syncs", "syncs_per_record", "calls", each, found["command"])
            self.book.note("syncs", self.subject, ", ".join(f"{call} {count}" for call, count in syncs.calls.items())
                           or "no call that syncs was seen", "syncs_per_record", "calls")
            if each < 1:
                self.book.note("syncs", self.subject, "it does not sync what it acknowledges: its disk rows say less "
                               "than those of others", "syncs_per_record", "calls")
            self.counts[self.subject, "syncs"] = STRACED

    def first_message(self, workload):
        """The load is begun before the server and tries until a record came back."""
        if hasattr(self.server, "prepare"):
            self.server.prepare()
        loading = self.begin(self.words("first", topic=f"{workload}-{time.monotonic_ns()}"))
        self.server.start()
        found = json.loads(self.end(loading)[0])
        self.add(workload, "seconds_to_first_message", "s", found["seconds"], shlex.join(map(str, loading.args)))

    def fresh_session(self):
        server = self.new_server("memory", False)
        with self.attempt("start"):
            self.check("start")
            self.first_message("start")
            time.sleep(self.amounts.idle)
            used = measure.memory(server.pids())
            self.add("idle", "private_memory", "bytes", used["private"])
            self.add("idle", "page_cache", "bytes", used["page_cache"])
        with self.attempt("restart"):
            self.check("restart")
            self.restart(self.server)

    def restart(self, server):
        size, count = SIZES["1kib"], self.amounts.data // SIZES["1kib"]
        with measure.Peak(server.pids) as peak:
            written = self.load("produce", topic="data", size=size, count=count)
        self.add("load", "private_memory", "bytes", peak.private, written["command"])
        self.add("load", "page_cache", "bytes", measure.memory(server.pids())["page_cache"])
        self.add("load", "disk_bytes_per_byte", "", measure.disk_bytes(server.data()) / written["bytes"])
        server.kill()
        self.first_message("restart")
        with self.attempt("restart_check"):
            self.check("restart_check")
            found = self.load("consume", topic="data", size=size, count=count)
            self.add("restart_check", "records_lost", "records", found["missing"], found["command"])
        if self.server is server:
            server.stop()
            self.add("load", "disk_bytes_per_byte_stopped", "", measure.disk_bytes(server.data()) / written["bytes"])


SESSIONS = {"fresh": Session.fresh_session, "memory": Session.memory_session, "disk": Session.disk_session}


def many_cpus():
    return len(os.sched_getaffinity(0)) > 1 and shutil.which("taskset")


def sendfile_roof(root, book, quick):
    """Bare sendfile by bench/sendfile of this tree: the roof of what is fetched."""
    words = [str(root / "build/release/bench/sendfile"), "--json", *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True)
        for line in done.stdout.splitlines():
            found = json.loads(line)
            if found["name"] == "send_sendfile_cpu":
                book.add("consume_1kib", ("sendfile", "bare"), "server_cpu_per_gb", "s/GB", found["roof"], " ".join(words))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as reason:
        book.note("consume_1kib", ("sendfile", "bare"), f"failed: {reason}", "server_cpu_per_gb", "s/GB")
